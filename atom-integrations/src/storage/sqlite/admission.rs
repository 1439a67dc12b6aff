//! Who may begin.

use async_trait::async_trait;
use atom_core::storage::{Admitted, ConcurrencyLimit, Lane, LaneKey, NewRun, OnLimit, RateLimit, Traffic};
use atom_core::{Result, RunId};
use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};

use super::WriteResult;
use super::rows::{Decoded, json, moment, nanoseconds, run_id, value};
use super::script::Argument;
use super::writer::Write;
use crate::storage::admission::{Look, PAGE, Place, Queued, admit};

/// Adds its limits to a run that was just inserted.
pub(super) const LIMIT: &str = "UPDATE runs SET admission = ?, concurrency_key = ?, rate_key = ?, rank = ? \
     WHERE tenant = ? AND user = ? AND id = ?;";

/// Whether a run has not begun, as a condition.
pub(super) const IS_QUEUED: &str = "(admission IS NOT NULL AND begun_at IS NULL)";

/// The arguments of [`LIMIT`], for a run with limits.
pub(super) fn limit_row(run: &NewRun) -> Result<Option<[Argument; 7]>> {
    let Some(limits) = &run.limits else {
        return Ok(None);
    };
    let text = |key: Option<&String>| key.map_or(Argument::Null, |key| Argument::text(key));
    Ok(Some([
        Argument::Text(json(limits)?),
        text(limits.concurrency.as_ref().map(|limit| &limit.key)),
        text(limits.rate_limit.as_ref().map(|limit| &limit.key)),
        Argument::Integer(limits.rank()),
        Argument::text(&run.principal.tenant),
        Argument::text(&run.principal.user),
        Argument::id(run.id),
    ]))
}

/// Looks at the queue of a lane.
pub(super) struct Admit {
    pub(super) lane: Lane,
    pub(super) now: Timestamp,
}

#[async_trait]
impl Write for Admit {
    type Answer = Admitted;

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<Admitted> {
        let mut look = SqliteLook {
            lane: &self.lane,
            now: self.now,
            at: nanoseconds(self.now)?,
            connection,
        };
        Ok(admit(&mut look, &self.lane).await?)
    }
}

type Query = sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>;

struct SqliteLook<'a> {
    lane: &'a Lane,
    now: Timestamp,
    /// The same in nanoseconds.
    at: i64,
    connection: &'a mut SqliteConnection,
}

/// The queue of a lane, in its order, after a place.
macro_rules! queue {
    ($key:literal) => {
        concat!(
            "SELECT id, admission, rank, created_at FROM runs WHERE tenant = ? AND user = ? AND namespace = ? AND name = ? \
             AND ",
            $key,
            " = ? AND status = 'running' AND begun_at IS NULL AND is_unwanted = 0 AND is_paused = 0 \
             AND (rank, created_at, id) > (?, ?, ?) ORDER BY rank, created_at, id LIMIT ?"
        )
    };
}

pub(super) const QUEUED_FOR_PLACE: &str = queue!("concurrency_key");
pub(super) const QUEUED_FOR_RATE: &str = queue!("rate_key");
/// How many runs of a key are under way, and how many of those are unwanted.
pub(super) const UNDER_WAY: &str = "SELECT count(*), coalesce(sum(is_unwanted), 0) FROM runs \
     WHERE tenant = ? AND user = ? AND namespace = ? AND name = ? AND concurrency_key = ? \
     AND status = 'running' AND begun_at IS NOT NULL";
/// How many queued runs of a key are newer and have older ones cancelled. Few are queued, so the queue is looked through
/// rather than all newer runs of the workflow, which is what the planner would choose.
pub(super) const NEWER: &str = "SELECT count(*) FROM runs INDEXED BY runs_queued_for_place \
     WHERE tenant = ? AND user = ? AND namespace = ? AND name = ? AND concurrency_key = ? \
     AND status = 'running' AND begun_at IS NULL AND is_unwanted = 0 AND is_paused = 0 \
     AND (created_at, id) > (?, ?) AND json_extract(admission, '$.concurrency.on_limit') = 'cancel_oldest'";
