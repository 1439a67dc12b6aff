//! Who may begin.

use async_trait::async_trait;
use atom_core::storage::{Admitted, ConcurrencyLimit, Lane, LaneKey, OnLimit, RateLimit, Traffic};
use atom_core::{RunId, WorkerId};
use jiff::Timestamp;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::database::{Query, Write};
use super::rows::{Decoded, moment, nanoseconds, unsigned, value};
use super::text::stored;
use super::values::{execute, run_id, uuid_of_run, uuid_of_worker};
use crate::storage::admission::{Look, PAGE, Place, Queued, admit};
use crate::storage::refusal::WriteResult;

/// Whether a run has not begun, as a condition.
pub(super) const IS_QUEUED: &str = "(admission IS NOT NULL AND begun_at IS NULL)";

/// Looks at the queue of a lane.
pub(super) struct Admit<'a> {
    pub(super) lane: &'a Lane,
    pub(super) now: Timestamp,
    /// Who asks.
    pub(super) worker: WorkerId,
}

#[async_trait]
impl Write for Admit<'_> {
    type Answer = Admitted;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<Admitted> {
        let Self { lane, now, worker } = *self;
        // Looks at the lanes of one workflow come one after the other: a run stands in two of them.
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended(concat_ws(E'\\n', $1::text, $2::text, $3::text, $4::text), 2))";
        let lock = sqlx::query(lock)
            .bind(stored(&lane.scope.tenant))
            .bind(stored(&lane.scope.user))
            .bind(stored(&lane.namespace))
            .bind(stored(&lane.name));
        lock.execute(&mut *connection).await?;
        let mut look = PostgresLook {
            lane,
            now,
            at: nanoseconds(now)?,
            connection: &mut *connection,
        };
        let admitted = admit(&mut look, lane).await?;
        tell_holders(connection, lane, worker, &admitted.changed).await?;
        Ok(admitted)
    }
}

/// Leaves letters for the workers of runs of which something was decided, but for the one who asked.
async fn tell_holders(
    connection: &mut PgConnection,
    lane: &Lane,
    worker: WorkerId,
    runs: &[RunId],
) -> Decoded<()> {
    if runs.is_empty() {
        return Ok(());
    }
    let runs: Vec<_> = runs.iter().copied().map(uuid_of_run).collect();
    let sql = "WITH told AS (INSERT INTO letters (tenant, owner, run, wants_answer) \
         SELECT tenant, owner, id, false FROM runs WHERE tenant = $1 AND owner = $2 AND id = ANY($3) AND worker <> $4 RETURNING 1) \
         SELECT tell('work') WHERE EXISTS (SELECT FROM told)";
    let query = sqlx::query(sql)
        .bind(stored(&lane.scope.tenant))
        .bind(stored(&lane.scope.user))
        .bind(runs)
        .bind(uuid_of_worker(worker));
    execute(connection, query).await.map(drop)
}

struct PostgresLook<'a> {
    lane: &'a Lane,
    now: Timestamp,
    /// The same in nanoseconds.
    at: i64,
    connection: &'a mut PgConnection,
}

/// The queue of a lane, in its order, after a place.
macro_rules! queue {
    ($key:literal) => {
        concat!(
            "SELECT id, admission, rank, created_at FROM runs WHERE tenant = $1 AND owner = $2 AND namespace = $3 \
             AND name = $4 AND ",
            $key,
            " = $5 AND status = 'running' AND begun_at IS NULL AND NOT is_unwanted AND NOT is_paused \
             AND (rank, created_at, id) > ($6, $7, $8) ORDER BY rank, created_at, id LIMIT $9 FOR NO KEY UPDATE"
        )
    };
}

pub(super) const QUEUED_FOR_PLACE: &str = queue!("concurrency_key");
pub(super) const QUEUED_FOR_RATE: &str = queue!("rate_key");
/// How many runs of a key are under way, and how many of those are unwanted.
pub(super) const UNDER_WAY: &str = "SELECT count(*), count(*) FILTER (WHERE is_unwanted) FROM runs \
     WHERE tenant = $1 AND owner = $2 AND namespace = $3 AND name = $4 AND concurrency_key = $5 \
     AND status = 'running' AND begun_at IS NOT NULL";
/// How many queued runs of a key are newer and have older ones cancelled. Few are queued: so that their queue is looked
/// through rather than all newer runs of the workflow, the condition on the age is one that no index serves.
pub(super) const NEWER: &str = "SELECT count(*) FROM runs \
     WHERE tenant = $1 AND owner = $2 AND namespace = $3 AND name = $4 AND concurrency_key = $5 \
     AND status = 'running' AND begun_at IS NULL AND NOT is_unwanted AND NOT is_paused \
     AND (created_at > $6 OR (created_at = $6 AND id > $7)) AND cancels_oldest";
/// The earliest of the latest runs of a key that have begun, as many as may begin within the time.
pub(super) const BEGUN: &str = "SELECT begun_at FROM runs \
     WHERE tenant = $1 AND owner = $2 AND namespace = $3 AND name = $4 AND rate_key = $5 AND begun_at IS NOT NULL \
     ORDER BY begun_at DESC LIMIT 1 OFFSET $6";
