//! Alerts: rules that tell when runs go wrong.
//!
//! A rule is one record of the store, changed only by whoever has seen its last change. When it begins to hold, or no
//! longer does, the record says so first, together with the event that tells of it; then the event is published, under
//! an id of its own; then the record says that it was. A process that dies in between publishes it when it comes back, and
//! the log keeps an event with a known id once: so each change is told exactly once.

mod evaluate;
mod worker;

use std::sync::atomic::Ordering;
use std::time::Duration;

use atom_core::storage::{AlertReading, AlertRecord, AlertRule};
use atom_core::{CloudEvent, Error, ErrorCode, Result, RunId, Scope};
use jiff::Timestamp;
use serde_json::json;

use super::Runtime;

/// How often a change is tried that others get in the way of.
const MAX_CHANGES: usize = 100;

/// The shortest time that the hours of statistics can be kept: the longest window of a rule, and the day that it ends in.
pub const MINIMUM_STATISTICS: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// How often rules are evaluated at most.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// Why an alert ends.
#[derive(Clone, Copy, Debug)]
enum Resolved {
    /// The rule no longer holds.
    Recovered,
    /// The rule was set anew.
    Changed,
    /// The rule was deleted.
    Deleted,
}

impl Resolved {
    fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        }
    }
}

impl Runtime {
    /// Evaluates the alert rules of everybody, now and after every `interval`, a second at least, and forgets the
    /// statistics that are too old, until the runtime closes. Doing it again changes nothing. Must be called within a tokio
    /// runtime.
    pub fn start_alerts(&self, interval: Duration) {
        if !self.inner.has_alerts.swap(true, Ordering::AcqRel) {
            self.begin_work(worker::Evaluator::new(
                &self.inner,
                interval.max(SHORTEST_INTERVAL),
            ));
        }
    }

    /// Sets an alert rule. One that is set again as it is stays as it is; one that changes begins anew, and an alert that it
    /// had raised is resolved.
    ///
    /// # Errors
    /// `invalid_request` for a rule that is no rule, `limit_exceeded` when there are too many, `closed`, `storage_full`,
    /// `storage_failed`.
    pub async fn put_alert(&self, scope: &Scope, rule: AlertRule) -> Result<AlertRecord> {
        self.check_open()?;
        rule.check()?;
        let store = &self.inner.parts.store;
        for _ in 0..MAX_CHANGES {
            let stored = store.alert(scope, &rule.name).await?;
            let mut revision = 0;
            if let Some(stored) = stored {
                if stored.rule == rule {
                    return Ok(stored);
                }
                match self.settle_alert(stored, Resolved::Changed).await? {
                    Some(settled) => revision = settled.revision,
                    None => continue,
                }
            }
            let record = AlertRecord {
                scope: scope.clone(),
                rule: rule.clone(),
                since: self.inner.parts.clock.now(),
                raised_at: None,
                reading: None,
                unpublished: None,
                revision,
            };
            if let Some(record) = self.write_alert(record).await? {
                return Ok(record);
            }
        }
        Err(busy())
    }

    /// An alert rule, and how it is.
    ///
    /// # Errors
    /// `not_found`, `storage_failed`.
    pub async fn alert(&self, scope: &Scope, name: &str) -> Result<AlertRecord> {
        let found = self.inner.parts.store.alert(scope, name).await?;
        found.ok_or_else(|| {
            Error::not_found(format!(
                "there is no alert rule '{name}'; alerts.list shows those there are"
            ))
        })
    }

    /// Removes an alert rule; tells whether there was one. An alert that it had raised is resolved.
    ///
    /// # Errors
    /// `closed`, `storage_full`, `storage_failed`.
    pub async fn delete_alert(&self, scope: &Scope, name: &str) -> Result<bool> {
        self.check_open()?;
        let store = &self.inner.parts.store;
        for _ in 0..MAX_CHANGES {
            let Some(stored) = store.alert(scope, name).await? else {
                return Ok(false);
            };
            if let Some(settled) = self.settle_alert(stored, Resolved::Deleted).await?
                && store.delete_alert(scope, name, settled.revision).await?
            {
                return Ok(true);
            }
        }
        Err(busy())
    }

    /// Tells everything there is to tell of a rule that goes away or is set anew, and gives what is stored then; nothing
    /// when somebody else changed it.
    async fn settle_alert(&self, record: AlertRecord, why: Resolved) -> Result<Option<AlertRecord>> {
        let Some(record) = self.publish_alert(record).await? else {
            return Ok(None);
        };
        if record.raised_at.is_none() {
            return Ok(Some(record));
        }
        let now = self.inner.parts.clock.now();
        self.resolve_alert(record, None, now, why).await
    }

    /// Notes that a rule holds, and tells.
    async fn raise_alert(
        &self,
        mut record: AlertRecord,
        reading: AlertReading,
        now: Timestamp,
    ) -> Result<Option<AlertRecord>> {
        let told = json!({ "rule": record.rule, "reading": reading, "raised_at": now });
        record.unpublished = Some(self.alert_event(&record, "raised", now, told));
        record.raised_at = Some(now);
        record.reading = Some(reading);
        self.tell_alert(record).await
    }

    /// Notes that a rule holds no longer, and tells.
    async fn resolve_alert(
        &self,
        mut record: AlertRecord,
        reading: Option<AlertReading>,
        now: Timestamp,
        why: Resolved,
    ) -> Result<Option<AlertRecord>> {
        let mut told = json!({
            "rule": record.rule,
            "raised_at": record.raised_at,
            "resolved_at": now,
            "reason": why.as_str(),
        });
        if let Some(reading) = &reading {
            told["reading"] = json!(reading);
        }
        record.unpublished = Some(self.alert_event(&record, "resolved", now, told));
        record.raised_at = None;
        record.reading = reading;
        self.tell_alert(record).await
    }

    fn alert_event(
        &self,
        record: &AlertRecord,
        name: &str,
        at: Timestamp,
        told: serde_json::Value,
    ) -> CloudEvent {
        let rule = &record.rule.name;
        let mut event = CloudEvent::new(
            RunId::new(at, self.inner.parts.random.as_ref()).to_string(),
            format!("atom:/alerts/{rule}"),
            format!("io.atom.alert.{name}.v1"),
        );
        event.time = Some(at);
        event.subject = Some(rule.clone());
        event.data = Some(told);
        event
    }

    async fn tell_alert(&self, record: AlertRecord) -> Result<Option<AlertRecord>> {
        match self.write_alert(record).await? {
            Some(record) => self.publish_alert(record).await,
            None => Ok(None),
        }
    }

    /// Publishes what is still to be published of a rule, and notes that it was.
    async fn publish_alert(&self, mut record: AlertRecord) -> Result<Option<AlertRecord>> {
        let Some(event) = record.unpublished.take() else {
            return Ok(Some(record));
        };
        self.inner.parts.store.append(&record.scope, &event).await?;
        self.write_alert(record).await
    }

    /// Writes a rule and gives it as it is stored; nothing when somebody else changed it.
    async fn write_alert(&self, mut record: AlertRecord) -> Result<Option<AlertRecord>> {
        if !self.inner.parts.store.put_alert(&record).await? {
            return Ok(None);
        }
        record.revision = record.next_revision();
        Ok(Some(record))
    }
}

fn busy() -> Error {
    Error::new(
        ErrorCode::Conflict,
        "the alert rule is changed all the time; try again",
    )
}
