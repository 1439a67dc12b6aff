//! Events of iCalendar files (RFC 5545): listed with every occurrence, and checked for conflicts.
//!
//! What is read: `VEVENT`s with their times in UTC, in zones of the IANA database or of Windows, in zones that
//! the file describes itself, or in none; whole days; recurrence rules, further and excluded dates; changed,
//! moved and cancelled occurrences, also with `RANGE=THISANDFUTURE`; messages with `METHOD:CANCEL`. `VTODO`,
//! `VJOURNAL`, `VFREEBUSY` and alarms are passed over. `EXRULE`, which RFC 5545 dropped, and rules of other
//! than the Gregorian calendar are refused, event by event.
//!
//! Components with the same `UID`, also in different files of a folder, are one event, of which the newest
//! version counts. Conflicts leave out what is cancelled, free, declined or all-day; see `conflicts`.
//!
//! A broken event costs only itself: it is listed under `skipped` with its line. So is an event that has more
//! than 50,000 values and parameters, or whose occurrences in the span of time need more than a million steps,
//! number more than ten thousand or take more than 64 MiB. One call reads files of 64 MiB each and 128 MiB
//! together, and finds 100,000 events of 256 MiB at most.

mod components;
mod conflicts;
mod details;
mod event;
mod expand;
mod lines;
mod load;
mod operations;
mod plan;
mod properties;
mod recurrence;
mod rule;
#[cfg(test)]
mod tests;
mod zones;

use std::sync::Arc;

use atom_core::connector::Manifest;
use atom_core::function::TypedFunction;
use atom_core::{Connector, Function, Result};

use super::FileAccess;

/// The connector for calendar files.
pub(crate) fn connector(access: FileAccess) -> Result<Connector> {
    let (listing, comparing) = (access.clone(), access);
    let functions: Vec<Arc<dyn Function>> = vec![
        Arc::new(
            TypedFunction::new(
                "calendar_file.events.list",
                "Lists the events of a calendar file or folder in a span of time, with every occurrence of recurring ones.",
                move |request, context| operations::list_events(listing.clone(), request, context),
            )
            .read_only(),
        ),
        Arc::new(
            TypedFunction::new(
                "calendar_file.conflicts.list",
                "Finds events of a calendar file or folder that take place at the same time.",
                move |request, context| operations::list_conflicts(comparing.clone(), request, context),
            )
            .read_only(),
        ),
    ];
    Connector::new(
        Manifest::from_toml(include_str!("calendar_file.toml"))?,
        functions,
    )
}
