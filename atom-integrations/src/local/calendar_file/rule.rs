//! Recurrence rules as RFC 5545 section 3.3.10 writes them, read strictly.

use jiff::civil::{Date, DateTime, Time, Weekday};

use super::lines::shown;

/// The unit in which a rule repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Frequency {
    Secondly,
    Minutely,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// The last moment a rule may reach, inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// All of this day, in the zone of the event.
    Day(Date),
    /// A local time, in the zone of the event.
    Local(DateTime),
    /// A time in UTC.
    Utc(DateTime),
}

/// A weekday, with its number within the month or year when `nth` is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NthWeekday {
    pub(super) nth: i16,
    pub(super) weekday: Weekday,
}

/// A recurrence rule. Empty lists restrict nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) frequency: Frequency,
    pub(super) interval: i64,
    pub(super) count: Option<u64>,
    pub(super) until: Option<Until>,
    pub(super) seconds: Vec<i16>,
    pub(super) minutes: Vec<i16>,
    pub(super) hours: Vec<i16>,
    pub(super) weekdays: Vec<NthWeekday>,
    pub(super) month_days: Vec<i16>,
    pub(super) year_days: Vec<i16>,
    pub(super) weeks: Vec<i16>,
    pub(super) months: Vec<i16>,
    pub(super) positions: Vec<i16>,
    pub(super) week_start: Weekday,
}

impl Rule {
    /// Reads the value of an `RRULE` property.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rule = Self {
            frequency: Frequency::Daily,
            interval: 1,
            count: None,
            until: None,
            seconds: vec![],
            minutes: vec![],
            hours: vec![],
            weekdays: vec![],
            month_days: vec![],
            year_days: vec![],
            weeks: vec![],
            months: vec![],
            positions: vec![],
            week_start: Weekday::Monday,
        };
        let mut seen = Vec::new();
        for part in text.trim().split(';').filter(|part| !part.is_empty()) {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| format!("'{}' has no value", shown(part)))?;
            let name = name.trim().to_ascii_uppercase();
            if seen.contains(&name) {
                return Err(format!("{} is given twice", shown(&name)));
            }
            rule.set(&name, value.trim())
                .map_err(|reason| format!("{}: {reason}", shown(&name)))?;
            seen.push(name);
        }
        if !seen.iter().any(|name| name == "FREQ") {
            return Err("FREQ is missing".to_owned());
        }
        rule.check()?;
        Ok(rule)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "FREQ" => self.frequency = frequency(value)?,
            "INTERVAL" => self.interval = i64::from(positive(value)?),
            "COUNT" => self.count = Some(u64::from(positive(value)?)),
            "UNTIL" => self.until = Some(until(value)?),
            "BYSECOND" => self.seconds = numbers(value, 0..=60)?,
            "BYMINUTE" => self.minutes = numbers(value, 0..=59)?,
            "BYHOUR" => self.hours = numbers(value, 0..=23)?,
            "BYDAY" => self.weekdays = value.split(',').map(nth_weekday).collect::<Result<_, _>>()?,
            "BYMONTHDAY" => self.month_days = signed(value, 31)?,
            "BYYEARDAY" => self.year_days = signed(value, 366)?,
            "BYWEEKNO" => self.weeks = signed(value, 53)?,
            "BYMONTH" => self.months = numbers(value, 1..=12)?,
            "BYSETPOS" => self.positions = signed(value, 366)?,
            "WKST" => self.week_start = weekday(value)?,
            "RSCALE" if value.eq_ignore_ascii_case("GREGORIAN") => {}
            "SKIP" if value.eq_ignore_ascii_case("OMIT") => {}
            "RSCALE" | "SKIP" => return Err(format!("'{}' is not supported", shown(value))),
            _ => return Err("is not a part of a recurrence rule".to_owned()),
        }
        Ok(())
    }

    /// The combinations that RFC 5545 section 3.3.10 rules out.
    fn check(&self) -> Result<(), String> {
        let is_numbered = self.weekdays.iter().any(|day| day.nth != 0);
        if is_numbered && !matches!(self.frequency, Frequency::Monthly | Frequency::Yearly) {
            return Err("BYDAY with a number needs FREQ=MONTHLY or FREQ=YEARLY".to_owned());
        }
        if is_numbered && !self.weeks.is_empty() {
            return Err("BYDAY with a number does not go with BYWEEKNO".to_owned());
        }
        if !self.weeks.is_empty() && self.frequency != Frequency::Yearly {
            return Err("BYWEEKNO needs FREQ=YEARLY".to_owned());
        }
        if !self.month_days.is_empty() && self.frequency == Frequency::Weekly {
            return Err("BYMONTHDAY does not go with FREQ=WEEKLY".to_owned());
        }
        let has_year_days = !self.year_days.is_empty();
        if has_year_days
            && matches!(
                self.frequency,
                Frequency::Daily | Frequency::Weekly | Frequency::Monthly
            )
        {
            return Err("BYYEARDAY does not go with FREQ=DAILY, WEEKLY or MONTHLY".to_owned());
        }
        let selects = [
            &self.seconds,
            &self.minutes,
            &self.hours,
            &self.month_days,
            &self.year_days,
            &self.weeks,
            &self.months,
        ];
        if !self.positions.is_empty()
            && self.weekdays.is_empty()
            && selects.iter().all(|list| list.is_empty())
        {
            return Err("BYSETPOS needs another BY part to choose from".to_owned());
        }
        Ok(())
    }

    /// The rule for an event of whole days, where parts of the day mean nothing.
    pub(super) fn for_whole_days(mut self) -> Result<Self, String> {
        if self.frequency < Frequency::Daily {
            return Err("an all-day event cannot repeat within a day".to_owned());
        }
        self.hours.clear();
        self.minutes.clear();
        self.seconds.clear();
        Ok(self)
    }
}

