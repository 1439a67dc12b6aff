//! What one transaction writes for many runs and events at once.
//!
//! Every change is checked here, against what the writer knows, before anything is written: a change that is
//! refused leaves the others of its transaction alone. The rows of all changes then go out in few statements,
//! because each costs a hop to the thread of the connection.

use std::collections::{HashMap, HashSet};

use atom_core::storage::{ApprovalChange, JournalEntry, NewRun, RunCommit, RunLabels};
use atom_core::{CloudEvent, Offset, Result, RunId, Scope};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::admission::{LIMIT, limit_row};
use super::approvals::{APPROVALS, CLOSE, VIEWERS, approval_row, close_row, viewer_rows};
use super::blobs::{BLOBS, blob_rows, cut};
use super::fence;
use super::rows::{Decoded, integer, json, nanoseconds, run_id, unsigned};
use super::script::{Argument, Rows, Script, Table};
use super::statistics;
use crate::storage::blobs::Blob;
use crate::storage::change::{
    Change, EventKey, RunKey, RunState, StartKey, check_new, named_events, named_key, named_run,
};
use crate::storage::labels::label_values;
use crate::storage::statistics::Additions;

/// The rows that a transaction will write.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    /// The runs that exist among those that the changes name.
    states: &'a mut HashMap<RunKey, RunState>,
    known_events: HashMap<EventKey, Offset>,
    /// The idempotency keys that are taken among those that the changes name.
    taken_keys: HashSet<StartKey>,
    head: Offset,
    /// What the other rows refer to, so it comes first.
    blobs: Vec<(Scope, Blob)>,
    events: Rows,
    runs: Rows,
    limits: Rows,
    labels: Rows,
    journal: Rows,
    approvals: Vec<ApprovalRows>,
    pauses: Rows,
    moves: Rows,
    continuations: Rows,
    ends: Rows,
    statistics: Additions,
}

/// What one change of an approval writes. They stay in order: an approval may begin and end in one transaction.
#[derive(Debug)]
enum ApprovalRows {
    Open { approval: Rows, viewers: Rows },
    Close(Rows),
}

impl<'a> Batch<'a> {
    /// Looks up what the changes need to know and the states do not hold yet.
    pub(super) async fn prepare(
        connection: &mut SqliteConnection,
        states: &'a mut HashMap<RunKey, RunState>,
        head: Offset,
        changes: impl Iterator<Item = &Change> + Clone,
    ) -> Decoded<Self> {
        let named = changes.clone().filter_map(named_run);
        let unknown: Vec<_> = named.filter(|key| !states.contains_key(key)).collect();
        load_states(connection, states, &unknown).await?;
        let keys: Vec<_> = changes.clone().filter_map(named_key).collect();
        let taken_keys = load_keys(connection, &keys).await?;
        let mut known_events = HashMap::new();
        let events: Vec<_> = changes.flat_map(named_events).collect();
        load_events(connection, &mut known_events, &events).await?;
        Ok(Self {
            states,
            known_events,
            taken_keys,
            head,
            blobs: Vec::new(),
            events: Rows::default(),
            runs: Rows::default(),
            limits: Rows::default(),
            labels: Rows::default(),
            journal: Rows::default(),
            approvals: Vec::new(),
            pauses: Rows::default(),
            moves: Rows::default(),
            continuations: Rows::default(),
            ends: Rows::default(),
            statistics: Additions::default(),
        })
    }

    /// The head of the event log once the batch is written.
    pub(super) fn head(&self) -> Offset {
        self.head
    }

    /// Adds a change and returns its answer: the head after it, or the event's offset.
    pub(super) fn add(&mut self, change: &Change) -> Result<u64> {
        match change {
            Change::Create(run) => self.create(run),
            Change::Commit(commit) => self.commit(commit),
            Change::Append(scope, event) => {
                let text = json(event)?;
                self.append(scope, event, text)
            }
        }
    }

    fn create(&mut self, run: &NewRun) -> Result<u64> {
        let (key, start_key) = check_new(run, self.states, &self.taken_keys)?;
        let mut blobs = Vec::new();
        let row = run_row(run, &mut blobs)?;
        let limits = limit_row(run)?;
        let labels = label_rows(run)?;
        let mut journal = Rows::default();
        for (entry, event_head) in run.entries(self.head) {
            journal.push(entry_row(&key.0, run.id, entry, event_head, &mut blobs)?);
        }
        self.statistics.add(&key.0, &run.tally(), run.created_at);
        self.blobs.extend(blobs);
        self.runs.push(row);
        if let Some(limits) = limits {
            self.limits.push(limits);
        }
        self.labels.append(labels);
        self.journal.append(journal);
        self.taken_keys.extend(start_key);
        self.states.insert(
            key,
            RunState {
                next: 1 + run.copied.len() as u64,
                has_ended: false,
                is_held: true,
            },
        );
        Ok(self.head)
    }

