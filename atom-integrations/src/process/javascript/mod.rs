//! Scripts in JavaScript (ES2024), run by QuickJS within the engine: without files, network, timers and other modules
//! than a small part of Node's `fs` and `process`.
//!
//! A script has a thread, 64 MiB of memory and 1 MiB of stack of its own. It is interrupted from outside.

mod console;
mod machine;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use atom_core::{Error, ErrorCode, Result};
use tokio::sync::{Semaphore, oneshot};

use super::given::Given;
use super::outcome::Outcome;
use super::supervisor::{Process, Stop, unwanted};

/// The stack of a script's thread; the script itself may use a part of it.
const THREAD_STACK: usize = 4 * 1024 * 1024;

/// How many scripts may run at once; others wait.
const MAXIMUM_SCRIPTS: usize = 16;

/// How long an interrupted script may take to notice.
const INTERRUPT_PATIENCE: Duration = Duration::from_secs(5);

static THREADS: Semaphore = Semaphore::const_new(MAXIMUM_SCRIPTS);

/// A script to run.
#[derive(Debug)]
pub(super) struct Script {
    code: String,
    given: Given,
    is_interrupted: Arc<AtomicBool>,
    answer: Option<oneshot::Receiver<Result<Outcome>>>,
}

impl Script {
    /// # Errors
    /// `invalid_request` for code that holds a NUL character.
    pub(super) fn new(code: String, given: Given) -> Result<Self> {
        super::given::check_text(&code, "the script")?;
        Ok(Self {
            code,
            given,
            is_interrupted: Arc::default(),
            answer: None,
        })
    }
}

#[async_trait]
impl Process for Script {
    async fn start(&mut self, stop: &Stop) -> Result<()> {
        let permit = tokio::select! {
            biased;
            () = stop.stopped() => return Err(unwanted()),
            permit = THREADS.acquire() => {
                permit.map_err(|error| Error::internal("no script can be run").with_source(error))?
            }
        };
        let (sender, receiver) = oneshot::channel();
        let (code, given) = (std::mem::take(&mut self.code), std::mem::take(&mut self.given));
        let is_interrupted = Arc::clone(&self.is_interrupted);
        // Not one of the runtime's own threads: a script that cannot be interrupted would keep those from ending.
        let thread = std::thread::Builder::new()
            .name("atom-script".to_owned())
            .stack_size(THREAD_STACK);
        let work = move || {
            let _permit = permit;
            // Nobody waits any more when this fails.
            let _ = sender.send(machine::run(code, given, is_interrupted));
        };
        thread.spawn(work).map_err(|error| {
            Error::new(
                ErrorCode::Unavailable,
                "the system has no thread left for a script",
            )
            .with_source(error)
        })?;
        self.answer = Some(receiver);
        Ok(())
    }

    async fn finish(mut self: Box<Self>, stop: &Stop) -> Result<Outcome> {
        let Some(mut answer) = self.answer.take() else {
            return Err(Error::internal("the script was not started"));
        };
        let _interrupt = Interrupt(Arc::clone(&self.is_interrupted));
        tokio::select! {
            biased;
            outcome = &mut answer => outcome.unwrap_or_else(|_| {
                Err(Error::internal("the script's thread ended in a panic; please report this"))
            }),
            () = stop.stopped() => {
                self.is_interrupted.store(true, Ordering::Relaxed);
                if tokio::time::timeout(INTERRUPT_PATIENCE, answer).await.is_err() {
                    tracing::warn!("a script does not let itself be interrupted; it holds a thread");
                }
                Err(unwanted())
            }
        }
    }
}

/// Interrupts the script when this is dropped.
#[derive(Debug)]
struct Interrupt(Arc<AtomicBool>);

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
