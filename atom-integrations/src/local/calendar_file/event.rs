//! One `VEVENT`: what it says, and when and how long it takes place.

use std::collections::BTreeSet;

use atom_core::model::{Event, EventTime};
use calcard::icalendar::{
    ICalendarComponent, ICalendarDuration, ICalendarParameterName, ICalendarProperty, ICalendarValue,
};
use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Span, Timestamp};

use super::components::Component;
use super::details;
use super::properties::{self, Moment, PeriodEnd};
use super::rule::Rule;
use super::zones::{Zone, Zones};

/// The connector's name.
pub(super) const CONNECTOR: &str = "calendar_file";

/// A point in the calendar that can be compared with others of the same event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Point {
    Day(Date),
    At(Timestamp),
}

impl std::fmt::Display for Point {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Day(date) => date.fmt(formatter),
            Self::At(at) => at.fmt(formatter),
        }
    }
}

/// How long an event lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// Whole days.
    Days(i64),
    /// Days on the calendar and then a time: a day across a change of the clock has 23 or 25 hours. An end that
    /// is given as a time is as far away in every occurrence (RFC 5545 section 3.8.5.3), so it has no days.
    Time(i64, SignedDuration),
}

/// A start on the local clock of a zone, and how long it lasts from there.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) local: DateTime,
    pub(super) zone: Zone,
    pub(super) length: Length,
}

impl Slot {
    /// When it starts; `None` outside the years the engine knows.
    pub(super) fn start(&self) -> Option<Point> {
        match self.length {
            Length::Days(_) => Some(Point::Day(self.local.date())),
            Length::Time(..) => self.zone.timestamp(self.local).map(Point::At),
        }
    }

    /// When it ends; `None` outside the years the engine knows.
    pub(super) fn end(&self) -> Option<Point> {
        let later = |days: i64| self.local.checked_add(Span::new().try_days(days).ok()?).ok();
        match self.length {
            Length::Days(days) => later(days).map(|end| Point::Day(end.date())),
            Length::Time(days, time) => {
                let end = self.zone.timestamp(later(days)?)?;
                end.checked_add(time).ok().map(Point::At)
            }
        }
    }
}

/// Which occurrence of a series a component replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replaced {
    /// Its original start.
    pub(super) start: Moment,
    /// The same in UTC; the start of a day.
    pub(super) at: Timestamp,
    /// Whether all that follow change in the same way.
    pub(super) is_this_and_future: bool,
}

/// One `VEVENT`.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) uid: String,
    /// Higher is newer: `SEQUENCE`, then `LAST-MODIFIED`, then `DTSTAMP`.
    pub(super) version: (i64, Option<Timestamp>, Option<Timestamp>),
    pub(super) replaces: Option<Replaced>,
    pub(super) slot: Slot,
    pub(super) rules: Vec<Rule>,
    pub(super) dates: Vec<Slot>,
    pub(super) excluded_days: BTreeSet<Date>,
    pub(super) excluded_times: BTreeSet<Timestamp>,
    /// About how many bytes each of its occurrences takes.
    pub(super) size: usize,
    /// The zones the start and the end were entered in.
    zone_names: (Option<String>, Option<String>),
    /// Everything but its times and ids.
    pub(super) event: Event,
}

