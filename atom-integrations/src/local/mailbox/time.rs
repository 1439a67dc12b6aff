//! The time filters of the requests.

use atom_core::{Error, Result};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// A time from which (inclusive) or up to which (exclusive) messages count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Period {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Period {
    /// Reads the bounds: RFC 3339 times, or dates, which mean whole days in UTC.
    ///
    /// # Errors
    /// `invalid_request` for anything else.
    pub(super) fn new(since: Option<&str>, until: Option<&str>) -> Result<Self> {
        Ok(Self {
            since: since.map(|text| parse("since", text, 0)).transpose()?,
            until: until.map(|text| parse("until", text, 1)).transpose()?,
        })
    }

    /// Whether a time lies in the period; without a bound, so does a message without a time.
    pub(super) fn contains(&self, time: Option<Timestamp>) -> bool {
        self.since
            .is_none_or(|since| time.is_some_and(|time| time >= since))
            && self
                .until
                .is_none_or(|until| time.is_some_and(|time| time < until))
    }
}

fn parse(field: &str, text: &str, days_later: i64) -> Result<Timestamp> {
    let malformed = |error: jiff::Error| {
        Error::invalid_request(format!(
            "'{field}' must be a time such as 2026-03-10T09:00:00Z or a date such as 2026-03-10"
        ))
        .with_context(field, text)
        .with_source(error)
    };
    text.parse::<Timestamp>().or_else(|_| {
        text.parse::<Date>()
            .and_then(|date| date.checked_add(Span::new().try_days(days_later)?))
            .and_then(|date| date.to_zoned(TimeZone::UTC))
            .map(|zoned| zoned.timestamp())
            .map_err(malformed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_whole_days_and_times_are_exact() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let days = Period::new(Some("2026-03-10"), Some("2026-03-10")).unwrap();
        assert!(!days.contains(at("2026-03-09T23:59:59Z")));
        assert!(days.contains(at("2026-03-10T00:00:00Z")));
        assert!(days.contains(at("2026-03-10T23:59:59Z")));
        assert!(!days.contains(at("2026-03-11T00:00:00Z")));
        assert!(!days.contains(None));
        let exact = Period::new(Some("2026-03-10T10:00:00+01:00"), None).unwrap();
        assert!(exact.contains(at("2026-03-10T09:00:00Z")));
        assert!(!exact.contains(at("2026-03-10T08:59:59Z")));
        assert!(Period::default().contains(None));
        assert!(Period::new(Some("yesterday"), None).is_err());
    }
}
