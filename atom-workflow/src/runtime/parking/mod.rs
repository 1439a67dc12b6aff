//! Runs that only wait: after a while they leave memory, and are built again from their journals when their time or an
//! event comes, or when somebody asks for them.
//!
//! What is kept of such a run is when to wake it and which types of events it listens for. A run that is woken too often
//! looks for itself and leaves again; one that is woken too late would be a fault.

mod listening;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use atom_core::{Clock, Offset, Result, Scope};
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, watch};

use listening::Listening;
#[cfg(feature = "temporal")]
pub(crate) use listening::may_be;

use super::background::Work;
use super::driver::EVENT_PAGE;
use super::stuck::RunKey;
use super::{DriverHandle, Inner, Mail, Runtime};

/// What a run waits for.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// When its next timer is due.
    pub(super) alarm: Option<Timestamp>,
    /// The types of the events that it listens for; `None` among them stands for any. Absent when it does not listen.
    pub(super) listens: Option<Vec<Option<String>>>,
}

/// A run that waits without a driver.
#[derive(Debug)]
struct Parked {
    rest: Rest,
    /// Up to where it has seen the log, if it listens.
    seen: Offset,
}

/// The runs under way in this process: those with a driver, and those that wait without one.
#[derive(Debug, Default)]
pub(super) struct Drivers {
    driven: HashMap<RunKey, DriverHandle>,
    parked: HashMap<RunKey, Parked>,
    /// The runs that are being created and that nobody has driven yet, each with the number of its latest start.
    starting: HashMap<RunKey, u64>,
    /// How many starts there were.
    starts: u64,
    /// When runs without a driver are to be woken.
    alarms: BTreeSet<(Timestamp, RunKey)>,
    listening: HashMap<Scope, Listening>,
}

impl Drivers {
    pub(super) fn get(&self, run: &RunKey) -> Option<DriverHandle> {
        self.driven.get(run).cloned()
    }

    /// Whether the run is under way in this process, with a driver or without.
    pub(super) fn contains(&self, run: &RunKey) -> bool {
        self.driven.contains_key(run) || self.parked.contains_key(run)
    }

    pub(super) fn is_parked(&self, run: &RunKey) -> bool {
        self.parked.contains_key(run)
    }

    pub(super) fn len(&self) -> usize {
        self.driven.len() + self.parked.len()
    }

    pub(super) fn driven(&self) -> usize {
        self.driven.len()
    }

    /// Notes that a run is being created; gives the number of this start.
    pub(super) fn begin_start(&mut self, run: RunKey) -> u64 {
        self.starts += 1;
        self.starting.insert(run, self.starts);
        self.starts
    }

    /// Notes that a start is over.
    pub(super) fn end_start(&mut self, run: &RunKey, start: u64) {
        if self.starting.get(run) == Some(&start) {
            self.starting.remove(run);
        }
    }

    /// Notes that a run is driven; gives the number of its latest start if nobody has driven it since that began.
    pub(super) fn begin_driving(&mut self, run: &RunKey) -> Option<u64> {
        self.starting.remove(run)
    }

    /// The tenants of which so many runs are driven.
    pub(super) fn tenants_with(&self, runs: usize) -> Vec<String> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for (scope, _) in self.driven.keys() {
            *counts.entry(&scope.tenant).or_default() += 1;
        }
        let busy = counts.into_iter().filter(|(_, count)| *count >= runs);
        busy.map(|(tenant, _)| tenant.to_owned()).collect()
    }

    pub(super) fn parked(&self) -> usize {
        self.parked.len()
    }

    /// Gives a run a driver. Tells up to where it has seen the log, if it was parked and listens.
    pub(super) fn insert(&mut self, run: RunKey, driver: DriverHandle) -> Option<Offset> {
        let parked = self.parked.remove(&run);
        let seen = parked.and_then(|Parked { rest, seen }| {
            if let Some(alarm) = rest.alarm {
                self.alarms.remove(&(alarm, run.clone()));
            }
            let types = rest.listens?;
            if let Some(listening) = self.listening.get_mut(&run.0) {
                listening.remove(run.1, &types);
                if listening.is_empty() {
                    self.listening.remove(&run.0);
                }
            }
            Some(seen)
        });
        self.driven.insert(run, driver);
        seen
    }

    /// Forgets the runs that wait without a driver, and tells which they were.
    pub(super) fn forget(&mut self) -> Vec<RunKey> {
        let parked = self.parked.drain().map(|(run, _)| run).collect();
        self.alarms.clear();
        self.listening.clear();
        parked
    }

    pub(super) fn remove(&mut self, run: &RunKey) {
        self.driven.remove(run);
    }

    /// Whether nobody else holds on to the driver of a run.
    fn is_alone(&self, run: &RunKey) -> bool {
        let driver = self.driven.get(run);
        driver.is_some_and(|driver| driver.mail.strong_count() == 1)
    }

    /// Takes the driver of a run that has seen the log up to `seen` away.
    fn park(&mut self, run: RunKey, rest: Rest, seen: Offset) {
        self.driven.remove(&run);
        if let Some(alarm) = rest.alarm {
            self.alarms.insert((alarm, run.clone()));
        }
        if let Some(types) = &rest.listens {
            let listening = self.listening.entry(run.0.clone());
            let listening = listening.or_insert_with(|| Listening::new(seen));
            listening.insert(run.1, types, seen);
        }
        self.parked.insert(run, Parked { rest, seen });
    }

    fn due(&self, now: Timestamp) -> Vec<RunKey> {
        let due = self.alarms.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, run)| run.clone()).collect()
    }

    /// The owners whose runs have not seen the log up to its head, and what they have seen.
    fn behind(&self, head: Offset) -> Vec<(Scope, Offset)> {
        let seen = self.listening.iter().map(|(scope, of)| (scope, of.seen()));
        let behind = seen.filter(|(_, seen)| *seen < head);
        behind.map(|(scope, seen)| (scope.clone(), seen)).collect()
    }
}

