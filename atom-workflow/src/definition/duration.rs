//! Lengths of time, as ISO 8601 text or as an object such as `{"minutes": 5}`.

use std::time::Duration;

use atom_core::{Error, Result};
use serde_json::Value;

/// The longest duration, in seconds: 100 years of 365 days. What is longer is a slip of the pen.
const MAXIMUM_SECONDS: u128 = 100 * 365 * 24 * 60 * 60;
const NANOSECONDS: u128 = 1_000_000_000;

/// The units of the object form, in nanoseconds.
pub(super) const UNITS: [(&str, u128); 5] = [
    ("days", 24 * 60 * 60 * NANOSECONDS),
    ("hours", 60 * 60 * NANOSECONDS),
    ("minutes", 60 * NANOSECONDS),
    ("seconds", NANOSECONDS),
    ("milliseconds", 1_000_000),
];

/// Reads a duration as Open Workflow documents write it: `"PT1M30S"` or `{"minutes": 1, "seconds": 30}`.
///
/// A day is 24 hours and a week 7 days. Years and months are refused because their length varies.
///
/// ```
/// use atom_workflow::definition::parse_duration;
/// use serde_json::json;
/// use std::time::Duration;
///
/// assert_eq!(parse_duration(&json!("PT1M30S"))?, Duration::from_secs(90));
/// assert_eq!(parse_duration(&json!({"minutes": 1, "milliseconds": 5}))?, Duration::from_millis(60_005));
/// # Ok::<(), atom_core::Error>(())
/// ```
///
/// # Errors
/// `invalid_request` when the value is neither form, or longer than 100 years.
pub fn parse_duration(value: &Value) -> Result<Duration> {
    match value {
        Value::String(text) => parse_text(text),
        Value::Object(fields) if !fields.is_empty() => {
            let mut total = 0_u128;
            for (key, value) in fields {
                let Some((_, unit)) = UNITS.iter().find(|(name, _)| name == key) else {
                    return Err(Error::invalid_request(format!(
                        "a duration has days, hours, minutes, seconds and milliseconds, not '{key}'"
                    )));
                };
                let whole = value
                    .as_f64()
                    .filter(|number| number.fract() == 0.0 && (0.0..1e18).contains(number));
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "checked just above"
                )]
                let count = value
                    .as_u64()
                    .map(u128::from)
                    .or(whole.map(|number| number as u128));
                let Some(count) = count else {
                    return Err(Error::invalid_request(format!(
                        "the {key} of a duration must be a whole number, 0 or more"
                    )));
                };
                total = total.saturating_add(count.saturating_mul(*unit));
            }
            bounded(total)
        }
        _ => Err(Error::invalid_request(
            "expected a duration, such as \"PT30S\" or an object with 'days', 'hours', 'minutes', 'seconds' or 'milliseconds'",
        )),
    }
}

fn parse_text(text: &str) -> Result<Duration> {
    let malformed = || {
        let shown: String = text.chars().take(40).collect();
        Error::invalid_request(format!(
            "'{shown}' is not an ISO 8601 duration; write for example PT30S, PT1H30M or P2D"
        ))
    };
    let body = text.strip_prefix('P').ok_or_else(malformed)?;
    let (date, time) = match body.split_once('T') {
        Some((_, "")) => return Err(malformed()),
        Some((date, time)) => (date, time),
        None => (body, ""),
    };
    if date.is_empty() && time.is_empty() {
        return Err(malformed());
    }
    let mut total = 0_u128;
    for (part, units) in [
        (
            date,
            [
                ('Y', None),
                ('M', None),
                ('W', Some(7 * 24 * 60 * 60)),
                ('D', Some(24 * 60 * 60)),
            ]
            .as_slice(),
        ),
        (
            time,
            [('H', Some(60 * 60)), ('M', Some(60)), ('S', Some(1))].as_slice(),
        ),
    ] {
        let mut units = units.iter();
        let mut rest = part;
        while !rest.is_empty() {
            let end = rest
                .find(|letter: char| letter.is_ascii_alphabetic())
                .ok_or_else(malformed)?;
            let (number, after) = rest.split_at(end);
            let designator = after.chars().next().ok_or_else(malformed)?;
            // Units come in a fixed order, each at most once.
            let (_, seconds) = units
                .find(|(unit, _)| *unit == designator)
                .ok_or_else(malformed)?;
            let Some(seconds) = seconds else {
                let unit = if designator == 'Y' { "years" } else { "months" };
                return Err(Error::invalid_request(format!(
                    "'{text}' counts {unit}, whose length varies; count days instead"
                )));
            };
            total = total.saturating_add(amount(number, *seconds).ok_or_else(malformed)?);
            rest = &after[1..];
        }
    }
    bounded(total)
}

