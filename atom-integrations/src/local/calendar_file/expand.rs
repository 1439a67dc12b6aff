//! The occurrences of events within a window: series with their changes, and events by themselves.

use std::collections::{BTreeMap, BTreeSet};

use atom_core::model::{Event, EventStatus, EventTime};
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::event::{Entry, Length, Point, Slot};
use super::properties::Moment;
use super::recurrence::{self, MAX_OCCURRENCES};
use super::rule::{Rule, Until};

/// The time that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) from: Timestamp,
    /// Exclusive.
    pub(super) until: Timestamp,
    /// Where days begin and floating times are meant.
    pub(super) zone: TimeZone,
}

impl Window {
    /// From when until when an event takes the time of somebody in the window's zone.
    pub(super) fn bounds(&self, event: &Event) -> Option<(Timestamp, Timestamp)> {
        let at = |time: &EventTime| match time {
            EventTime::Moment { at, .. } => Some(*at),
            EventTime::Day { date } => self.at(Point::Day(*date)),
        };
        Some((at(&event.start)?, at(&event.end)?))
    }

    fn at(&self, point: Point) -> Option<Timestamp> {
        match point {
            Point::At(at) => Some(at),
            Point::Day(date) => Some(date.to_zoned(self.zone.clone()).ok()?.timestamp()),
        }
    }

    fn holds(&self, slot: &Slot) -> bool {
        let bounds = || Some((self.at(slot.start()?)?, self.at(slot.end()?)?));
        bounds().is_some_and(|(start, end)| {
            // An event without length takes place where it starts.
            start < self.until && (end > self.from || start >= self.from)
        })
    }
}

/// How much the occurrences of one series may take together, in bytes.
const MAX_SERIES_BYTES: usize = 64 * 1024 * 1024;

/// The events of one series that lie in a window.
struct Found<'a> {
    window: &'a Window,
    events: Vec<Event>,
    bytes: usize,
}

impl Found<'_> {
    /// Adds the event at a slot when it overlaps the window.
    fn add(&mut self, entry: &Entry, slot: &Slot, original: Option<Point>) -> Result<(), String> {
        if self.window.holds(slot) {
            self.bytes += entry.size;
            if self.bytes > MAX_SERIES_BYTES {
                let most = MAX_SERIES_BYTES / (1024 * 1024);
                return Err(format!(
                    "its occurrences take more than {most} MiB; ask for a shorter span of time"
                ));
            }
            self.events.extend(entry.at(slot, original));
        }
        Ok(())
    }
}

/// Everything the files say about one `UID`.
#[derive(Debug, Default)]
pub(super) struct Series {
    master: Option<Entry>,
    /// The newest message that calls all of it off.
    cancellation: Option<Entry>,
    /// By the original start of the occurrence.
    changes: BTreeMap<Timestamp, Entry>,
}

impl Series {
    /// Adds a component. Of two versions of the same, the newer one stays.
    pub(super) fn add(&mut self, mut entry: Entry, is_cancellation: bool) {
        if is_cancellation {
            entry.event.status = EventStatus::Cancelled;
        }
        if let Some(replaced) = &entry.replaces {
            let at = replaced.at;
            if self
                .changes
                .get(&at)
                .is_none_or(|known| known.version <= entry.version)
            {
                self.changes.insert(at, entry);
            }
            return;
        }
        let place = if is_cancellation {
            &mut self.cancellation
        } else {
            &mut self.master
        };
        if place.as_ref().is_none_or(|known| known.version <= entry.version) {
            *place = Some(entry);
        }
    }

    /// The line to name when it cannot be expanded.
    pub(super) fn line(&self) -> usize {
        let first = self
            .master
            .iter()
            .chain(&self.cancellation)
            .chain(self.changes.values())
            .next();
        first.map_or(1, |entry| entry.line)
    }

    /// The occurrences that overlap the window, and about how many bytes they take. `steps` counts the work.
    ///
    /// # Errors
    /// Why the rule cannot be followed.
    pub(super) fn expand(&self, window: &Window, steps: &mut u64) -> Result<(Vec<Event>, usize), String> {
        let mut found = Found {
            window,
            events: Vec::new(),
            bytes: 0,
        };
        if let Some(master) = self.master.as_ref().or(self.cancellation.as_ref()) {
            self.unchanged(master, steps, &mut found)?;
        }
        for change in self.changes.values() {
            *steps += 1;
            found.add(change, &change.slot, Some(self.original(change)))?;
        }
        let is_called_off = match (&self.cancellation, &self.master) {
            (Some(cancellation), Some(master)) => cancellation.version.0 >= master.version.0,
            (cancellation, _) => cancellation.is_some(),
        };
        if is_called_off {
            for event in &mut found.events {
                event.status = EventStatus::Cancelled;
            }
        }
        Ok((found.events, found.bytes))
    }

    /// The start by which the series knows the occurrence that a component changes.
    fn original(&self, change: &Entry) -> Point {
        let is_all_day = self
            .master
            .as_ref()
            .map_or(change.event.is_all_day, |master| master.event.is_all_day);
        match &change.replaces {
            Some(replaced) if is_all_day => Point::Day(replaced.start.local().date()),
            Some(replaced) => Point::At(replaced.at),
            None => change.slot.start().unwrap_or(Point::At(Timestamp::MIN)),
        }
    }

