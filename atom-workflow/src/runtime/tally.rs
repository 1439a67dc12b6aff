//! What a run that ends adds to the statistics.

use std::time::Duration;

use atom_core::storage::{RunEnd, RunRecord, RunStatus, RunTally, Tally};

use crate::machine::Machine;

/// What a run has come to that ends now. It counts for the workflow that it followed in the end, whether somebody
/// started it or another run did; what was undone counts as it ended.
pub(super) fn of(record: &RunRecord, machine: &Machine, end: &RunEnd) -> RunTally {
    let tasks = machine.tallies();
    let mut run = Tally {
        retries: tasks.values().map(|task| task.retries).sum(),
        ..Tally::default()
    };
    match end.status {
        RunStatus::Completed => {
            let took = Duration::try_from(end.at.duration_since(record.created_at));
            run.completed = 1;
            run.durations.add(took.unwrap_or_default());
        }
        RunStatus::Faulted => run.faulted = 1,
        RunStatus::Cancelled => run.cancelled = 1,
        RunStatus::Queued | RunStatus::Running | RunStatus::Paused => {}
    }
    RunTally {
        workflow: record.workflow.clone(),
        run,
        tasks: tasks.clone(),
    }
}
