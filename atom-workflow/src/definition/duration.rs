//! Lengths of time, as ISO 8601 text or as an object such as `{"minutes": 5}`.

use std::fmt;
use std::time::Duration;

use atom_core::{Error, Result};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::Value;

/// The longest duration, in seconds: 100 years of 365 days. What is longer is a slip of the pen.
const MAXIMUM_SECONDS: u128 = 100 * 365 * 24 * 60 * 60;
const NANOSECONDS: u128 = 1_000_000_000;

/// A month, in seconds, as the twelfth part of 365 days: only to tell what is too long.
const AVERAGE_MONTH: u128 = 365 * 24 * 60 * 60 / 12;

/// The units of the object form, in nanoseconds.
pub(super) const UNITS: [(&str, u128); 5] = [
    ("days", 24 * 60 * 60 * NANOSECONDS),
    ("hours", 60 * 60 * NANOSECONDS),
    ("minutes", 60 * NANOSECONDS),
    ("seconds", NANOSECONDS),
    ("milliseconds", 1_000_000),
];

/// A length of time with months, which are as long as the calendar has them where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalendarDuration {
    months: u32,
    rest: Duration,
}

impl CalendarDuration {
    /// So many months by the calendar, and then the rest.
    #[must_use]
    pub fn new(months: u32, rest: Duration) -> Self {
        Self { months, rest }
    }

    /// Its whole months.
    #[must_use]
    pub fn months(self) -> u32 {
        self.months
    }

    /// What comes after its months.
    #[must_use]
    pub fn rest(self) -> Duration {
        self.rest
    }

    /// So many of it one after the other; `None` when that is longer than can be told.
    #[must_use]
    pub fn checked_mul(self, count: u32) -> Option<Self> {
        Some(Self {
            months: self.months.checked_mul(count)?,
            rest: self.rest.checked_mul(count)?,
        })
    }

    /// Reads a duration as [`parse_duration`] does, or an ISO 8601 text with years and months, such as `"P1Y6M"`.
    ///
    /// # Errors
    /// `invalid_request` when the value is neither form, or longer than 100 years.
    pub fn parse(value: &Value) -> Result<Self> {
        parse(value)
    }

    /// How long it is when it begins at a moment: months by the calendar in UTC first, to the last day of a month that is
    /// too short, then the rest. What leads beyond the times there are is as long as can be.
    #[must_use]
    pub fn from(self, moment: Timestamp) -> Duration {
        if self.months == 0 {
            return self.rest;
        }
        let months = Span::new().try_months(self.months);
        let end = months.and_then(|months| moment.to_zoned(TimeZone::UTC).checked_add(months));
        let length = end.map(|end| Duration::try_from(end.timestamp().duration_since(moment)));
        length
            .ok()
            .and_then(std::result::Result::ok)
            .and_then(|length| length.checked_add(self.rest))
            .unwrap_or(Duration::MAX)
    }

    /// Its length, wherever it begins; `None` when it has months.
    #[must_use]
    pub fn fixed(self) -> Option<Duration> {
        (self.months == 0).then_some(self.rest)
    }
}

impl fmt::Display for CalendarDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { months, rest } = self;
        match (months, rest.is_zero()) {
            (0, _) => write!(formatter, "{rest:?}"),
            (_, true) => write!(formatter, "{months} months"),
            _ => write!(formatter, "{months} months {rest:?}"),
        }
    }
}

/// Reads a duration as Open Workflow documents write it: `"PT1M30S"` or `{"minutes": 1, "seconds": 30}`.
///
/// A day is 24 hours and a week 7 days. Years and months are refused because their length varies: see
/// [`CalendarDuration`].
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
    parse(value)?.fixed().ok_or_else(|| {
        Error::invalid_request(
            "years and months vary in length, and nothing says here where they begin; count days instead",
        )
    })
}

fn parse(value: &Value) -> Result<CalendarDuration> {
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
            bounded(0, total)
        }
        _ => Err(Error::invalid_request(
            "expected a duration, such as \"PT30S\" or an object with 'days', 'hours', 'minutes', 'seconds' or 'milliseconds'",
        )),
    }
}

