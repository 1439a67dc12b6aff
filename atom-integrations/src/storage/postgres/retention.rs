//! Removing runs, old entries of journals, events and blobs, a little in each transaction.
//!
//! A run that goes is marked first, which hides it, and its row goes last: what is left of it after a crash is found by the
//! mark. Blobs that no row refers to any more are found by their count, and events by their age. The space that becomes
//! free is given to new rows by the autovacuum of the database.

use async_trait::async_trait;
use atom_core::storage::{Expiry, RetentionStore};
use atom_core::{Result, RunId, Scope};
use jiff::Timestamp;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::PostgresStore;
use super::database::{Sight, Write, within};
use super::rows::{Decoded, limit as row_limit, nanoseconds};
use super::text::stored;
use super::values::{execute, uuid_of_run};
use crate::storage::refusal::WriteResult;
use crate::storage::retention::{BLOBS, CHUNK, COST_OF_RUN, Limits, check_kept};

/// What keeps a run that has ended.
const FREE: &str = "NOT EXISTS (SELECT 1 FROM runs AS parent WHERE parent.tenant = runs.tenant \
     AND parent.owner = runs.owner AND parent.id = runs.parent_run AND parent.status = 'running') \
     AND NOT EXISTS (SELECT 1 FROM schedules WHERE schedules.awaits = runs.id \
     AND schedules.tenant = runs.tenant AND schedules.owner = runs.owner)";

#[async_trait]
impl RetentionStore for PostgresStore {
    async fn prune(&self, expiry: &Expiry, limit: usize) -> Result<bool> {
        let limits = Limits::new(expiry)?;
        // So that there is no transaction that writes for nothing.
        if !self
            .has_work(&limits)
            .await
            .map_err(|error| self.database.error(error))?
        {
            return Ok(false);
        }
        let limit = row_limit(limit);
        self.database.write(Sight::All, Prune { limits, limit }).await
    }

    async fn trim_journals(&self, limit: usize) -> Result<bool> {
        if !self
            .exists("SELECT EXISTS (SELECT 1 FROM runs WHERE NOT is_trimmed)")
            .await?
        {
            return Ok(false);
        }
        let limit = row_limit(limit);
        self.database.write(Sight::All, Trim { limit }).await
    }

    async fn delete_run(&self, scope: &Scope, run: RunId) -> Result<bool> {
        let mark = Mark { scope, run };
        if !self.database.write(Sight::of(scope), mark).await? {
            return Ok(false);
        }
        loop {
            let limits = Limits::default();
            let prune = Prune { limits, limit: CHUNK };
            if !self.database.write(Sight::All, prune).await? {
                return Ok(true);
            }
        }
    }

    async fn has_expiring_runs(&self) -> Result<bool> {
        self.exists("SELECT EXISTS (SELECT 1 FROM runs WHERE expires_at IS NOT NULL AND NOT is_removed)")
            .await
    }

    async fn note_events(&self, at: Timestamp) -> Result<()> {
        let at = nanoseconds(at)?;
        let is_known = "SELECT coalesce((SELECT \"offset\" = (SELECT head FROM event_log) FROM event_ages \
             ORDER BY at DESC LIMIT 1), false)";
        if self.exists(is_known).await? {
            return Ok(());
        }
        self.database.write(Sight::All, NoteEvents { at }).await
    }
}

impl PostgresStore {
    /// What a query about all scopes says.
    async fn exists(&self, query: &'static str) -> Result<bool> {
        let row = self.database.row(Sight::All, sqlx::query(query)).await;
        row.and_then(|row| row.map_or(Ok(false), |row| row.try_get(0)))
            .map_err(|error| self.database.error(error))
    }

    /// Whether there is anything to remove.
    async fn has_work(&self, limits: &Limits) -> Decoded<bool> {
        within(self.database.patience(), async {
            let mut reader = self.database.read(Sight::All).await?;
            let unfinished = "SELECT EXISTS (SELECT 1 FROM runs WHERE is_removed) \
                 OR EXISTS (SELECT 1 FROM blob_uses WHERE uses = 0)";
            let row = sqlx::query(unfinished).fetch_one(&mut *reader).await?;
            Ok(row.try_get(0)?
                || expired_run(limits, &mut reader).await?.is_some()
                || last_old_event(limits, &mut reader).await?.is_some())
        })
        .await
    }
}

