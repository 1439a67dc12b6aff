//! What one transaction writes for many runs and events at once.
//!
//! Every change is checked here, against what the writer knows, before anything is written: a change that is
//! refused leaves the others of its transaction alone. The rows of all changes then go out in one statement, because each
//! costs a round trip. A part of a statement sees the state before it, so what changes a row that the same group has
//! inserted goes out in a second one.

mod lookups;
mod parts;

use std::collections::{BTreeMap, HashMap, HashSet};

use atom_core::storage::{ApprovalChange, NewRun, RunCommit, WorkflowVersion, held_by_another};
use atom_core::{ApprovalId, CloudEvent, Offset, Result, Scope, WorkerId};
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::approvals::{self, approval_row, close_row, viewer_rows};
use super::blobs::{BLOBS, text_and_parts};
use super::rows::{Decoded, integer, json, unsigned};
use super::script::{Argument, Rows, Script};
use super::{fence, statistics};
use crate::storage::blobs::{Blob, Cut};
use crate::storage::change::{Change, EventKey, RunKey, RunState, StartKey, check_new, named_key, named_run};
use crate::storage::labels::label_values;
use crate::storage::statistics::Additions;
pub(super) use lookups::written_before_by_us;
pub(in crate::storage) use parts::event_key;
use parts::{End, entry_row, event_row, run_row};

/// The rows that a transaction will write.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    /// Which worker writes.
    worker: WorkerId,
    /// The runs that exist among those that the changes name.
    states: &'a mut HashMap<RunKey, RunState>,
    /// The idempotency keys that are taken among those that the changes name.
    taken_keys: HashSet<StartKey>,
    /// The events of the batch by their place in it, from 1. Which of them are new the database finds.
    places: HashMap<EventKey, i64>,
    /// The runs that the batch creates.
    created: HashSet<RunKey>,
    /// The approvals that the batch opens.
    opened: HashSet<(Scope, ApprovalId)>,
    blobs: BTreeMap<(Scope, String), Cut>,
    events: Rows,
    runs: Rows,
    labels: Rows,
    journal: Rows,
    approvals: Rows,
    viewers: Rows,
    updates: BTreeMap<RunKey, Update>,
    /// What is closed that was there before, and what the batch itself has opened.
    closes: [BTreeMap<(Scope, ApprovalId), [Argument; 7]>; 2],
    statistics: Additions,
    /// The letters that are done.
    letters: Rows,
    /// Whether there is something that others take.
    has_offers: bool,
}

/// What becomes of the row of a run.
#[derive(Debug, Default)]
struct Update {
    is_paused: Option<bool>,
    version: Option<WorkflowVersion>,
    journal_start: Option<i64>,
    end: Option<End>,
}

/// An answer that is known once the batch is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Promise {
    /// The head after the events up to this place.
    Head(i64),
    /// The offset of the event at this place.
    Offset(i64),
}

/// What the database made of a batch.
#[derive(Debug)]
pub(super) struct Written {
    /// The head before.
    base: Offset,
    /// The offset of each event in its place.
    offsets: Vec<Offset>,
}

impl Written {
    /// The head after the batch.
    pub(super) fn head(&self) -> Offset {
        self.offsets.iter().copied().fold(self.base, Offset::max)
    }

    pub(super) fn answer(&self, promise: Promise) -> Offset {
        let before = |place: i64| usize::try_from(place).unwrap_or(usize::MAX);
        match promise {
            Promise::Head(place) => {
                let offsets = self.offsets.iter().take(before(place));
                offsets.copied().fold(self.base, Offset::max)
            }
            Promise::Offset(place) => self.offsets.get(before(place - 1)).copied().unwrap_or(self.base),
        }
    }
}

impl<'a> Batch<'a> {
    /// Looks up what the changes need to know and the states do not hold yet.
    pub(super) async fn prepare(
        connection: &mut PgConnection,
        worker: WorkerId,
        states: &'a mut HashMap<RunKey, RunState>,
        changes: impl Iterator<Item = &Change> + Clone,
    ) -> Decoded<Self> {
        let named = changes.clone().filter_map(named_run);
        let unknown: Vec<_> = named.filter(|key| !states.contains_key(key)).collect();
        lookups::load_states(connection, worker, states, &unknown).await?;
        let keys: Vec<_> = changes.filter_map(named_key).collect();
        let taken_keys = lookups::load_keys(connection, &keys).await?;
        Ok(Self {
            worker,
            states,
            taken_keys,
            places: HashMap::new(),
            created: HashSet::new(),
            opened: HashSet::new(),
            blobs: BTreeMap::new(),
            events: Rows::new(parts::EVENTS),
            runs: Rows::new(parts::RUNS),
            labels: Rows::new(parts::LABELS),
            journal: Rows::new(parts::JOURNAL),
            approvals: Rows::new(approvals::APPROVALS),
            viewers: Rows::new(approvals::VIEWERS),
            updates: BTreeMap::new(),
            closes: Default::default(),
            statistics: Additions::default(),
            letters: Rows::new(parts::LETTERS),
            has_offers: false,
        })
    }

