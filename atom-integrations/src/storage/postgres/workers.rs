//! Engines that share the database.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use atom_core::storage::{
    Claim, Delivery, Letter, LetterId, RunRecord, WorkerInfo, WorkerRecord, WorkerState, WorkerStore,
};
use atom_core::{ErrorReport, Result, RunId, Scope, WorkerId};
use jiff::Timestamp;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};
use tokio::sync::watch;

use super::PostgresStore;
use super::database::{Sight, Write};
use super::rows::{Decoded, integer, json, limit as row_limit, unsigned, value};
use super::runs::{COLUMNS, LISTED};
use super::text::stored;
use super::values::{execute, optional_text, run_id, text, uuid_of_run, uuid_of_worker, worker_id};
use crate::storage::blobs::Blobs;
use crate::storage::record;
use crate::storage::refusal::WriteResult;

/// Whether nobody holds a run.
const IS_FREE: &str = "runs.status = 'running' AND (runs.worker IS NULL \
     OR runs.worker IN (SELECT workers.id FROM workers WHERE is_gone))";
/// Declares the workers gone whose leases have run out; one that writes at this very moment only later.
const BURY: &str = "WITH late AS MATERIALIZED (SELECT id FROM workers WHERE NOT is_gone AND lease_until <= clock_timestamp()), \
     still AS MATERIALIZED (SELECT id FROM late WHERE pg_try_advisory_xact_lock(lock_of(id))) \
     UPDATE workers SET is_gone = true FROM still WHERE workers.id = still.id AND lease_until <= clock_timestamp()";
/// Forgets the workers that are gone and hold nothing, and the answers that nobody will read.
const FORGET: [&str; 2] = [
    "DELETE FROM workers WHERE is_gone \
     AND NOT EXISTS (SELECT FROM runs WHERE runs.worker = workers.id AND runs.status = 'running')",
    "DELETE FROM letters WHERE posted_at < clock_timestamp() - interval '1 hour' \
     AND (answer IS NOT NULL OR NOT EXISTS (SELECT FROM runs WHERE runs.tenant = letters.tenant \
     AND runs.owner = letters.owner AND runs.id = letters.run AND runs.status = 'running'))",
];

#[async_trait]
impl WorkerStore for PostgresStore {
    fn identity(&self) -> watch::Receiver<WorkerId> {
        self.identity.clone()
    }

    fn lease(&self) -> Duration {
        self.lease
    }

    fn news(&self) -> watch::Receiver<u64> {
        let mut news = self.news.clone();
        // The one that is kept here has never looked.
        news.mark_unchanged();
        news
    }

    async fn introduce(&self, info: &WorkerInfo) -> Result<()> {
        let worker = self.database.worker();
        let functions = json(&info.functions)?;
        let introduce = Introduce {
            worker,
            info,
            functions,
        };
        self.database.write(Sight::All, introduce).await
    }

    async fn list(&self) -> Result<Vec<WorkerRecord>> {
        let sql = "SELECT id, name, takes_runs, functions, is_draining, is_gone OR lease_until <= clock_timestamp(), \
             extract(epoch FROM started_at)::double precision, extract(epoch FROM renewed_at)::double precision, \
             extract(epoch FROM lease_until)::double precision, held.count FROM workers, \
             LATERAL (SELECT count(*) FROM runs WHERE runs.worker = workers.id AND status = 'running') AS held \
             WHERE NOT is_gone OR held.count > 0 ORDER BY number";
        let rows = self.database.rows(Sight::All, sqlx::query(sql)).await;
        rows.and_then(|rows| rows.iter().map(worker_record).collect())
            .map_err(|error| self.database.error(error))
    }

    async fn claim(&self, wanted: &Claim) -> Result<Vec<RunRecord>> {
        let claim = ClaimRuns {
            worker: self.database.worker(),
            wanted,
        };
        let runs = self.database.write(Sight::All, claim).await?;
        if !runs.is_empty() {
            self.note_holdings();
        }
        Ok(runs)
    }

    async fn claim_run(&self, scope: &Scope, run: RunId) -> Result<bool> {
        let claim = ClaimRun {
            worker: self.database.worker(),
            scope,
            run,
        };
        let is_held = self.database.write(Sight::All, claim).await?;
        self.note_holdings();
        Ok(is_held)
    }

    async fn held(&self, after: Option<&(Scope, RunId)>, limit: usize) -> Result<Vec<(Scope, RunId)>> {
        let sql = "SELECT tenant, owner, id FROM runs WHERE worker = $1 AND status = 'running' \
             AND ($2::text IS NULL OR (tenant, owner, id) > ($2, $3, $4)) ORDER BY tenant, owner, id LIMIT $5";
        let query = sqlx::query(sql)
            .bind(uuid_of_worker(self.database.worker()))
            .bind(after.map(|(scope, _)| stored(&scope.tenant)))
            .bind(after.map(|(scope, _)| stored(&scope.user)))
            .bind(after.map(|(_, run)| uuid_of_run(*run)))
            .bind(row_limit(limit));
        let rows = self.database.rows(Sight::All, query).await;
        rows.and_then(|rows| rows.iter().map(run_key).collect())
            .map_err(|error| self.database.error(error))
    }

