//! The one task that writes.
//!
//! It takes whatever is queued, checks every change, writes all of them in one transaction and answers after
//! its commit: one `fsync` for all who wait, and one for a caller who is alone. When such a transaction fails
//! as a whole, its changes are tried again one by one, so that one of them cannot hurt the others.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use atom_core::{CancellationToken, Error, Offset, Result};
use futures::future::BoxFuture;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{oneshot, watch};

use super::batch::Batch;
use super::error::storage_error;
use super::fence::{self, taken_over};
use super::rows::Decoded;
use crate::storage::change::{Change, RunKey, RunState};
use crate::storage::queue::{self, Group, Receiver, Sender, closed};
use crate::storage::refusal::{Refusal, WriteResult};

/// How many runs the writer remembers; those it has forgotten it looks up.
const REMEMBERED_RUNS: usize = 16 * 1024;

/// A change that is too rare to be batched: it runs its own statements within the shared transaction.
#[async_trait]
pub(crate) trait Write: Send + Sync + 'static {
    /// What the caller gets once the change is on disk.
    type Answer: Send + Sync + 'static;

    /// About how many bytes the change holds while it waits.
    fn bytes(&self) -> usize {
        1024
    }

    /// Whether it may remove runs, which the writer remembers otherwise.
    fn removes_runs(&self) -> bool {
        false
    }

    /// Makes the change. It may be called again when the transaction had to be repeated.
    async fn apply(&self, connection: &mut SqliteConnection) -> WriteResult<Self::Answer>;
}

/// What callers hold of the writer.
#[derive(Clone, Debug)]
pub(super) struct WriterHandle {
    queue: Sender<Job>,
}

impl WriterHandle {
    /// How much can still be queued, in KiB.
    #[cfg(test)]
    pub(super) fn space(&self) -> &tokio::sync::Semaphore {
        &self.queue.space
    }

    /// Makes a frequent change and returns its answer once it is on disk.
    pub(super) async fn change(&self, change: Change) -> Result<u64> {
        let bytes = change.bytes();
        let (reply, answer) = oneshot::channel();
        let job = Job::Change {
            change: Box::new(change),
            outcome: Ok(0),
            reply,
        };
        self.queue.send(job, bytes).await?;
        answer.await.map_err(|_| closed())?
    }

    /// Makes a rare change and returns its answer once it is on disk.
    pub(super) async fn write<W: Write>(&self, write: W) -> Result<W::Answer> {
        let bytes = write.bytes();
        let (reply, answer) = oneshot::channel();
        let job = Job::Write(Box::new(PendingWrite {
            write,
            answer: None,
            reply,
        }));
        self.queue.send(job, bytes).await?;
        answer.await.map_err(|_| closed())?
    }
}

enum Job {
    Change {
        change: Box<Change>,
        outcome: Result<u64>,
        reply: oneshot::Sender<Result<u64>>,
    },
    Write(Box<dyn Pending>),
}

impl Job {
    /// Tells the caller, who may have gone away meanwhile, how it ended.
    fn finish(self, failure: Option<Error>) {
        match self {
            Self::Change { outcome, reply, .. } => drop(reply.send(failure.map_or(outcome, Err))),
            Self::Write(pending) => pending.finish(failure),
        }
    }
}

/// A [`Write`] whose answer's type is forgotten.
trait Pending: Send + Sync {
    fn apply<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, WriteResult<()>>;
    fn removes_runs(&self) -> bool;
    fn refuse(&mut self, error: Error);
    fn finish(self: Box<Self>, failure: Option<Error>);
}

struct PendingWrite<W: Write> {
    write: W,
    answer: Option<Result<W::Answer>>,
    reply: oneshot::Sender<Result<W::Answer>>,
}

impl<W: Write> Pending for PendingWrite<W> {
    fn apply<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, WriteResult<()>> {
        Box::pin(async move {
            self.answer = Some(Ok(self.write.apply(connection).await?));
            Ok(())
        })
    }

    fn removes_runs(&self) -> bool {
        self.write.removes_runs()
    }

    fn refuse(&mut self, error: Error) {
        self.answer = Some(Err(error));
    }

    fn finish(self: Box<Self>, failure: Option<Error>) {
        let answer = failure.map(Err).or(self.answer);
        // The caller may have gone away meanwhile.
        drop(self.reply.send(answer.unwrap_or_else(|| Err(closed()))));
    }
}

/// The state of the writing task.
pub(super) struct Writer {
    connection: Option<SqliteConnection>,
    options: SqliteConnectOptions,
    path: Arc<Path>,
    epoch: i64,
    head: watch::Sender<Offset>,
    states: HashMap<RunKey, RunState>,
}

