//! Removing runs, old entries of journals, events and blobs, a little in each transaction.
//!
//! A run that goes is marked first, which hides it, and its row goes last: what is left of it after a crash is found by the
//! mark. Blobs that no row refers to any more are found by their count, and events by their age.

use async_trait::async_trait;
use atom_core::storage::{Expiry, RetentionStore};
use atom_core::{Result, RunId, Scope};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row};

use super::SqliteStore;
use super::rows::{Decoded, limit as row_limit, nanoseconds};
use super::writer::Write;
use crate::storage::refusal::{Refusal, WriteResult};
use crate::storage::retention::{BLOBS, CHUNK, COST_OF_RUN, Limits, check_kept};

/// How many free pages a transaction gives back.
const PAGES: i64 = 512;
/// How many pages stay free, at least, because new rows will take them.
const FREE_PAGES: i64 = 1024;

/// What keeps a run that has ended.
const FREE: &str = "NOT EXISTS (SELECT 1 FROM runs AS parent WHERE parent.tenant = runs.tenant \
     AND parent.user = runs.user AND parent.id = runs.parent_run AND parent.status = 'running') \
     AND NOT EXISTS (SELECT 1 FROM schedules WHERE schedules.awaits = runs.id \
     AND schedules.tenant = runs.tenant AND schedules.user = runs.user)";

#[async_trait]
impl RetentionStore for SqliteStore {
    async fn prune(&self, expiry: &Expiry, limit: usize) -> Result<bool> {
        let limits = Limits::new(expiry)?;
        // Looking is left to the readers, so that there is no transaction for nothing.
        let has_work = self.has_work(&limits).await;
        if !has_work.map_err(|error| self.database.error(error))? {
            return Ok(false);
        }
        let limit = row_limit(limit);
        self.database.write(Prune { limits, limit }).await
    }

    async fn trim_journals(&self, limit: usize) -> Result<bool> {
        // Looking is left to the readers, so that there is no transaction for nothing.
        let query = "SELECT EXISTS (SELECT 1 FROM runs WHERE is_trimmed = 0)";
        let row = sqlx::query(query).fetch_one(&self.database.readers).await;
        let has_work = row.and_then(|row| row.try_get(0));
        if !has_work.map_err(|error| self.database.error(error))? {
            return Ok(false);
        }
        let limit = row_limit(limit);
        self.database.write(Trim { limit }).await
    }

    async fn delete_run(&self, scope: &Scope, run: RunId) -> Result<bool> {
        let mark = Mark {
            scope: scope.clone(),
            run,
        };
        if !self.database.write(mark).await? {
            return Ok(false);
        }
        loop {
            let limits = Limits::default();
            let prune = Prune { limits, limit: CHUNK };
            if !self.database.write(prune).await? {
                return Ok(true);
            }
        }
    }

    async fn has_expiring_runs(&self) -> Result<bool> {
        let query = "SELECT EXISTS (SELECT 1 FROM runs WHERE expires_at IS NOT NULL AND is_removed = 0)";
        let row = sqlx::query(query).fetch_one(&self.database.readers).await;
        row.and_then(|row| row.try_get(0))
            .map_err(|error| self.database.error(error))
    }

    async fn note_events(&self, at: Timestamp) -> Result<()> {
        let at = nanoseconds(at)?;
        let query = "SELECT \"offset\" IS (SELECT seq FROM sqlite_sequence WHERE name = 'events') FROM event_ages \
             ORDER BY at DESC LIMIT 1";
        let last = sqlx::query(query).fetch_optional(&self.database.readers).await;
        let is_known = last.and_then(|row| row.map_or(Ok(false), |row| row.try_get(0)));
        if is_known.map_err(|error| self.database.error(error))? {
            return Ok(());
        }
        self.database.write(NoteEvents { at }).await
    }
}

impl SqliteStore {
    /// Whether there is anything to remove.
    async fn has_work(&self, limits: &Limits) -> Decoded<bool> {
        let mut reader = self.database.readers.acquire().await?;
        let unfinished = "SELECT EXISTS (SELECT 1 FROM runs WHERE is_removed = 1) \
             OR EXISTS (SELECT 1 FROM blob_uses WHERE uses = 0)";
        let row = sqlx::query(unfinished).fetch_one(&mut *reader).await?;
        Ok(row.try_get(0)?
            || expired_run(limits, &mut reader).await?.is_some()
            || last_old_event(limits, &mut reader).await?.is_some()
            || spare_pages(&mut reader).await? > 0)
    }
}