    async fn release(&self, runs: &[(Scope, RunId)]) -> Result<()> {
        let worker = self.database.worker();
        let released = self.database.write(Sight::All, Release { worker, runs }).await;
        self.note_holdings();
        released
    }

    async fn leave(&self) -> Result<()> {
        let worker = self.database.worker();
        match self.database.write(Sight::All, Leave { worker }).await {
            // It is gone already.
            Err(error) if error.code() == atom_core::ErrorCode::Conflict => Ok(()),
            other => other,
        }
    }

    async fn post(&self, scope: &Scope, run: RunId, event: &str, wants_answer: bool) -> Result<LetterId> {
        let post = Post {
            scope,
            run,
            event,
            wants_answer,
        };
        self.database.write(Sight::of(scope), post).await
    }

    async fn letters(&self, limit: usize) -> Result<Vec<Letter>> {
        // Mostly there is none, which costs no transaction that writes.
        let sql = "SELECT FROM letters WHERE answer IS NULL AND taken_by IS DISTINCT FROM $1 LIMIT 1";
        let worker = self.database.worker();
        let query = sqlx::query(sql).bind(uuid_of_worker(worker));
        let waiting = self.database.row(Sight::All, query).await;
        if waiting.map_err(|error| self.database.error(error))?.is_none() {
            return Ok(Vec::new());
        }
        let limit = row_limit(limit);
        self.database
            .write(Sight::All, TakeLetters { worker, limit })
            .await
    }

    async fn answer(&self, letter: LetterId, answer: std::result::Result<(), ErrorReport>) -> Result<()> {
        let answer = json(&answer.err())?;
        let letter = integer(letter)?;
        self.database.write(Sight::All, Answer { letter, answer }).await
    }

    async fn delivery(&self, letter: LetterId) -> Result<Delivery> {
        let sql = "SELECT answer, taken_by IS NOT NULL AND taken_by NOT IN (SELECT id FROM workers WHERE is_gone) \
             FROM letters WHERE id = $1";
        let id = integer(letter)?;
        let row = self.database.row(Sight::All, sqlx::query(sql).bind(id)).await;
        let read = |row: PgRow| -> Decoded<Delivery> {
            Ok(match optional_text(&row, 0)? {
                Some(answer) => {
                    Delivery::Answered(value::<Option<ErrorReport>>(&answer)?.map_or(Ok(()), Err))
                }
                None if row.try_get(1)? => Delivery::Taken,
                None => Delivery::Waiting,
            })
        };
        let delivery = row
            .and_then(|row| row.map_or(Ok(Delivery::Unknown), read))
            .map_err(|error| self.database.error(error))?;
        if matches!(delivery, Delivery::Answered(_)) {
            self.database
                .write(
                    Sight::All,
                    Remove {
                        letter: id,
                        and: "answer IS NOT NULL",
                    },
                )
                .await?;
        }
        Ok(delivery)
    }

    async fn withdraw(&self, letter: LetterId) -> Result<bool> {
        let and =
            "answer IS NULL AND (taken_by IS NULL OR taken_by IN (SELECT id FROM workers WHERE is_gone))";
        let letter = integer(letter)?;
        self.database.write(Sight::All, Remove { letter, and }).await
    }
}

impl PostgresStore {
    /// What is known of the runs that this worker holds is to be looked up again.
    fn note_holdings(&self) {
        self.holdings.fetch_add(1, Ordering::AcqRel);
    }
}

fn run_key(row: &PgRow) -> Decoded<(Scope, RunId)> {
    let scope = Scope {
        tenant: text(row, 0)?,
        user: text(row, 1)?,
    };
    Ok((scope, run_id(row.try_get(2)?)))
}

fn worker_record(row: &PgRow) -> Decoded<WorkerRecord> {
    let moment = |column: usize| -> Decoded<Timestamp> {
        let seconds: f64 = row.try_get(column)?;
        let moment = jiff::SignedDuration::try_from_secs_f64(seconds)
            .ok()
            .map(Timestamp::from_duration);
        moment
            .and_then(std::result::Result::ok)
            .ok_or_else(|| sqlx::Error::Decode("a time is out of range".into()))
    };
    let is_draining = row.try_get(4)?;
    let state = match (row.try_get(5)?, is_draining) {
        (true, _) => WorkerState::Gone,
        (false, true) => WorkerState::Draining,
        (false, false) => WorkerState::Active,
    };
    Ok(WorkerRecord {
        id: worker_id(row.try_get(0)?),
        info: WorkerInfo {
            name: text(row, 1)?,
            takes_runs: row.try_get(2)?,
            functions: value(row.try_get(3)?)?,
            is_draining,
        },
        state,
        started_at: moment(6)?,
        renewed_at: moment(7)?,
        lease_until: moment(8)?,
        runs: unsigned(row.try_get(9)?)?,
    })
}