    /// Adds a change; its answer is known once the batch is written.
    pub(super) fn add(&mut self, change: &Change) -> Result<Promise> {
        match change {
            Change::Create(run) => self.create(run),
            Change::Commit(commit) => self.commit(commit),
            Change::Append(scope, event) => {
                let text = json(event)?;
                Ok(Promise::Offset(self.append(scope, event, text)))
            }
        }
    }

    fn create(&mut self, run: &NewRun) -> Result<Promise> {
        let (key, start_key) = check_new(run, self.states, &self.taken_keys)?;
        let mut blobs = Vec::new();
        let row = run_row(run, self.worker, &mut blobs)?;
        let mut labels = Rows::new(parts::LABELS);
        for (kind, name, value) in label_values(&run.labels)? {
            labels.push(parts::label_row(run, kind, name, &value)?);
        }
        let keeps_heads = !run.copied.is_empty();
        let mut journal = Rows::new(parts::JOURNAL);
        for (entry, head) in run.entries(0) {
            let head = keeps_heads.then_some(head);
            journal.push(entry_row(&key, entry, head, self.place(), &mut blobs)?);
        }
        self.statistics.add(&key.0, &run.tally(), run.created_at);
        self.keep(&key.0, blobs);
        self.runs.push(row);
        self.labels.append(labels);
        self.journal.append(journal);
        self.taken_keys.extend(start_key);
        self.created.insert(key.clone());
        let next = 1 + run.copied.len() as u64;
        self.has_offers |= run.is_offered;
        let state = RunState {
            next,
            has_ended: false,
            is_held: !run.is_offered,
        };
        self.states.insert(key, state);
        Ok(Promise::Head(self.place()))
    }

    fn commit(&mut self, commit: &RunCommit) -> Result<Promise> {
        let key = (commit.scope.clone(), commit.run);
        let state = *self.states.get(&key).ok_or_else(|| commit.unknown_run())?;
        if !state.is_held {
            return Err(held_by_another(commit.run));
        }
        commit.check(state.next, state.has_ended)?;
        let letter = commit.letter.map(integer).transpose()?;

        // Everything that can fail comes before the first change of the batch.
        let events: Vec<_> = commit.events.iter().map(json).collect::<Result<_>>()?;
        let new_place = self.place_after(commit);
        let mut blobs = Vec::new();
        let mut journal = Rows::new(parts::JOURNAL);
        for entry in &commit.entries {
            journal.push(entry_row(&key, entry, None, new_place, &mut blobs)?);
        }
        let end = commit
            .end
            .as_ref()
            .map(|end| End::new(end, &mut blobs))
            .transpose()?;
        let last = commit.entries.last().filter(|_| commit.continues);
        let journal_start = last.map(|last| integer(last.sequence)).transpose()?;
        let approvals = self.approvals(commit)?;

        for (event, text) in commit.events.iter().zip(events) {
            self.append(&commit.scope, event, text);
        }
        self.keep(&commit.scope, blobs);
        self.journal.append(journal);
        self.change_approvals(&commit.scope, approvals);
        if let (Some(tally), Some(end)) = (&commit.tally, &commit.end) {
            self.statistics.add(&commit.scope, tally, end.at);
        }
        let has_ended = end.is_some();
        if has_ended || commit.is_paused.is_some() || commit.migrates_to.is_some() || journal_start.is_some()
        {
            let update = self.updates.entry(key.clone()).or_default();
            update.is_paused = commit.is_paused.or(update.is_paused);
            update.version = commit.migrates_to.clone().or(update.version.take());
            update.journal_start = journal_start.or(update.journal_start);
            update.end = end;
        }
        let next = state.next + commit.entries.len() as u64;
        if let Some(letter) = letter {
            self.letters.push([Argument::Integer(letter)]);
        }
        let state = RunState {
            next,
            has_ended,
            is_held: true,
        };
        self.states.insert(key, state);
        Ok(Promise::Head(self.place()))
    }

    /// The place of the last event so far.
    fn place(&self) -> i64 {
        i64::try_from(self.places.len()).unwrap_or(i64::MAX)
    }

    /// The place of the last event once those of a commit are appended that are not in the batch yet.
    fn place_after(&self, commit: &RunCommit) -> i64 {
        let keys = commit
            .events
            .iter()
            .map(|event| (commit.scope.clone(), event.source.clone(), event.id.clone()));
        let keys: HashSet<EventKey> = keys.filter(|key| !self.places.contains_key(key)).collect();
        self.place() + i64::try_from(keys.len()).unwrap_or(0)
    }

    /// Gives the place of an event, which is a new one unless the batch has the event already.
    fn append(&mut self, scope: &Scope, event: &CloudEvent, text: String) -> i64 {
        let key = (scope.clone(), event.source.clone(), event.id.clone());
        if let Some(place) = self.places.get(&key) {
            return *place;
        }
        let place = self.place() + 1;
        let mut blobs = Vec::new();
        self.events.push(event_row(&key, text, place, &mut blobs));
        self.keep(scope, blobs);
        self.places.insert(key, place);
        place
    }