    fn commit(&mut self, commit: &RunCommit) -> Result<u64> {
        let key = (commit.scope.clone(), commit.run);
        let state = *self.states.get(&key).ok_or_else(|| commit.unknown_run())?;
        commit.check(state.next, state.has_ended)?;

        // Everything that can fail comes before the first change of the batch.
        let events: Vec<_> = commit.events.iter().map(json).collect::<Result<_>>()?;
        let new_head = self.head_after(commit);
        let (mut journal, mut blobs) = (Rows::default(), Vec::new());
        for entry in &commit.entries {
            journal.push(entry_row(&commit.scope, commit.run, entry, new_head, &mut blobs)?);
        }
        let approvals = approval_rows(commit)?;
        let end = end_row(commit, &mut blobs)?;

        for (event, text) in commit.events.iter().zip(events) {
            self.append(&commit.scope, event, text)?;
        }
        self.blobs.extend(blobs);
        self.journal.append(journal);
        self.approvals.extend(approvals);
        if let Some(is_paused) = commit.is_paused {
            self.pauses.push([
                Argument::Integer(is_paused.into()),
                Argument::text(&commit.scope.tenant),
                Argument::text(&commit.scope.user),
                Argument::id(commit.run),
            ]);
        }
        if let Some(to) = &commit.migrates_to {
            self.moves.push([
                Argument::text(&to.version),
                Argument::text(&to.hash),
                Argument::text(&commit.scope.tenant),
                Argument::text(&commit.scope.user),
                Argument::id(commit.run),
            ]);
        }
        if let (true, Some(last)) = (commit.continues, commit.entries.last()) {
            self.continuations.push([
                Argument::Integer(integer(last.sequence)?),
                Argument::text(&commit.scope.tenant),
                Argument::text(&commit.scope.user),
                Argument::id(commit.run),
            ]);
        }
        if let Some(end) = end {
            self.ends.push(end);
        }
        if let (Some(tally), Some(end)) = (&commit.tally, &commit.end) {
            self.statistics.add(&commit.scope, tally, end.at);
        }
        let next = state.next + commit.entries.len() as u64;
        self.states.insert(
            key,
            RunState {
                next,
                has_ended: commit.end.is_some(),
                is_held: true,
            },
        );
        Ok(self.head)
    }

    /// The head once the events of a commit that are not known yet are appended.
    fn head_after(&self, commit: &RunCommit) -> Offset {
        let keys: HashSet<_> = commit
            .events
            .iter()
            .map(|event| (&event.source, &event.id))
            .collect();
        let is_new = |(source, id): &(&String, &String)| {
            !self
                .known_events
                .contains_key(&(commit.scope.clone(), (*source).clone(), (*id).clone()))
        };
        self.head + keys.into_iter().filter(is_new).count() as u64
    }

    fn append(&mut self, scope: &Scope, event: &CloudEvent, text: String) -> Result<Offset> {
        let key = (scope.clone(), event.source.clone(), event.id.clone());
        if let Some(offset) = self.known_events.get(&key) {
            return Ok(*offset);
        }
        let offset = self.head + 1;
        let number = integer(offset)?;
        let [text, parts] = cut(text, scope, &mut self.blobs);
        self.events.push([
            Argument::Integer(number),
            Argument::text(&scope.tenant),
            Argument::text(&scope.user),
            Argument::text(&event.source),
            Argument::text(&event.id),
            text,
            parts,
        ]);
        self.head = offset;
        self.known_events.insert(key, offset);
        Ok(offset)
    }

    /// Begins a transaction, writes all rows in it, and then does what `finish` says.
    pub(super) async fn write(self, connection: &mut SqliteConnection, finish: &str) -> Decoded<()> {
        let mut script = Script::default();
        script.push(fence::BEGIN);
        script.insert(BLOBS, blob_rows(self.blobs));
        script.insert(EVENTS, self.events);
        script.insert(RUNS, self.runs);
        script.repeat(LIMIT, self.limits);
        script.insert(LABELS, self.labels);
        script.insert(JOURNAL, self.journal);
        for change in self.approvals {
            match change {
                ApprovalRows::Open { approval, viewers } => {
                    script.insert(APPROVALS, approval);
                    script.insert(VIEWERS, viewers);
                }
                ApprovalRows::Close(rows) => script.repeat(CLOSE, rows),
            }
        }
        script.repeat(PAUSE, self.pauses);
        script.repeat(MOVE, self.moves);
        script.repeat(CONTINUE, self.continuations);
        script.repeat(END, self.ends);
        statistics::write(&self.statistics, &mut script);
        script.push(finish);
        script.run(connection).await.map(drop)
    }
}

