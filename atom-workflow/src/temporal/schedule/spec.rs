//! When the server is to look at a schedule: at every time of its own, and at a few more.
//!
//! The server counts in whole seconds, and knows neither months as intervals nor Vixie cron's rules for days and changes of
//! the clock; of times that the clock shows twice it may leave out the first. So it is told times among which all those of the schedule are, and the record in the store says which they are.

use std::time::Duration;

use atom_core::storage::ScheduleTrigger;
use atom_core::{Error, ErrorCode, Result};
use jiff::Timestamp;
use temporalio_common::protos::temporal::api::schedule::v1::{
    IntervalSpec, Range, ScheduleSpec, StructuredCalendarSpec,
};

use crate::definition::{Cron, Dates};

const SECOND: u64 = 1_000;

const HOUR: u64 = 60 * 60 * SECOND;

const DAY: u64 = 24 * HOUR;

/// The longest interval: the server takes longer ones from 1970 on, and leaves out what comes before the first.
const LONGEST: u64 = 50 * 365 * DAY;

/// The times at which the server looks at a schedule with these triggers that became active at `since`.
///
/// # Errors
/// `unsupported` for triggers that the server has no times for, `invalid_request` for an unknown time zone.
pub(super) fn spec<'a>(
    triggers: impl IntoIterator<Item = &'a ScheduleTrigger>,
    since: Timestamp,
) -> Result<ScheduleSpec> {
    let mut spec = ScheduleSpec::default();
    for trigger in triggers {
        match trigger {
            ScheduleTrigger::Every {
                months, interval_ms, ..
            } => spec
                .interval
                .push(grid(often_enough(*months, *interval_ms)?, since)),
            ScheduleTrigger::Cron {
                expression,
                time_zone,
                ..
            } => {
                let cron = Cron::parse(expression, time_zone)?;
                spec.timezone_name = cron.time_zone().to_owned();
                spec.structured_calendar.extend(cron.dates().iter().map(calendar));
                let near_changes = cron.near_changes(since);
                spec.interval.extend(near_changes.into_iter().map(moment));
            }
            ScheduleTrigger::After { .. } => return Err(unsupported("'schedule.after'")),
            ScheduleTrigger::Events => return Err(unsupported("'schedule.on'")),
        }
    }
    Ok(spec)
}

fn unsupported(what: &str) -> Error {
    Error::new(
        ErrorCode::Unsupported,
        format!("{what} is not there for runs on Temporal; open the engine with 'runs' at embedded for it"),
    )
}

/// An interval in milliseconds whose times are among others those of this one.
fn often_enough(months: u32, milliseconds: u64) -> Result<u64> {
    if !milliseconds.is_multiple_of(SECOND) {
        return Err(unsupported("'schedule.every' with a part of a second"));
    }
    if milliseconds > LONGEST {
        return Err(unsupported("'schedule.every' of more than fifty years"));
    }
    if months == 0 {
        return Ok(milliseconds);
    }
    // Months have whole days.
    let interval = greatest_common_divisor(DAY, milliseconds);
    if interval < HOUR {
        return Err(unsupported("'schedule.every' with months and a part of an hour"));
    }
    Ok(interval)
}

fn greatest_common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 {
        one
    } else {
        greatest_common_divisor(other, one % other)
    }
}

/// Equal intervals counted from `since`, each up to a second late, as the server counts from whole seconds.
fn grid(milliseconds: u64, since: Timestamp) -> IntervalSpec {
    let seconds = (milliseconds / SECOND).max(1);
    let begins = i128::from(since.as_second()) + i128::from(since.subsec_nanosecond() > 0);
    let phase = u64::try_from(begins.rem_euclid(seconds.into())).unwrap_or_default();
    IntervalSpec {
        interval: Duration::from_secs(seconds).try_into().ok(),
        phase: Duration::from_secs(phase).try_into().ok(),
    }
}

/// One moment: the first of an interval as long as it is away from 1970, so that the second is decades later.
fn moment(at: Timestamp) -> IntervalSpec {
    IntervalSpec {
        interval: Duration::from_secs(at.as_second().unsigned_abs()).try_into().ok(),
        phase: None,
    }
}

fn calendar(dates: &Dates) -> StructuredCalendarSpec {
    StructuredCalendarSpec {
        second: vec![Range::default()],
        minute: ranges(&dates.minutes),
        hour: ranges(&dates.hours),
        day_of_month: ranges(&dates.days),
        month: ranges(&dates.months),
        day_of_week: ranges(&dates.weekdays),
        ..StructuredCalendarSpec::default()
    }
}

fn ranges(ranges: &[(i8, i8)]) -> Vec<Range> {
    let range = |(first, last): &(i8, i8)| Range {
        start: (*first).into(),
        end: (*last).into(),
        step: 1,
    };
    ranges.iter().map(range).collect()
}