fn parse_text(text: &str) -> Result<CalendarDuration> {
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
    let (mut months, mut total) = (0_u128, 0_u128);
    for (part, units) in [
        (
            date,
            [
                ('Y', Unit::Months(12)),
                ('M', Unit::Months(1)),
                ('W', Unit::Seconds(7 * 24 * 60 * 60)),
                ('D', Unit::Seconds(24 * 60 * 60)),
            ]
            .as_slice(),
        ),
        (
            time,
            [
                ('H', Unit::Seconds(60 * 60)),
                ('M', Unit::Seconds(60)),
                ('S', Unit::Seconds(1)),
            ]
            .as_slice(),
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
            let (_, unit) = units
                .find(|(unit, _)| *unit == designator)
                .ok_or_else(malformed)?;
            match unit {
                Unit::Seconds(seconds) => {
                    let length = amount(number, seconds * NANOSECONDS).ok_or_else(malformed)?;
                    total = total.saturating_add(length);
                }
                Unit::Months(_) if number.contains('.') && amount(number, 1).is_some() => {
                    return Err(Error::invalid_request(format!(
                        "'{text}' counts a part of a year or month, whose length varies; count whole ones, or days"
                    )));
                }
                Unit::Months(count) => {
                    let length = amount(number, *count).ok_or_else(malformed)?;
                    months = months.saturating_add(length);
                }
            }
            rest = &after[1..];
        }
    }
    bounded(months, total)
}

/// What an ISO 8601 duration counts.
enum Unit {
    Months(u128),
    Seconds(u128),
}

/// A decimal number of units.
fn amount(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (number, ""),
    };
    let is_decimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_decimal(whole) || !is_decimal(fraction) {
        return None;
    }
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

fn bounded(months: u128, nanoseconds: u128) -> Result<CalendarDuration> {
    let seconds = nanoseconds / NANOSECONDS;
    let whole = months.saturating_mul(AVERAGE_MONTH).saturating_add(seconds);
    if whole > MAXIMUM_SECONDS {
        return Err(Error::invalid_request(
            "a duration lasts at most 100 years of 365 days",
        ));
    }
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
    let rest = u32::try_from(nanoseconds % NANOSECONDS).unwrap_or_default();
    Ok(CalendarDuration {
        months: u32::try_from(months).unwrap_or(u32::MAX),
        rest: Duration::new(seconds, rest),
    })
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
            (json!("P1Y"), "vary in length"),
            (json!("P2M"), "vary in length"),
            (json!("P0.5Y"), "a part of a year"),
            (json!("P1Y.5M"), "not an ISO 8601"),
            (json!("P1.M"), "not an ISO 8601"),
            (json!("P1M1Y"), "not an ISO 8601"),
            (json!("P101Y"), "at most 100 years"),
            (
                json!("P99999999999999999999999999999999999999999999M"),
                "at most 100 years",
            ),
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

    #[test]
    fn years_and_months_follow_the_calendar() {
        for (text, begin, end) in [
            ("P1M", "2026-01-31T12:00:00Z", "2026-02-28T12:00:00Z"),
            ("P1Y", "2024-02-29T00:00:00Z", "2025-02-28T00:00:00Z"),
            ("P1Y2M", "2026-01-15T00:00:00Z", "2027-03-15T00:00:00Z"),
            ("P1M1W1DT1.5S", "2026-02-01T00:00:00Z", "2026-03-09T00:00:01.5Z"),
            ("P100Y", "2026-01-01T00:00:00Z", "2126-01-01T00:00:00Z"),
        ] {
            let length = CalendarDuration::parse(&json!(text)).unwrap();
            assert_eq!(length.fixed(), None, "{text}");
            let (begin, end): (Timestamp, Timestamp) = (begin.parse().unwrap(), end.parse().unwrap());
            assert_eq!(begin + length.from(begin), end, "{text}");
            assert_eq!(length.from(Timestamp::MAX), Duration::MAX);
        }
        let plain = CalendarDuration::parse(&json!("PT90S")).unwrap();
        assert_eq!(plain.fixed(), Some(Duration::from_secs(90)));
        assert_eq!(plain.to_string(), "90s");
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
