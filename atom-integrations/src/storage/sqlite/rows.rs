//! How values are written into rows and read from them.

use atom_core::{Error, Result, RunId};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A result of reading a row.
pub(crate) type Decoded<T> = std::result::Result<T, sqlx::Error>;

/// A moment as nanoseconds since 1970.
pub(crate) fn nanoseconds(moment: Timestamp) -> Result<i64> {
    i64::try_from(moment.as_nanosecond())
        .map_err(|_| Error::invalid_request(format!("the time {moment} is outside the years 1678 to 2261")))
}

/// A number that only grows from 0.
pub(crate) fn integer(number: u64) -> Result<i64> {
    i64::try_from(number)
        .map_err(|_| Error::invalid_request(format!("the number {number} is too large to store")))
}

/// A value as JSON text.
pub(crate) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::invalid_request("a value has no JSON form").with_source(error))
}

pub(crate) fn moment(nanoseconds: i64) -> Decoded<Timestamp> {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).map_err(decode_error)
}

pub(crate) fn unsigned(number: i64) -> Decoded<u64> {
    u64::try_from(number).map_err(decode_error)
}

pub(crate) fn run_id(bytes: &[u8]) -> Decoded<RunId> {
    bytes.try_into().map(RunId::from_bytes).map_err(decode_error)
}

pub(crate) fn value<T: DeserializeOwned>(text: &str) -> Decoded<T> {
    serde_json::from_str(text).map_err(decode_error)
}

pub(crate) fn decode_error(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

/// A number of rows to read. More than SQLite can count means all.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
