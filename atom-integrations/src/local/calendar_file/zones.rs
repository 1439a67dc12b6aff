//! Time zones: the names that calendar files use, and the rules that files bring along.

use std::collections::HashMap;
use std::sync::Arc;

use calcard::common::timezone::Tz as NamedZone;
use calcard::icalendar::{ICalendarProperty, ICalendarValue};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};

use super::components::Component;
use super::lines::shown;
use super::properties;
use super::recurrence;
use super::rule::{Rule, Until};

/// How local times map to UTC.
#[derive(Clone, Debug)]
pub(super) enum Zone {
    /// A zone of the IANA database, or UTC.
    Known(TimeZone),
    /// A zone that only the file describes (RFC 5545 section 3.6.5).
    Described(Arc<[Observance]>),
}

/// From when on a zone has an offset.
#[derive(Clone, Debug)]
pub(super) struct Observance {
    onset: DateTime,
    before: Offset,
    after: Offset,
    rule: Option<Rule>,
    dates: Vec<DateTime>,
}

impl Zone {
    pub(super) const UTC: Self = Self::Known(TimeZone::UTC);

    /// The moment of a local time. As RFC 5545 section 3.3.5 has it, a time that occurs twice is the first of
    /// the two, and a time that is left out is read with the offset before the gap.
    pub(super) fn timestamp(&self, local: DateTime) -> Option<Timestamp> {
        match self {
            Self::Known(zone) => zone.to_ambiguous_timestamp(local).compatible().ok(),
            Self::Described(observances) => offset_at(observances, local)?.to_timestamp(local).ok(),
        }
    }

    /// The local time at a moment.
    pub(super) fn local(&self, at: Timestamp) -> DateTime {
        match self {
            Self::Known(zone) => zone.to_datetime(at),
            Self::Described(observances) => {
                // Twice, since the first offset is taken from the time in UTC.
                let first = offset_at(observances, Offset::UTC.to_datetime(at)).unwrap_or(Offset::UTC);
                offset_at(observances, first.to_datetime(at))
                    .unwrap_or(first)
                    .to_datetime(at)
            }
        }
    }

    /// The name in the IANA database.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Known(zone) => zone.iana_name(),
            Self::Described(_) => None,
        }
    }
}

impl Observance {
    fn read(component: &Component) -> Result<Self, String> {
        let parsed = properties::parse(component)?;
        let offset = |name: ICalendarProperty| {
            let value = parsed
                .property(&name)
                .and_then(|entry| entry.values.first())
                .and_then(|value| {
                    let ICalendarValue::PartialDateTime(time) = value else {
                        return None;
                    };
                    let seconds =
                        i32::from(time.tz_hour?) * 3600 + i32::from(time.tz_minute.unwrap_or(0)) * 60;
                    Offset::from_seconds(if time.tz_minus { -seconds } else { seconds }).ok()
                });
            value.ok_or_else(|| format!("{} is missing or malformed", name.as_str()))
        };
        let moment = properties::moment(&parsed, &ICalendarProperty::Dtstart)?;
        let rule = component
            .rules
            .first()
            .map(|rule| Rule::parse(rule))
            .transpose()?;
        let dates = properties::moments(&parsed, &ICalendarProperty::Rdate)?;
        Ok(Self {
            onset: moment.ok_or("DTSTART is missing")?.local(),
            before: offset(ICalendarProperty::Tzoffsetfrom)?,
            after: offset(ICalendarProperty::Tzoffsetto)?,
            rule,
            dates: dates.iter().map(|(moment, _)| moment.local()).collect(),
        })
    }

