//! The rows of runs, journals and events, and the parts of the statement that writes them.

use std::collections::BTreeMap;

use atom_core::storage::{JournalEntry, NewRun, OnLimit, RunEnd, RunLabels};
use atom_core::{Error, Offset, Result, WorkerId};
use sha2::{Digest, Sha256};

use super::super::approvals;
use super::super::blobs::cut;
use super::super::rows::{Decoded, integer, json, nanoseconds};
use super::super::script::{Argument, Columns, Kind, Rows, Script};
use super::{Update, key_arguments};
use crate::storage::blobs::Blob;
use crate::storage::change::{EventKey, RunKey};

pub(super) const EVENTS: Columns = &[
    ("tenant", Kind::Text),
    ("owner", Kind::Text),
    ("key", Kind::Bytes),
    ("event", Kind::Text),
    ("event_parts", Kind::Text),
    ("place", Kind::Integer),
];
pub(super) const RUNS: Columns = &[
    ("tenant", Kind::Text),
    ("owner", Kind::Text),
    ("id", Kind::Id),
    ("roles", Kind::Text),
    ("namespace", Kind::Text),
    ("name", Kind::Text),
    ("version", Kind::Text),
    ("hash", Kind::Text),
    ("parent_run", Kind::Id),
    ("parent_action", Kind::Integer),
    ("directory", Kind::Text),
    ("rerun_of", Kind::Id),
    ("started_by", Kind::Text),
    ("idempotency_key", Kind::Text),
    ("tags", Kind::Text),
    ("fields", Kind::Text),
    ("admission", Kind::Text),
    ("concurrency_key", Kind::Text),
    ("cancels_oldest", Kind::Boolean),
    ("rate_key", Kind::Text),
    ("rank", Kind::Integer),
    ("input", Kind::Text),
    ("input_parts", Kind::Text),
    ("created_at", Kind::Integer),
    ("worker", Kind::Id),
];
pub(super) const LABELS: Columns = &[
    ("tenant", Kind::Text),
    ("owner", Kind::Text),
    ("kind", Kind::Text),
    ("name", Kind::Text),
    ("value", Kind::Text),
    ("created_at", Kind::Integer),
    ("run", Kind::Id),
];
pub(super) const JOURNAL: Columns = &[
    ("tenant", Kind::Text),
    ("owner", Kind::Text),
    ("run", Kind::Id),
    ("sequence", Kind::Integer),
    ("at", Kind::Integer),
    ("payload", Kind::Text),
    ("payload_parts", Kind::Text),
    // What is known of the head of the event log: the head itself, or else the place of the last event before it.
    ("event_head", Kind::Integer),
    ("place", Kind::Integer),
];
pub(super) const LETTERS: Columns = &[("id", Kind::Integer)];
const UPDATES: Columns = &[
    ("tenant", Kind::Text),
    ("owner", Kind::Text),
    ("id", Kind::Id),
    ("is_paused", Kind::Boolean),
    ("version", Kind::Text),
    ("hash", Kind::Text),
    ("journal_start", Kind::Integer),
    ("status", Kind::Text),
    ("output", Kind::Text),
    ("output_parts", Kind::Text),
    ("error", Kind::Text),
    ("error_type", Kind::Text),
    ("ended_at", Kind::Integer),
    ("expires_at", Kind::Integer),
];

pub(super) fn run_row(run: &NewRun, worker: WorkerId, blobs: &mut Vec<Blob>) -> Result<[Argument; 25]> {
    let RunLabels { tags, fields } = &run.labels;
    let [tenant, owner, id] = key_arguments(&(run.principal.scope(), run.id));
    let directory = run.directory.as_ref().map(|directory| {
        directory
            .to_str()
            .ok_or_else(|| Error::invalid_request("the run's directory is not valid UTF-8"))
    });
    let text = |text: Option<&String>| text.map_or(Argument::Null, |text| Argument::text(text));
    let limits = run.limits.as_ref();
    let concurrency = limits.and_then(|limits| limits.concurrency.as_ref());
    let rate = limits.and_then(|limits| limits.rate_limit.as_ref());
    let [input, input_parts] = cut(json(&run.input)?, blobs);
    Ok([
        tenant,
        owner,
        id,
        Argument::Text(json(&run.principal.roles)?),
        Argument::text(&run.workflow.namespace),
        Argument::text(&run.workflow.name),
        Argument::text(&run.workflow.version),
        Argument::text(&run.workflow.hash),
        Argument::optional(run.parent, |parent| Ok(Argument::run(parent.run)))?,
        Argument::optional(run.parent, |parent| integer(parent.action).map(Argument::Integer))?,
        Argument::optional(directory, |directory| Ok(Argument::text(directory?)))?,
        Argument::optional(run.rerun_of, |run| Ok(Argument::run(run)))?,
        Argument::optional(run.trigger, |trigger| json(&trigger).map(Argument::Text))?,
        text(run.idempotency_key.as_ref()),
        Argument::optional((!tags.is_empty()).then_some(tags), |tags| {
            json(tags).map(Argument::Text)
        })?,
        Argument::optional((!fields.is_empty()).then_some(fields), |fields| {
            json(fields).map(Argument::Text)
        })?,
        Argument::optional(limits, |limits| json(limits).map(Argument::Text))?,
        text(concurrency.map(|limit| &limit.key)),
        Argument::optional(concurrency, |limit| {
            Ok(Argument::Boolean(limit.on_limit == OnLimit::CancelOldest))
        })?,
        text(rate.map(|limit| &limit.key)),
        Argument::optional(limits, |limits| Ok(Argument::Integer(limits.rank())))?,
        input,
        input_parts,
        Argument::Integer(nanoseconds(run.created_at)?),
        if run.is_offered {
            Argument::Null
        } else {
            Argument::worker(worker)
        },
    ])
}

