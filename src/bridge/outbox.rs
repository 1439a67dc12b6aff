//! The queue of messages that a host takes.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::message::Message;

/// Holds back whoever filled the queue until the host has taken the message.
pub(super) type Permit = Box<dyn Any + Send + Sync>;

type Waker = std::sync::Arc<dyn Fn() + Send + Sync>;

/// The queue of messages that a host takes. Its length is bounded by the permits of those who fill it.
#[derive(Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    messages: VecDeque<(String, Option<Permit>)>,
    is_closed: bool,
    waker: Option<Waker>,
}

impl Outbox {
    /// Adds a message.
    pub(super) fn push(&self, message: &Message, permit: Option<Permit>) {
        let text = message.to_json();
        self.add(text, permit, false);
    }

    /// Adds the last message; nothing waits in [`take`](Self::take) from now on.
    pub(super) fn close(&self) {
        self.add(Message::Closed {}.to_json(), None, true);
    }

    fn add(&self, text: String, permit: Option<Permit>, is_last: bool) {
        let waker = {
            let mut state = self.lock();
            let was_empty = state.messages.is_empty();
            state.messages.push_back((text, permit));
            state.is_closed |= is_last;
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
            !state.messages.is_empty()
        };
        if has_messages {
            waker();
        }
    }

    /// Takes up to `max` messages, waiting for the first up to `timeout` unless the queue is closed.
    pub(super) fn take(&self, max: usize, timeout: Duration) -> Vec<String> {
        let mut state = self.lock();
        if !timeout.is_zero() {
            let is_idle = |state: &mut State| state.messages.is_empty() && !state.is_closed;
            state = self
                .arrived
                .wait_timeout_while(state, timeout, is_idle)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let count = max.min(state.messages.len());
        let taken: Vec<_> = state.messages.drain(..count).collect();
        drop(state);
        // The permits go back here, outside of the lock: whoever waits for them may fill the queue at once.
        taken.into_iter().map(|(text, _permit)| text).collect()
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

    #[test]
    fn the_waker_is_called_when_the_queue_was_empty() {
        let outbox = Outbox::default();
        let wakes = Arc::new(AtomicUsize::new(0));
        outbox.push(&message(1), None);
        let counter = Arc::clone(&wakes);
        outbox.set_waker(Arc::new(move || drop(counter.fetch_add(1, Ordering::SeqCst))));
        assert_eq!(wakes.load(Ordering::SeqCst), 1, "there was a message already");
        outbox.push(&message(2), None);
        assert_eq!(wakes.load(Ordering::SeqCst), 1);
        assert_eq!(outbox.take(1, Duration::ZERO).len(), 1);
        outbox.push(&message(3), None);
        assert_eq!(wakes.load(Ordering::SeqCst), 1, "the queue was not empty");
        assert_eq!(outbox.take(10, Duration::ZERO).len(), 2);
        outbox.push(&message(4), None);
        assert_eq!(wakes.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn taking_a_message_gives_its_permit_back() {
        let outbox = Outbox::default();
        let permit = Arc::new(());
        outbox.push(&message(1), Some(Box::new(Arc::clone(&permit))));
        assert_eq!(Arc::strong_count(&permit), 2);
        assert_eq!(outbox.take(1, Duration::ZERO).len(), 1);
        assert_eq!(Arc::strong_count(&permit), 1);
    }

    #[test]
    fn closing_ends_every_wait() {
        let outbox = Arc::new(Outbox::default());
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
