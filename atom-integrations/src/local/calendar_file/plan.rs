//! Which days and times of day a recurrence rule names.

use jiff::Span;
use jiff::civil::{Date, DateTime, Time};

use super::rule::{Frequency, NthWeekday, Rule};

/// A rule completed with what it takes from the start of the event.
pub(super) struct Plan<'a> {
    pub(super) rule: &'a Rule,
    months: Vec<i16>,
    month_days: Vec<i16>,
    weekdays: Vec<NthWeekday>,
    pub(super) hours: Vec<i16>,
    pub(super) minutes: Vec<i16>,
    pub(super) seconds: Vec<i16>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(rule: &'a Rule, start: DateTime) -> Self {
        let or = |list: &[i16], frequency: Frequency, value: i8| match list {
            [] if rule.frequency > frequency => vec![i16::from(value)],
            list => list.to_vec(),
        };
        let mut plan = Self {
            rule,
            months: rule.months.clone(),
            month_days: rule.month_days.clone(),
            weekdays: rule.weekdays.clone(),
            hours: or(&rule.hours, Frequency::Hourly, start.hour()),
            minutes: or(&rule.minutes, Frequency::Minutely, start.minute()),
            seconds: or(&rule.seconds, Frequency::Secondly, start.second()),
        };
        // A leap second is the one before it: civil time has none.
        plan.seconds
            .iter_mut()
            .for_each(|second| *second = (*second).min(59));
        plan.seconds.dedup();
        if !rule.weekdays.is_empty() || !rule.month_days.is_empty() || !rule.year_days.is_empty() {
            return plan;
        }
        match rule.frequency {
            Frequency::Yearly if rule.weeks.is_empty() => {
                if plan.months.is_empty() {
                    plan.months.push(i16::from(start.month()));
                }
                plan.month_days.push(i16::from(start.day()));
            }
            Frequency::Monthly => plan.month_days.push(i16::from(start.day())),
            Frequency::Weekly | Frequency::Yearly => {
                plan.weekdays.push(NthWeekday {
                    nth: 0,
                    weekday: start.weekday(),
                });
            }
            _ => {}
        }
        plan
    }

    /// Whether a day satisfies every part of the rule that speaks of days.
    pub(super) fn has_day(&self, date: Date) -> bool {
        let (day, days) = (i16::from(date.day()), i16::from(date.days_in_month()));
        let (year_day, year_days) = (date.day_of_year(), date.days_in_year());
        let has = |list: &[i16], value: i16, length: i16| {
            list.is_empty() || list.contains(&value) || list.contains(&(value - length - 1))
        };
        (self.months.is_empty() || self.months.contains(&i16::from(date.month())))
            && has(&self.month_days, day, days)
            && has(&self.rule.year_days, year_day, year_days)
            && self.has_weekday(date, (day, days), (year_day, year_days))
            && self.has_week(date)
    }

    fn has_weekday(&self, date: Date, in_month: (i16, i16), in_year: (i16, i16)) -> bool {
        // With BYMONTH, a yearly rule numbers weekdays within the month.
        let is_monthly = self.rule.frequency == Frequency::Monthly || !self.rule.months.is_empty();
        let (day, days) = if is_monthly { in_month } else { in_year };
        self.weekdays.is_empty()
            || self.weekdays.iter().any(|wanted| {
                wanted.weekday == date.weekday()
                    && (wanted.nth == 0
                        || wanted.nth == (day - 1) / 7 + 1
                        || wanted.nth == -((days - day) / 7 + 1))
            })
    }

    fn has_week(&self, date: Date) -> bool {
        if self.rule.weeks.is_empty() {
            return true;
        }
        // The week belongs to the year in which it has at least four days, so to that of its fourth day.
        let since = date.weekday().since(self.rule.week_start);
        let Ok(middle) = date.checked_add(Span::new().days(3 - i64::from(since))) else {
            return false;
        };
        let week = (middle.day_of_year() - 1) / 7 + 1;
        let remaining = (middle.days_in_year() - middle.day_of_year()) / 7;
        self.rule.weeks.contains(&week) || self.rule.weeks.contains(&-(remaining + 1))
    }

    /// How many times of day each day of a period has.
    pub(super) fn times(&self) -> usize {
        self.hours.len() * self.minutes.len() * self.seconds.len()
    }

    /// The time of day at an index below [`Plan::times`], in ascending order.
    pub(super) fn time(&self, index: usize) -> Option<Time> {
        let (minutes, seconds) = (self.minutes.len(), self.seconds.len());
        let hour = *self.hours.get(index / (minutes * seconds))?;
        let minute = *self.minutes.get(index / seconds % minutes)?;
        let second = *self.seconds.get(index % seconds)?;
        Time::new(
            hour.try_into().ok()?,
            minute.try_into().ok()?,
            second.try_into().ok()?,
            0,
        )
        .ok()
    }
}