pub(super) fn label_row(run: &NewRun, kind: &str, name: &str, value: &str) -> Result<[Argument; 7]> {
    let [tenant, owner, id] = key_arguments(&(run.principal.scope(), run.id));
    Ok([
        tenant,
        owner,
        Argument::text(kind),
        Argument::text(name),
        Argument::text(value),
        Argument::Integer(nanoseconds(run.created_at)?),
        id,
    ])
}

pub(super) fn entry_row(
    key: &RunKey,
    entry: &JournalEntry,
    event_head: Option<Offset>,
    place: i64,
    blobs: &mut Vec<Blob>,
) -> Result<[Argument; 9]> {
    let [tenant, owner, run] = key_arguments(key);
    let [payload, payload_parts] = cut(entry.payload.clone(), blobs);
    Ok([
        tenant,
        owner,
        run,
        Argument::Integer(integer(entry.sequence)?),
        Argument::Integer(nanoseconds(entry.at)?),
        payload,
        payload_parts,
        Argument::optional(event_head, |head| integer(head).map(Argument::Integer))?,
        Argument::Integer(place),
    ])
}

/// The hash that tells an event from all others of its owner.
pub(in crate::storage) fn event_key(source: &str, id: &str) -> Vec<u8> {
    let mut key = Sha256::new();
    // The length tells where the source ends.
    key.update((source.len() as u64).to_be_bytes());
    key.update(source);
    key.update(id);
    key.finalize().to_vec()
}

pub(super) fn event_row(
    (owner, source, id): &EventKey,
    text: String,
    place: i64,
    blobs: &mut Vec<Blob>,
) -> [Argument; 6] {
    let [event, event_parts] = cut(text, blobs);
    [
        Argument::text(&owner.tenant),
        Argument::text(&owner.user),
        Argument::Bytes(event_key(source, id)),
        event,
        event_parts,
        Argument::Integer(place),
    ]
}

/// How a run ends, as it stands in its row.
#[derive(Debug)]
pub(super) struct End([Argument; 7]);

impl End {
    pub(super) fn new(end: &RunEnd, blobs: &mut Vec<Blob>) -> Result<Self> {
        let error_type = end.error.as_ref().and_then(|error| error.get("type")?.as_str());
        let moment = |moment| nanoseconds(moment).map(Argument::Integer);
        let (at, expires_at) = (moment(end.at)?, Argument::optional(end.expires_at, moment)?);
        let error = Argument::optional(end.error.as_ref(), |error| json(error).map(Argument::Text))?;
        let [output, output_parts] = match &end.output {
            Some(output) => cut(json(output)?, blobs),
            None => [Argument::Null, Argument::Null],
        };
        Ok(Self([
            Argument::text(end.status.as_str()),
            output,
            output_parts,
            error,
            error_type.map_or(Argument::Null, Argument::text),
            at,
            expires_at,
        ]))
    }
}

/// Appends those events that are not in the log yet. Their offsets are drawn under a lock that is held until the
/// transaction has ended; an event that another transaction appends meanwhile makes this one fail. Gives the expression of the
/// offsets of all events in their places; the part `log` has the head before as `base`.
pub(super) fn append_events(script: &mut Script, events: Rows) -> Decoded<&'static str> {
    if events.is_empty() {
        script.part("log", "SELECT head AS base FROM event_log");
        return Ok("'{}'::bigint[]");
    }
    let given = script.given("given", events)?;
    script.part(
        "offered",
        &format!(
            "SELECT given.*, events.\"offset\" AS known FROM {given} LEFT JOIN events \
             ON events.tenant = given.tenant AND events.owner = given.owner AND events.key = given.key"
        ),
    );
    script.part(
        "fresh",
        "SELECT tenant, owner, key, event, event_parts, place, row_number() OVER (ORDER BY place) AS number \
         FROM offered WHERE known IS NULL",
    );
    script.part(
        "log",
        "UPDATE event_log SET head = head + counted.count FROM (SELECT count(*) FROM fresh) AS counted \
         RETURNING head - counted.count AS base",
    );
    script.part(
        "new_events",
        "INSERT INTO events (\"offset\", tenant, owner, key, event, event_parts) \
         SELECT base + number, tenant, owner, key, event, event_parts FROM fresh, log",
    );
    Ok(
        "(SELECT array_agg(coalesce(offered.known, log.base + fresh.number) ORDER BY offered.place) \
         FROM offered LEFT JOIN fresh ON fresh.place = offered.place)",
    )
}