impl Entry {
    /// Reads an event of the file that answers show as `path`.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn read(component: &Component, zones: &Zones, path: &str) -> Result<Self, String> {
        let parsed = properties::parse(component)?;
        let text = |name: ICalendarProperty| properties::text(&parsed, &name);
        let uid = text(ICalendarProperty::Uid).unwrap_or_else(|| format!("{path}:{}", component.line));
        let replaces = replaced(&parsed, zones)?;
        let start = properties::moment(&parsed, &ICalendarProperty::Dtstart)?
            .or_else(|| replaces.as_ref().map(|replaced| replaced.start.clone()))
            .ok_or("DTSTART is missing")?;
        let slot = slot(&parsed, &start, zones)?;
        let is_all_day = matches!(slot.length, Length::Days(_));
        let rules = component.rules.iter().map(|rule| {
            let rule = Rule::parse(rule)?;
            if is_all_day {
                rule.for_whole_days()
            } else {
                Ok(rule)
            }
        });
        let rules = rules
            .collect::<Result<Vec<_>, _>>()
            .map_err(|reason| format!("RRULE: {reason}"))?;
        let end_zone = properties::moment(&parsed, &ICalendarProperty::Dtend)?;
        let zone_names = (
            zone_name(&start, zones),
            end_zone.map_or_else(|| zone_name(&start, zones), |end| zone_name(&end, zones)),
        );
        let mut entry = Self {
            line: component.line,
            uid,
            version: (
                sequence(&parsed),
                None,
                time(&parsed, &ICalendarProperty::Dtstamp, zones),
            ),
            replaces,
            dates: dates(&parsed, &slot, zones)?,
            rules,
            excluded_days: BTreeSet::new(),
            excluded_times: BTreeSet::new(),
            size: component.text.len(),
            zone_names,
            event: details::event(&parsed, &slot),
            slot,
        };
        entry.exclude(&parsed, zones)?;
        let origin = &mut entry.event.origin;
        origin.url = text(ICalendarProperty::Url);
        origin.created_at = time(&parsed, &ICalendarProperty::Created, zones);
        origin.updated_at = time(&parsed, &ICalendarProperty::LastModified, zones);
        origin.extra = serde_json::json!({ "file": path, "line": component.line });
        entry.version.1 = origin.updated_at;
        entry.event.recurrence = (!component.rules.is_empty()).then(|| component.rules.join("\n"));
        Ok(entry)
    }

    fn exclude(&mut self, parsed: &ICalendarComponent, zones: &Zones) -> Result<(), String> {
        for (moment, _) in properties::moments(parsed, &ICalendarProperty::Exdate)? {
            if self.event.is_all_day || matches!(moment, Moment::Day(_)) {
                self.excluded_days.insert(moment.local().date());
            } else {
                self.excluded_times.insert(moment.timestamp(zones)?);
            }
        }
        Ok(())
    }

    /// Whether it has more than one occurrence.
    pub(super) fn is_recurring(&self) -> bool {
        !self.rules.is_empty() || !self.dates.is_empty()
    }

    /// The event at a slot. `original` is the start an occurrence of a series is known by.
    pub(super) fn at(&self, slot: &Slot, original: Option<Point>) -> Option<Event> {
        let event_time = |point, zone: &Option<String>| match point {
            Point::Day(date) => EventTime::Day { date },
            Point::At(at) => EventTime::Moment {
                at,
                zone: zone.clone(),
            },
        };
        let mut event = self.event.clone();
        event.start = event_time(slot.start()?, &self.zone_names.0);
        event.end = event_time(slot.end()?, &self.zone_names.1);
        let remote_id = match original {
            Some(original) => format!("{}@{original}", self.uid),
            None => self.uid.clone(),
        };
        event.series_id = original.map(|_| self.uid.clone());
        event.origin.id = format!("{CONNECTOR}:{remote_id}");
        event.origin.remote_id = remote_id;
        Some(event)
    }
}

fn replaced(parsed: &ICalendarComponent, zones: &Zones) -> Result<Option<Replaced>, String> {
    let Some(start) = properties::moment(parsed, &ICalendarProperty::RecurrenceId)? else {
        return Ok(None);
    };
    let is_this_and_future = parsed
        .property(&ICalendarProperty::RecurrenceId)
        .is_some_and(|entry| entry.has_parameter(&ICalendarParameterName::Range));
    Ok(Some(Replaced {
        at: start.timestamp(zones)?,
        start,
        is_this_and_future,
    }))
}

fn slot(parsed: &ICalendarComponent, start: &Moment, zones: &Zones) -> Result<Slot, String> {
    let end = match properties::moment(parsed, &ICalendarProperty::Dtend)? {
        Some(end) => Some(PeriodEnd::At(end)),
        None => properties::duration(parsed, &ICalendarProperty::Duration)?.map(PeriodEnd::After),
    };
    slot_until(start, end, zones)
}