const EVENTS: Table = Table(
    r#"INSERT INTO events ("offset", tenant, user, source, id, event, event_parts) VALUES "#,
    "(?,?,?,?,?,?,?)",
);
const RUNS: Table = Table(
    "INSERT INTO runs (tenant, user, id, roles, namespace, name, version, hash, parent_run, parent_action, \
     directory, rerun_of, started_by, idempotency_key, tags, fields, input, input_parts, created_at) VALUES ",
    "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
);
const LABELS: Table = Table(
    "INSERT INTO run_labels (tenant, user, kind, name, value, created_at, run) VALUES ",
    "(?,?,?,?,?,?,?)",
);
const JOURNAL: Table = Table(
    "INSERT INTO journal (tenant, user, run, sequence, at, payload, payload_parts, event_head) VALUES ",
    "(?,?,?,?,?,?,?,?)",
);
const PAUSE: &str = "UPDATE runs SET is_paused = ? WHERE tenant = ? AND user = ? AND id = ?;";
const MOVE: &str = "UPDATE runs SET started_version = coalesce(started_version, version), \
     started_hash = coalesce(started_hash, hash), version = ?, hash = ? WHERE tenant = ? AND user = ? AND id = ?;";
const CONTINUE: &str =
    "UPDATE runs SET journal_start = ?, is_trimmed = 0 WHERE tenant = ? AND user = ? AND id = ?;";
const END: &str = "UPDATE runs SET status = ?, output = ?, output_parts = ?, error = ?, ended_at = ?, expires_at = ? \
     WHERE tenant = ? AND user = ? AND id = ?;";

fn run_row(run: &NewRun, blobs: &mut Vec<(Scope, Blob)>) -> Result<[Argument; 19]> {
    let RunLabels { tags, fields } = &run.labels;
    let directory = run.directory.as_ref().map(|directory| {
        directory
            .to_str()
            .ok_or_else(|| atom_core::Error::invalid_request("the run's directory is not valid UTF-8"))
    });
    let [input, input_parts] = cut(json(&run.input)?, &run.principal.scope(), blobs);
    Ok([
        Argument::text(&run.principal.tenant),
        Argument::text(&run.principal.user),
        Argument::id(run.id),
        Argument::Text(json(&run.principal.roles)?),
        Argument::text(&run.workflow.namespace),
        Argument::text(&run.workflow.name),
        Argument::text(&run.workflow.version),
        Argument::text(&run.workflow.hash),
        Argument::optional(run.parent, |parent| Ok(Argument::id(parent.run)))?,
        Argument::optional(run.parent, |parent| {
            Ok(Argument::Integer(integer(parent.action)?))
        })?,
        Argument::optional(directory, |directory| Ok(Argument::text(directory?)))?,
        Argument::optional(run.rerun_of, |run| Ok(Argument::id(run)))?,
        Argument::optional(run.trigger, |trigger| json(&trigger).map(Argument::Text))?,
        Argument::optional(run.idempotency_key.as_deref(), |key| Ok(Argument::text(key)))?,
        Argument::optional((!tags.is_empty()).then_some(tags), |tags| {
            json(tags).map(Argument::Text)
        })?,
        Argument::optional((!fields.is_empty()).then_some(fields), |fields| {
            json(fields).map(Argument::Text)
        })?,
        input,
        input_parts,
        Argument::Integer(nanoseconds(run.created_at)?),
    ])
}

fn label_rows(run: &NewRun) -> Result<Rows> {
    let mut rows = Rows::default();
    for (kind, name, value) in label_values(&run.labels)? {
        rows.push([
            Argument::text(&run.principal.tenant),
            Argument::text(&run.principal.user),
            Argument::text(kind),
            Argument::text(name),
            Argument::Text(value),
            Argument::Integer(nanoseconds(run.created_at)?),
            Argument::id(run.id),
        ]);
    }
    Ok(rows)
}

fn entry_row(
    scope: &Scope,
    run: RunId,
    entry: &JournalEntry,
    event_head: Offset,
    blobs: &mut Vec<(Scope, Blob)>,
) -> Result<[Argument; 8]> {
    let [payload, payload_parts] = cut(entry.payload.clone(), scope, blobs);
    Ok([
        Argument::text(&scope.tenant),
        Argument::text(&scope.user),
        Argument::id(run),
        Argument::Integer(integer(entry.sequence)?),
        Argument::Integer(nanoseconds(entry.at)?),
        payload,
        payload_parts,
        Argument::Integer(integer(event_head)?),
    ])
}

