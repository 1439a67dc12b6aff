//! Time as an input, so that everything that waits can be tested without waiting.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// Tells the time and waits for it. The engine never reads a clock in any other way.
#[async_trait]
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Returns once [`now`](Self::now) is at or after `deadline`, at once if it is already.
    ///
    /// # Cancel safety
    /// Dropping the future forgets the wait and nothing else.
    async fn wait_until(&self, deadline: Timestamp);

    /// Returns once so much time has passed, whatever the clock was set to meanwhile: for bounds and pauses, which
    /// somebody who sets the clock must neither end nor prolong.
    ///
    /// # Cancel safety
    /// Dropping the future forgets the wait and nothing else.
    async fn sleep(&self, length: Duration);
}