    fn keep(&mut self, owner: &Scope, blobs: Vec<Blob>) {
        let blobs = blobs.into_iter();
        self.blobs
            .extend(blobs.map(|blob| ((owner.clone(), blob.hash), blob.cut)));
    }

    fn approvals(&self, commit: &RunCommit) -> Result<Vec<Approval>> {
        let changes = commit.approvals.iter().map(|change| match change {
            ApprovalChange::Open(approval) => {
                let row = Box::new(approval_row(approval)?);
                let viewers = viewer_rows(approval);
                Ok(Approval::Open(approval.id, row, viewers))
            }
            ApprovalChange::Close {
                id,
                status,
                decision,
                at,
            } => {
                let row = close_row(&commit.scope, *id, *status, decision.as_ref(), *at)?;
                Ok(Approval::Close(*id, row))
            }
        });
        changes.collect()
    }

    fn change_approvals(&mut self, owner: &Scope, approvals: Vec<Approval>) {
        for approval in approvals {
            match approval {
                Approval::Open(id, row, viewers) => {
                    self.opened.insert((owner.clone(), id));
                    self.approvals.push(*row);
                    self.viewers.append(viewers);
                }
                Approval::Close(id, row) => {
                    let key = (owner.clone(), id);
                    let is_late = self.opened.contains(&key);
                    // What has ended stays as it ended.
                    self.closes[usize::from(is_late)].entry(key).or_insert(row);
                }
            }
        }
    }

    /// Writes all rows in one transaction.
    pub(super) async fn write(self, connection: &mut PgConnection) -> Decoded<Written> {
        let Self {
            created,
            updates,
            closes: [closes, late_closes],
            ..
        } = self;
        let (late_updates, updates): (BTreeMap<_, _>, BTreeMap<_, _>) =
            updates.into_iter().partition(|(key, _)| created.contains(key));
        let mut script = Script::default();
        let mut blobs = Rows::new(BLOBS);
        for ((owner, hash), cut) in self.blobs {
            let [text, parts] = text_and_parts(cut);
            blobs.push([
                Argument::text(&owner.tenant),
                Argument::text(&owner.user),
                Argument::Text(hash),
                parts,
                text,
            ]);
        }
        // A blob that is there is locked, so that it is not removed before what refers to it is written.
        let lock = "ON CONFLICT (tenant, owner, hash) DO UPDATE SET hash = excluded.hash";
        script.insert("blobs", blobs, lock)?;
        let has_events = !self.events.is_empty();
        let offsets = parts::append_events(&mut script, self.events)?;
        script.insert("runs", self.runs, "")?;
        script.insert("run_labels", self.labels, "")?;
        parts::append_entries(&mut script, self.journal, has_events)?;
        script.insert("approvals", self.approvals, "ON CONFLICT DO NOTHING")?;
        script.insert("approval_viewers", self.viewers, "ON CONFLICT DO NOTHING")?;
        parts::update_runs(&mut script, updates)?;
        parts::close_approvals(&mut script, closes.into_values())?;
        statistics::write(&self.statistics, &mut script)?;
        let has_news = self.has_offers || !self.letters.is_empty();
        parts::answer_letters(&mut script, self.letters)?;
        let mut query = format!("SELECT base, {offsets}, {}", fence::hold(self.worker));
        if has_events {
            query.push_str(", tell('events')");
        }
        if has_news {
            query.push_str(", tell('work')");
        }
        query.push_str(" FROM log");

        if late_updates.is_empty() && late_closes.is_empty() {
            return Written::read(script.run(connection, &query).await?);
        }
        let mut late = Script::default();
        parts::update_runs(&mut late, late_updates)?;
        parts::close_approvals(&mut late, late_closes.into_values())?;
        sqlx::raw_sql("BEGIN").execute(&mut *connection).await?;
        let written = Written::read(script.run(&mut *connection, &query).await?)?;
        late.run(&mut *connection, "SELECT 1").await?;
        sqlx::raw_sql("COMMIT").execute(connection).await?;
        Ok(written)
    }
}

impl Written {
    fn read(rows: Vec<sqlx::postgres::PgRow>) -> Decoded<Self> {
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let offsets: Vec<i64> = row.try_get(1)?;
        Ok(Self {
            base: unsigned(row.try_get(0)?)?,
            offsets: offsets.into_iter().map(unsigned).collect::<Decoded<_>>()?,
        })
    }
}

/// What one change of an approval writes.
enum Approval {
    Open(ApprovalId, Box<[Argument; 19]>, Rows),
    Close(ApprovalId, [Argument; 7]),
}

/// The owner and id of a run as arguments.
fn key_arguments((owner, run): &RunKey) -> [Argument; 3] {
    [
        Argument::text(&owner.tenant),
        Argument::text(&owner.user),
        Argument::run(*run),
    ]
}