    /// The last onset at or before a local time. A rule that skips more than two years is not followed.
    fn last_onset(&self, local: DateTime) -> Option<DateTime> {
        // Within a gap the offset before it holds on.
        let gap = self
            .after
            .duration_since(self.before)
            .max(jiff::SignedDuration::ZERO);
        let local = local.saturating_sub(gap);
        let repeated = self.rule.as_ref().and_then(|rule| {
            let end = match rule.until {
                Some(Until::Utc(until)) => local.min(until.saturating_add(1.day())),
                Some(Until::Local(until)) => local.min(until),
                Some(Until::Day(until)) => local.min(until.to_datetime(jiff::civil::Time::MAX)),
                None => local,
            };
            let end = end.saturating_add(1.second());
            let from = end.saturating_sub(800.days());
            // A rule beyond the bound has no onsets: the plain one below stands.
            recurrence::occurrences(rule, self.onset, from, end, &mut 0)
                .ok()?
                .last()
                .copied()
        });
        self.dates
            .iter()
            .copied()
            .chain([self.onset])
            .chain(repeated)
            .filter(|onset| *onset <= local)
            .max()
    }
}

fn offset_at(observances: &[Observance], local: DateTime) -> Option<Offset> {
    let current = observances
        .iter()
        .filter_map(|observance| Some((observance.last_onset(local)?, observance.after)))
        .max_by_key(|(onset, _)| *onset);
    let earliest = || observances.iter().min_by_key(|observance| observance.onset);
    current
        .map(|(_, after)| after)
        .or_else(|| earliest().map(|observance| observance.before))
}

/// The zones of one calendar.
#[derive(Debug)]
pub(super) struct Zones {
    described: HashMap<String, Zone>,
    floating: TimeZone,
}

impl Zones {
    /// Reads the zones a calendar brings along. `floating` is the zone of times without one.
    pub(super) fn new(components: &[Component], floating: TimeZone) -> Self {
        let described = components.iter().filter_map(described).collect();
        Self { described, floating }
    }

    /// The zone of times that name none.
    pub(super) fn floating(&self) -> Zone {
        Zone::Known(self.floating.clone())
    }

    /// The zone behind a `TZID`.
    ///
    /// A name of the IANA database wins over what the file says of it, as do the names that Windows gives its
    /// zones: the database also knows the past. Other names mean what the file says, then what calendar
    /// programs are known to mean by them.
    ///
    /// # Errors
    /// When nobody knows the name.
    pub(super) fn resolve(&self, name: &str) -> Result<Zone, String> {
        let is_windows = name.ends_with("Standard Time");
        iana(name)
            .or_else(|| is_windows.then(|| usual(name))?)
            .or_else(|| self.described.get(name).cloned())
            .or_else(|| usual(name))
            .ok_or_else(|| format!("the time zone '{}' is unknown", shown(name)))
    }
}

fn iana(name: &str) -> Option<Zone> {
    TimeZone::get(name).ok().map(Zone::Known)
}

/// What calendar programs mean by a name.
fn usual(name: &str) -> Option<Zone> {
    match name.parse().ok()? {
        NamedZone::Tz(zone) => iana(zone.name()),
        NamedZone::Fixed(_) | NamedZone::Floating => None,
    }
}

/// The name and zone of a `VTIMEZONE`; one that cannot be read leaves its name unknown.
fn described(component: &Component) -> Option<(String, Zone)> {
    let parsed = properties::parse(component).ok()?;
    let name = properties::text(&parsed, &ICalendarProperty::Tzid)?;
    let location = parsed
        .entries
        .iter()
        .find_map(|entry| match (&entry.name, entry.values.first()) {
            (ICalendarProperty::Other(property), Some(ICalendarValue::Text(value)))
                if property.eq_ignore_ascii_case("X-LIC-LOCATION") =>
            {
                iana(value)
            }
            _ => None,
        });
    if let Some(zone) = location {
        return Some((name, zone));
    }
    let observances: Arc<[_]> = component
        .parts
        .iter()
        .map(Observance::read)
        .collect::<Result<_, _>>()
        .ok()?;
    (!observances.is_empty()).then_some((name, Zone::Described(observances)))
}