fn approval_rows(commit: &RunCommit) -> Result<Vec<ApprovalRows>> {
    let changes = commit.approvals.iter().map(|change| match change {
        ApprovalChange::Open(approval) => Ok(ApprovalRows::Open {
            approval: Rows::one(approval_row(approval)?),
            viewers: viewer_rows(approval),
        }),
        ApprovalChange::Close {
            id,
            status,
            decision,
            at,
        } => {
            let row = close_row(&commit.scope, *id, *status, decision.as_ref(), *at)?;
            Ok(ApprovalRows::Close(Rows::one(row)))
        }
    });
    changes.collect()
}

fn end_row(commit: &RunCommit, blobs: &mut Vec<(Scope, Blob)>) -> Result<Option<[Argument; 9]>> {
    let Some(end) = &commit.end else { return Ok(None) };
    let error = Argument::optional(end.error.as_ref(), |error| json(error).map(Argument::Text))?;
    let moment = |moment| nanoseconds(moment).map(Argument::Integer);
    let (at, expires_at) = (moment(end.at)?, Argument::optional(end.expires_at, moment)?);
    let [output, output_parts] = match &end.output {
        Some(output) => cut(json(output)?, &commit.scope, blobs),
        None => [Argument::Null, Argument::Null],
    };
    Ok(Some([
        Argument::text(end.status.as_str()),
        output,
        output_parts,
        error,
        at,
        expires_at,
        Argument::text(&commit.scope.tenant),
        Argument::text(&commit.scope.user),
        Argument::id(commit.run),
    ]))
}

/// How many lookups one hop carries.
const LOOKUPS: usize = 32;

async fn load_states(
    connection: &mut SqliteConnection,
    states: &mut HashMap<RunKey, RunState>,
    keys: &[RunKey],
) -> Decoded<()> {
    const LOOKUP: &str = "SELECT tenant, user, id, status <> 'running', (SELECT max(sequence) FROM journal \
         WHERE journal.tenant = runs.tenant AND journal.user = runs.user AND journal.run = runs.id) \
         FROM runs WHERE tenant = ? AND user = ? AND id = ?;";
    for chunk in keys.chunks(LOOKUPS) {
        let mut wanted = Rows::default();
        for (scope, run) in chunk {
            wanted.push([
                Argument::text(&scope.tenant),
                Argument::text(&scope.user),
                Argument::id(*run),
            ]);
        }
        let mut script = Script::default();
        script.repeat(LOOKUP, wanted);
        for row in script.run(connection).await? {
            let scope = Scope {
                tenant: row.try_get(0)?,
                user: row.try_get(1)?,
            };
            let next = row
                .try_get::<Option<i64>, _>(4)?
                .map_or(Ok(0), |last| unsigned(last).map(|last| last + 1))?;
            states.insert(
                (scope, run_id(row.try_get(2)?)?),
                RunState {
                    next,
                    has_ended: row.try_get(3)?,
                    is_held: true,
                },
            );
        }
    }
    Ok(())
}

async fn load_keys(connection: &mut SqliteConnection, keys: &[StartKey]) -> Decoded<HashSet<StartKey>> {
    const LOOKUP: &str = "SELECT tenant, user, namespace, name, idempotency_key FROM runs \
        WHERE tenant = ? AND user = ? AND namespace = ? AND name = ? AND idempotency_key = ?;";
    let mut taken = HashSet::new();
    for chunk in keys.chunks(LOOKUPS) {
        let mut wanted = Rows::default();
        for (scope, namespace, name, key) in chunk {
            wanted.push([&scope.tenant, &scope.user, namespace, name, key].map(|text| Argument::text(text)));
        }
        let mut script = Script::default();
        script.repeat(LOOKUP, wanted);
        for row in script.run(connection).await? {
            let scope = Scope {
                tenant: row.try_get(0)?,
                user: row.try_get(1)?,
            };
            taken.insert((scope, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?));
        }
    }
    Ok(taken)
}

async fn load_events(
    connection: &mut SqliteConnection,
    known: &mut HashMap<EventKey, Offset>,
    events: &[(&Scope, &CloudEvent)],
) -> Decoded<()> {
    const LOOKUP: &str = r#"SELECT tenant, user, source, id, "offset" FROM events
        WHERE tenant = ? AND user = ? AND source = ? AND id = ?;"#;
    for chunk in events.chunks(LOOKUPS) {
        let mut wanted = Rows::default();
        for (scope, event) in chunk {
            wanted.push(
                [&scope.tenant, &scope.user, &event.source, &event.id].map(|text| Argument::text(text)),
            );
        }
        let mut script = Script::default();
        script.repeat(LOOKUP, wanted);
        for row in script.run(connection).await? {
            let scope = Scope {
                tenant: row.try_get(0)?,
                user: row.try_get(1)?,
            };
            known.insert(
                (scope, row.try_get(2)?, row.try_get(3)?),
                unsigned(row.try_get(4)?)?,
            );
        }
    }
    Ok(())
}
