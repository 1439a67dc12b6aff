//! The events of a file or folder within a window.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use atom_core::model::Event;
use atom_core::{CancellationToken, Error, ErrorCode, Result};
use encoding_rs::Encoding;

use super::super::access::{FileAccess, read_error};
use super::super::blocking;
use super::super::walk::{ShownPaths, Skipped, SkippedList, walk};
use super::components::{self, Calendar};
use super::event::Entry;
use super::expand::{Series, Window};
use super::zones::Zones;

/// The largest calendar file that is read, in bytes.
pub(super) const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// How much one call reads, in bytes.
const MAX_TOTAL_BYTES: u64 = 128 * 1024 * 1024;
/// How many events one call may find.
const MAX_EVENTS: usize = 100_000;
/// How much the events of one call may take, in bytes.
const MAX_EVENT_BYTES: usize = 256 * 1024 * 1024;
/// How many days and times the rules of one call may have examined.
const MAX_TOTAL_STEPS: u64 = 20_000_000;

/// The events that overlap a window, sorted by start and then title, and what was left out.
///
/// # Errors
/// `invalid_data` with a `line` when a single file is not a calendar, `limit_exceeded` past one of the limits
/// above, `cancelled`, or the error of the file system. What is wrong inside a folder or calendar is skipped.
pub(super) fn events(
    path: &Path,
    access: &FileAccess,
    shown: &ShownPaths,
    window: &Window,
    cancellation: &CancellationToken,
) -> Result<(Vec<Event>, Vec<Skipped>)> {
    let mut loader = Loader {
        window,
        cancellation,
        series: BTreeMap::new(),
        skipped: SkippedList::default(),
        bytes_left: MAX_TOTAL_BYTES,
        steps: 0,
    };
    if path.is_dir() {
        let mut skipped = SkippedList::default();
        walk(
            path,
            access,
            shown,
            &mut skipped,
            cancellation,
            |file, skipped| {
                let name = shown.show(file);
                if file
                    .extension()
                    .is_some_and(|extension| extension.eq_ignore_ascii_case("ics"))
                {
                    std::mem::swap(skipped, &mut loader.skipped);
                    let read = loader.read(file, &name);
                    std::mem::swap(skipped, &mut loader.skipped);
                    match read {
                        Err(error) if error.code() == ErrorCode::InvalidData => {
                            let line = error.context().get("line").and_then(|line| line.parse().ok());
                            skipped.push(&name, line, error.message());
                        }
                        read => read?,
                    }
                }
                Ok(true)
            },
        )?;
        loader.skipped = skipped;
    } else {
        loader.read(path, &shown.show(path))?;
    }
    let events = loader.expand()?;
    Ok((events, loader.skipped.into_items(&shown.show(path))))
}

struct Loader<'a> {
    window: &'a Window,
    cancellation: &'a CancellationToken,
    /// By `UID`, each with the file that named it last.
    series: BTreeMap<String, (String, Series)>,
    skipped: SkippedList,
    bytes_left: u64,
    /// The work so far.
    steps: u64,
}

impl Loader<'_> {
    fn read(&mut self, path: &Path, name: &str) -> Result<()> {
        blocking::check(self.cancellation)?;
        let bytes = read_bytes(path, self.bytes_left)?;
        self.bytes_left -= bytes.len() as u64;
        let calendars = components::calendars(&bytes).map_err(|error| error.with_context("path", name))?;
        calendars
            .iter()
            .try_for_each(|calendar| self.calendar(calendar, name))
    }

    fn calendar(&mut self, calendar: &Calendar, name: &str) -> Result<()> {
        for problem in &calendar.problems {
            self.skipped
                .push(name, Some(problem.line), problem.reason.as_str());
        }
        if let Some(method @ ("REPLY" | "REFRESH" | "COUNTER" | "DECLINECOUNTER")) =
            calendar.method.as_deref()
        {
            let line = calendar.events.first().map(|event| event.line);
            self.skipped.push(
                name,
                line,
                format!("METHOD:{method} is a message to the organizer, not an event"),
            );
            return Ok(());
        }
        let is_cancellation = calendar.method.as_deref() == Some("CANCEL");
        let zones = Zones::new(&calendar.zones, self.window.zone.clone(), &mut self.steps);
        self.check(0, 0)?;
        for component in &calendar.events {
            blocking::check(self.cancellation)?;
            match Entry::read(component, &zones, name) {
                Ok(entry) => {
                    let (file, series) = self.series.entry(entry.uid.clone()).or_default();
                    name.clone_into(file);
                    series.add(entry, is_cancellation);
                }
                Err(reason) => self.skipped.push(name, Some(component.line), reason),
            }
        }
        Ok(())
    }

    fn expand(&mut self) -> Result<Vec<Event>> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        for (file, series) in self.series.values() {
            blocking::check(self.cancellation)?;
            match series.expand(self.window, &mut self.steps) {
                Ok((found, size)) => {
                    events.extend(found);
                    bytes += size;
                }
                Err(reason) => self.skipped.push(file, Some(series.line()), reason),
            }
            self.check(events.len(), bytes)?;
        }
        events.sort_by_cached_key(|event| {
            (
                self.window.bounds(event),
                event.title.clone(),
                event.origin.id.clone(),
            )
        });
        Ok(events)
    }

    fn check(&self, events: usize, bytes: usize) -> Result<()> {
        if events <= MAX_EVENTS && bytes <= MAX_EVENT_BYTES && self.steps <= MAX_TOTAL_STEPS {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::LimitExceeded,
            format!(
                "the calendar has more than {MAX_EVENTS} events or {} MiB in this span of time, or rules that \
                 need too much work; ask for a shorter span",
                MAX_EVENT_BYTES / (1024 * 1024)
            ),
        ))
    }
}

/// The bytes of a calendar file, as UTF-8 when its byte order mark says UTF-16.
fn read_bytes(path: &Path, most: u64) -> Result<Vec<u8>> {
    let metadata = fs::metadata(path).map_err(|error| read_error(path, error))?;
    // Opening a pipe would wait for somebody to write into it.
    if !metadata.is_file() {
        return Err(Error::invalid_request("this is neither a file nor a folder")
            .with_context("path", path.display()));
    }
    let limit = most.min(MAX_FILE_BYTES);
    let file = File::open(path).map_err(|error| read_error(path, error))?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| read_error(path, error))?;
    if bytes.len() as u64 > limit {
        let message = format!(
            "calendar files may have {} MiB each, and {} MiB together",
            MAX_FILE_BYTES / (1024 * 1024),
            MAX_TOTAL_BYTES / (1024 * 1024)
        );
        return Err(Error::new(ErrorCode::LimitExceeded, message).with_context("path", path.display()));
    }
    Ok(match Encoding::for_bom(&bytes) {
        Some((encoding, length)) if encoding != encoding_rs::UTF_8 => {
            let text = encoding
                .decode_without_bom_handling(bytes.get(length..).unwrap_or_default())
                .0;
            text.into_owned().into_bytes()
        }
        _ => bytes,
    })
}