    /// Adds the occurrences that have no component of their own.
    fn unchanged(&self, master: &Entry, steps: &mut u64, found: &mut Found<'_>) -> Result<(), String> {
        *steps += 1;
        if !master.is_recurring() && self.changes.is_empty() {
            return found.add(master, &master.slot, None);
        }
        let window = found.window;
        let changed_days = self.changed_days(master);
        let shifts: Vec<_> = self.changes.values().filter_map(Shift::new).collect();
        for slot in occurrences(master, window, &shifts, steps)?.into_values() {
            let Some(start) = slot.start() else { continue };
            let is_changed = matches!(start, Point::At(at) if self.changes.contains_key(&at))
                || changed_days.contains(&slot.local.date());
            if is_changed || is_excluded(master, &slot, start) {
                continue;
            }
            let Some(at) = window.at(start) else { continue };
            let shift = shifts.iter().rev().find(|shift| shift.from <= at);
            match shift.and_then(|shift| Some((shift, shift.apply(&slot, at)?))) {
                Some((shift, moved)) => found.add(shift.entry, &moved, Some(start))?,
                None => found.add(master, &slot, Some(start))?,
            }
        }
        Ok(())
    }

    /// The days whose occurrence has a component that names it by the day: days have no zone.
    fn changed_days(&self, master: &Entry) -> BTreeSet<Date> {
        let changes = self
            .changes
            .values()
            .filter_map(|change| change.replaces.as_ref());
        changes
            .filter(|replaced| master.event.is_all_day || matches!(replaced.start, Moment::Day(_)))
            .map(|replaced| replaced.start.local().date())
            .collect()
    }
}

fn is_excluded(master: &Entry, slot: &Slot, start: Point) -> bool {
    let is_excluded_time = matches!(start, Point::At(at) if master.excluded_times.contains(&at));
    is_excluded_time || master.excluded_days.contains(&slot.local.date())
}

/// A change that holds for all later occurrences too (`RANGE=THISANDFUTURE`, RFC 5545 section 3.2.13).
struct Shift<'a> {
    entry: &'a Entry,
    from: Timestamp,
    /// How far the local time moves.
    by: SignedDuration,
}

impl<'a> Shift<'a> {
    fn new(entry: &'a Entry) -> Option<Self> {
        let replaced = entry
            .replaces
            .as_ref()
            .filter(|replaced| replaced.is_this_and_future)?;
        let original = match entry.slot.length {
            Length::Days(_) => replaced.start.local(),
            Length::Time(..) => entry.slot.zone.local(replaced.at),
        };
        Some(Self {
            entry,
            from: replaced.at,
            by: entry.slot.local.duration_since(original),
        })
    }

    fn apply(&self, slot: &Slot, at: Timestamp) -> Option<Slot> {
        let local = match (slot.length, self.entry.slot.length) {
            (Length::Time(..), Length::Time(..)) => self.entry.slot.zone.local(at),
            _ => slot.local,
        };
        Some(Slot {
            local: local.checked_add(self.by).ok()?,
            ..self.entry.slot.clone()
        })
    }
}

/// The occurrences of a series around the window, by their start.
fn occurrences(
    master: &Entry,
    window: &Window,
    shifts: &[Shift<'_>],
    steps: &mut u64,
) -> Result<BTreeMap<Point, Slot>, String> {
    // Local times lie within a day of UTC; the second day covers days cut short or drawn out by the clock.
    let moved = shifts
        .iter()
        .map(|shift| shift.by.abs())
        .max()
        .unwrap_or(SignedDuration::ZERO);
    let lengths = [master.slot.length]
        .into_iter()
        .chain(shifts.iter().map(|shift| shift.entry.slot.length));
    let length = lengths.map(seconds).max().unwrap_or(0);
    let reach = SignedDuration::from_secs(length).saturating_add(moved);
    let from = Offset::UTC
        .to_datetime(window.from)
        .saturating_sub(2.days())
        .saturating_sub(reach);
    let until = Offset::UTC
        .to_datetime(window.until)
        .saturating_add(2.days())
        .saturating_add(moved);

    let mut slots = BTreeMap::new();
    if master.rules.is_empty() {
        slots.extend(master.slot.start().map(|start| (start, master.slot.clone())));
    }
    for rule in &master.rules {
        let times = recurrence::occurrences(rule, master.slot.local, from, until, steps).map_err(|_| {
            format!(
                "RRULE: it needs more than {} steps, or has more than {MAX_OCCURRENCES} occurrences around \
                 the span of time; ask for a shorter one",
                recurrence::MAX_STEPS
            )
        })?;
        for local in times {
            let slot = Slot {
                local,
                ..master.slot.clone()
            };
            if let Some(start) = slot.start()
                && is_within(rule, &slot, start, &master.slot)
            {
                slots.insert(start, slot);
            }
        }
    }
    *steps += master.dates.len() as u64;
    for slot in &master.dates {
        if let Some(start) = slot.start() {
            slots.insert(start, slot.clone());
        }
    }
    Ok(slots)
}

/// Whether an occurrence comes no later than an end of the rule that is given in UTC.
fn is_within(rule: &Rule, slot: &Slot, start: Point, first: &Slot) -> bool {
    let Some(Until::Utc(until)) = rule.until else {
        return true;
    };
    slot.local == first.local
        || match start {
            Point::Day(date) => date <= until.date(),
            Point::At(at) => Offset::UTC.to_datetime(at) <= until,
        }
}

fn seconds(length: Length) -> i64 {
    match length {
        Length::Days(days) => days.saturating_mul(86_400),
        Length::Time(days, time) => days.saturating_mul(86_400).saturating_add(time.as_secs()),
    }
}
