//! What a person can rely on who uses the `atom` command.
#![cfg(feature = "cli")]
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod call;
mod crash;
mod documents;
mod full_disk;
mod kill_loop;
mod run;
mod storage;
mod support;
mod work;
mod workers;
