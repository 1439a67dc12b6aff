//! Removing runs and events.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{MemoryStore, Tables};
use crate::storage::{Expiry, Kept, RetentionStore, RunRecord, RunStatus};
use crate::{Result, RunId, Scope};

#[async_trait]
impl RetentionStore for MemoryStore {
    async fn prune(&self, expiry: &Expiry, limit: usize) -> Result<bool> {
        Ok(self.write(|tables| {
            let may_go = |run: &&RunRecord| tables.is_expired(run, expiry) && tables.kept(run).is_none();
            let records = tables.runs.values().map(|run| &run.record);
            let expired: Vec<_> = records
                .filter(may_go)
                .take(limit + 1)
                .map(|run| (run.principal.scope(), run.id))
                .collect();
            let events = expiry.events_until.map_or(0, |until| tables.logged_until(until));
            let old: Vec<_> = tables
                .events
                .range(..=events)
                .map(|(offset, _)| *offset)
                .collect();
            for (scope, run) in expired.iter().take(limit) {
                tables.remove_run(scope, *run);
            }
            for offset in old.iter().take(limit) {
                if let Some((scope, event)) = tables.events.remove(offset) {
                    tables.known_events.remove(&(scope, event.source, event.id));
                }
            }
            expired.len() > limit || old.len() > limit
        }))
    }

    async fn trim_journals(&self, _: usize) -> Result<bool> {
        // Nothing is left of what came before.
        Ok(false)
    }

    async fn delete_run(&self, scope: &Scope, run: RunId) -> Result<bool> {
        self.write(|tables| {
            let Some(found) = tables.runs.get(&(scope.clone(), run)) else {
                return Ok(false);
            };
            match tables.kept(&found.record) {
                Some(kept) => Err(kept.error(run)),
                None => {
                    tables.remove_run(scope, run);
                    Ok(true)
                }
            }
        })
    }

    async fn has_expiring_runs(&self) -> Result<bool> {
        Ok(self.query(|tables| tables.runs.values().any(|run| run.expires_at.is_some())))
    }

    async fn note_events(&self, at: Timestamp) -> Result<()> {
        self.write(|tables| tables.event_ages.insert(at, tables.head));
        Ok(())
    }
}

impl Tables {
    fn is_expired(&self, run: &RunRecord, expiry: &Expiry) -> bool {
        let own = self.runs.get(&(run.principal.scope(), run.id));
        match own.and_then(|run| run.expires_at) {
            Some(expires_at) => expires_at <= expiry.now,
            None => {
                let until = match run.status {
                    RunStatus::Completed => expiry.completed_until,
                    _ => expiry.failed_until,
                };
                until.is_some_and(|until| run.ended_at.is_some_and(|ended| ended <= until))
            }
        }
    }

    /// Why a run cannot be removed, if it cannot.
    fn kept(&self, run: &RunRecord) -> Option<Kept> {
        let scope = run.principal.scope();
        if !run.status.has_ended() {
            return Some(Kept::Running);
        }
        let parent = run
            .parent
            .and_then(|parent| self.runs.get(&(scope.clone(), parent.run)));
        if parent.is_some_and(|parent| !parent.record.status.has_ended()) {
            return Some(Kept::ByParent);
        }
        let mut schedules = self.schedules.iter();
        let is_awaited =
            schedules.any(|((owner, ..), schedule)| *owner == scope && schedule.awaits() == Some(run.id));
        is_awaited.then_some(Kept::BySchedule)
    }

    fn remove_run(&mut self, scope: &Scope, run: RunId) {
        self.runs.remove(&(scope.clone(), run));
        self.approvals
            .retain(|(owner, _), approval| owner != scope || approval.run != run);
        self.started
            .retain(|(owner, ..), started| owner != scope || *started != run);
    }

    /// The last offset that was in the log at a time.
    fn logged_until(&self, until: Timestamp) -> u64 {
        let known = self.event_ages.range(..=until).next_back();
        known.map_or(0, |(_, offset)| *offset)
    }
}
