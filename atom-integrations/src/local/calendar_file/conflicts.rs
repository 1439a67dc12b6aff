//! Which events of a calendar clash.

use std::collections::BTreeSet;

use atom_core::model::{AttendeeResponse, Conflict, Event, EventStatus, EventTime};
use jiff::Timestamp;

/// How much the pairs of one answer may take, in bytes: each carries both of its events.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The pairs of events that need somebody at two places at once, ordered by their starts: at most `limit` and
/// about 64 MiB, and whether there are more.
///
/// An event counts when it takes place or may (it is not cancelled), takes the time (it is not free), is not
/// declined by any of `me`, and is not all-day: a holiday or a trip frames the day, it does not take an hour of
/// it. Events that only touch do not clash, nor do two copies of one event. A begun minute counts as a minute.
///
/// The events are swept in the order of their starts, so that the work grows with the events and the pairs.
pub(crate) fn conflicts(events: &[Event], me: &BTreeSet<String>, limit: usize) -> (Vec<Conflict>, bool) {
    let mut busy: Vec<_> = events
        .iter()
        .filter(|event| !is_declined(event, me))
        .filter_map(busy_time)
        .collect();
    busy.sort_by(|a, b| (a.start, a.end, &a.event.title).cmp(&(b.start, b.end, &b.event.title)));
    let (mut conflicts, mut bytes) = (Vec::new(), 0);
    let mut running: Vec<&Busy<'_>> = Vec::new();
    for second in &busy {
        running.retain(|first| first.end > second.start);
        for first in &running {
            if first.event.origin.id == second.event.origin.id {
                continue;
            }
            bytes += size(first.event) + size(second.event);
            if conflicts.len() == limit || bytes > MAX_BYTES {
                return (conflicts, true);
            }
            let seconds = first.end.min(second.end).duration_since(second.start).as_secs();
            conflicts.push(Conflict {
                first: first.event.clone(),
                second: second.event.clone(),
                overlap_minutes: (seconds + 59) / 60,
            });
        }
        running.push(second);
    }
    (conflicts, false)
}

/// The addresses of `me`, as they are compared.
pub(crate) fn addresses(me: &[String]) -> BTreeSet<String> {
    me.iter().map(|address| address.trim().to_lowercase()).collect()
}

/// About how many bytes an event takes.
fn size(event: &Event) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    std::mem::size_of::<Event>()
        + event.title.len()
        + text(&event.description)
        + text(&event.location)
        + event.attendees.len() * 100
}

struct Busy<'a> {
    start: Timestamp,
    end: Timestamp,
    event: &'a Event,
}

fn busy_time(event: &Event) -> Option<Busy<'_>> {
    match (&event.start, &event.end) {
        (EventTime::Moment { at: start, .. }, EventTime::Moment { at: end, .. })
            if event.status != EventStatus::Cancelled
                && !event.is_free
                && !event.is_all_day
                && start < end =>
        {
            Some(Busy {
                start: *start,
                end: *end,
                event,
            })
        }
        _ => None,
    }
}

fn is_declined(event: &Event, me: &BTreeSet<String>) -> bool {
    event.attendees.iter().any(|attendee| {
        attendee.response == AttendeeResponse::Declined
            && me.contains(&attendee.address.address.to_lowercase())
    })
}
