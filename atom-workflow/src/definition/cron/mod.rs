//! Times of the calendar as cron expressions give them, in a time zone.
//!
//! Five fields: minute, hour, day of the month, month and day of the week, each `*`, a value, a range, a list of these, and
//! steps of `*` or a range. Days match as in Vixie cron (crontab(5)): when neither day field begins with `*`, one of
//! them is enough.
//!
//! So do changes of the clock (cron(8)): an expression is one of *fixed times* unless its minute or hour begins with
//! `*`. A fixed time that the clock skips counts once the clock has been moved; one that comes twice counts the first
//! time. Other expressions simply follow what the clock shows.

#[cfg(feature = "temporal")]
mod calendar;
mod fields;

use std::fmt;

use atom_core::{Error, Result};
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

#[cfg(feature = "temporal")]
pub(crate) use calendar::Dates;
use fields::{DAYS, Field, HOURS, MINUTES, MONTHS, WEEKDAYS};

/// How far the next time is looked for: a 29 February may be eight years away.
const HORIZON: SignedDuration = SignedDuration::from_hours(24 * 366 * 9);

/// The longest cron expression, in bytes.
const MAXIMUM_BYTES: usize = 1_000;

/// What the names that stand for expressions mean (crontab(5)).
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A cron expression in a time zone.
///
/// ```
/// use atom_workflow::definition::Cron;
///
/// let cron = Cron::parse("30 2 * * *", "Europe/Berlin")?;
/// // The clock goes from 02:00 to 03:00: the time that does not exist comes right then.
/// let next = cron.next_after("2026-03-29T00:00:00Z".parse().unwrap());
/// assert_eq!(next, Some("2026-03-29T01:00:00Z".parse().unwrap()));
/// # Ok::<(), atom_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Cron {
    expression: String,
    zone: TimeZone,
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

impl fmt::Debug for Cron {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Cron")
            .field("expression", &self.expression)
            .field("time_zone", &self.time_zone())
            .finish_non_exhaustive()
    }
}

impl Cron {
    /// Reads an expression, and looks up a time zone by its name in the IANA database.
    ///
    /// # Errors
    /// `invalid_request` for a malformed expression, one that never comes, or an unknown time zone.
    pub fn parse(expression: &str, time_zone: &str) -> Result<Self> {
        let zone = TimeZone::get(time_zone).map_err(|_| {
            let shown: String = time_zone.chars().take(64).collect();
            Error::invalid_request(format!(
                "'{shown}' is not a time zone of the IANA database; write for example Europe/Berlin or UTC"
            ))
        })?;
        if expression.len() > MAXIMUM_BYTES {
            return Err(Error::invalid_request(format!(
                "a cron expression has at most {MAXIMUM_BYTES} bytes"
            )));
        }
        let text = expression.trim();
        let nickname = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        let parts: Vec<_> = nickname
            .map_or(text, |(_, meaning)| *meaning)
            .split_ascii_whitespace()
            .collect();
        let [minute, hour, day, month, weekday] = parts[..] else {
            return Err(Error::invalid_request(format!(
                "'{text}' is not a cron expression: it has {} fields instead of five, minute, hour, day of the month, \
                 month and day of the week",
                parts.len()
            )));
        };
        let cron = Self {
            expression: text.to_owned(),
            zone,
            minute: MINUTES.read(minute)?,
            hour: HOURS.read(hour)?,
            day: DAYS.read(day)?,
            month: MONTHS.read(month)?,
            weekday: WEEKDAYS.read(weekday)?,
        };
        if cron.next_after(Timestamp::UNIX_EPOCH).is_none() {
            return Err(Error::invalid_request(format!(
                "the times of the cron expression '{text}' never come"
            )));
        }
        Ok(cron)
    }

    /// The expression as written.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The name of the time zone.
    #[must_use]
    pub fn time_zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// What the clocks of the time zone show at a moment.
    #[must_use]
    pub fn local(&self, moment: Timestamp) -> jiff::Zoned {
        moment.to_zoned(self.zone.clone())
    }

