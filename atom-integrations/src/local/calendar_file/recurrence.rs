//! The local times a recurrence rule names, within a window and within a bound on the work.
//!
//! The rule is walked period by period (RFC 5545 section 3.3.10: a year, a month, a week, …), each day of a
//! period is tested against the rule, and periods before the window are passed over without being walked when
//! the rule has no `COUNT`. Local times are not tied to a zone here: a meeting at 09:00 stays at 09:00.
//! The parser's own expansion (calcard 0.3.14) is not used: it compares a UTC `UNTIL` with local times, matches
//! overrides without their `UID`, and walks from the first occurrence whatever the window.

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime, Time};
use jiff::{Span, ToSpan};

use super::plan::Plan;
use super::rule::{Frequency, Rule, Until};

/// How many days and times one rule may have examined.
pub(super) const MAX_STEPS: u64 = 1_000_000;

/// How many occurrences of one event may lie in a window and the days next to it.
pub(super) const MAX_OCCURRENCES: usize = 10_000;

/// The rule asks for more work, or has more occurrences in the window, than is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// The local times of `rule` from `start` on that lie in `from <= time < until`, sorted.
///
/// `start` itself is always the first occurrence (RFC 5545 section 3.8.2.4). A UTC `UNTIL` is applied with a
/// day to spare, since the zone is not known here. `steps` counts the work done.
///
/// # Errors
/// [`TooMany`] when a bound is passed.
pub(super) fn occurrences(
    rule: &Rule,
    start: DateTime,
    from: DateTime,
    until: DateTime,
    steps: &mut u64,
) -> Result<Vec<DateTime>, TooMany> {
    let last = match rule.until {
        Some(Until::Day(date)) => date.to_datetime(Time::MAX),
        Some(Until::Local(time)) => time,
        Some(Until::Utc(time)) => time.saturating_add(1.day()),
        None => DateTime::MAX,
    };
    let mut walk = Walk {
        plan: Plan::new(rule, start),
        start,
        from,
        until,
        last,
        // The start is the first of them.
        left: rule.count.map(|count| count.saturating_sub(1)),
        found: BTreeSet::new(),
        steps,
        steps_left: MAX_STEPS,
    };
    if start >= from && start < until {
        walk.found.insert(start);
    }
    walk.run()?;
    Ok(walk.found.into_iter().collect())
}

struct Walk<'a> {
    plan: Plan<'a>,
    start: DateTime,
    from: DateTime,
    until: DateTime,
    last: DateTime,
    left: Option<u64>,
    found: BTreeSet<DateTime>,
    steps: &'a mut u64,
    steps_left: u64,
}

