//! How values are written into rows and read from them, whatever database they stand in.

use atom_core::{Error, ErrorCode, Result, RunId};
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

/// How deep JSON can be nested so that it can be read again: the limit of `serde_json`.
const DEEPEST: usize = 127;

/// A value as JSON text.
pub(crate) fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(value)
        .map_err(|error| Error::invalid_request("a value has no JSON form").with_source(error))?;
    if depth(&text) > DEEPEST {
        let message =
            format!("a value is nested more than {DEEPEST} levels deep and could not be read again");
        return Err(Error::new(ErrorCode::LimitExceeded, message));
    }
    Ok(text)
}

/// How many objects and arrays are open at the same time in a JSON text.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut is_text, mut is_escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
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

/// A number of rows to read. More than a database can count means all.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_written_can_be_read_again() {
        let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        for (value, is_accepted) in [
            (nested(0), true),
            (nested(DEEPEST), true),
            (nested(DEEPEST + 1), false),
            (json!("[".repeat(500)), true),
            (json!({ "a\\\"[": "\\", "b": "\"{" }), true),
        ] {
            match json(&value) {
                Ok(text) => {
                    assert!(is_accepted, "{text}");
                    assert_eq!(super::value::<Value>(&text).unwrap(), value);
                }
                Err(error) => assert!(
                    !is_accepted && error.code() == ErrorCode::LimitExceeded,
                    "{error}"
                ),
            }
        }
    }

    #[test]
    fn moments_keep_their_nanoseconds() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2026-01-01T00:00:00.123456789Z",
            "1700-02-28T23:59:59.000000001Z",
        ] {
            let moment: Timestamp = text.parse().unwrap();
            assert_eq!(super::moment(nanoseconds(moment).unwrap()).unwrap(), moment);
        }
        assert_eq!(
            nanoseconds(Timestamp::MAX).unwrap_err().code(),
            ErrorCode::InvalidRequest
        );
    }
}