fn frequency(value: &str) -> Result<Frequency, String> {
    Ok(match value.to_ascii_uppercase().as_str() {
        "SECONDLY" => Frequency::Secondly,
        "MINUTELY" => Frequency::Minutely,
        "HOURLY" => Frequency::Hourly,
        "DAILY" => Frequency::Daily,
        "WEEKLY" => Frequency::Weekly,
        "MONTHLY" => Frequency::Monthly,
        "YEARLY" => Frequency::Yearly,
        _ => return Err(format!("'{}' is not a frequency", shown(value))),
    })
}

fn positive(value: &str) -> Result<u32, String> {
    match value.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("'{}' is not a positive number", shown(value))),
    }
}

/// A sorted list without repetitions, so that its length is bounded by its range.
fn numbers(value: &str, range: std::ops::RangeInclusive<i16>) -> Result<Vec<i16>, String> {
    let mut numbers = value
        .split(',')
        .map(|number| match number.trim().parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(format!(
                "'{}' is not a number from {} to {}",
                shown(number),
                range.start(),
                range.end()
            )),
        })
        .collect::<Result<Vec<_>, _>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

fn signed(value: &str, most: i16) -> Result<Vec<i16>, String> {
    let numbers = numbers(value, -most..=most)?;
    if numbers.contains(&0) {
        Err("0 has no meaning here".to_owned())
    } else {
        Ok(numbers)
    }
}

fn weekday(value: &str) -> Result<Weekday, String> {
    Ok(match value.to_ascii_uppercase().as_str() {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return Err(format!("'{}' is not a weekday", shown(value))),
    })
}

fn nth_weekday(value: &str) -> Result<NthWeekday, String> {
    let value = value.trim();
    let invalid = || format!("'{}' is not a weekday", shown(value));
    let (number, day) = value
        .split_at_checked(value.len().saturating_sub(2))
        .ok_or_else(invalid)?;
    let weekday = weekday(day)?;
    if number.is_empty() {
        return Ok(NthWeekday { nth: 0, weekday });
    }
    match number.parse() {
        Ok(nth) if nth != 0 && (-53..=53).contains(&nth) => Ok(NthWeekday { nth, weekday }),
        _ => Err(invalid()),
    }
}