/// A run that may be removed.
async fn expired_run(limits: &Limits, connection: &mut SqliteConnection) -> Decoded<Option<Key>> {
    for (condition, until) in limits.runs() {
        let sql = format!(
            "SELECT tenant, user, id FROM runs WHERE {condition} ? AND ended_at IS NOT NULL AND is_removed = 0 \
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
async fn last_old_event(limits: &Limits, connection: &mut SqliteConnection) -> Decoded<Option<i64>> {
    let Some(until) = limits.events else {
        return Ok(None);
    };
    let query = r#"SELECT max("offset") FROM event_ages WHERE at <= ?1
         HAVING EXISTS (SELECT 1 FROM events WHERE "offset" <= (SELECT max("offset") FROM event_ages WHERE at <= ?1))"#;
    let row = sqlx::query(query).bind(until).fetch_optional(connection).await?;
    row.map_or(Ok(None), |row| row.try_get(0))
}

/// The key of a run.
#[derive(Clone, Debug)]
struct Key {
    tenant: String,
    user: String,
    id: Vec<u8>,
}

impl Key {
    fn new(scope: &Scope, run: RunId) -> Self {
        Self {
            tenant: scope.tenant.clone(),
            user: scope.user.clone(),
            id: run.as_bytes().to_vec(),
        }
    }

    fn read(row: &sqlx::sqlite::SqliteRow) -> Decoded<Self> {
        Ok(Self {
            tenant: row.try_get(0)?,
            user: row.try_get(1)?,
            id: row.try_get(2)?,
        })
    }

    /// Runs a statement that takes the key, and then a number if there is one; gives how many rows it changed.
    async fn execute(
        &self,
        connection: &mut SqliteConnection,
        sql: &'static str,
        number: Option<i64>,
    ) -> Decoded<i64> {
        let mut query = sqlx::query(sql)
            .bind(&self.tenant)
            .bind(&self.user)
            .bind(&self.id);
        if let Some(number) = number {
            query = query.bind(number);
        }
        let done = query.execute(connection).await?;
        Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
    }

    /// Hides the run and frees its idempotency key.
    async fn mark(&self, connection: &mut SqliteConnection) -> Decoded<()> {
        let sql = "UPDATE runs SET is_removed = 1, idempotency_key = NULL \
             WHERE tenant = ?1 AND user = ?2 AND id = ?3";
        self.execute(connection, sql, None).await.map(drop)
    }

    /// Removes up to so many entries from before the run continued; gives how many.
    async fn trim(&self, connection: &mut SqliteConnection, limit: i64) -> Decoded<i64> {
        // The sequences have no gaps.
        let entries = "DELETE FROM journal WHERE tenant = ?1 AND user = ?2 AND run = ?3 AND sequence < min( \
             (SELECT journal_start FROM runs WHERE tenant = ?1 AND user = ?2 AND id = ?3), ?4 + \
             (SELECT min(sequence) FROM journal WHERE tenant = ?1 AND user = ?2 AND run = ?3))";
        let trimmed = "UPDATE runs SET is_trimmed = 1 WHERE tenant = ?1 AND user = ?2 AND id = ?3";
        let removed = self.execute(connection, entries, Some(limit)).await?;
        if removed < limit {
            self.execute(connection, trimmed, None).await?;
        }
        Ok(removed)
    }

    /// Removes up to so many rows of a run that is marked, its own last; gives how many.
    async fn remove(&self, connection: &mut SqliteConnection, limit: i64) -> Decoded<i64> {
        let viewers = "DELETE FROM approval_viewers WHERE (tenant, user, id) IN (SELECT tenant, user, id FROM approvals \
             WHERE tenant = ?1 AND user = ?2 AND run = ?3 ORDER BY rowid LIMIT ?4)";
        let approvals = "DELETE FROM approvals WHERE (tenant, user, id) IN (SELECT tenant, user, id FROM approvals \
             WHERE tenant = ?1 AND user = ?2 AND run = ?3 ORDER BY rowid LIMIT ?4)";
        // The sequences have no gaps.
        let journal = "DELETE FROM journal WHERE tenant = ?1 AND user = ?2 AND run = ?3 AND sequence < ?4 + \
             (SELECT min(sequence) FROM journal WHERE tenant = ?1 AND user = ?2 AND run = ?3)";
        let labels = "DELETE FROM run_labels WHERE tenant = ?1 AND user = ?2 AND run = ?3";
        let run = "DELETE FROM runs WHERE tenant = ?1 AND user = ?2 AND id = ?3";
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

    fn removes_runs(&self) -> bool {
        true
    }

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<bool> {
        let mut left = self.limit;
        while left > 0 {
            let marked = "SELECT tenant, user, id FROM runs WHERE is_removed = 1 LIMIT 1";
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
        if self.remove_events(connection, left).await? || remove_blobs(connection).await? {
            return Ok(true);
        }
        give_back(connection).await.map_err(Refusal::Database)
    }
}

/// Removes a little of what journals hold from before their runs continued; tells whether there is more.
struct Trim {
    limit: i64,
}

#[async_trait]
impl Write for Trim {
    type Answer = bool;

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<bool> {
        let mut left = self.limit;
        while left > 0 {
            let untrimmed = "SELECT tenant, user, id FROM runs WHERE is_trimmed = 0 LIMIT 1";
            let Some(row) = sqlx::query(untrimmed).fetch_optional(&mut *connection).await? else {
                return Ok(false);
            };
            left -= Key::read(&row)?.trim(connection, left).await? + 1;
        }
        Ok(true)
    }
}

impl Prune {
    /// Removes old events; tells whether there may be more.
    async fn remove_events(&self, connection: &mut SqliteConnection, limit: i64) -> Decoded<bool> {
        let Some(last) = last_old_event(&self.limits, connection).await? else {
            return Ok(false);
        };
        let events = r#"DELETE FROM events WHERE "offset" IN
            (SELECT "offset" FROM events WHERE "offset" <= ? ORDER BY "offset" LIMIT ?)"#;
        let query = sqlx::query(events).bind(last).bind(limit);
        if query.execute(&mut *connection).await?.rows_affected() >= limit.unsigned_abs() {
            return Ok(true);
        }
        let ages = r#"DELETE FROM event_ages WHERE "offset" < ?"#;
        sqlx::query(ages).bind(last).execute(connection).await?;
        Ok(false)
    }
}

/// Removes blobs that nothing refers to; tells whether there may be more.
async fn remove_blobs(connection: &mut SqliteConnection) -> Decoded<bool> {
    let blobs = "DELETE FROM blobs WHERE (tenant, user, hash) IN \
         (SELECT tenant, user, hash FROM blob_uses WHERE uses = 0 LIMIT ?)";
    let removed = sqlx::query(blobs).bind(BLOBS).execute(connection).await?;
    // What a blob referred to may now be unused, too.
    Ok(removed.rows_affected() > 0)
}

/// Gives free pages back to the file system; tells whether there may be more.
async fn give_back(connection: &mut SqliteConnection) -> Decoded<bool> {
    let spare = spare_pages(connection).await?;
    if spare <= 0 {
        return Ok(false);
    }
    let vacuum = format!("PRAGMA incremental_vacuum({})", spare.min(PAGES));
    sqlx::query(AssertSqlSafe(vacuum))
        .fetch_all(&mut *connection)
        .await?;
    let left = spare_pages(connection).await?;
    Ok(left > 0 && left < spare)
}

/// How many free pages there are beyond those that new rows will take; none in a database that cannot give any back.
async fn spare_pages(connection: &mut SqliteConnection) -> Decoded<i64> {
    let query = "SELECT freelist_count, page_count FROM pragma_freelist_count, pragma_page_count, pragma_auto_vacuum \
         WHERE auto_vacuum = 2";
    let Some(row) = sqlx::query(query).fetch_optional(connection).await? else {
        return Ok(0);
    };
    let (free, pages): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    Ok(free - FREE_PAGES.max(pages / 10))
}

/// Hides one run, to be removed; tells whether there is one.
struct Mark {
    scope: Scope,
    run: RunId,
}

#[async_trait]
impl Write for Mark {
    type Answer = bool;

    fn removes_runs(&self) -> bool {
        true
    }

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<bool> {
        let key = Key::new(&self.scope, self.run);
        let sql = "SELECT status = 'running', \
             EXISTS (SELECT 1 FROM runs AS parent WHERE parent.tenant = runs.tenant AND parent.user = runs.user \
             AND parent.id = runs.parent_run AND parent.status = 'running'), \
             EXISTS (SELECT 1 FROM schedules WHERE schedules.awaits = runs.id AND schedules.tenant = runs.tenant \
             AND schedules.user = runs.user) \
             FROM runs WHERE tenant = ? AND user = ? AND id = ? AND is_removed = 0";
        let query = sqlx::query(sql).bind(&key.tenant).bind(&key.user).bind(&key.id);
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

    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<()> {
        let sql = r#"INSERT OR REPLACE INTO event_ages (at, "offset")
            SELECT ?, seq FROM sqlite_sequence WHERE name = 'events'"#;
        sqlx::query(sql).bind(self.at).execute(connection).await?;
        Ok(())
    }
}