const BEGIN: &str = "UPDATE runs SET begun_at = $1 WHERE tenant = $2 AND owner = $3 AND id = $4";
const REFUSE: &str = "UPDATE runs SET is_unwanted = true WHERE tenant = $1 AND owner = $2 AND id = $3";
/// Marks the oldest runs of a key that are under way. They are looked up once: a query within `IN` may be repeated.
pub(super) const SUPERSEDE: &str = "WITH oldest AS MATERIALIZED (SELECT id FROM runs \
     WHERE tenant = $1 AND owner = $2 AND namespace = $3 AND name = $4 AND concurrency_key = $5 \
     AND status = 'running' AND begun_at IS NOT NULL AND NOT is_unwanted \
     ORDER BY begun_at, id LIMIT $6 FOR NO KEY UPDATE) \
     UPDATE runs SET is_unwanted = true FROM oldest WHERE tenant = $1 AND owner = $2 AND runs.id = oldest.id \
     RETURNING runs.id, begun_at";

impl PostgresLook<'_> {
    /// A query whose first arguments are the owner, the workflow and a key.
    fn query<'q>(&self, sql: &'static str, key: &'q str) -> Query<'q>
    where
        Self: 'q,
    {
        let [tenant, owner, namespace, name] = [
            &self.lane.scope.tenant,
            &self.lane.scope.user,
            &self.lane.namespace,
            &self.lane.name,
        ]
        .map(|text| stored(text).into_owned());
        let query = sqlx::query(sql).bind(tenant).bind(owner);
        query.bind(namespace).bind(name).bind(stored(key))
    }

    async fn newer(&mut self, limit: &ConcurrencyLimit, place: Place) -> Decoded<u32> {
        let (_, created_at, run) = place;
        let query = self.query(NEWER, &limit.key).bind(created_at);
        let query = query.bind(uuid_of_run(run));
        count(query.fetch_one(&mut *self.connection).await?.try_get(0)?)
    }

    /// When the rate lets another run begin, unless it does so now.
    async fn free_at(&mut self, limit: &RateLimit) -> Decoded<Option<Timestamp>> {
        let query = self.query(BEGUN, &limit.key).bind(i64::from(limit.limit) - 1);
        let Some(row) = query.fetch_optional(&mut *self.connection).await? else {
            return Ok(None);
        };
        let free_at = limit.after(moment(row.try_get(0)?)?);
        Ok(Some(free_at).filter(|free_at| *free_at > self.now))
    }

    fn owner(&self) -> [String; 2] {
        [&self.lane.scope.tenant, &self.lane.scope.user].map(|text| stored(text).into_owned())
    }
}

#[async_trait]
impl Look for PostgresLook<'_> {
    async fn queue(&mut self, (rank, created_at, run): Place) -> Decoded<Vec<Queued>> {
        let (sql, key) = match &self.lane.key {
            LaneKey::Concurrency(key) => (QUEUED_FOR_PLACE, key),
            LaneKey::Rate(key) => (QUEUED_FOR_RATE, key),
        };
        let query = self.query(sql, key).bind(rank).bind(created_at);
        let query = query.bind(uuid_of_run(run)).bind(PAGE);
        let rows = query.fetch_all(&mut *self.connection).await?;
        let queued = |row: &PgRow| {
            Ok(Queued {
                limits: value(row.try_get(1)?)?,
                place: (row.try_get(2)?, row.try_get(3)?, run_id(row.try_get(0)?)),
            })
        };
        rows.iter().map(queued).collect()
    }

    async fn traffic(&mut self, queued: &Queued) -> Decoded<Traffic> {
        let mut traffic = Traffic::default();
        if let Some(limit) = &queued.limits.concurrency {
            let under_way = self.query(UNDER_WAY, &limit.key);
            let row = under_way.fetch_one(&mut *self.connection).await?;
            traffic.under_way = count(row.try_get(0)?)?;
            traffic.superseded = count(row.try_get(1)?)?;
            if limit.on_limit == OnLimit::CancelOldest {
                traffic.newer = self.newer(limit, queued.place).await?;
            }
        }
        if let Some(limit) = &queued.limits.rate_limit {
            traffic.free_at = self.free_at(limit).await?;
        }
        Ok(traffic)
    }

    async fn begin(&mut self, run: RunId) -> Decoded<()> {
        let [tenant, owner] = self.owner();
        let query = sqlx::query(BEGIN).bind(self.at).bind(tenant).bind(owner);
        execute(self.connection, query.bind(uuid_of_run(run)))
            .await
            .map(drop)
    }

    async fn refuse(&mut self, run: RunId) -> Decoded<()> {
        let [tenant, owner] = self.owner();
        let query = sqlx::query(REFUSE).bind(tenant).bind(owner);
        execute(self.connection, query.bind(uuid_of_run(run)))
            .await
            .map(drop)
    }

    async fn supersede(&mut self, limit: &ConcurrencyLimit, count: u32) -> Decoded<Vec<RunId>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let query = self.query(SUPERSEDE, &limit.key).bind(i64::from(count));
        let rows = query.fetch_all(&mut *self.connection).await?;
        let mut oldest = rows
            .iter()
            .map(|row| Ok((row.try_get::<i64, _>(1)?, run_id(row.try_get(0)?))))
            .collect::<Decoded<Vec<_>>>()?;
        oldest.sort_unstable();
        Ok(oldest.into_iter().map(|(_, run)| run).collect())
    }
}

fn count(count: i64) -> Decoded<u32> {
    Ok(u32::try_from(unsigned(count)?).unwrap_or(u32::MAX))
}