/// The earliest of the latest runs of a key that have begun, as many as may begin within the time.
pub(super) const BEGUN: &str = "SELECT begun_at FROM runs \
     WHERE tenant = ? AND user = ? AND namespace = ? AND name = ? AND rate_key = ? AND begun_at IS NOT NULL \
     ORDER BY begun_at DESC LIMIT 1 OFFSET ?";
const BEGIN: &str = "UPDATE runs SET begun_at = ? WHERE tenant = ? AND user = ? AND id = ?";
const REFUSE: &str = "UPDATE runs SET is_unwanted = ? WHERE tenant = ? AND user = ? AND id = ?";
/// Marks the oldest runs of a key that are under way.
pub(super) const SUPERSEDE: &str = "UPDATE runs SET is_unwanted = 1 WHERE rowid IN (SELECT rowid FROM runs \
     WHERE tenant = ? AND user = ? AND namespace = ? AND name = ? AND concurrency_key = ? \
     AND status = 'running' AND begun_at IS NOT NULL AND is_unwanted = 0 ORDER BY begun_at, id LIMIT ?) RETURNING id";

impl SqliteLook<'_> {
    /// A query whose first arguments are the owner, the workflow and a key.
    fn query(&self, sql: &'static str, key: &str) -> Query {
        let query = sqlx::query(sql)
            .bind(self.lane.scope.tenant.clone())
            .bind(self.lane.scope.user.clone());
        query
            .bind(self.lane.namespace.clone())
            .bind(self.lane.name.clone())
            .bind(key.to_owned())
    }

    async fn newer(&mut self, limit: &ConcurrencyLimit, place: Place) -> Decoded<u32> {
        let (_, created_at, run) = place;
        let query = self.query(NEWER, &limit.key).bind(created_at);
        let query = query.bind(run.as_bytes().to_vec());
        query.fetch_one(&mut *self.connection).await?.try_get(0)
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

    async fn change(&mut self, sql: &'static str, value: i64, run: RunId) -> Decoded<()> {
        let query = sqlx::query(sql).bind(value);
        let query = query
            .bind(self.lane.scope.tenant.clone())
            .bind(self.lane.scope.user.clone());
        query
            .bind(run.as_bytes().to_vec())
            .execute(&mut *self.connection)
            .await
            .map(drop)
    }
}

#[async_trait]
impl Look for SqliteLook<'_> {
    async fn queue(&mut self, after: Place) -> Decoded<Vec<Queued>> {
        let (sql, key) = match &self.lane.key {
            LaneKey::Concurrency(key) => (QUEUED_FOR_PLACE, key),
            LaneKey::Rate(key) => (QUEUED_FOR_RATE, key),
        };
        let (rank, created_at, run) = after;
        let query = self.query(sql, key).bind(rank).bind(created_at);
        let query = query.bind(run.as_bytes().to_vec()).bind(PAGE);
        let rows = query.fetch_all(&mut *self.connection).await?;
        let queued = |row: &SqliteRow| {
            Ok(Queued {
                limits: value(row.try_get(1)?)?,
                place: (row.try_get(2)?, row.try_get(3)?, run_id(row.try_get(0)?)?),
            })
        };
        rows.iter().map(queued).collect()
    }

    async fn traffic(&mut self, queued: &Queued) -> Decoded<Traffic> {
        let mut traffic = Traffic::default();
        if let Some(limit) = &queued.limits.concurrency {
            let under_way = self.query(UNDER_WAY, &limit.key);
            let row = under_way.fetch_one(&mut *self.connection).await?;
            traffic.under_way = row.try_get(0)?;
            traffic.superseded = row.try_get(1)?;
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
        self.change(BEGIN, self.at, run).await
    }

    async fn refuse(&mut self, run: RunId) -> Decoded<()> {
        self.change(REFUSE, 1, run).await
    }

    async fn supersede(&mut self, limit: &ConcurrencyLimit, count: u32) -> Decoded<Vec<RunId>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let query = self.query(SUPERSEDE, &limit.key).bind(count);
        let rows = query.fetch_all(&mut *self.connection).await?;
        rows.iter().map(|row| run_id(row.try_get(0)?)).collect()
    }
}