impl Walk<'_> {
    fn run(&mut self) -> Result<(), TooMany> {
        if self.plan.rule.frequency < Frequency::Daily {
            return self.run_within_days();
        }
        let anchor = self.anchor();
        let mut number = self.first_period(anchor);
        // A date beyond the calendar's end (year 9999) ends the walk.
        while let Some((first, end)) = self.period(anchor, number) {
            let first_time = first.to_datetime(Time::MIN);
            if self.is_past(first_time) || self.left == Some(0) {
                break;
            }
            self.visit(first, end)?;
            number += 1;
        }
        Ok(())
    }

    /// The first day of the period that holds the start.
    fn anchor(&self) -> Date {
        let date = self.start.date();
        match self.plan.rule.frequency {
            Frequency::Yearly => date.first_of_year(),
            Frequency::Monthly => date.first_of_month(),
            Frequency::Weekly => {
                let since = date.weekday().since(self.plan.rule.week_start);
                date.saturating_sub(Span::new().days(since))
            }
            _ => date,
        }
    }

    /// The first and last day of the period with a number.
    fn period(&self, anchor: Date, number: i64) -> Option<(Date, Date)> {
        let units = number.checked_mul(self.plan.rule.interval)?;
        let span = Span::new();
        let span = match self.plan.rule.frequency {
            Frequency::Yearly => span.try_years(units),
            Frequency::Monthly => span.try_months(units),
            Frequency::Weekly => span.try_weeks(units),
            _ => span.try_days(units),
        };
        let first = anchor.checked_add(span.ok()?).ok()?;
        let last = match self.plan.rule.frequency {
            Frequency::Yearly => first.last_of_year(),
            Frequency::Monthly => first.last_of_month(),
            Frequency::Weekly => first.saturating_add(6.days()),
            _ => first,
        };
        Some((first, last))
    }

    /// The number of the first period that may reach into the window. Counted rules are walked from the start.
    fn first_period(&self, anchor: Date) -> i64 {
        let from = self.from.date();
        if self.left.is_some() || from <= anchor {
            return 0;
        }
        let years = i64::from(from.year()) - i64::from(anchor.year());
        let days = || anchor.until(from).map_or(0, |span| i64::from(span.get_days()));
        let units = match self.plan.rule.frequency {
            Frequency::Yearly => years,
            Frequency::Monthly => years * 12 + i64::from(from.month()) - i64::from(anchor.month()),
            Frequency::Weekly => days() / 7,
            _ => days(),
        };
        units / self.plan.rule.interval
    }

    /// Adds the occurrences of one period.
    fn visit(&mut self, first: Date, last: Date) -> Result<(), TooMany> {
        let mut days = Vec::new();
        for date in first.series(1.day()).take_while(|date| *date <= last) {
            self.step()?;
            if self.plan.has_day(date) {
                days.push(date);
            }
        }
        let times = self.plan.times();
        if self.plan.rule.positions.is_empty() {
            for date in days {
                if self.visit_day(date, times)? {
                    break;
                }
            }
            return Ok(());
        }
        let length = days.len() * times;
        let chosen: BTreeSet<_> = self
            .plan
            .rule
            .positions
            .iter()
            .filter_map(|position| match usize::from(position.unsigned_abs()) {
                back if *position < 0 => length.checked_sub(back),
                position => Some(position - 1).filter(|index| *index < length),
            })
            .collect();
        for index in chosen {
            if let (Some(date), Some(time)) = (days.get(index / times), self.plan.time(index % times))
                && self.add(date.to_datetime(time))?
            {
                break;
            }
        }
        Ok(())
    }

    /// Adds the occurrences of one day and tells whether the rule is exhausted.
    fn visit_day(&mut self, date: Date, times: usize) -> Result<bool, TooMany> {
        // A day before the window only counts, and needs no walk when no bound falls on it.
        if date < self.from.date() && date > self.start.date() && date < self.last.date() {
            let skipped = u64::try_from(times).unwrap_or(u64::MAX);
            self.left = self.left.map(|left| left.saturating_sub(skipped));
            return Ok(self.left == Some(0));
        }
        for index in 0..times {
            if let Some(time) = self.plan.time(index)
                && self.add(date.to_datetime(time))?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Rules that repeat within a day: each period is an hour, a minute or a second.
    fn run_within_days(&mut self) -> Result<(), TooMany> {
        let rule = self.plan.rule;
        let length = match rule.frequency {
            Frequency::Hourly => 3600,
            Frequency::Minutely => 60,
            _ => 1,
        };
        let anchor = seconds(self.start).div_euclid(length);
        let mut number = match seconds(self.from).div_euclid(length) - anchor {
            behind if behind > 0 && self.left.is_none() => behind / rule.interval,
            _ => 0,
        };
        while let Some(time) = number
            .checked_mul(rule.interval)
            .and_then(|units| units.checked_add(anchor)?.checked_mul(length))
            .and_then(civil)
        {
            if self.is_past(time) || self.left == Some(0) {
                break;
            }
            self.step()?;
            if !self.plan.has_day(time.date()) {
                // To the first period that begins on or after the next midnight.
                let Ok(midnight) = time.date().tomorrow() else {
                    break;
                };
                let units = seconds(midnight.to_datetime(Time::MIN)).div_euclid(length) - anchor;
                number = units.div_euclid(rule.interval) + i64::from(units.rem_euclid(rule.interval) > 0);
                continue;
            }
            self.visit_time(time)?;
            number += 1;
        }
        Ok(())
    }

    /// Adds the occurrences of one hour, minute or second.
    fn visit_time(&mut self, time: DateTime) -> Result<(), TooMany> {
        let frequency = self.plan.rule.frequency;
        // A part finer than the period expands it, any other one must hold.
        let choose = |list: &[i16], finest: Frequency, value: i8| match list {
            list if frequency > finest => list.to_vec(),
            list if list.is_empty() || list.contains(&i16::from(value)) => vec![i16::from(value)],
            _ => vec![],
        };
        let hours = choose(&self.plan.hours, Frequency::Hourly, time.hour());
        let minutes = choose(&self.plan.minutes, Frequency::Minutely, time.minute());
        let seconds = choose(&self.plan.seconds, Frequency::Secondly, time.second());
        let length = hours.len() * minutes.len() * seconds.len();
        let at = |index: usize| -> Option<DateTime> {
            let minute = *minutes.get(index / seconds.len())?;
            let second = *seconds.get(index % seconds.len())?;
            let clock = Time::new(time.hour(), minute.try_into().ok()?, second.try_into().ok()?, 0).ok()?;
            Some(time.date().to_datetime(clock))
        };
        let positions = &self.plan.rule.positions;
        let chosen: Vec<usize> = (0..length)
            .filter(|index| {
                let (front, back) = (index + 1, length - index);
                positions.is_empty()
                    || positions
                        .iter()
                        .any(|position| match usize::from(position.unsigned_abs()) {
                            distance if *position < 0 => distance == back,
                            distance => distance == front,
                        })
            })
            .collect();
        for time in chosen.into_iter().filter_map(at) {
            if self.add(time)? {
                break;
            }
        }
        Ok(())
    }

    fn is_past(&self, time: DateTime) -> bool {
        time >= self.until || time > self.last
    }

    /// Counts a candidate, keeps it when it lies in the window, and tells whether the rule is exhausted.
    fn add(&mut self, time: DateTime) -> Result<bool, TooMany> {
        self.step()?;
        if self.left == Some(0) || self.is_past(time) {
            return Ok(true);
        }
        if time > self.start {
            self.left = self.left.map(|left| left - 1);
            if time >= self.from {
                self.found.insert(time);
            }
        }
        if self.found.len() > MAX_OCCURRENCES {
            Err(TooMany)
        } else {
            Ok(false)
        }
    }

    fn step(&mut self) -> Result<(), TooMany> {
        *self.steps += 1;
        self.steps_left = self.steps_left.checked_sub(1).ok_or(TooMany)?;
        Ok(())
    }
}

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Seconds since 1970 on the local clock.
fn seconds(time: DateTime) -> i64 {
    time.duration_since(EPOCH).as_secs()
}

fn civil(seconds: i64) -> Option<DateTime> {
    EPOCH.checked_add(jiff::SignedDuration::from_secs(seconds)).ok()
}
