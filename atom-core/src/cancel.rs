//! Cancellation, passed down to everything that may take long.

/// Tells a function or connector that nobody waits for its answer any more.
pub use tokio_util::sync::CancellationToken;
