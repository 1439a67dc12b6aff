//! What the executions of a run's tasks have come to, for the statistics.
//!
//! It follows from the journal like everything else, so a replay counts the same, and it is kept for each task rather
//! than for each execution, so a loop of any length takes the same memory.

use std::collections::BTreeMap;
use std::time::Duration;

use atom_core::storage::Tally;
use jiff::Timestamp;

use super::Machine;
use crate::definition::Task;

/// How many tasks of a run are counted; those that end first are.
const MAX_TASKS: usize = 1_000;

/// How an execution of a task ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum TaskEnd {
    Completed,
    Faulted,
    Cancelled,
}

impl Machine {
    /// What the executions of tasks that have ended come to, by the JSON pointer of the task. What the run has from
    /// another that it repeats does not count, and neither do tasks that were skipped.
    pub(crate) fn tallies(&self) -> &BTreeMap<String, Tally> {
        &self.tallies
    }

    pub(super) fn tally(&mut self, task: &Task, started_at: Timestamp, end: TaskEnd) {
        let took = self.now.duration_since(started_at);
        let Some(tally) = self.tally_of(task) else { return };
        match end {
            TaskEnd::Completed => {
                tally.completed += 1;
                tally.durations.add(Duration::try_from(took).unwrap_or_default());
            }
            TaskEnd::Faulted => tally.faulted += 1,
            TaskEnd::Cancelled => tally.cancelled += 1,
        }
    }

    pub(super) fn tally_retry(&mut self, task: &Task) {
        if let Some(tally) = self.tally_of(task) {
            tally.retries += 1;
        }
    }

    fn tally_of(&mut self, task: &Task) -> Option<&mut Tally> {
        if !self.is_tallying {
            return None;
        }
        if !self.tallies.contains_key(&task.reference) {
            if self.tallies.len() >= MAX_TASKS {
                return None;
            }
            self.tallies.insert(task.reference.clone(), Tally::default());
        }
        self.tallies.get_mut(&task.reference)
    }
}