/// A decimal number of units of so many seconds, in nanoseconds.
fn amount(number: &str, seconds: u128) -> Option<u128> {
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (number, ""),
    };
    let is_decimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_decimal(whole) || !is_decimal(fraction) {
        return None;
    }
    let unit = seconds * NANOSECONDS;
    // A whole number too long to be read is too long a time in any case.
    let whole = whole.parse::<u128>().unwrap_or(u128::MAX).saturating_mul(unit);
    // Digits beyond the twelfth are less than a nanosecond of the longest unit, a week.
    let digits = &fraction[..fraction.len().min(15)];
    let scale = 10_u128.pow(u32::try_from(digits.len()).ok()?);
    let fraction = if digits.is_empty() {
        0
    } else {
        digits.parse::<u128>().ok()? * unit / scale
    };
    Some(whole.saturating_add(fraction))
}

fn bounded(nanoseconds: u128) -> Result<Duration> {
    let seconds = nanoseconds / NANOSECONDS;
    if seconds > MAXIMUM_SECONDS {
        return Err(Error::invalid_request(
            "a duration lasts at most 100 years of 365 days",
        ));
    }
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
    let rest = u32::try_from(nanoseconds % NANOSECONDS).unwrap_or_default();
    Ok(Duration::new(seconds, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn both_forms_are_read() {
        for (value, milliseconds) in [
            (json!("PT30S"), 30_000),
            (json!("P1DT2H3.5S"), 93_603_500),
            (json!("P1W"), 604_800_000),
            (json!("PT0.5H"), 1_800_000),
            (json!("PT1.0005S"), 1_000),
            (json!("PT0S"), 0),
            (
                json!({"days": 1, "hours": 2, "minutes": 3, "seconds": 4, "milliseconds": 5}),
                93_784_005,
            ),
            (json!({"seconds": 2.0}), 2_000),
        ] {
            assert_eq!(
                parse_duration(&value).unwrap().as_millis(),
                milliseconds,
                "{value}"
            );
        }
    }

    #[test]
    fn anything_else_is_refused_with_a_reason() {
        for (value, reason) in [
            (json!("P"), "not an ISO 8601"),
            (json!("PT"), "not an ISO 8601"),
            (json!("P1DT"), "not an ISO 8601"),
            (json!("P1"), "not an ISO 8601"),
            (json!("PT1S2M"), "not an ISO 8601"),
            (json!("PT1S1S"), "not an ISO 8601"),
            (json!("PT.5S"), "not an ISO 8601"),
            (json!("PT1.S"), "not an ISO 8601"),
            (json!("PTé1S"), "not an ISO 8601"),
            (json!("-PT1S"), "not an ISO 8601"),
            (json!("pt1s"), "not an ISO 8601"),
            (json!("P1Y"), "counts years"),
            (json!("P2M"), "counts months"),
            (json!("P36501D"), "at most 100 years"),
            (
                json!("P9999999999999999999999999999999999999999999D"),
                "at most 100 years",
            ),
            (json!({}), "expected a duration"),
            (json!(30), "expected a duration"),
            (json!({"second": 1}), "not 'second'"),
            (json!({"seconds": -1}), "0 or more"),
            (json!({"seconds": 1.5}), "0 or more"),
            (json!({"days": u64::MAX}), "at most 100 years"),
        ] {
            let error = parse_duration(&value).unwrap_err();
            assert!(error.message().contains(reason), "{value}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[PT0-9.YMWDHS -]{0,20}|\\PC{0,20}") {
            let _ = parse_duration(&json!(text));
        }

        #[test]
        fn hours_minutes_and_seconds_add_up(hours in 0_u64..9999, minutes in 0_u64..9999, seconds in 0_u64..9999) {
            let expected = Duration::from_secs(hours * 3600 + minutes * 60 + seconds);
            let text = json!(format!("PT{hours}H{minutes}M{seconds}S"));
            prop_assert_eq!(parse_duration(&text).unwrap(), expected);
            let object = json!({"hours": hours, "minutes": minutes, "seconds": seconds});
            prop_assert_eq!(parse_duration(&object).unwrap(), expected);
        }
    }
}