fn slot_until(start: &Moment, end: Option<PeriodEnd>, zones: &Zones) -> Result<Slot, String> {
    let length = match (start, end) {
        // RFC 5545 section 3.6.1: without an end, a date lasts a day and a moment no time.
        (Moment::Day(_), None) => Length::Days(1),
        (_, None) => Length::Time(0, SignedDuration::ZERO),
        (Moment::Day(first), Some(PeriodEnd::At(Moment::Day(end)))) => days(i64::from(
            first.until(end).map_err(|error| error.to_string())?.get_days(),
        ))?,
        (Moment::Day(_), Some(PeriodEnd::At(_))) => {
            return Err("it starts with a day but ends with a time".to_owned());
        }
        (_, Some(PeriodEnd::At(Moment::Day(_)))) => {
            return Err("it starts with a time but ends with a day".to_owned());
        }
        (start, Some(PeriodEnd::At(end))) => {
            let length = end.timestamp(zones)?.duration_since(start.timestamp(zones)?);
            if length.is_negative() {
                return Err("it ends before it starts".to_owned());
            }
            Length::Time(0, length)
        }
        (start, Some(PeriodEnd::After(duration))) => lasting(matches!(start, Moment::Day(_)), &duration)?,
    };
    let slot = Slot {
        local: start.local(),
        zone: start.zone(zones)?,
        length,
    };
    if slot.start().is_none() || slot.end().is_none() {
        return Err("it starts or ends outside the years 1 to 9999".to_owned());
    }
    Ok(slot)
}

/// A day that ends on itself is a usual way to write one day.
fn days(days: i64) -> Result<Length, String> {
    if days < 0 {
        Err("it ends before it starts".to_owned())
    } else {
        Ok(Length::Days(days.max(1)))
    }
}

fn lasting(is_all_day: bool, duration: &ICalendarDuration) -> Result<Length, String> {
    let whole = i64::from(duration.weeks) * 7 + i64::from(duration.days);
    let seconds =
        i64::from(duration.hours) * 3600 + i64::from(duration.minutes) * 60 + i64::from(duration.seconds);
    match (is_all_day, seconds) {
        _ if duration.neg && (whole, seconds) != (0, 0) => Err("it ends before it starts".to_owned()),
        (true, 0) => days(whole),
        (true, _) => Err("an all-day event lasts whole days".to_owned()),
        (false, _) => Ok(Length::Time(whole, SignedDuration::from_secs(seconds))),
    }
}

/// The further dates of a series. One without a time means the time of the start.
fn dates(parsed: &ICalendarComponent, slot: &Slot, zones: &Zones) -> Result<Vec<Slot>, String> {
    let dates = properties::moments(parsed, &ICalendarProperty::Rdate)?
        .into_iter()
        .map(|(moment, end)| match (slot.length, &moment, end) {
            (Length::Days(_), moment, _) => Ok(Slot {
                local: moment.local().date().to_datetime(Time::MIN),
                ..slot.clone()
            }),
            (_, Moment::Day(date), _) => Ok(Slot {
                local: date.to_datetime(slot.local.time()),
                ..slot.clone()
            }),
            (_, moment, None) => Ok(Slot {
                local: moment.local(),
                zone: moment.zone(zones)?,
                ..slot.clone()
            }),
            (_, moment, end) => slot_until(moment, end, zones),
        });
    dates.collect()
}

fn sequence(parsed: &ICalendarComponent) -> i64 {
    match parsed
        .property(&ICalendarProperty::Sequence)
        .and_then(|entry| entry.values.first())
    {
        Some(ICalendarValue::Integer(sequence)) => *sequence,
        _ => 0,
    }
}

/// A time that only informs: a malformed one is as good as none.
fn time(parsed: &ICalendarComponent, name: &ICalendarProperty, zones: &Zones) -> Option<Timestamp> {
    properties::moment(parsed, name).ok()??.timestamp(zones).ok()
}

/// The IANA name of a zone that the file names. UTC says where nobody is.
fn zone_name(moment: &Moment, zones: &Zones) -> Option<String> {
    match moment {
        Moment::Local(_, Some(name)) => zones.resolve(name).ok()?.name().map(str::to_owned),
        _ => None,
    }
}
