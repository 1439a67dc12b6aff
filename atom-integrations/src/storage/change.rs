//! The frequent changes, and what tells whether one fits.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

use atom_core::storage::{NewRun, RunCommit};
use atom_core::{CloudEvent, Result, RunId, Scope};
use serde::Serialize;

/// A frequent change.
#[derive(Debug)]
pub(super) enum Change {
    /// Creates a run.
    Create(NewRun),
    /// Writes a step of a run.
    Commit(RunCommit),
    /// Appends an event.
    Append(Scope, CloudEvent),
}

impl Change {
    /// About how many bytes the change holds while it waits.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Create(run) => {
                let entries: usize = run.entries(0).map(|(entry, _)| entry.payload.len()).sum();
                json_bytes(&run.input) + entries
            }
            Self::Commit(commit) => {
                let entries: usize = commit.entries.iter().map(|entry| entry.payload.len()).sum();
                let end = commit
                    .end
                    .as_ref()
                    .map_or(0, |end| json_bytes(&end.output) + json_bytes(&end.error));
                let tasks = commit.tally.iter().flat_map(|tally| &tally.tasks);
                let tally =
                    tasks.map(|(task, tally)| task.len() + 64 + 16 * tally.durations.buckets().count());
                entries
                    + json_bytes(&commit.events)
                    + json_bytes(&commit.approvals)
                    + end
                    + tally.sum::<usize>()
            }
            Self::Append(_, event) => json_bytes(event),
        }
    }
}

/// How long a value is as JSON.
fn json_bytes(value: &impl Serialize) -> usize {
    struct Count(usize);

    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    // What has no JSON form is refused when it is written.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

/// An owner and one of its runs.
pub(super) type RunKey = (Scope, RunId);

/// What decides whether a commit fits.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunState {
    /// The sequence of its next journal entry.
    pub(super) next: u64,
    pub(super) has_ended: bool,
    /// Whether this engine may write its steps; always when it has the store for itself.
    pub(super) is_held: bool,
}

/// An owner, and the source and id of an event.
pub(super) type EventKey = (Scope, String, String);
/// An owner, the namespace and name of a workflow, and the idempotency key of a run of it.
pub(super) type StartKey = (Scope, String, String, String);

/// The run that a change names.
pub(super) fn named_run(change: &Change) -> Option<RunKey> {
    match change {
        Change::Create(run) => Some((run.principal.scope(), run.id)),
        Change::Commit(commit) => Some((commit.scope.clone(), commit.run)),
        Change::Append(..) => None,
    }
}

/// What a run is started once under.
pub(super) fn start_key(run: &NewRun) -> Option<StartKey> {
    let key = run.idempotency_key.clone()?;
    let workflow = &run.workflow;
    Some((
        run.principal.scope(),
        workflow.namespace.clone(),
        workflow.name.clone(),
        key,
    ))
}

/// Checks a run to create against the runs and idempotency keys that are known; gives its own.
///
/// # Errors
/// As [`NewRun::check`]; `already_exists` when its id or its key is taken.
pub(super) fn check_new(
    run: &NewRun,
    states: &HashMap<RunKey, RunState>,
    taken_keys: &HashSet<StartKey>,
) -> Result<(RunKey, Option<StartKey>)> {
    run.check()?;
    let key = (run.principal.scope(), run.id);
    if states.contains_key(&key) {
        return Err(run.already_exists());
    }
    match start_key(run) {
        Some(start_key) if taken_keys.contains(&start_key) => Err(run.key_taken()),
        start_key => Ok((key, start_key)),
    }
}

/// The idempotency key that a change names.
pub(super) fn named_key(change: &Change) -> Option<StartKey> {
    match change {
        Change::Create(run) => start_key(run),
        Change::Commit(_) | Change::Append(..) => None,
    }
}

/// The events that a change appends.
pub(super) fn named_events(change: &Change) -> Vec<(&Scope, &CloudEvent)> {
    match change {
        Change::Create(_) => Vec::new(),
        Change::Commit(commit) => commit.events.iter().map(|event| (&commit.scope, event)).collect(),
        Change::Append(scope, event) => vec![(scope, event)],
    }
}
