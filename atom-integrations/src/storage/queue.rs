//! What waits to be written: bounded in number and in bytes, and taken in groups that share a transaction.

use std::fmt;
use std::sync::Arc;

use atom_core::{CancellationToken, Error, ErrorCode, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// How many callers can wait before others wait to be queued.
const QUEUE: usize = 1024;
/// How many KiB of changes can wait before others wait to be queued. A larger one waits until it is alone.
pub(super) const QUEUED_KIB: u32 = 64 * 1024;
/// The most changes that share a transaction.
const GROUP: usize = 256;

/// A queue, as those who fill it and as the one who empties it hold it.
pub(super) fn queue<J>() -> (Sender<J>, Receiver<J>) {
    let (jobs, queue) = mpsc::channel(QUEUE);
    let space = Arc::new(Semaphore::new(QUEUED_KIB as usize));
    (Sender { jobs, space }, Receiver(queue))
}

/// Where jobs are queued.
pub(super) struct Sender<J> {
    jobs: mpsc::Sender<(J, OwnedSemaphorePermit)>,
    pub(super) space: Arc<Semaphore>,
}

impl<J> fmt::Debug for Sender<J> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<J> Clone for Sender<J> {
    fn clone(&self) -> Self {
        Self {
            jobs: self.jobs.clone(),
            space: Arc::clone(&self.space),
        }
    }
}

impl<J> Sender<J> {
    /// Queues a job once there is space for its bytes, which it takes until its group is dropped.
    pub(super) async fn send(&self, job: J, bytes: usize) -> Result<()> {
        let kib = u32::try_from(bytes / 1024 + 1).map_or(QUEUED_KIB, |kib| kib.min(QUEUED_KIB));
        let space = Arc::clone(&self.space).acquire_many_owned(kib).await;
        let space = space.map_err(|_| closed())?;
        self.jobs.send((job, space)).await.map_err(|_| closed())
    }
}

/// Where jobs are taken.
pub(super) struct Receiver<J>(mpsc::Receiver<(J, OwnedSemaphorePermit)>);

/// Jobs that are done together.
pub(super) struct Group<J> {
    pub(super) jobs: Vec<J>,
    /// Given back when all of them are done.
    pub(super) space: Vec<OwnedSemaphorePermit>,
}

impl<J> Receiver<J> {
    /// Whatever is queued, once there is something. After `closing` is cancelled nothing new is queued; nothing comes
    /// when all that was queued by then is taken.
    pub(super) async fn group(&mut self, closing: &CancellationToken) -> Option<Group<J>> {
        let Self(queue) = self;
        let mut taken = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = closing.cancelled(), if !queue.is_closed() => queue.close(),
                count = queue.recv_many(&mut taken, GROUP) => {
                    if count == 0 {
                        return None;
                    }
                    break;
                }
            }
        }
        // Those who were answered just now may be about to come back: whoever does so before the next commit begins
        // shares it.
        tokio::task::yield_now().await;
        while taken.len() < GROUP
            && let Ok(job) = queue.try_recv()
        {
            taken.push(job);
        }
        let (jobs, space) = taken.into_iter().unzip();
        Some(Group { jobs, space })
    }
}

/// The error of a store that was closed.
pub(super) fn closed() -> Error {
    Error::new(ErrorCode::Closed, "the store was closed; open it again")
}