fn until(value: &str) -> Result<Until, String> {
    let invalid = || format!("'{}' is not a date or time", shown(value));
    let digits = |text: &str| {
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<u32>().ok())?
    };
    let date = |text: &str| -> Option<Date> {
        let number = digits(text).filter(|_| text.len() == 8)?;
        let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
        Date::new(
            year.try_into().ok()?,
            month.try_into().ok()?,
            day.try_into().ok()?,
        )
        .ok()
    };
    let Some((day, clock)) = value.split_once(['T', 't']) else {
        return date(value).map(Until::Day).ok_or_else(invalid);
    };
    let (clock, is_utc) = match clock.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, true),
        None => (clock, false),
    };
    let time = digits(clock).filter(|_| clock.len() == 6).and_then(|number| {
        let (hour, minute, second) = (number / 10_000, number / 100 % 100, (number % 100).min(59));
        Time::new(
            hour.try_into().ok()?,
            minute.try_into().ok()?,
            second.try_into().ok()?,
            0,
        )
        .ok()
    });
    let moment = date(day)
        .zip(time)
        .map(|(date, time)| date.to_datetime(time))
        .ok_or_else(invalid)?;
    Ok(if is_utc {
        Until::Utc(moment)
    } else {
        Until::Local(moment)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_with_all_its_parts() {
        let rule =
            Rule::parse("FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU,MO;WKST=SU;BYHOUR=9,8,9").unwrap();
        assert_eq!(
            (rule.frequency, rule.interval, rule.count),
            (Frequency::Monthly, 2, Some(10))
        );
        assert_eq!(
            rule.weekdays[1],
            NthWeekday {
                nth: -1,
                weekday: Weekday::Sunday
            }
        );
        assert_eq!(rule.weekdays[2].nth, 0);
        assert_eq!((rule.week_start, rule.hours), (Weekday::Sunday, vec![8, 9]));
        let until = |text: &str| {
            Rule::parse(&format!("FREQ=DAILY;UNTIL={text}"))
                .unwrap()
                .until
                .unwrap()
        };
        assert_eq!(until("20240131"), Until::Day(jiff::civil::date(2024, 1, 31)));
        assert_eq!(
            until("20240131T235960Z"),
            Until::Utc(jiff::civil::datetime(2024, 1, 31, 23, 59, 59, 0))
        );
        assert_eq!(
            until("20240131T080000"),
            Until::Local(jiff::civil::datetime(2024, 1, 31, 8, 0, 0, 0))
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, reason) in [
            ("", "FREQ is missing"),
            ("COUNT=3", "FREQ is missing"),
            ("FREQ=OFTEN", "FREQ: 'OFTEN' is not a frequency"),
            ("FREQ", "'FREQ' has no value"),
            ("FREQ=DAILY;FREQ=DAILY", "FREQ is given twice"),
            ("FREQ=DAILY;INTERVAL=0", "INTERVAL: '0' is not a positive number"),
            ("FREQ=DAILY;COUNT=-5", "COUNT: '-5' is not a positive number"),
            (
                "FREQ=DAILY;BYHOUR=24",
                "BYHOUR: '24' is not a number from 0 to 23",
            ),
            ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY: 0 has no meaning here"),
            (
                "FREQ=MONTHLY;BYMONTHDAY=300",
                "BYMONTHDAY: '300' is not a number from -31 to 31",
            ),
            ("FREQ=WEEKLY;BYDAY=XX", "BYDAY: 'XX' is not a weekday"),
            ("FREQ=WEEKLY;BYDAY=é", "BYDAY: 'é' is not a weekday"),
            (
                "FREQ=WEEKLY;BYDAY=2MO",
                "BYDAY with a number needs FREQ=MONTHLY or FREQ=YEARLY",
            ),
            (
                "FREQ=YEARLY;BYWEEKNO=20;BYDAY=1MO",
                "BYDAY with a number does not go with BYWEEKNO",
            ),
            ("FREQ=MONTHLY;BYWEEKNO=20", "BYWEEKNO needs FREQ=YEARLY"),
            (
                "FREQ=WEEKLY;BYMONTHDAY=2",
                "BYMONTHDAY does not go with FREQ=WEEKLY",
            ),
            (
                "FREQ=DAILY;BYYEARDAY=2",
                "BYYEARDAY does not go with FREQ=DAILY, WEEKLY or MONTHLY",
            ),
            (
                "FREQ=DAILY;BYSETPOS=1",
                "BYSETPOS needs another BY part to choose from",
            ),
            (
                "FREQ=DAILY;UNTIL=tomorrow",
                "UNTIL: 'tomorrow' is not a date or time",
            ),
            (
                "FREQ=DAILY;UNTIL=20240230",
                "UNTIL: '20240230' is not a date or time",
            ),
            ("FREQ=DAILY;RSCALE=CHINESE", "RSCALE: 'CHINESE' is not supported"),
            ("FREQ=DAILY;FOO=1", "FOO: is not a part of a recurrence rule"),
        ] {
            assert_eq!(Rule::parse(text).unwrap_err(), reason, "{text}");
        }
    }
}