impl Writer {
    pub(super) fn new(
        connection: SqliteConnection,
        options: SqliteConnectOptions,
        path: Arc<Path>,
        epoch: i64,
        head: watch::Sender<Offset>,
    ) -> Self {
        Self {
            connection: Some(connection),
            options,
            path,
            epoch,
            head,
            states: HashMap::new(),
        }
    }

    /// Starts the task. It ends, after what is queued by then, when `closing` is cancelled.
    pub(super) fn start(
        self,
        closing: CancellationToken,
    ) -> (WriterHandle, tokio::task::JoinHandle<Option<SqliteConnection>>) {
        let (sender, receiver) = queue::queue();
        (
            WriterHandle { queue: sender },
            tokio::spawn(self.run(receiver, closing)),
        )
    }

    async fn run(mut self, mut queue: Receiver<Job>, closing: CancellationToken) -> Option<SqliteConnection> {
        while let Some(Group { jobs, space }) = queue.group(&closing).await {
            self.apply(jobs).await;
            drop(space);
        }
        self.connection
    }

    async fn apply(&mut self, mut jobs: Vec<Job>) {
        match self.transact(&mut jobs).await {
            Ok(()) => jobs.into_iter().for_each(|job| job.finish(None)),
            Err(error) if jobs.len() == 1 => jobs.into_iter().for_each(|job| job.finish(Some(error.clone()))),
            Err(_) => {
                for job in jobs {
                    let mut alone = [job];
                    let failure = self.transact(&mut alone).await.err();
                    let [job] = alone;
                    job.finish(failure);
                }
            }
        }
    }

    /// Writes the jobs in one transaction. On an error nothing of them is written.
    async fn transact(&mut self, jobs: &mut [Job]) -> Result<()> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self
                .connect()
                .await
                .map_err(|error| storage_error(&self.path, error))?,
        };
        match self.try_transact(&mut connection, jobs).await {
            Ok(head) => {
                self.connection = Some(connection);
                self.head
                    .send_if_modified(|known| std::mem::replace(known, head) != head);
                Ok(())
            }
            Err(refusal) => {
                // What the states say may not have been written.
                self.states.clear();
                // A connection that cannot roll back (SQLite may have done so by itself) is closed, which rolls
                // back for certain; the next transaction gets a new one.
                if sqlx::query("ROLLBACK").execute(&mut connection).await.is_ok() {
                    self.connection = Some(connection);
                }
                Err(match refusal {
                    Refusal::Rule(error) => error,
                    Refusal::Database(error) => {
                        taken_over(&error).unwrap_or_else(|| storage_error(&self.path, error))
                    }
                })
            }
        }
    }

    async fn connect(&self) -> Decoded<SqliteConnection> {
        let mut connection = self.options.connect().await?;
        fence::build(&mut connection, self.epoch).await?;
        Ok(connection)
    }

    async fn try_transact(
        &mut self,
        connection: &mut SqliteConnection,
        jobs: &mut [Job],
    ) -> WriteResult<Offset> {
        if self.states.len() > REMEMBERED_RUNS {
            self.states.clear();
        }
        let changes = jobs.iter().filter_map(|job| match job {
            Job::Change { change, .. } => Some(change.as_ref()),
            Job::Write(_) => None,
        });
        let head = *self.head.borrow();
        // What is looked up before the transaction begins stays true: nobody else writes, or the transaction fails.
        let mut batch = Batch::prepare(connection, &mut self.states, head, changes).await?;
        for job in &mut *jobs {
            if let Job::Change { change, outcome, .. } = job {
                *outcome = batch.add(change);
            }
        }
        let head = batch.head();
        let is_alone = jobs.len() == 1;
        let mut writes: Vec<_> = jobs
            .iter_mut()
            .filter_map(|job| match job {
                Job::Change { .. } => None,
                Job::Write(pending) => Some(pending),
            })
            .collect();
        if writes.is_empty() {
            batch.write(connection, "COMMIT").await?;
            return Ok(head);
        }
        batch.write(connection, "").await?;
        for pending in &mut writes {
            if is_alone {
                pending.apply(connection).await?;
            } else {
                apply_within(pending.as_mut(), connection).await?;
            }
        }
        sqlx::query("COMMIT").execute(connection).await?;
        if writes.iter().any(|pending| pending.removes_runs()) {
            self.states.clear();
        }
        Ok(head)
    }
}

/// Applies a change that shares its transaction with others: when it is refused, only it is undone.
async fn apply_within(pending: &mut dyn Pending, connection: &mut SqliteConnection) -> WriteResult<()> {
    sqlx::query("SAVEPOINT change").execute(&mut *connection).await?;
    match pending.apply(connection).await {
        Ok(()) => {}
        Err(Refusal::Rule(error)) => {
            sqlx::query("ROLLBACK TO change")
                .execute(&mut *connection)
                .await?;
            pending.refuse(error);
        }
        Err(failure) => return Err(failure),
    }
    sqlx::query("RELEASE change").execute(connection).await?;
    Ok(())
}