/// Tells the others about a worker, and forgets those that are gone.
struct Introduce<'a> {
    worker: WorkerId,
    info: &'a WorkerInfo,
    functions: String,
}

#[async_trait]
impl Write for Introduce<'_> {
    type Answer = ();

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<()> {
        let sql =
            "UPDATE workers SET name = $2, takes_runs = $3, functions = $4, is_draining = $5 WHERE id = $1";
        let query = sqlx::query(sql)
            .bind(uuid_of_worker(self.worker))
            .bind(stored(&self.info.name))
            .bind(self.info.takes_runs)
            .bind(&self.functions)
            .bind(self.info.is_draining);
        execute(&mut *connection, query).await?;
        for forget in FORGET {
            execute(&mut *connection, sqlx::query(forget)).await?;
        }
        execute(connection, sqlx::query("SELECT tell('work')")).await?;
        Ok(())
    }
}

/// Takes runs that nobody holds.
struct ClaimRuns<'a> {
    worker: WorkerId,
    wanted: &'a Claim,
}

#[async_trait]
impl Write for ClaimRuns<'_> {
    type Answer = Vec<RunRecord>;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<Vec<RunRecord>> {
        execute(&mut *connection, sqlx::query(BURY)).await?;
        // Each half is read along its index. Of every tenant the first come before the second of any. Those that are taken are
        // looked up one by one: a join would be planned for the few that are free mostly, and compare all with all when many are.
        let sql = format!(
            "WITH free AS (SELECT tenant, owner, id, rank, created_at FROM runs WHERE status = 'running' AND worker IS NULL \
             AND hash <> ALL($2) AND tenant <> ALL($4) UNION ALL SELECT tenant, owner, id, rank, created_at FROM runs WHERE status = 'running' \
             AND worker = ANY(ARRAY(SELECT workers.id FROM workers WHERE is_gone)) AND hash <> ALL($2) AND tenant <> ALL($4)), \
             numbered AS (SELECT *, row_number() OVER (PARTITION BY tenant ORDER BY coalesce(rank, 0), created_at, id) AS turn \
             FROM free), \
             in_turn AS (SELECT * FROM numbered ORDER BY turn, coalesce(rank, 0), created_at), \
             chosen AS MATERIALIZED (SELECT locked.* FROM in_turn, LATERAL (SELECT tenant, owner, id FROM runs \
             WHERE runs.tenant = in_turn.tenant AND runs.owner = in_turn.owner AND runs.id = in_turn.id AND {IS_FREE} \
             FOR NO KEY UPDATE OF runs SKIP LOCKED) AS locked LIMIT $3) \
             UPDATE runs SET worker = $1 FROM chosen WHERE runs.tenant = chosen.tenant AND runs.owner = chosen.owner \
             AND runs.id = chosen.id RETURNING {LISTED}{COLUMNS}"
        );
        let passed_over = self.wanted.passed_over.iter();
        let passed_over: Vec<_> = passed_over.map(|tenant| stored(tenant)).collect();
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(uuid_of_worker(self.worker))
            .bind(&self.wanted.refused)
            .bind(row_limit(self.wanted.limit))
            .bind(passed_over)
            .fetch_all(connection)
            .await?;
        let blobs = Blobs::default();
        let runs = rows.iter().map(|row| record::run(row, &blobs));
        Ok(runs.collect::<Decoded<_>>()?)
    }
}

/// Takes one run if nobody holds it.
struct ClaimRun<'a> {
    worker: WorkerId,
    scope: &'a Scope,
    run: RunId,
}

#[async_trait]
impl Write for ClaimRun<'_> {
    type Answer = bool;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<bool> {
        execute(&mut *connection, sqlx::query(BURY)).await?;
        let sql = format!(
            "UPDATE runs SET worker = $1 WHERE tenant = $2 AND owner = $3 AND id = $4 \
             AND (({IS_FREE}) OR (status = 'running' AND worker = $1))"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(uuid_of_worker(self.worker))
            .bind(stored(&self.scope.tenant))
            .bind(stored(&self.scope.user))
            .bind(uuid_of_run(self.run));
        Ok(execute(connection, query).await? == 1)
    }
}

/// Lets others have runs.
struct Release<'a> {
    worker: WorkerId,
    runs: &'a [(Scope, RunId)],
}

