//! The properties of one component as values of this project, read with the calcard parser.

use calcard::common::PartialDateTime;
use calcard::icalendar::{
    ICalendarComponent, ICalendarDuration, ICalendarEntry, ICalendarParameterName, ICalendarPeriod,
    ICalendarProperty, ICalendarValue, Uri,
};
use calcard::{Entry, Parser};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};

use super::components::Component;
use super::lines::shown;
use super::zones::{Zone, Zones};

/// A date or time as a file writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Day(Date),
    Utc(DateTime),
    /// A local time with its `TZID`; without one it floats.
    Local(DateTime, Option<String>),
}

impl Moment {
    /// The time on the clock it was written by; the start of a day.
    pub(super) fn local(&self) -> DateTime {
        match self {
            Self::Day(date) => date.to_datetime(Time::MIN),
            Self::Utc(time) | Self::Local(time, _) => *time,
        }
    }

    /// The zone it was written in.
    ///
    /// # Errors
    /// When its name is unknown.
    pub(super) fn zone(&self, zones: &Zones) -> Result<Zone, String> {
        match self {
            Self::Utc(_) => Ok(Zone::UTC),
            Self::Local(_, Some(name)) => zones.resolve(name),
            Self::Local(_, None) | Self::Day(_) => Ok(zones.floating()),
        }
    }

    /// The moment in UTC; the start of a day.
    ///
    /// # Errors
    /// When the zone is unknown, or the time lies outside the years the engine knows.
    pub(super) fn timestamp(&self, zones: &Zones) -> Result<Timestamp, String> {
        let zone = self.zone(zones)?;
        zone.timestamp(self.local())
            .ok_or_else(|| format!("{} is out of range", self.local()))
    }
}

/// Parses one component.
///
/// # Errors
/// When it is none.
pub(super) fn parse(component: &Component) -> Result<ICalendarComponent, String> {
    match Parser::new(&component.text).entry() {
        Entry::ICalendar(calendar) => calendar
            .components
            .into_iter()
            .next()
            .ok_or_else(|| "it is empty".to_owned()),
        _ => Err("it cannot be parsed".to_owned()),
    }
}

/// The text of a property, without white space around it.
pub(super) fn text(component: &ICalendarComponent, name: &ICalendarProperty) -> Option<String> {
    let text = component.property(name)?.values.first()?.as_text()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The date or time of a property.
///
/// # Errors
/// When it is neither.
pub(super) fn moment(
    component: &ICalendarComponent,
    name: &ICalendarProperty,
) -> Result<Option<Moment>, String> {
    let Some(entry) = component.property(name) else {
        return Ok(None);
    };
    match entry.values.first() {
        Some(ICalendarValue::PartialDateTime(time)) => of(time, entry).map(Some),
        Some(value) => Err(malformed(entry, value)),
        None => Err(format!("{} is empty", name.as_str())),
    }
}

/// Where a period ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PeriodEnd {
    At(Moment),
    After(ICalendarDuration),
}

/// The dates, times and periods of every property with a name.
///
/// # Errors
/// When one of them is none of these.
pub(super) fn moments(
    component: &ICalendarComponent,
    name: &ICalendarProperty,
) -> Result<Vec<(Moment, Option<PeriodEnd>)>, String> {
    component
        .properties(name)
        .flat_map(|entry| entry.values.iter().map(move |value| (entry, value)))
        .map(|(entry, value)| match value {
            ICalendarValue::PartialDateTime(time) => Ok((of(time, entry)?, None)),
            ICalendarValue::Period(ICalendarPeriod::Range { start, end }) => {
                Ok((of(start, entry)?, Some(PeriodEnd::At(of(end, entry)?))))
            }
            ICalendarValue::Period(ICalendarPeriod::Duration { start, duration }) => {
                Ok((of(start, entry)?, Some(PeriodEnd::After(duration.clone()))))
            }
            value => Err(malformed(entry, value)),
        })
        .collect()
}

/// The length of a property of that type.
///
/// # Errors
/// When it is none.
pub(super) fn duration(
    component: &ICalendarComponent,
    name: &ICalendarProperty,
) -> Result<Option<ICalendarDuration>, String> {
    let Some(entry) = component.property(name) else {
        return Ok(None);
    };
    match entry.values.first() {
        Some(ICalendarValue::Duration(duration)) => Ok(Some(duration.clone())),
        Some(value) => Err(malformed(entry, value)),
        None => Err(format!("{} is empty", name.as_str())),
    }
}

/// Where a property points to.
pub(super) fn location(entry: &ICalendarEntry) -> Option<&str> {
    match entry.values.first()? {
        ICalendarValue::Uri(Uri::Location(location)) => Some(location.trim()),
        value => value.as_text().map(str::trim),
    }
    .filter(|location| !location.is_empty())
}

fn malformed(entry: &ICalendarEntry, value: &ICalendarValue) -> String {
    format!(
        "{} '{}' is malformed",
        entry.name.as_str(),
        shown(value.as_text().unwrap_or("…"))
    )
}

fn of(time: &PartialDateTime, entry: &ICalendarEntry) -> Result<Moment, String> {
    let invalid = || format!("{} is not a date or time that exists", entry.name.as_str());
    let part = |value: Option<u8>| i8::try_from(value.unwrap_or(0)).map_err(|_| invalid());
    let year = i16::try_from(time.year.unwrap_or(0)).map_err(|_| invalid())?;
    let date = Date::new(year, part(time.month)?, part(time.day)?).map_err(|_| invalid())?;
    if time.hour.is_none() {
        return Ok(Moment::Day(date));
    }
    // A leap second is the one before it: civil time has none.
    let second = part(time.second)?;
    let second = if second == 60 { 59 } else { second };
    let clock = Time::new(part(time.hour)?, part(time.minute)?, second, 0).map_err(|_| invalid())?;
    let local = date.to_datetime(clock);
    match (time.tz_hour, time.tz_minute.unwrap_or(0)) {
        (Some(0), 0) => Ok(Moment::Utc(local)),
        (Some(_), _) => Err(format!(
            "{} has an offset, which iCalendar does not allow",
            entry.name.as_str()
        )),
        (None, _) => {
            let zone = entry
                .parameters(&ICalendarParameterName::Tzid)
                .find_map(|value| value.as_text());
            Ok(Moment::Local(local, zone.map(|zone| zone.trim().to_owned())))
        }
    }
}
