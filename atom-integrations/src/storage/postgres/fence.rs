//! Keeps an engine from writing once its lease is lost.
//!
//! Every transaction that writes calls the function `hold` with the worker that its engine is. It ends the transaction unless the
//! worker holds its lease, and otherwise shares a lock until the transaction has ended: so who declares the worker gone waits
//! for what is under way, and nothing of it is written after that.

use atom_core::{Error, WorkerId, storage};

/// The code of the error of `hold`.
const LOST: &str = "AT001";

/// The call that a statement or transaction of a worker makes.
pub(super) fn hold(worker: WorkerId) -> String {
    format!("hold('{worker}')")
}

/// The error of an engine whose lease is lost, if that is why a statement failed.
pub(super) fn lease_lost(error: &sqlx::Error) -> Option<Error> {
    let code = error.as_database_error()?.code()?;
    (code == LOST).then(storage::lease_lost)
}
