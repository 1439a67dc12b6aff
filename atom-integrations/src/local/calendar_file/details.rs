//! What a `VEVENT` says besides when it takes place.

use atom_core::model::{Address, Attendee, AttendeeResponse, Event, EventStatus, EventTime, Origin};
use calcard::icalendar::{
    ICalendarComponent, ICalendarEntry, ICalendarParameterName, ICalendarParameterValue,
    ICalendarParticipationStatus, ICalendarProperty, ICalendarStatus, ICalendarTransparency, ICalendarValue,
};

use super::event::{CONNECTOR, Length, Slot};
use super::properties;

/// The event of a component, without its times and ids.
pub(super) fn event(parsed: &ICalendarComponent, slot: &Slot) -> Event {
    let text = |name: ICalendarProperty| properties::text(parsed, &name);
    let day = EventTime::Day {
        date: slot.local.date(),
    };
    let status = match parsed.status() {
        Some(ICalendarStatus::Cancelled) => EventStatus::Cancelled,
        Some(ICalendarStatus::Tentative) => EventStatus::Tentative,
        // A status that is not for events says nothing against them.
        _ => EventStatus::Confirmed,
    };
    Event {
        origin: Origin::new(CONNECTOR, ""),
        title: text(ICalendarProperty::Summary).unwrap_or_default(),
        start: day.clone(),
        end: day,
        is_all_day: matches!(slot.length, Length::Days(_)),
        description: text(ICalendarProperty::Description),
        location: text(ICalendarProperty::Location),
        organizer: parsed.property(&ICalendarProperty::Organizer).and_then(address),
        attendees: parsed
            .properties(&ICalendarProperty::Attendee)
            .filter_map(attendee)
            .collect(),
        status,
        is_free: is_free(parsed),
        series_id: None,
        recurrence: None,
    }
}

fn is_free(parsed: &ICalendarComponent) -> bool {
    let is_free_in_outlook = parsed.entries.iter().any(|entry| {
        matches!(&entry.name, ICalendarProperty::Other(name) if name.eq_ignore_ascii_case("X-MICROSOFT-CDO-BUSYSTATUS"))
            && entry.values.first().and_then(ICalendarValue::as_text).is_some_and(|value| value.eq_ignore_ascii_case("FREE"))
    });
    match parsed.transparency() {
        Some(ICalendarTransparency::Transparent) => true,
        _ => is_free_in_outlook,
    }
}

fn address(entry: &ICalendarEntry) -> Option<Address> {
    let parameter = |name| {
        let text = entry.parameter(&name)?.as_text()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let location = properties::location(entry)?;
    let mail = location
        .split_once(':')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("mailto"));
    let address = match mail {
        Some((_, address)) => address.to_owned(),
        // Programs that hide the address in a URN give it as a parameter (RFC 7986 section 6.2).
        None => parameter(ICalendarParameterName::Email).unwrap_or_else(|| location.to_owned()),
    };
    Some(Address {
        name: parameter(ICalendarParameterName::Cn),
        address,
    })
}

fn attendee(entry: &ICalendarEntry) -> Option<Attendee> {
    let response = match entry.parameter(&ICalendarParameterName::Partstat) {
        Some(ICalendarParameterValue::Partstat(status)) => match status {
            ICalendarParticipationStatus::Accepted => AttendeeResponse::Accepted,
            ICalendarParticipationStatus::Tentative => AttendeeResponse::Tentative,
            // Whoever sends somebody else does not come.
            ICalendarParticipationStatus::Declined | ICalendarParticipationStatus::Delegated => {
                AttendeeResponse::Declined
            }
            _ => AttendeeResponse::NeedsAction,
        },
        _ => AttendeeResponse::NeedsAction,
    };
    Some(Attendee {
        address: address(entry)?,
        response,
    })
}
