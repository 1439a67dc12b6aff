//! The one task that writes the steps of runs.
//!
//! It takes whatever is queued, checks every change, writes all of them in one transaction and answers after
//! its commit: one for all who wait, and one for a caller who is alone. When the database refuses such a transaction
//! because of what it holds, its changes are tried again one by one, so that one of them cannot hurt the others.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use atom_core::{CancellationToken, Error, ErrorCode, Offset, Result, Retry, WorkerId, storage};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::{oneshot, watch};

use super::batch::{Batch, Promise, Written, written_before_by_us};
use super::config::PostgresConfig;
use super::database::{Database, patience, within};
use super::error::{is_lost, may_be_repeated};
use super::open::{connect, head};
use super::rows::Decoded;
use crate::storage::change::{Change, RunKey, RunState, named_run};
use crate::storage::queue::{self, Group, Receiver, Sender, closed};

/// How many runs the writer remembers; those it has forgotten it looks up.
const REMEMBERED_RUNS: usize = 16 * 1024;
/// How often a transaction is tried that the database undoes.
const ATTEMPTS: u32 = 3;

/// The largest change, in bytes. PostgreSQL takes a message of 1 GiB, and a text may take twice its length there.
const LARGEST: usize = 512 * 1024 * 1024;

/// What callers hold of the writer.
#[derive(Clone, Debug)]
pub(super) struct WriterHandle {
    queue: Sender<Job>,
    database: Database,
}

impl WriterHandle {
    /// Makes a change and returns its answer once it is committed.
    pub(super) async fn change(&self, change: Change) -> Result<u64> {
        let bytes = change.bytes();
        if bytes > LARGEST {
            let message = "a step of a run or an event holds more than 512 MiB; make its data smaller";
            return Err(Error::new(ErrorCode::LimitExceeded, message));
        }
        let (reply, answer) = oneshot::channel();
        let worker = self.database.worker();
        let job = Job {
            change,
            worker,
            reply,
        };
        self.queue.send(job, bytes).await?;
        answer.await.map_err(|_| closed())?
    }
}

struct Job {
    change: Change,
    /// Which worker this engine was when it asked.
    worker: WorkerId,
    reply: oneshot::Sender<Result<u64>>,
}

impl Job {
    /// Whether it is a step of a worker that this engine is no more. Whoever holds the run by then, perhaps this engine anew, has
    /// begun where the journal ended.
    fn is_late(&self, worker: WorkerId) -> bool {
        self.worker != worker && matches!(self.change, Change::Commit(_))
    }
}

/// The state of the writing task.
pub(super) struct Writer {
    connection: Option<PgConnection>,
    options: PgConnectOptions,
    database: Database,
    /// How long connecting may take, and how long the database may say nothing.
    connect_within: Duration,
    patience: Duration,
    head: Arc<watch::Sender<Offset>>,
    /// What is known of runs that have not ended. Those that have may be removed at any time, by others.
    states: HashMap<RunKey, RunState>,
    /// As which worker, and after how many changes of what it holds, that is known.
    known_as: (WorkerId, u64),
    /// Changes when this worker takes or releases runs.
    holdings: Arc<AtomicU64>,
    /// The runs of which nobody knows whether the last change was written. Who asks for the same again is told so if it was.
    uncertain: HashSet<RunKey>,
}

impl Writer {
    pub(super) fn new(
        config: &PostgresConfig,
        connection: PgConnection,
        database: Database,
        head: Arc<watch::Sender<Offset>>,
        holdings: Arc<AtomicU64>,
    ) -> Self {
        Self {
            known_as: (database.worker(), 0),
            holdings,
            connection: Some(connection),
            options: config.writer(),
            database,
            connect_within: config.acquire_timeout,
            patience: patience(config),
            head,
            states: HashMap::new(),
            uncertain: HashSet::new(),
        }
    }

    /// Starts the task. It ends, after what is queued by then, when `closing` is cancelled.
    pub(super) fn start(self, closing: CancellationToken) -> (WriterHandle, tokio::task::JoinHandle<()>) {
        let (queue, receiver) = queue::queue();
        let database = self.database.clone();
        (
            WriterHandle { queue, database },
            tokio::spawn(self.run(receiver, closing)),
        )
    }