/// A run that may be removed.
async fn expired_run(limits: &Limits, connection: &mut PgConnection) -> Decoded<Option<Key>> {
    for (condition, until) in limits.runs() {
        let sql = format!(
            "SELECT tenant, owner, id FROM runs WHERE {condition} $1 AND ended_at IS NOT NULL AND NOT is_removed \
             AND {FREE} LIMIT 1"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(until);
        if let Some(row) = query.fetch_optional(&mut *connection).await? {
            return Key::read(&row).map(Some);
        }
    }
    Ok(None)
}

/// The last event that is old enough to be removed.
async fn last_old_event(limits: &Limits, connection: &mut PgConnection) -> Decoded<Option<i64>> {
    let Some(until) = limits.events else {
        return Ok(None);
    };
    let query = r#"SELECT last FROM (SELECT max("offset") AS last FROM event_ages WHERE at <= $1) AS old
         WHERE EXISTS (SELECT 1 FROM events WHERE "offset" <= last)"#;
    let row = sqlx::query(query).bind(until).fetch_optional(connection).await?;
    row.map_or(Ok(None), |row| row.try_get(0))
}

/// The key of a run, as it stands in rows.
#[derive(Clone, Debug)]
struct Key {
    tenant: String,
    owner: String,
    id: Uuid,
}

impl Key {
    fn new(scope: &Scope, run: RunId) -> Self {
        Self {
            tenant: stored(&scope.tenant).into_owned(),
            owner: stored(&scope.user).into_owned(),
            id: uuid_of_run(run),
        }
    }

    fn read(row: &PgRow) -> Decoded<Self> {
        Ok(Self {
            tenant: row.try_get(0)?,
            owner: row.try_get(1)?,
            id: row.try_get(2)?,
        })
    }

    /// Runs a statement that takes the key, and then a number if there is one; gives how many rows it changed.
    async fn execute(
        &self,
        connection: &mut PgConnection,
        sql: &'static str,
        number: Option<i64>,
    ) -> Decoded<i64> {
        let mut query = sqlx::query(sql)
            .bind(&self.tenant)
            .bind(&self.owner)
            .bind(self.id);
        if let Some(number) = number {
            query = query.bind(number);
        }
        Ok(i64::try_from(execute(connection, query).await?).unwrap_or(i64::MAX))
    }

    /// Hides the run and frees its idempotency key.
    async fn mark(&self, connection: &mut PgConnection) -> Decoded<()> {
        let sql = "UPDATE runs SET is_removed = true, idempotency_key = NULL \
             WHERE tenant = $1 AND owner = $2 AND id = $3";
        self.execute(connection, sql, None).await.map(drop)
    }

    /// Removes up to so many entries from before the run continued; gives how many.
    async fn trim(&self, connection: &mut PgConnection, limit: i64) -> Decoded<i64> {
        // The sequences have no gaps.
        let entries = "DELETE FROM journal WHERE tenant = $1 AND owner = $2 AND run = $3 AND sequence < least( \
             (SELECT journal_start FROM runs WHERE tenant = $1 AND owner = $2 AND id = $3), $4 + \
             (SELECT min(sequence) FROM journal WHERE tenant = $1 AND owner = $2 AND run = $3))";
        // It may have continued again meanwhile.
        let trimmed = "UPDATE runs SET is_trimmed = true WHERE tenant = $1 AND owner = $2 AND id = $3 \
             AND NOT EXISTS (SELECT 1 FROM journal WHERE tenant = $1 AND owner = $2 AND run = $3 \
             AND sequence < runs.journal_start)";
        let removed = self.execute(connection, entries, Some(limit)).await?;
        if removed < limit {
            self.execute(connection, trimmed, None).await?;
        }
        Ok(removed)
    }

    /// Removes up to so many rows of a run that is marked, its own last; gives how many.
    async fn remove(&self, connection: &mut PgConnection, limit: i64) -> Decoded<i64> {
        let viewers = "DELETE FROM approval_viewers WHERE tenant = $1 AND owner = $2 AND id IN (SELECT id FROM approvals \
             WHERE tenant = $1 AND owner = $2 AND run = $3 ORDER BY id LIMIT $4)";
        let approvals = "DELETE FROM approvals WHERE tenant = $1 AND owner = $2 AND id IN (SELECT id FROM approvals \
             WHERE tenant = $1 AND owner = $2 AND run = $3 ORDER BY id LIMIT $4)";
        // The sequences have no gaps.
        let journal = "DELETE FROM journal WHERE tenant = $1 AND owner = $2 AND run = $3 AND sequence < $4 + \
             (SELECT min(sequence) FROM journal WHERE tenant = $1 AND owner = $2 AND run = $3)";
        let labels = "DELETE FROM run_labels WHERE tenant = $1 AND owner = $2 AND run = $3";
        let run = "DELETE FROM runs WHERE tenant = $1 AND owner = $2 AND id = $3";
        self.execute(connection, viewers, Some(limit)).await?;
        let mut removed = self.execute(connection, approvals, Some(limit)).await?;
        if removed < limit {
            removed += self.execute(connection, journal, Some(limit - removed)).await?;
        }
        if removed < limit {
            self.execute(connection, labels, None).await?;
            self.execute(connection, run, None).await?;
        }
        Ok(removed)
    }
}

/// Removes a little; tells whether there is more.
struct Prune {
    limits: Limits,
    limit: i64,
}

#[async_trait]
impl Write for Prune {
    type Answer = bool;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<bool> {
        let mut left = self.limit;
        while left > 0 {
            let marked = "SELECT tenant, owner, id FROM runs WHERE is_removed LIMIT 1 FOR UPDATE SKIP LOCKED";
            let key = match sqlx::query(marked).fetch_optional(&mut *connection).await? {
                Some(row) => Key::read(&row)?,
                None => {
                    let Some(key) = expired_run(&self.limits, connection).await? else {
                        break;
                    };
                    key.mark(connection).await?;
                    key
                }
            };
            left -= key.remove(connection, left).await? + COST_OF_RUN;
        }
        if left <= 0 {
            return Ok(true);
        }
        Ok(self.remove_events(connection, left).await? || remove_blobs(connection).await?)
    }
}

impl Prune {
    /// Removes old events; tells whether there may be more.
    async fn remove_events(&self, connection: &mut PgConnection, limit: i64) -> Decoded<bool> {
        let Some(last) = last_old_event(&self.limits, connection).await? else {
            return Ok(false);
        };
        let events = r#"DELETE FROM events WHERE "offset" IN
            (SELECT "offset" FROM events WHERE "offset" <= $1 ORDER BY "offset" LIMIT $2)"#;
        let query = sqlx::query(events).bind(last).bind(limit);
        if execute(&mut *connection, query).await? >= limit.unsigned_abs() {
            return Ok(true);
        }
        let ages = r#"DELETE FROM event_ages WHERE "offset" < $1"#;
        execute(connection, sqlx::query(ages).bind(last)).await?;
        Ok(false)
    }
}

/// Removes blobs that nothing refers to; tells whether there may be more.
async fn remove_blobs(connection: &mut PgConnection) -> Decoded<bool> {
    // First they are locked, so that nobody begins to refer to them; who did so before is seen by the statement after that.
    let lock = "SELECT tenant, owner, hash FROM blobs WHERE (tenant, owner, hash) IN \
         (SELECT tenant, owner, hash FROM blob_uses WHERE uses = 0 LIMIT $1) FOR UPDATE SKIP LOCKED";
    let rows = sqlx::query(lock).bind(BLOBS).fetch_all(&mut *connection).await?;
    let column = |column: usize| {
        rows.iter()
            .map(|row| row.try_get(column))
            .collect::<Decoded<Vec<String>>>()
    };
    let remove = "DELETE FROM blobs USING unnest($1::text[], $2::text[], $3::text[]) AS locked (tenant, owner, hash), \
         blob_uses WHERE blobs.tenant = locked.tenant AND blobs.owner = locked.owner AND blobs.hash = locked.hash \
         AND blob_uses.tenant = locked.tenant AND blob_uses.owner = locked.owner AND blob_uses.hash = locked.hash \
         AND blob_uses.uses = 0";
    let remove = sqlx::query(remove)
        .bind(column(0)?)
        .bind(column(1)?)
        .bind(column(2)?);
    let removed = execute(connection, remove).await?;
    // What a blob referred to may now be unused, too.
    Ok(removed > 0)
}

/// Removes a little of what journals hold from before their runs continued; tells whether there is more.
struct Trim {
    limit: i64,
}

#[async_trait]
impl Write for Trim {
    type Answer = bool;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<bool> {
        let mut left = self.limit;
        while left > 0 {
            let untrimmed = "SELECT tenant, owner, id FROM runs WHERE NOT is_trimmed LIMIT 1";
            let Some(row) = sqlx::query(untrimmed).fetch_optional(&mut *connection).await? else {
                return Ok(false);
            };
            left -= Key::read(&row)?.trim(connection, left).await? + 1;
        }
        Ok(true)
    }
}

/// Hides one run, to be removed; tells whether there is one.
struct Mark<'a> {
    scope: &'a Scope,
    run: RunId,
}

