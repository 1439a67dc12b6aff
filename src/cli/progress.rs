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
    /// Those that wait for an approval.
    asking: Vec<String>,
}

impl Progress {
    pub(super) fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            since: Instant::now(),
            tasks: Vec::new(),
            asking: Vec::new(),
        }
    }

    /// Takes note of what happened.
    pub(super) fn note(&mut self, entry: &HistoryEntry) {
        let Some(task) = &entry.record.task else {
            return;
        };
        match entry.record.what {
            RecordKind::TaskStarted => self.tasks.push(task.clone()),
            RecordKind::TaskAwaitingApproval { .. } => self.asking.push(task.clone()),
            RecordKind::TaskDecided { .. } => self.answered(task),
            RecordKind::TaskCompleted { .. }
            | RecordKind::TaskFaulted { .. }
            | RecordKind::TaskSkipped
            | RecordKind::TaskCancelled => {
                self.answered(task);
                if let Some(index) = self.tasks.iter().rposition(|active| active == task) {
                    self.tasks.remove(index);
                }
            }
            _ => {}
        }
    }

    fn answered(&mut self, task: &str) {
        if let Some(index) = self.asking.iter().position(|asking| asking == task) {
            self.asking.remove(index);
        }
    }

    /// The line for now, e.g. `Morning briefing: render (3 s)`.
    pub(super) fn line(&self) -> String {
        let seconds = self.since.elapsed().as_secs();
        match self.tasks.last() {
            Some(task) if self.asking.contains(task) => {
                format!(
                    "{}: {} waits for an approval ({seconds} s)",
                    self.title,
                    name(task)
                )
            }
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
            let entry = json!({ "offset": 1, "at": "2026-03-09T08:00:00Z", "task": task, "type": kind, "output": null, "approval": "0192f0c1-0000-7000-8000-000000000001", "title": "?", "decision": "approve" });
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
            (
                "/do/0/read",
                "task_awaiting_approval",
                "Briefing: read waits for an approval",
            ),
            ("/do/0/read", "task_decided", "Briefing: read"),
            ("/do/0/read", "task_cancelled", "Briefing"),
        ] {
            assert_eq!(line_after(task, kind), expected);
        }
    }
}