/// Wakes runs. It begins with the first run that is parked.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    is_attended: AtomicBool,
    rung: Arc<Notify>,
}

impl Runtime {
    /// Lets a run that only waits leave memory. Not when somebody holds on to its driver, when there is mail for it, or
    /// when it listens and `head` has news that it has not seen.
    pub(super) fn park(
        &self,
        run: RunKey,
        rest: Rest,
        inbox: &mpsc::Receiver<Mail>,
        head: &watch::Receiver<Offset>,
    ) -> bool {
        let alarm = &self.inner.alarm;
        if !alarm.is_attended.swap(true, Ordering::AcqRel) {
            self.begin_work(Waker::new(&self.inner));
        }
        let mut drivers = self.drivers();
        // Read before it is asked whether there are news: what comes later is none of what was seen.
        let seen = *head.borrow();
        // A driver is only reached through what is locked here, so nobody can come in between.
        let has_news = rest.listens.is_some() && head.has_changed().unwrap_or(true);
        if has_news || !inbox.is_empty() || !drivers.is_alone(&run) {
            return false;
        }
        drivers.park(run, rest, seen);
        drop(drivers);
        alarm.rung.notify_one();
        true
    }
}

/// What wakes runs.
struct Waker {
    rung: Arc<Notify>,
    clock: Arc<dyn Clock>,
    head: watch::Receiver<Offset>,
    /// The next time at which a run is to be woken.
    next: Option<Timestamp>,
}

impl Waker {
    fn new(runtime: &Inner) -> Self {
        Self {
            rung: Arc::clone(&runtime.alarm.rung),
            clock: Arc::clone(&runtime.parts.clock),
            head: runtime.parts.store.watch(),
            next: None,
        }
    }

    /// Wakes the runs whose time has come.
    fn wake_due(&mut self, runtime: &Runtime) -> Result<()> {
        let mut drivers = runtime.drivers();
        for run in drivers.due(self.clock.now()) {
            runtime.begin_driver(&mut drivers, run, None, None)?;
        }
        self.next = drivers.alarms.first().map(|(at, _)| *at);
        Ok(())
    }

    async fn listen(&self, runtime: &Runtime, head: Offset) -> Result<()> {
        let behind = runtime.drivers().behind(head);
        let mut failure = Ok(());
        for (scope, seen) in behind {
            // One owner's log that cannot be read does not keep the others' runs waiting.
            if let Err(error) = self.listen_for(runtime, &scope, seen, head).await {
                failure = Err(error);
            }
        }
        failure
    }

    async fn listen_for(&self, runtime: &Runtime, scope: &Scope, from: Offset, head: Offset) -> Result<()> {
        let mut from = from;
        loop {
            let page = runtime.inner.parts.store.read(scope, from, EVENT_PAGE).await?;
            let is_last = page.len() < EVENT_PAGE;
            let last = page.last().map_or(from, |logged| logged.offset);
            // A page that is not full reaches at least to the head.
            let until = if is_last { last.max(head) } else { last };
            let mut drivers = runtime.drivers();
            let Some(listening) = drivers.listening.get_mut(scope) else {
                return Ok(());
            };
            let events = page.iter().map(|logged| &logged.event);
            for run in listening.hear(events, from, until) {
                runtime.begin_driver(&mut drivers, (scope.clone(), run), None, None)?;
            }
            if is_last {
                return Ok(());
            }
            from = until;
        }
    }
}

impl Work for Waker {
    const NAME: &'static str = "what wakes runs";

    async fn pass(&mut self, runtime: &Runtime) -> Result<()> {
        // What is due does not wait for the log.
        self.wake_due(runtime)?;
        let head = *self.head.borrow_and_update();
        self.listen(runtime, head).await?;
        self.wake_due(runtime)
    }

    async fn wait(&mut self) {
        let (clock, next) = (&self.clock, self.next);
        tokio::select! {
            () = self.rung.notified() => {}
            changed = self.head.changed() => {
                // The store is gone when this fails, and with it the runtime.
                if changed.is_err() {
                    std::future::pending().await
                }
            }
            () = async { clock.wait_until(next.unwrap_or(Timestamp::MAX)).await }, if next.is_some() => {}
        }
    }

    fn failed(&mut self) -> Option<Timestamp> {
        // A log that cannot be read keeps no run waiting whose time comes.
        self.next.take()
    }
}