#[async_trait]
impl Write for Release<'_> {
    type Answer = ();

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<()> {
        let sql = "UPDATE runs SET worker = NULL FROM unnest($2::text[], $3::text[], $4::uuid[]) AS given (tenant, owner, id) \
             WHERE runs.tenant = given.tenant AND runs.owner = given.owner AND runs.id = given.id AND runs.worker = $1";
        let column = |of: fn(&Scope) -> &str| {
            self.runs
                .iter()
                .map(|(scope, _)| stored(of(scope)).into_owned())
                .collect::<Vec<_>>()
        };
        let query = sqlx::query(sql)
            .bind(uuid_of_worker(self.worker))
            .bind(column(|scope| &scope.tenant))
            .bind(column(|scope| &scope.user))
            .bind(
                self.runs
                    .iter()
                    .map(|(_, run)| uuid_of_run(*run))
                    .collect::<Vec<_>>(),
            );
        execute(&mut *connection, query).await?;
        execute(connection, sqlx::query("SELECT tell('work')")).await?;
        Ok(())
    }
}

/// Gives up a lease.
struct Leave {
    worker: WorkerId,
}

#[async_trait]
impl Write for Leave {
    type Answer = ();

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<()> {
        let query = sqlx::query("SELECT bury($1)");
        execute(&mut *connection, query.bind(uuid_of_worker(self.worker))).await?;
        execute(connection, sqlx::query("SELECT tell('work')")).await?;
        Ok(())
    }
}

/// Asks something of a run.
struct Post<'a> {
    scope: &'a Scope,
    run: RunId,
    event: &'a str,
    wants_answer: bool,
}

#[async_trait]
impl Write for Post<'_> {
    type Answer = LetterId;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<LetterId> {
        let sql = "INSERT INTO letters (tenant, owner, run, event, wants_answer) VALUES ($1, $2, $3, $4, $5) \
             RETURNING id, tell('work')";
        let query = sqlx::query(sql)
            .bind(stored(&self.scope.tenant))
            .bind(stored(&self.scope.user))
            .bind(uuid_of_run(self.run))
            .bind(stored(self.event))
            .bind(self.wants_answer);
        let row = query.fetch_one(connection).await?;
        Ok(unsigned(row.try_get(0)?)?)
    }
}

/// Takes the letters to the runs of a worker.
struct TakeLetters {
    worker: WorkerId,
    limit: i64,
}

#[async_trait]
impl Write for TakeLetters {
    type Answer = Vec<Letter>;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<Vec<Letter>> {
        let sql = "WITH mine AS MATERIALIZED (SELECT letters.id FROM letters JOIN runs ON runs.tenant = letters.tenant \
             AND runs.owner = letters.owner AND runs.id = letters.run \
             WHERE answer IS NULL AND taken_by IS DISTINCT FROM $1 AND runs.worker = $1 ORDER BY letters.id LIMIT $2 \
             FOR UPDATE OF letters SKIP LOCKED) \
             UPDATE letters SET taken_by = $1 FROM mine WHERE letters.id = mine.id \
             RETURNING letters.tenant, letters.owner, letters.run, letters.id, letters.event";
        let query = sqlx::query(sql)
            .bind(uuid_of_worker(self.worker))
            .bind(self.limit);
        let rows = query.fetch_all(connection).await?;
        let letter = |row: &PgRow| -> Decoded<Letter> {
            let (scope, run) = run_key(row)?;
            Ok(Letter {
                id: unsigned(row.try_get(3)?)?,
                scope,
                run,
                event: optional_text(row, 4)?,
            })
        };
        let mut letters = rows.iter().map(letter).collect::<Decoded<Vec<_>>>()?;
        letters.sort_by_key(|letter| letter.id);
        Ok(letters)
    }
}

/// Answers a letter.
struct Answer {
    letter: i64,
    answer: String,
}

#[async_trait]
impl Write for Answer {
    type Answer = ();

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<()> {
        let drop = sqlx::query("DELETE FROM letters WHERE id = $1 AND NOT wants_answer").bind(self.letter);
        execute(&mut *connection, drop).await?;
        let sql = "UPDATE letters SET answer = $2 WHERE id = $1 AND answer IS NULL";
        let query = sqlx::query(sql).bind(self.letter).bind(stored(&self.answer));
        execute(&mut *connection, query).await?;
        execute(connection, sqlx::query("SELECT tell('work')")).await?;
        Ok(())
    }
}

/// Removes a letter if a condition holds; tells whether it did.
struct Remove {
    letter: i64,
    and: &'static str,
}

#[async_trait]
impl Write for Remove {
    type Answer = bool;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<bool> {
        let sql = format!("DELETE FROM letters WHERE id = $1 AND {}", self.and);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(self.letter);
        Ok(execute(connection, query).await? == 1)
    }
}