/// Appends entries of journals; each knows the head of the event log right after its commit. Comes after
/// [`append_events`].
pub(super) fn append_entries(script: &mut Script, entries: Rows, has_events: bool) -> Decoded<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let given = script.given("entry", entries)?;
    let head = if has_events {
        "base + (SELECT count(*) FROM fresh WHERE fresh.place <= entry.place)"
    } else {
        "base"
    };
    script.part(
        "new_journal",
        &format!(
            "INSERT INTO journal (tenant, owner, run, sequence, at, payload, payload_parts, event_head) \
             SELECT tenant, owner, run, sequence, at, payload, payload_parts, coalesce(event_head, {head}) \
             FROM {given}, log"
        ),
    );
    Ok(())
}

/// Answers letters that are done.
pub(super) fn answer_letters(script: &mut Script, letters: Rows) -> Decoded<()> {
    if letters.is_empty() {
        return Ok(());
    }
    let given = script.given("given", letters)?;
    script.part("done", &format!("SELECT id FROM {given}"));
    script.part(
        "answered",
        "UPDATE letters SET answer = 'null' FROM done WHERE letters.id = done.id AND wants_answer",
    );
    script.part(
        "dropped",
        "DELETE FROM letters USING done WHERE letters.id = done.id AND NOT wants_answer",
    );
    Ok(())
}

/// Changes the rows of runs.
pub(super) fn update_runs(script: &mut Script, updates: BTreeMap<RunKey, Update>) -> Decoded<()> {
    if updates.is_empty() {
        return Ok(());
    }
    let mut rows = Rows::new(UPDATES);
    for (key, update) in updates {
        let [tenant, owner, id] = key_arguments(&key);
        let (version, hash) = match update.version {
            Some(version) => (Argument::text(&version.version), Argument::text(&version.hash)),
            None => (Argument::Null, Argument::Null),
        };
        let unended = || End(std::array::from_fn(|_| Argument::Null));
        let End(
            [
                status,
                output,
                output_parts,
                error,
                error_type,
                ended_at,
                expires_at,
            ],
        ) = update.end.unwrap_or_else(unended);
        rows.push([
            tenant,
            owner,
            id,
            update.is_paused.map_or(Argument::Null, Argument::Boolean),
            version,
            hash,
            update.journal_start.map_or(Argument::Null, Argument::Integer),
            status,
            output,
            output_parts,
            error,
            error_type,
            ended_at,
            expires_at,
        ]);
    }
    let given = script.given("given", rows)?;
    script.part(
        "changed_runs",
        &format!(
            "UPDATE runs SET is_paused = coalesce(given.is_paused, runs.is_paused), \
             started_version = CASE WHEN given.version IS NULL THEN runs.started_version \
             ELSE coalesce(runs.started_version, runs.version) END, \
             started_hash = CASE WHEN given.version IS NULL THEN runs.started_hash \
             ELSE coalesce(runs.started_hash, runs.hash) END, \
             version = coalesce(given.version, runs.version), hash = coalesce(given.hash, runs.hash), \
             journal_start = coalesce(given.journal_start, runs.journal_start), \
             is_trimmed = runs.is_trimmed AND given.journal_start IS NULL, \
             status = coalesce(given.status, runs.status), output = coalesce(given.output, runs.output), \
             output_parts = coalesce(given.output_parts, runs.output_parts), \
             error = coalesce(given.error, runs.error), error_type = coalesce(given.error_type, runs.error_type), \
             ended_at = coalesce(given.ended_at, runs.ended_at), \
             expires_at = coalesce(given.expires_at, runs.expires_at) \
             FROM {given} WHERE runs.tenant = given.tenant AND runs.owner = given.owner AND runs.id = given.id"
        ),
    );
    Ok(())
}

/// Ends approvals that are pending.
pub(super) fn close_approvals(
    script: &mut Script,
    closes: impl ExactSizeIterator<Item = [Argument; 7]>,
) -> Decoded<()> {
    if closes.len() == 0 {
        return Ok(());
    }
    let mut rows = Rows::new(approvals::CLOSES);
    closes.for_each(|row| rows.push(row));
    let given = script.given("given", rows)?;
    script.part(
        "closed_approvals",
        &format!(
            "UPDATE approvals SET status = given.status, decision = given.decision, \
             whole_decision = given.whole_decision, closed_at = given.closed_at FROM {given} \
             WHERE approvals.tenant = given.tenant AND approvals.owner = given.owner AND approvals.id = given.id \
             AND approvals.status = 'pending'"
        ),
    );
    Ok(())
}
