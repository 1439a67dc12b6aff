//! A clock that a test moves by hand.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::fixtures;
use crate::Clock;

/// A clock that stands still until a test moves it.
///
/// ```
/// use atom_core::Clock;
/// use atom_core::testkit::ManualClock;
/// use std::time::Duration;
///
/// let clock = ManualClock::default();
/// let start = clock.now();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now().duration_since(start).as_secs(), 60);
/// ```
#[derive(Debug)]
pub struct ManualClock {
    time: watch::Sender<Time>,
    /// The waits that are under way.
    parked: watch::Sender<Vec<Deadline>>,
}

/// What the clock shows, and how much time has passed since the test began, which is not the same once it was set.
#[derive(Clone, Copy, Debug)]
struct Time {
    now: Timestamp,
    passed: Duration,
}

/// What ends a wait.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Deadline {
    /// The clock shows this moment.
    Moment(Timestamp),
    /// So much time has passed since the test began.
    Passed(Duration),
}

impl Deadline {
    fn is_over(self, time: &Time) -> bool {
        match self {
            Self::Moment(moment) => moment <= time.now,
            Self::Passed(passed) => passed <= time.passed,
        }
    }

    /// What the clock will show then, unless it is set.
    fn moment(self, time: &Time) -> Timestamp {
        match self {
            Self::Moment(moment) => moment,
            Self::Passed(passed) => later(time.now, passed.saturating_sub(time.passed)),
        }
    }
}

fn later(moment: Timestamp, length: Duration) -> Timestamp {
    moment.saturating_add(length).unwrap_or(Timestamp::MAX)
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new(fixtures::start())
    }
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            time: watch::Sender::new(Time {
                now,
                passed: Duration::ZERO,
            }),
            parked: watch::Sender::new(Vec::new()),
        }
    }

    /// Lets time pass and wakes whoever waited for a moment up to there. The last moment there is stops the clock.
    pub fn advance(&self, duration: Duration) {
        self.time.send_modify(|time| {
            time.now = later(time.now, duration);
            time.passed = time.passed.saturating_add(duration);
        });
    }

    /// Lets time pass until the clock shows `now`. A clock that is past it is set back, and no time passes.
    pub fn set(&self, now: Timestamp) {
        let by = now.duration_since(self.now());
        match Duration::try_from(by) {
            Ok(duration) => self.advance(duration),
            Err(_) => self.jump(by),
        }
    }

    /// Sets the clock forward or back, as an administrator or a time server does: no time passes.
    pub fn jump(&self, by: SignedDuration) {
        let end = if by.is_negative() {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        self.time
            .send_modify(|time| time.now = time.now.saturating_add(by).unwrap_or(end));
    }

    /// Returns once at least `count` waits are under way at the same time.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn parked(&self, count: usize) {
        let mut parked = self.parked.subscribe();
        // It fails when the clock is gone, and the clock is borrowed here.
        let _ = parked.wait_for(|deadlines| deadlines.len() >= count).await;
    }

    /// The nearest moment that is being waited for: where to [`set`](Self::set) the clock to make something happen.
    #[must_use]
    pub fn earliest_deadline(&self) -> Option<Timestamp> {
        let time = *self.time.borrow();
        let parked = self.parked.borrow();
        parked.iter().map(|deadline| deadline.moment(&time)).min()
    }

    async fn wait(&self, deadline: Deadline) {
        let mut time = self.time.subscribe();
        if deadline.is_over(&time.borrow_and_update()) {
            return;
        }
        let _parked = Parked::new(&self.parked, deadline);
        // It fails when the clock is gone, and the clock is borrowed here.
        let _ = time.wait_for(|time| deadline.is_over(time)).await;
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.time.borrow().now
    }

    async fn wait_until(&self, deadline: Timestamp) {
        self.wait(Deadline::Moment(deadline)).await;
    }

    async fn sleep(&self, length: Duration) {
        let passed = self.time.borrow().passed.saturating_add(length);
        self.wait(Deadline::Passed(passed)).await;
    }
}

/// A wait that is under way; it ends when this is dropped.
struct Parked<'a> {
    deadlines: &'a watch::Sender<Vec<Deadline>>,
    deadline: Deadline,
}

impl<'a> Parked<'a> {
    fn new(deadlines: &'a watch::Sender<Vec<Deadline>>, deadline: Deadline) -> Self {
        deadlines.send_modify(|deadlines| deadlines.push(deadline));
        Self { deadlines, deadline }
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        self.deadlines.send_modify(|deadlines| {
            if let Some(place) = deadlines.iter().position(|deadline| *deadline == self.deadline) {
                deadlines.swap_remove(place);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_wait_ends_exactly_when_the_clock_reaches_its_deadline() {
        let clock = Arc::new(ManualClock::default());
        let deadline = clock.now() + Duration::from_secs(10);
        let waiting = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move { clock.wait_until(deadline).await }
        });
        clock.parked(1).await;
        assert_eq!(clock.earliest_deadline(), Some(deadline));
        clock.advance(Duration::from_nanos(9_999_999_999));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        clock.advance(Duration::from_nanos(1));
        waiting.await.unwrap();
        assert_eq!(clock.earliest_deadline(), None);
    }

    #[tokio::test]
    async fn a_dropped_wait_is_forgotten() {
        let clock = ManualClock::default();
        let deadline = clock.now() + Duration::from_secs(1);
        tokio::select! {
            biased;
            () = clock.wait_until(deadline) => panic!("the clock stands still"),
            () = clock.parked(1) => {}
        }
        assert_eq!(clock.earliest_deadline(), None);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_moves_what_waits_for_a_moment_and_nothing_else() {
        let clock = Arc::new(ManualClock::default());
        let start = clock.now();
        let sleeping = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move { clock.sleep(Duration::from_secs(10)).await }
        });
        clock.parked(1).await;
        clock.jump(SignedDuration::from_hours(1));
        tokio::task::yield_now().await;
        assert!(!sleeping.is_finished());
        assert_eq!(
            clock.earliest_deadline(),
            Some(start + SignedDuration::from_secs(3610))
        );
        clock.wait_until(start).await;
        clock.jump(SignedDuration::from_hours(-2));
        assert_eq!(clock.now(), start - SignedDuration::from_hours(1));
        clock.advance(Duration::from_secs(10));
        sleeping.await.unwrap();
    }
}