    async fn run(mut self, mut queue: Receiver<Job>, closing: CancellationToken) {
        while let Some(Group { jobs, space }) = queue.group(&closing).await {
            // Everything is written as this one, or not at all when the engine is another meanwhile.
            let worker = self.database.worker();
            let (late, jobs): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.is_late(worker));
            for job in late {
                let _ = job.reply.send(Err(storage::lease_lost()));
            }
            let (changes, replies): (Vec<_>, Vec<_>) =
                jobs.into_iter().map(|job| (job.change, job.reply)).unzip();
            for (answer, reply) in self.apply(worker, &changes).await.into_iter().zip(replies) {
                // The caller may have gone away meanwhile.
                let _ = reply.send(answer);
            }
            drop(space);
        }
        if let Some(connection) = self.connection {
            // All is committed; the server notices by itself if it cannot be told.
            let _ = within(self.connect_within, connection.close()).await;
        }
    }

    async fn apply(&mut self, worker: WorkerId, changes: &[Change]) -> Vec<Result<u64>> {
        match self.transact(worker, changes).await {
            Ok(answers) => answers,
            Err(error) if changes.len() == 1 || is_of_all(&error) => {
                changes.iter().map(|_| Err(error.clone())).collect()
            }
            Err(_) => {
                let mut answers = Vec::with_capacity(changes.len());
                for change in changes {
                    let alone = self.transact(worker, std::slice::from_ref(change)).await;
                    answers.push(match alone {
                        Ok(answer) => answer.into_iter().next().unwrap_or_else(|| Err(closed())),
                        Err(error) => Err(error),
                    });
                }
                answers
            }
        }
    }

    /// Writes the changes in one transaction. On an error nothing of them is written, unless the connection was lost.
    async fn transact(&mut self, worker: WorkerId, changes: &[Change]) -> Result<Vec<Result<u64>>> {
        let mut attempt = 1;
        loop {
            let error = match self.attempt(worker, changes).await {
                Ok(answers) => return Ok(answers),
                Err(error) => error,
            };
            // What the states say may not have been written.
            self.states.clear();
            let may_repeat = may_be_repeated(&error) || is_lost(&error);
            if !may_repeat || attempt == ATTEMPTS {
                return Err(self.database.error(error));
            }
            attempt += 1;
        }
    }

    async fn attempt(&mut self, worker: WorkerId, changes: &[Change]) -> Decoded<Vec<Result<u64>>> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        match self.try_transact(&mut connection, worker, changes).await {
            Ok((answers, written)) => {
                self.connection = Some(connection);
                self.remember(changes, &written);
                Ok(answers)
            }
            Err(error) => {
                if is_lost(&error) {
                    self.uncertain.extend(changes.iter().filter_map(named_run));
                } else if self.roll_back(&mut connection).await {
                    self.connection = Some(connection);
                }
                Err(error)
            }
        }
    }

    /// Leaves a transaction that has failed; a connection that cannot is closed, which leaves it for certain.
    async fn roll_back(&self, connection: &mut PgConnection) -> bool {
        let roll_back = within(self.connect_within, async {
            sqlx::raw_sql("ROLLBACK").execute(connection).await
        });
        roll_back.await.is_ok()
    }

    async fn connect(&self) -> Decoded<PgConnection> {
        let mut connection = connect(&self.options, self.connect_within).await?;
        // What was committed while nobody heard of it is published, too.
        let head = within(self.patience, head(&mut connection)).await?;
        publish(&self.head, head);
        Ok(connection)
    }

    async fn try_transact(
        &mut self,
        connection: &mut PgConnection,
        worker: WorkerId,
        changes: &[Change],
    ) -> Decoded<(Vec<Result<u64>>, Written)> {
        let known_as = (worker, self.holdings.load(Ordering::Acquire));
        if self.states.len() > REMEMBERED_RUNS || known_as != self.known_as {
            self.states.clear();
        }
        if known_as.0 != self.known_as.0 {
            self.uncertain.clear();
        }
        self.known_as = known_as;
        let mut written_before = vec![None; changes.len()];
        if !self.uncertain.is_empty() {
            let looked_up = written_before_by_us(connection, &self.uncertain, changes);
            written_before = within(self.patience, looked_up).await?;
        }
        // What is looked up before the transaction begins stays true: nobody else writes these runs, or the transaction fails,
        // as one does that creates what somebody else has created meanwhile.
        let prepared = Batch::prepare(connection, worker, &mut self.states, changes.iter());
        let mut batch = within(self.patience, prepared).await?;
        let promises: Vec<_> = changes
            .iter()
            .zip(written_before)
            .map(|(change, known)| match known {
                Some(head) => Answer::Known(head),
                None => Answer::Promised(batch.add(change)),
            })
            .collect();
        let written = within(self.patience, batch.write(connection)).await?;
        let answers = promises.into_iter().map(|answer| match answer {
            Answer::Known(head) => Ok(head),
            Answer::Promised(promise) => promise.map(|promise| written.answer(promise)),
        });
        Ok((answers.collect(), written))
    }

    fn remember(&mut self, changes: &[Change], written: &Written) {
        for key in changes.iter().filter_map(named_run) {
            self.uncertain.remove(&key);
            let is_others = |state: &RunState| state.has_ended || !state.is_held;
            if self.states.get(&key).is_some_and(is_others) {
                self.states.remove(&key);
            }
        }
        publish(&self.head, written.head());
    }
}

/// Tells those who follow the log how far it reaches.
pub(super) fn publish(follow: &watch::Sender<Offset>, head: Offset) {
    follow.send_if_modified(|known| {
        let is_new = head > *known;
        *known = head.max(*known);
        is_new
    });
}

/// What is known of the answer to a change before it is written.
enum Answer {
    /// It was written before.
    Known(Offset),
    Promised(Result<Promise>),
}

/// Whether a failure concerns every change: one that may pass, or an engine that was shut out. Trying each of them alone would
/// make those behind them wait for the same.
fn is_of_all(error: &Error) -> bool {
    error.retry() == Retry::Maybe || error.code() == ErrorCode::Conflict
}
