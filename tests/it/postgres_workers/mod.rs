//! Engines that share a PostgreSQL database: nothing is lost and nothing counts twice, whatever fails between them.
#![expect(clippy::panic, clippy::expect_used, reason = "a test fails by panicking")]

mod crew;
mod network;
mod outages;
mod sharing;
