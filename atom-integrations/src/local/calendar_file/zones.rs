//! Time zones: the names that calendar files use, and the rules that files bring along.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use calcard::common::timezone::Tz as NamedZone;
use calcard::icalendar::{ICalendarProperty, ICalendarValue};
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::components::Component;
use super::lines::shown;
use super::properties;
use super::recurrence;
use super::rule::{Rule, Until};

/// The first day from which the rules of a described zone are followed.
const FIRST_DAY: Date = Date::constant(1900, 1, 1);
/// The last day up to which the rules of a described zone are followed.
const LAST_DAY: Date = Date::constant(2199, 12, 31);

/// How local times map to UTC.
#[derive(Clone, Debug)]
pub(super) enum Zone {
    /// A zone of the IANA database, or UTC.
    Known(TimeZone),
    /// A zone that only the file describes (RFC 5545 section 3.6.5).
    Described(Arc<[Transition]>),
}

/// From when on, on the local clock, a zone has an offset. The first of a zone holds before it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Transition {
    from: DateTime,
    offset: Offset,
}

impl Zone {
    pub(super) const UTC: Self = Self::Known(TimeZone::UTC);

    /// The moment of a local time. As RFC 5545 section 3.3.5 has it, a time that occurs twice is the first of
    /// the two, and a time that is left out is read with the offset before the gap.
    pub(super) fn timestamp(&self, local: DateTime) -> Option<Timestamp> {
        match self {
            Self::Known(zone) => zone.to_ambiguous_timestamp(local).compatible().ok(),
            Self::Described(transitions) => offset_at(transitions, local).to_timestamp(local).ok(),
        }
    }

    /// The local time at a moment.
    pub(super) fn local(&self, at: Timestamp) -> DateTime {
        match self {
            Self::Known(zone) => zone.to_datetime(at),
            Self::Described(transitions) => {
                // Twice, since the first offset is taken from the time in UTC.
                let first = offset_at(transitions, Offset::UTC.to_datetime(at));
                offset_at(transitions, first.to_datetime(at)).to_datetime(at)
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

fn offset_at(transitions: &[Transition], local: DateTime) -> Offset {
    let next = transitions.partition_point(|transition| transition.from <= local);
    transitions
        .get(next.saturating_sub(1))
        .map_or(Offset::UTC, |transition| transition.offset)
}

/// Adds the transitions of one `STANDARD` or `DAYLIGHT` and returns the offset before its first one.
fn observe(
    component: &Component,
    transitions: &mut BTreeSet<Transition>,
    steps: &mut u64,
) -> Result<Transition, String> {
    let parsed = properties::parse(component)?;
    let offset = |name: ICalendarProperty| {
        let value = parsed
            .property(&name)
            .and_then(|entry| entry.values.first())
            .and_then(|value| {
                let ICalendarValue::PartialDateTime(time) = value else {
                    return None;
                };
                let seconds = i32::from(time.tz_hour?) * 3600 + i32::from(time.tz_minute.unwrap_or(0)) * 60;
                Offset::from_seconds(if time.tz_minus { -seconds } else { seconds }).ok()
            });
        value.ok_or_else(|| format!("{} is missing or malformed", name.as_str()))
    };
    let (before, offset) = (
        offset(ICalendarProperty::Tzoffsetfrom)?,
        offset(ICalendarProperty::Tzoffsetto)?,
    );
    let onset = properties::moment(&parsed, &ICalendarProperty::Dtstart)?
        .ok_or("DTSTART is missing")?
        .local();
    let dates = properties::moments(&parsed, &ICalendarProperty::Rdate)?;
    let mut onsets = vec![onset];
    onsets.extend(dates.iter().map(|(moment, _)| moment.local()));
    *steps += onsets.len() as u64;
    for rule in &component.rules {
        let mut rule = Rule::parse(rule)?;
        if let Some(Until::Utc(until)) = rule.until {
            let until = Offset::UTC
                .to_timestamp(until)
                .map_err(|error| error.to_string())?;
            rule.until = Some(Until::Local(before.to_datetime(until)));
        }
        let found = recurrence::occurrences(&rule, onset, FIRST_DAY.into(), LAST_DAY.into(), steps);
        onsets.extend(found.map_err(|_| "the rule is too much work")?);
    }
    // Within a gap the offset before it holds on.
    let gap = offset.duration_since(before).max(SignedDuration::ZERO);
    transitions.extend(onsets.into_iter().map(|onset| Transition {
        from: onset.saturating_add(gap),
        offset,
    }));
    Ok(Transition {
        from: onset,
        offset: before,
    })
}

/// The zones of one calendar.
#[derive(Debug)]
pub(super) struct Zones {
    described: HashMap<String, Zone>,
    floating: TimeZone,
}

impl Zones {
    /// Reads the zones a calendar brings along. `floating` is the zone of times without one; `steps` counts the
    /// work.
    pub(super) fn new(components: &[Component], floating: TimeZone, steps: &mut u64) -> Self {
        let described = components
            .iter()
            .filter_map(|component| described(component, steps))
            .collect();
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

/// The name and zone of a `VTIMEZONE` whose name says nothing; one that cannot be read stays unknown.
fn described(component: &Component, steps: &mut u64) -> Option<(String, Zone)> {
    let parsed = properties::parse(component).ok()?;
    let name = properties::text(&parsed, &ICalendarProperty::Tzid)?;
    if iana(&name).is_some() {
        return None;
    }
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
    let mut transitions = BTreeSet::new();
    let starts = component
        .parts
        .iter()
        .map(|part| observe(part, &mut transitions, steps));
    let starts = starts.collect::<Result<Vec<_>, _>>().ok()?;
    let before = starts.into_iter().min()?;
    let before = Transition {
        from: DateTime::MIN,
        ..before
    };
    Some((
        name,
        Zone::Described(std::iter::once(before).chain(transitions).collect()),
    ))
}
