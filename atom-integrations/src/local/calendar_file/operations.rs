//! What the connector's functions take and give.

use atom_core::model::{Conflict, Event, EventStatus};
use atom_core::{Error, FunctionContext, Result};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::FileAccess;
use super::super::blocking::blocking;
use super::super::walk::{ShownPaths, Skipped};
use super::conflicts::{addresses, conflicts};
use super::expand::Window;
use super::load;

/// How many events or conflicts an answer holds unless the request says otherwise.
const USUAL_LIMIT: usize = 500;
/// How many events or conflicts an answer holds at most.
const MAX_LIMIT: usize = 5000;

/// Which events to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListEventsRequest {
    /// An iCalendar file, or a folder whose `.ics` files are read.
    path: String,
    /// From when on: a day (`2026-03-29`) or a moment (`2026-03-29T09:00:00+02:00`).
    from: String,
    /// Until when, exclusive: a day or a moment; a day after `from` unless given.
    #[serde(default)]
    until: Option<String>,
    /// The IANA time zone in which days and times without a zone are meant; `UTC` unless given.
    #[serde(default)]
    zone: Option<String>,
    /// Whether to list cancelled events too.
    #[serde(default)]
    include_cancelled: bool,
    /// How many events to return at most; 500 unless given, up to 5000.
    #[serde(default)]
    limit: Option<usize>,
}

/// The events of a calendar.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ListEventsResponse {
    /// The events, sorted by start and then title; each occurrence of a recurring one by itself.
    pub(super) events: Vec<Event>,
    /// How many events there are, including those past the limit.
    pub(super) total: usize,
    /// What was not read, and why.
    pub(super) skipped: Vec<Skipped>,
}

pub(super) async fn list_events(
    access: FileAccess,
    request: ListEventsRequest,
    context: FunctionContext,
) -> Result<ListEventsResponse> {
    let limit = limit(request.limit)?;
    let window = window(&request.from, request.until.as_deref(), request.zone.as_deref())?;
    let path = access.readable(&request.path, &context)?;
    let shown = ShownPaths::new(&context);
    blocking(&context, move |cancellation| {
        let (mut events, skipped) = load::events(&path, &access, &shown, &window, cancellation)?;
        events.retain(|event| request.include_cancelled || event.status != EventStatus::Cancelled);
        let total = events.len();
        events.truncate(limit);
        Ok(ListEventsResponse {
            events,
            total,
            skipped,
        })
    })
    .await
}

/// Where to look for conflicts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListConflictsRequest {
    /// An iCalendar file, or a folder whose `.ics` files are read.
    path: String,
    /// From when on: a day (`2026-03-29`) or a moment (`2026-03-29T09:00:00+02:00`).
    from: String,
    /// Until when, exclusive: a day or a moment; a day after `from` unless given.
    #[serde(default)]
    until: Option<String>,
    /// The IANA time zone in which days and times without a zone are meant; `UTC` unless given.
    #[serde(default)]
    zone: Option<String>,
    /// The mail addresses of the calendar's owner: events that one of them declined do not count.
    #[serde(default)]
    me: Vec<String>,
    /// How many conflicts to return at most; 500 unless given, up to 5000.
    #[serde(default)]
    limit: Option<usize>,
}

/// Events that take place at the same time.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ListConflictsResponse {
    /// Each pair of events that overlap, ordered by their starts. Cancelled, free, declined and all-day events
    /// do not count.
    pub(super) conflicts: Vec<Conflict>,
    /// Whether there are more past the limit.
    pub(super) has_more: bool,
    /// What was not read, and why.
    pub(super) skipped: Vec<Skipped>,
}

pub(super) async fn list_conflicts(
    access: FileAccess,
    request: ListConflictsRequest,
    context: FunctionContext,
) -> Result<ListConflictsResponse> {
    let limit = limit(request.limit)?;
    let window = window(&request.from, request.until.as_deref(), request.zone.as_deref())?;
    let path = access.readable(&request.path, &context)?;
    let shown = ShownPaths::new(&context);
    blocking(&context, move |cancellation| {
        let (events, skipped) = load::events(&path, &access, &shown, &window, cancellation)?;
        let (conflicts, has_more) = conflicts(&events, &addresses(&request.me), limit);
        Ok(ListConflictsResponse {
            conflicts,
            has_more,
            skipped,
        })
    })
    .await
}

fn limit(wanted: Option<usize>) -> Result<usize> {
    match wanted.unwrap_or(USUAL_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        limit => Err(Error::invalid_request(format!(
            "the limit {limit} is not between 1 and {MAX_LIMIT}"
        ))),
    }
}

/// The span of time that a request asks for.
pub(super) fn window(from: &str, until: Option<&str>, zone: Option<&str>) -> Result<Window> {
    let zone = match zone {
        None => TimeZone::UTC,
        Some(name) => TimeZone::get(name).map_err(|error| {
            Error::invalid_request("'zone' must be an IANA time zone, e.g. Europe/Berlin")
                .with_context("zone", name)
                .with_source(error)
        })?,
    };
    let from = moment("from", from, &zone)?;
    let until = match until {
        Some(until) => moment("until", until, &zone)?,
        None => from
            .checked_add(1.day())
            .map_err(|error| Error::invalid_request("'from' is too late").with_source(error))?,
    };
    if until <= from {
        return Err(Error::invalid_request("'until' must be later than 'from'"));
    }
    Ok(Window {
        from: from.timestamp(),
        until: until.timestamp(),
        zone,
    })
}

fn moment(name: &str, text: &str, zone: &TimeZone) -> Result<Zoned> {
    let is_day = text.len() == "2026-03-29".len();
    let moment = if is_day {
        text.parse::<Date>().and_then(|date| date.to_zoned(zone.clone()))
    } else {
        text.parse::<Timestamp>().map(|at| at.to_zoned(zone.clone()))
    };
    moment.map_err(|error| {
        Error::invalid_request(format!(
            "'{name}' must be a day like 2026-03-29 or a moment like 2026-03-29T09:00:00+02:00"
        ))
        .with_source(error)
    })
}
