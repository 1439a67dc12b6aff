//! What a run is doing, told in one line.

use std::time::Instant;

use atom_workflow::machine::RecordKind;
use atom_workflow::runtime::HistoryEntry;

/// The tasks of a run that are under way.
pub(super) struct Progress {
    title: String,
    since: Instant,
    /// JSON pointers, the latest last.
    tasks: Vec<String>,
}

impl Progress {
    pub(super) fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            since: Instant::now(),
            tasks: Vec::new(),
        }
    }

    /// Takes note of what happened.
    pub(super) fn note(&mut self, entry: &HistoryEntry) {
        let Some(task) = &entry.record.task else {
            return;
        };
        match entry.record.what {
            RecordKind::TaskStarted => self.tasks.push(task.clone()),
            RecordKind::TaskCompleted { .. }
            | RecordKind::TaskFaulted { .. }
            | RecordKind::TaskSkipped
            | RecordKind::TaskCancelled => {
                if let Some(index) = self.tasks.iter().rposition(|active| active == task) {
                    self.tasks.remove(index);
                }
            }
            _ => {}
        }
    }

    /// The line for now, e.g. `Morning briefing: render (3 s)`.
    pub(super) fn line(&self) -> String {
        let seconds = self.since.elapsed().as_secs();
        match self.tasks.last() {
            Some(task) => format!("{}: {} ({seconds} s)", self.title, name(task)),
            None => format!("{} ({seconds} s)", self.title),
        }
    }
}

/// The name of the task that a pointer leads to.
fn name(pointer: &str) -> String {
    let last = pointer.rsplit('/').next().unwrap_or(pointer);
    last.replace("~1", "/").replace("~0", "~")
}
