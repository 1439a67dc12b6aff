//! A clock that a test moves by hand.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
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
    now: watch::Sender<Timestamp>,
    /// The deadlines that are being waited for.
    parked: watch::Sender<Vec<Timestamp>>,
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
            now: watch::Sender::new(now),
            parked: watch::Sender::new(Vec::new()),
        }
    }

    /// Moves the clock forward and wakes whoever waited for a moment up to there. The last moment there is stops it.
    pub fn advance(&self, duration: Duration) {
        self.now
            .send_modify(|now| *now = now.saturating_add(duration).unwrap_or(Timestamp::MAX));
    }

    /// Sets the clock, also backwards.
    pub fn set(&self, now: Timestamp) {
        self.now.send_replace(now);
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
        self.parked.borrow().iter().min().copied()
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn wait_until(&self, deadline: Timestamp) {
        let mut now = self.now.subscribe();
        if *now.borrow_and_update() >= deadline {
            return;
        }
        let _parked = Parked::new(&self.parked, deadline);
        // It fails when the clock is gone, and the clock is borrowed here.
        let _ = now.wait_for(|now| *now >= deadline).await;
    }
}

/// A wait that is under way; it ends when this is dropped.
struct Parked<'a> {
    deadlines: &'a watch::Sender<Vec<Timestamp>>,
    deadline: Timestamp,
}

impl<'a> Parked<'a> {
    fn new(deadlines: &'a watch::Sender<Vec<Timestamp>>, deadline: Timestamp) -> Self {
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
}