#[cfg(test)]
mod tests {
    use atom_core::storage::MissedRuns;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn every(months: u32, interval_ms: u64) -> ScheduleTrigger {
        ScheduleTrigger::Every {
            months,
            interval_ms,
            missed: MissedRuns::default(),
        }
    }

    fn cron(expression: &str, time_zone: &str) -> ScheduleTrigger {
        ScheduleTrigger::Cron {
            expression: expression.to_owned(),
            time_zone: time_zone.to_owned(),
            missed: MissedRuns::default(),
        }
    }

    /// Whether the server looks at a schedule at a moment, by its own rules.
    fn looks(spec: &ScheduleSpec, moment: Timestamp) -> bool {
        let on_grid = spec.interval.iter().any(|grid| {
            let interval = grid.interval.as_ref().unwrap().seconds;
            let phase = grid.phase.as_ref().map_or(0, |phase| phase.seconds);
            assert!(phase >= 0 && phase < interval, "{grid:?}");
            (moment.as_second() - phase).rem_euclid(interval) == 0
        });
        let zone = if spec.timezone_name.is_empty() {
            "UTC"
        } else {
            &spec.timezone_name
        };
        let local = moment.in_tz(zone).unwrap();
        let has = |ranges: &[Range], value: i32| {
            ranges
                .iter()
                .any(|range| (range.start..=range.end).contains(&value))
        };
        let is_shown = spec.structured_calendar.iter().any(|calendar| {
            has(&calendar.second, local.second().into())
                && has(&calendar.minute, local.minute().into())
                && has(&calendar.hour, local.hour().into())
                && has(&calendar.day_of_month, local.day().into())
                && has(&calendar.month, local.month().into())
                && has(
                    &calendar.day_of_week,
                    local.weekday().to_sunday_zero_offset().into(),
                )
                && (calendar.year.is_empty() || has(&calendar.year, local.year().into()))
        });
        on_grid || is_shown
    }

    /// The whole second at or after a moment.
    fn second_from(moment: Timestamp) -> Timestamp {
        let late = i64::from(moment.subsec_nanosecond() > 0);
        Timestamp::from_second(moment.as_second() + late).unwrap()
    }

    #[test]
    fn the_server_looks_at_every_time_of_a_schedule() {
        let since = at("2026-01-31T23:59:59.5Z");
        for (trigger, count) in [
            (every(0, 1_000), 200),
            (every(0, 90_000), 200),
            (every(0, 7 * DAY), 200),
            (every(1, 0), 40),
            (every(12, 0), 20),
            (every(1, DAY), 40),
            (every(1, 36 * HOUR), 40),
            (cron("*/7 8-18 * * mon-fri", "UTC"), 500),
            (cron("0 0 13 * fri", "America/New_York"), 200),
            (cron("0 0 */2 * fri", "America/New_York"), 200),
            (cron("30 2 * * *", "Europe/Berlin"), 1_500),
            (cron("*/30 * * * *", "Europe/Berlin"), 30_000),
            (cron("10 2 * * 0,7", "Australia/Lord_Howe"), 250),
            (cron("@yearly", "UTC"), 5),
            (cron("0 12 29 2 *", "UTC"), 3),
        ] {
            let spec = spec([&trigger], since).unwrap();
            let times = crate::runtime::upcoming(&trigger, since, since, count).unwrap();
            assert_eq!(times.len(), count);
            for time in times {
                assert!(looks(&spec, second_from(time)), "{trigger:?}: {time}");
            }
        }
    }

    #[test]
    fn the_server_seldom_looks_for_nothing() {
        let since = at("2026-06-01T12:00:00Z");
        // In a year, by the hour.
        for (trigger, expected) in [
            (every(0, DAY), 365),
            (every(1, 0), 365),
            (cron("0 0 * * *", "UTC"), 365),
            // The time that comes twice in autumn.
            (cron("0 2 * * *", "Europe/Berlin"), 366),
        ] {
            let spec = spec([&trigger], since).unwrap();
            let hours = (1..=365 * 24).map(|hour| since + jiff::SignedDuration::from_hours(hour));
            let looked = hours.filter(|hour| looks(&spec, *hour)).count();
            assert_eq!(looked, expected, "{trigger:?}");
        }
    }

    #[test]
    fn what_the_server_has_no_times_for_is_refused() {
        let after = ScheduleTrigger::After {
            months: 0,
            delay_ms: HOUR,
        };
        for (trigger, named) in [
            (after, "'schedule.after'"),
            (ScheduleTrigger::Events, "'schedule.on'"),
            (every(0, 1_500), "part of a second"),
            (every(0, 100), "part of a second"),
            (every(1, SECOND), "part of an hour"),
            (every(0, u64::MAX / SECOND * SECOND), "fifty years"),
        ] {
            let error = spec([&every(0, HOUR), &trigger], Timestamp::UNIX_EPOCH).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Unsupported, "{trigger:?}");
            assert!(error.message().contains(named), "{error}");
        }
    }
}
