//! The connections that everything but the steps of runs uses.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atom_core::{Error, Result, Scope, WorkerId};
use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, Postgres, Transaction};
use tokio::sync::watch;

use super::config::PostgresConfig;
use super::error::{is_lost, may_be_repeated, storage_error, uncertain};
use super::fence::hold;
use super::rows::Decoded;
use super::text::stored;
use crate::storage::refusal::{Refusal, WriteResult};

/// How often a transaction is tried that the database undoes because of others.
const ATTEMPTS: u32 = 5;

/// A statement with its arguments.
pub(super) type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// Whose rows a transaction sees.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sight<'a> {
    /// Those of one tenant.
    Tenant(&'a str),
    /// Those of everybody.
    All,
}

impl<'a> Sight<'a> {
    /// Those of the tenant of an owner.
    pub(crate) fn of(owner: &'a Scope) -> Self {
        Self::Tenant(&owner.tenant)
    }

    /// The call that tells row-level security.
    fn set(self) -> String {
        match self {
            Self::Tenant(tenant) => {
                // In hexadecimal, so that no name can be taken for anything else.
                let bytes = stored(tenant)
                    .bytes()
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<String>();
                format!("set_config('atom.tenant', convert_from(decode('{bytes}', 'hex'), 'UTF8'), true)")
            }
            Self::All => "set_config('atom.all_tenants', 'on', true)".to_owned(),
        }
    }
}

/// A change that is too rare to be batched: it has a transaction of its own.
#[async_trait]
pub(crate) trait Write: Send + Sync {
    /// What the caller gets once the change is committed.
    type Answer: Send;

    /// Makes the change. It may be called again when the transaction had to be repeated.
    async fn apply(&self, connection: &mut PgConnection) -> WriteResult<Self::Answer>;
}

/// A pool of connections to the database.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pool: PgPool,
    worker: watch::Receiver<WorkerId>,
    name: Arc<str>,
    /// How long the database may say nothing.
    patience: Duration,
}

impl Database {
    pub(super) fn new(config: &PostgresConfig, worker: watch::Receiver<WorkerId>) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections - 2)
            .acquire_timeout(config.acquire_timeout)
            // Beginning a transaction shows whether it is still there.
            .test_before_acquire(false)
            .idle_timeout(Duration::from_secs(300))
            .max_lifetime(Duration::from_secs(3600))
            .connect_lazy_with(config.connection());
        Self {
            pool,
            worker,
            name: config.name().into(),
            patience: patience(config),
        }
    }

    /// Which worker this engine is.
    pub(super) fn worker(&self) -> WorkerId {
        *self.worker.borrow()
    }

    /// What a failure of the database means to a user.
    pub(crate) fn error(&self, error: sqlx::Error) -> Error {
        storage_error(&self.name, error)
    }

    /// The error of a change of which nobody knows whether it was made.
    pub(super) fn uncertain(&self, error: sqlx::Error) -> Error {
        uncertain(&self.name, error)
    }

    /// How long the database may say nothing.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// Begins to read one state of the database. What is read needs no end: dropping it is one.
    pub(super) async fn read(&self, sight: Sight<'_>) -> Decoded<Transaction<'static, Postgres>> {
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT {}",
            sight.set()
        );
        self.begin(begin).await
    }

    /// Begins a transaction, in a task of its own: were it dropped half-way with who asks for it, its connection would go back to
    /// the pool with a transaction that is open, which whoever gets it next would be in without knowing.
    async fn begin(&self, statement: String) -> Decoded<Transaction<'static, Postgres>> {
        let pool = self.pool.clone();
        let begun = tokio::spawn(async move {
            let mut left = pool.options().get_max_connections();
            loop {
                match pool.begin_with(AssertSqlSafe(statement.clone())).await {
                    // A connection that was lost while nobody used it says nothing of the others.
                    Err(error) if left > 0 && (is_lost(&error) || may_be_repeated(&error)) => left -= 1,
                    begun => return begun,
                }
            }
        });
        begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// Reads the rows of a query.
    pub(crate) async fn rows(&self, sight: Sight<'_>, query: Query<'_>) -> Decoded<Vec<PgRow>> {
        within(self.patience, async {
            query.fetch_all(&mut *self.read(sight).await?).await
        })
        .await
    }

    /// Reads the first row of a query.
    pub(crate) async fn row(&self, sight: Sight<'_>, query: Query<'_>) -> Decoded<Option<PgRow>> {
        Ok(self.rows(sight, query).await?.into_iter().next())
    }

    /// Makes a change and returns its answer once it is committed. What the database undoes because of others is
    /// repeated, and so is what was lost before it could be committed.
    pub(crate) async fn write<W: Write>(&self, sight: Sight<'_>, write: W) -> Result<W::Answer> {
        let begin = format!("BEGIN; SELECT {}", sight.set());
        for _ in 1..ATTEMPTS {
            match within(self.patience, self.try_write(&begin, &write)).await {
                Err(Failure::Undone(error)) if may_be_repeated(&error) || is_lost(&error) => {}
                result => return result.map_err(|failure| self.failure(failure)),
            }
        }
        let last = within(self.patience, self.try_write(&begin, &write)).await;
        last.map_err(|failure| self.failure(failure))
    }

    async fn try_write<W: Write>(&self, begin: &str, write: &W) -> std::result::Result<W::Answer, Failure> {
        let begun = self.begin(begin.to_owned()).await;
        let mut transaction = begun.map_err(Failure::Undone)?;
        let hold = AssertSqlSafe(format!("SELECT {}", hold(self.worker())));
        let held = sqlx::query(hold).execute(&mut *transaction).await;
        held.map_err(Failure::Undone)?;
        let answer = write
            .apply(&mut transaction)
            .await
            .map_err(|refusal| match refusal {
                Refusal::Rule(error) => Failure::Refused(error),
                Refusal::Database(error) => Failure::Undone(error),
            })?;
        transaction.commit().await.map_err(|error| {
            if is_lost(&error) {
                Failure::Uncertain(error)
            } else {
                Failure::Undone(error)
            }
        })?;
        Ok(answer)
    }

    fn failure(&self, failure: Failure) -> Error {
        match failure {
            Failure::Refused(error) => error,
            Failure::Undone(error) => self.error(error),
            Failure::Uncertain(error) => self.uncertain(error),
        }
    }
}

/// How a transaction failed.
enum Failure {
    /// It breaks a rule.
    Refused(Error),
    /// Nothing was written.
    Undone(sqlx::Error),
    /// Nobody knows whether anything was written.
    Uncertain(sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Uncertain(error)
    }
}

/// How long the database may say nothing: longer than it may take, so that it is asked no more only when it is gone.
pub(super) fn patience(config: &PostgresConfig) -> Duration {
    config.acquire_timeout + config.lock_timeout + config.statement_timeout * 2
}

/// Gives up when the database says nothing, as one does whose machine or network is gone.
pub(super) async fn within<T, E: From<sqlx::Error>>(
    patience: Duration,
    answer: impl Future<Output = std::result::Result<T, E>>,
) -> std::result::Result<T, E> {
    let silent = |late| sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, late));
    tokio::time::timeout(patience, answer)
        .await
        .unwrap_or_else(|late| Err(silent(late).into()))
}
