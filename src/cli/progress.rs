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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_latest_task_under_way_is_named() {
        let mut progress = Progress::new("Briefing");
        let mut line_after = |task: &str, kind: &str| {
            let entry = json!({ "offset": 1, "at": "2026-03-09T08:00:00Z", "task": task, "type": kind, "output": null });
            progress.note(&serde_json::from_value(entry).unwrap());
            let line = progress.line();
            line[..line.find(" (").unwrap()].to_owned()
        };
        for (task, kind, expected) in [
            ("/do/0/read", "task_started", "Briefing: read"),
            (
                "/do/0/read/fork/branches/0/mail",
                "task_started",
                "Briefing: mail",
            ),
            (
                "/do/0/read/fork/branches/1/a~1b~01",
                "task_started",
                "Briefing: a/b~1",
            ),
            (
                "/do/0/read/fork/branches/1/a~1b~01",
                "task_completed",
                "Briefing: mail",
            ),
            (
                "/do/0/read/fork/branches/0/mail",
                "task_skipped",
                "Briefing: read",
            ),
            ("/do/0/read", "task_cancelled", "Briefing"),
        ] {
            assert_eq!(line_after(task, kind), expected);
        }
    }
}