#[async_trait]
impl Write for Mark<'_> {
    type Answer = bool;

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<bool> {
        let key = Key::new(self.scope, self.run);
        let sql = "SELECT status = 'running', \
             EXISTS (SELECT 1 FROM runs AS parent WHERE parent.tenant = runs.tenant AND parent.owner = runs.owner \
             AND parent.id = runs.parent_run AND parent.status = 'running'), \
             EXISTS (SELECT 1 FROM schedules WHERE schedules.awaits = runs.id AND schedules.tenant = runs.tenant \
             AND schedules.owner = runs.owner) \
             FROM runs WHERE tenant = $1 AND owner = $2 AND id = $3 AND NOT is_removed FOR UPDATE";
        let query = sqlx::query(sql).bind(&key.tenant).bind(&key.owner).bind(key.id);
        let Some(row) = query.fetch_optional(&mut *connection).await? else {
            return Ok(false);
        };
        check_kept(self.run, [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?])?;
        key.mark(connection).await?;
        Ok(true)
    }
}

/// Remembers how far the log of events reaches.
struct NoteEvents {
    at: i64,
}

#[async_trait]
impl Write for NoteEvents {
    type Answer = ();

    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<()> {
        let query = r#"INSERT INTO event_ages (at, "offset") SELECT $1, head FROM event_log
            ON CONFLICT (at) DO UPDATE SET "offset" = excluded."offset""#;
        execute(connection, sqlx::query(query).bind(self.at)).await?;
        Ok(())
    }
}
