//! The queue of messages that a host takes.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::message::Message;
use super::refusals::Refusals;

/// Holds back whoever filled the queue until the host has taken the message.
pub(super) type Permit = Box<dyn Any + Send + Sync>;

type Waker = std::sync::Arc<dyn Fn() + Send + Sync>;

/// The queue of messages that a host takes.
///
/// Its length is bounded by the permits of those who fill it. What is refused for want of a permit is kept as a
/// number only, and becomes a message when it is taken. The bytes of the messages are bounded by what one answer
/// may hold, times their number.
pub(super) struct Outbox {
    state: Mutex<State>,
    arrived: Condvar,
    /// The message of a number that was refused.
    refusal: fn(u64) -> Message,
}

#[derive(Default)]
struct State {
    messages: VecDeque<(String, Option<Permit>)>,
    refused: Refusals,
    is_closed: bool,
    waker: Option<Waker>,
}

impl State {
    fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.refused.is_empty()
    }
}

impl Outbox {
    /// An empty queue, with the message of a number that is refused.
    pub(super) fn new(refusal: fn(u64) -> Message) -> Self {
        Self {
            state: Mutex::default(),
            arrived: Condvar::new(),
            refusal,
        }
    }

    /// Adds a message, with what holds back whoever added it.
    pub(super) fn push(&self, message: &Message, permit: Permit) {
        let text = message.to_json();
        self.add(|state| state.messages.push_back((text, Some(permit))));
    }

    /// Adds the message of a number that is refused.
    pub(super) fn refuse(&self, number: u64) {
        self.add(|state| state.refused.add(number));
    }

    /// Adds the last message; nothing waits in [`take`](Self::take) from now on.
    pub(super) fn close(&self) {
        self.add(|state| {
            state.messages.push_back((Message::Closed {}.to_json(), None));
            state.is_closed = true;
        });
    }

    fn add(&self, change: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = self.lock();
            let was_empty = state.is_empty();
            change(&mut state);
            was_empty.then(|| state.waker.clone()).flatten()
        };
        self.arrived.notify_all();
        if let Some(waker) = waker {
            waker();
        }
    }

    /// Calls the waker when a message comes into the empty queue, and now when there are messages.
    pub(super) fn set_waker(&self, waker: Waker) {
        let has_messages = {
            let mut state = self.lock();
            state.waker = Some(waker.clone());
            !state.is_empty()
        };
        if has_messages {
            waker();
        }
    }

    /// Takes up to `max` messages, waiting for the first up to `timeout` unless the queue is closed.
    pub(super) fn take(&self, max: usize, timeout: Duration) -> Vec<String> {
        let mut state = self.lock();
        if !timeout.is_zero() {
            let is_idle = |state: &mut State| state.is_empty() && !state.is_closed;
            state = self
                .arrived
                .wait_timeout_while(state, timeout, is_idle)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        // First, so that the last message stays the last.
        let refused = state.refused.take(max);
        let count = (max - refused.len()).min(state.messages.len());
        let taken: Vec<_> = state.messages.drain(..count).collect();
        drop(state);
        let refused = refused.into_iter().map(|number| (self.refusal)(number).to_json());
        // The permits go back here, outside of the lock: whoever waits for them may fill the queue at once.
        refused
            .chain(taken.into_iter().map(|(text, _permit)| text))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Outbox")
            .field("messages", &self.lock().messages.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn message(id: u64) -> Message {
        Message::End { id, err: None }
    }

    fn outbox() -> Outbox {
        Outbox::new(message)
    }

    #[test]
    fn the_waker_is_called_when_the_queue_was_empty() {
        let outbox = outbox();
        let wakes = Arc::new(AtomicUsize::new(0));
        outbox.push(&message(1), Box::new(()));
        let counter = Arc::clone(&wakes);
        outbox.set_waker(Arc::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        }));
        assert_eq!(wakes.load(Ordering::SeqCst), 1, "there was a message already");
        outbox.push(&message(2), Box::new(()));
        assert_eq!(wakes.load(Ordering::SeqCst), 1);
        assert_eq!(outbox.take(1, Duration::ZERO).len(), 1);
        outbox.push(&message(3), Box::new(()));
        assert_eq!(wakes.load(Ordering::SeqCst), 1, "the queue was not empty");
        assert_eq!(outbox.take(10, Duration::ZERO).len(), 2);
        outbox.push(&message(4), Box::new(()));
        assert_eq!(wakes.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn taking_a_message_gives_its_permit_back() {
        let outbox = outbox();
        let permit = Arc::new(());
        outbox.push(&message(1), Box::new(Arc::clone(&permit)));
        assert_eq!(Arc::strong_count(&permit), 2);
        assert_eq!(outbox.take(1, Duration::ZERO).len(), 1);
        assert_eq!(Arc::strong_count(&permit), 1);
    }

    #[test]
    fn what_is_refused_is_told_before_the_end() {
        let outbox = outbox();
        for number in 1..=5 {
            outbox.refuse(number);
        }
        outbox.close();
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.extend(outbox.take(2, Duration::ZERO));
        }
        assert_eq!(taken.pop(), Some(Message::Closed {}.to_json()));
        taken.sort_unstable();
        assert_eq!(taken, [1, 2, 3, 4, 5].map(|number| message(number).to_json()));
        assert!(outbox.take(1, Duration::ZERO).is_empty());
    }

    #[test]
    fn closing_ends_every_wait() {
        let outbox = Arc::new(outbox());
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let outbox = Arc::clone(&outbox);
                std::thread::spawn(move || outbox.take(1, Duration::MAX).len())
            })
            .collect();
        outbox.close();
        let taken: usize = waiting.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(taken, 1, "one message, and nobody waits for another");
        assert!(outbox.take(1, Duration::MAX).is_empty());
    }
}
