//! What statistics are made of: rows to add, and rows that were read.

use std::collections::BTreeMap;

use atom_core::Scope;
use atom_core::storage::{Resolution, RunTally, Series, SeriesKey, Tally};
use jiff::Timestamp;

use super::rows::{Decoded, decode_error};

/// What a transaction adds. Runs that end together mostly add to the same rows, which are written once.
#[derive(Debug, Default)]
pub(super) struct Additions(BTreeMap<RowKey, Tally>);

/// What a row counts.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowKey {
    pub(super) resolution: Resolution,
    pub(super) scope: Scope,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) number: i64,
    /// Empty for runs.
    pub(super) task: String,
    /// Empty for minutes, which do not tell versions apart.
    pub(super) version: String,
}

impl Additions {
    pub(super) fn add(&mut self, scope: &Scope, tally: &RunTally, at: Timestamp) {
        let workflow = &tally.workflow;
        let mut add = |resolution: Resolution, task: &str, version: &str, more: &Tally| {
            let key = RowKey {
                resolution,
                scope: scope.clone(),
                namespace: workflow.namespace.clone(),
                name: workflow.name.clone(),
                number: resolution.number(at),
                task: task.to_owned(),
                version: version.to_owned(),
            };
            self.0.entry(key).or_default().merge(more);
        };
        add(Resolution::Minute, "", "", &tally.run);
        add(Resolution::Hour, "", &workflow.version, &tally.run);
        for (task, more) in &tally.tasks {
            add(Resolution::Hour, task, &workflow.version, more);
        }
    }

    /// The rows: what they count, the bucket, and the numbers, in the order of [`add_row`].
    pub(super) fn rows(&self) -> impl Iterator<Item = (&RowKey, i64, [i64; 7])> {
        self.0.iter().flat_map(|(key, tally)| {
            rows(tally).into_iter().map(move |(bucket, numbers)| {
                let numbers = numbers.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
                (key, bucket, numbers)
            })
        })
    }
}

/// The bucket of a row for what has no duration.
const NO_BUCKET: i64 = -1;

/// The numbers of a tally as they stand in rows: those that have no bucket stand in the first.
fn rows(tally: &Tally) -> Vec<(i64, [u64; 7])> {
    let Tally {
        started,
        completed,
        faulted,
        cancelled,
        retries,
        durations,
    } = tally;
    let buckets = durations.buckets();
    let mut rows: Vec<_> = buckets
        .map(|(bucket, count)| (i64::from(bucket), [0, 0, 0, 0, 0, count, 0]))
        .collect();
    if rows.is_empty() {
        rows.push((NO_BUCKET, [0; 7]));
    }
    if let Some((_, first)) = rows.first_mut() {
        let [.., count, _] = *first;
        *first = [
            *started,
            *completed,
            *faulted,
            *cancelled,
            *retries,
            count,
            durations.total(),
        ];
    }
    rows
}

/// Adds up the numbers of a bucket.
pub(super) fn add_row(tally: &mut Tally, bucket: i64, numbers: [u64; 7]) -> Decoded<()> {
    let [started, completed, faulted, cancelled, retries, durations, total] = numbers;
    tally.started += started;
    tally.completed += completed;
    tally.faulted += faulted;
    tally.cancelled += cancelled;
    tally.retries += retries;
    // Without a bucket there are no durations either.
    let bucket = u16::try_from(bucket.max(0)).map_err(decode_error)?;
    tally.durations.add_bucket(bucket, durations, total);
    Ok(())
}

/// A list of series that is put together from rows in its order.
#[derive(Debug)]
pub(super) struct SeriesList {
    items: Vec<Series>,
    size: usize,
}

impl SeriesList {
    /// An empty list for a page of this size.
    pub(super) fn new(size: usize) -> Self {
        let items = Vec::new();
        Self { items, size }
    }

    /// The tally that the next row adds to, or nothing when the page is full: with one more than wanted, which tells
    /// whether the list goes on.
    pub(super) fn tally(&mut self, key: SeriesKey, slot: i64) -> Option<&mut Tally> {
        if self.items.last().is_none_or(|series| series.key != key) {
            if self.items.len() > self.size {
                return None;
            }
            let slots = Vec::new();
            self.items.push(Series { key, slots });
        }
        let series = self.items.last_mut()?;
        if series.slots.last().is_none_or(|(last, _)| *last != slot) {
            series.slots.push((slot, Tally::default()));
        }
        series.slots.last_mut().map(|(_, tally)| tally)
    }

    /// The series.
    pub(super) fn items(self) -> Vec<Series> {
        self.items
    }
}