    /// The first time after a moment; `None` at the end of the calendar.
    ///
    /// Time is walked through from one change of the clock to the next: within such a stretch the clock shows every time
    /// once and in order.
    #[must_use]
    pub fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        let horizon = moment.saturating_add(HORIZON).unwrap_or(Timestamp::MAX);
        let is_fixed = !self.minute.is_open && !self.hour.is_open;
        let mut offset = self.zone.to_offset(moment);
        let mut from = minute_after(offset.to_datetime(moment))?;
        if let Some(change) = self.change_before(moment).filter(|_| is_fixed) {
            from = from.max(change.repeated_until());
        }
        let mut start = moment;
        loop {
            let change = self.change_after(start).filter(|change| change.at < horizon);
            let end = change.as_ref().map_or(horizon, |change| change.at);
            if let Some(found) = self.first_match(from, offset.to_datetime(end)) {
                return offset.to_timestamp(found).ok();
            }
            let change = change?;
            if is_fixed
                && self
                    .first_match(change.shown_before(), change.shown_after())
                    .is_some()
            {
                return Some(change.at);
            }
            from = minute_from(change.shown_after())?;
            if is_fixed {
                from = from.max(change.repeated_until());
            }
            (start, offset) = (change.at, change.to);
        }
    }

    /// The first minute that matches, from `from`, a whole minute, until before `to`.
    fn first_match(&self, from: DateTime, to: DateTime) -> Option<DateTime> {
        let mut from = minute_from(from)?;
        while from < to {
            if let Some((hour, minute)) = self.first_time(from).filter(|_| self.has_date(from.date())) {
                let found = from.date().at(hour, minute, 0, 0);
                return (found < to).then_some(found);
            }
            from = from.date().tomorrow().ok()?.at(0, 0, 0, 0);
        }
        None
    }

    /// The first hour and minute that match on a day from this time on.
    fn first_time(&self, from: DateTime) -> Option<(i8, i8)> {
        let hour = self.hour.next(from.hour())?;
        if hour > from.hour() {
            return Some((hour, self.minute.next(0)?));
        }
        if let Some(minute) = self.minute.next(from.minute()) {
            return Some((hour, minute));
        }
        Some((self.hour.next(hour + 1)?, self.minute.next(0)?))
    }

    fn has_date(&self, date: Date) -> bool {
        let has_day = self.day.has(date.day());
        let has_weekday = self.weekday.has(date.weekday().to_sunday_zero_offset());
        let has_either = if self.day.is_open || self.weekday.is_open {
            has_day && has_weekday
        } else {
            has_day || has_weekday
        };
        has_either && self.month.has(date.month())
    }

    /// The first change of the clock after a moment.
    fn change_after(&self, moment: Timestamp) -> Option<Change> {
        let mut offset = self.zone.to_offset(moment);
        for transition in self.zone.following(moment) {
            let from = std::mem::replace(&mut offset, transition.offset());
            if from != offset {
                return Some(Change {
                    at: transition.timestamp(),
                    from,
                    to: offset,
                });
            }
        }
        None
    }

    /// The last change of the clock before or at a moment.
    fn change_before(&self, moment: Timestamp) -> Option<Change> {
        let end = moment.saturating_add(SignedDuration::from_nanos(1)).ok()?;
        self.zone.preceding(end).find_map(|transition| {
            let at = transition.timestamp();
            let before = at.saturating_sub(SignedDuration::from_nanos(1)).ok()?;
            let (from, to) = (self.zone.to_offset(before), transition.offset());
            (from != to).then_some(Change { at, from, to })
        })
    }
}

/// A moment at which the clocks are moved.
struct Change {
    at: Timestamp,
    from: Offset,
    to: Offset,
}

impl Change {
    fn shown_before(&self) -> DateTime {
        self.from.to_datetime(self.at)
    }

    fn shown_after(&self) -> DateTime {
        self.to.to_datetime(self.at)
    }

    /// Until when the clock shows what it has shown before.
    fn repeated_until(&self) -> DateTime {
        self.shown_before()
    }
}

/// The whole minute at or after a time.
fn minute_from(time: DateTime) -> Option<DateTime> {
    let minute = time.date().at(time.hour(), time.minute(), 0, 0);
    if minute == time {
        return Some(minute);
    }
    minute_after(time)
}

/// The first whole minute after a time.
fn minute_after(time: DateTime) -> Option<DateTime> {
    let minute = time.date().at(time.hour(), time.minute(), 0, 0);
    minute.checked_add(SignedDuration::from_mins(1)).ok()
}

#[cfg(test)]
mod tests;
