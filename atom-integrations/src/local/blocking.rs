//! Runs file work away from the asynchronous threads, and stops it when nobody waits for it any more.

use atom_core::{CancellationToken, Error, ErrorCode, FunctionContext, Result};

/// Runs `work` on a thread that may block.
///
/// The token given to `work` is cancelled with the context's and when the returned future is dropped; `work`
/// asks [`check`] between files.
pub(crate) async fn blocking<T: Send + 'static>(
    context: &FunctionContext,
    work: impl FnOnce(&CancellationToken) -> Result<T> + Send + 'static,
) -> Result<T> {
    let cancellation = context.cancellation.child_token();
    let _cancelled_on_drop = cancellation.clone().drop_guard();
    tokio::task::spawn_blocking(move || work(&cancellation))
        .await
        .map_err(|error| Error::internal("the file work ended unexpectedly").with_source(error))?
}

/// `cancelled` once nobody waits for the answer.
pub(crate) fn check(cancellation: &CancellationToken) -> Result<()> {
    if cancellation.is_cancelled() {
        return Err(Error::new(
            ErrorCode::Cancelled,
            "the call was cancelled while it read files",
        ));
    }
    Ok(())
}
