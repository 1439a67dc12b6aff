//! Schedules of runs on Temporal: the server keeps the time, the store says what is scheduled.
//!
//! # What is the truth
//!
//! What is deployed, what a schedule still has to do and what it has done is its record in the store, which the embedded
//! runtime keeps in the same way: so deploying is one matter of the store, and the rules for missed times, failed starts and
//! paused schedules are those of the embedded scheduler, carried out by its code. A schedule of the server follows the record:
//! it is made, changed and removed after it. An engine that dies in between leaves a server that looks at the record at other
//! times, or not at all, and starts nothing wrong by that. Whoever opens an engine next mends it
//! ([`TemporalRuntime::follow_schedules`]), and so does deploying again.
//!
//! # How a run starts
//!
//! At each of its times a schedule of the server starts an [`Alarm`], a workflow of one activity, which does what is due by
//! then. As a time gives the run its id, nothing starts twice, however often that is done. One alarm waits behind the one that
//! is under way, others are dropped (*buffer one*): each does all that is due when its turn comes, so that a year without a
//! worker leaves two of them and not one for every second. The runs themselves overlap as they like. A start that failed has an
//! alarm of its own, so that other times go on.
//!
//! The server's time is the only one that decides what is due; times are counted by the engine that deploys.

mod alarm;
mod server;
mod spec;

use std::collections::HashMap;
use std::sync::Arc;

use atom_core::storage::ScheduleRecord;
use atom_core::{Error, ErrorCode, Result, Scope};
use futures::stream::{self, TryStreamExt};
use serde::{Deserialize, Serialize};
use temporalio_common::protos::temporal::api::schedule::v1::ScheduleSpec;

pub(super) use alarm::{Alarm, Attendance};

use super::TemporalParts;
use super::client::TemporalRuntime;
use crate::definition::{Trigger, Workflow};
use crate::runtime::{Runtime, RuntimeLimits, RuntimeParts, RuntimeSettings};

/// How often a schedule is compared that others change at the same time.
const MAX_CHANGES: usize = 20;

/// How many schedules are mended at the same time.
const AT_ONCE: usize = 8;

/// Which schedule.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Key {
    scope: Scope,
    namespace: String,
    name: String,
}

/// What keeps the records of schedules.
pub(super) fn records(parts: &TemporalParts) -> Runtime {
    Runtime::new(RuntimeParts {
        store: Arc::clone(&parts.store),
        vault: Arc::clone(&parts.vault),
        functions: Arc::clone(&parts.functions),
        clock: Arc::clone(&parts.clock),
        random: Arc::clone(&parts.random),
        limits: RuntimeLimits::default(),
        settings: RuntimeSettings::default(),
    })
}

impl TemporalRuntime {
    /// Checks that the server can start runs at the times of a document.
    ///
    /// # Errors
    /// `unsupported` for `after` and `on`, and for intervals that the server cannot count.
    pub fn check_schedule(workflow: &Workflow) -> Result<()> {
        let triggers: Vec<_> = workflow.schedule.iter().map(Trigger::stored).collect();
        spec::spec(&triggers, jiff::Timestamp::UNIX_EPOCH).map(drop)
    }

    /// Makes the server's schedule of a workflow as the store has it: call it after each change there. What it cannot be made
    /// of is removed.
    ///
    /// # Errors
    /// `unsupported` as [`check_schedule`](Self::check_schedule), `invalid_request` for a time zone that the server does not
    /// know, `unavailable`, `storage_failed`.
    ///
    /// # Cancel safety
    /// Doing it again finishes what a dropped future has begun.
    pub async fn follow_schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<()> {
        let key = Key {
            scope: scope.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.follow(&key).await
    }

    /// Makes the server's schedules of everybody as the store has them, where they are not. What a schedule cannot be made of is
    /// told by a warning.
    ///
    /// # Errors
    /// `unavailable`, `storage_failed`.
    pub async fn follow_schedules(&self) -> Result<()> {
        // A paused one starts nothing, whatever the server does.
        let store = &self.parts.store;
        let mut records = store.earliest_schedules(usize::MAX).await?;
        // What starts runs of the embedded runtime only.
        records.extend(store.listening_schedules(None).await?);
        records.extend(store.awaiting_schedules().await?);
        if records.is_empty() {
            return Ok(());
        }
        let known: HashMap<_, _> = self.listed_schedules().await?.into_iter().collect();
        let differing = records.into_iter().filter_map(|record| {
            let key = Key::from(&record);
            let id = self.schedule_id(&key);
            let is_known = id.is_ok_and(|id| known.get(&id) == Some(&self.note(&record)));
            (!is_known).then_some(Ok(key))
        });
        stream::iter(differing)
            .try_for_each_concurrent(AT_ONCE, async |key| match self.follow(&key).await {
                Err(error) if matches!(error.code(), ErrorCode::Unsupported | ErrorCode::InvalidRequest) => {
                    let (namespace, name) = (&key.namespace, &key.name);
                    tracing::warn!(namespace, name, %error, "a schedule starts no runs on Temporal");
                    Ok(())
                }
                result => result,
            })
            .await
    }

    /// Keeps the server from looking at a schedule that the store has as paused.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn pause_schedule(&self, record: &ScheduleRecord) -> Result<()> {
        self.set_paused(record, true).await
    }

    /// Lets the server look at a schedule again.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn resume_schedule(&self, record: &ScheduleRecord) -> Result<()> {
        self.set_paused(record, false).await
    }

    async fn follow(&self, key: &Key) -> Result<()> {
        let id = self.schedule_id(key)?;
        for _ in 0..MAX_CHANGES {
            // In this order: what the token stands for is not newer than the record.
            let found = self.described_schedule(&id).await?;
            let store = &self.parts.store;
            let record = store.schedule(&key.scope, &key.namespace, &key.name).await?;
            match (record, found) {
                (None, None) => return Ok(()),
                (None, Some(_)) => self.remove_schedule(&id).await?,
                (Some(record), Some(found)) if found.note() == self.note(&record) => return Ok(()),
                (Some(record), found) => match spec_of(&record) {
                    Ok(spec) => self.put_schedule(&id, key, &record, spec, found).await?,
                    Err(error) => {
                        if found.is_some() {
                            self.remove_schedule(&id).await?;
                        }
                        return Err(error);
                    }
                },
            }
        }
        Err(Error::new(
            ErrorCode::Unavailable,
            "the schedule changes all the time; try again",
        ))
    }

    /// What tells at the server which record a schedule follows, for which workers: a schedule that changes begins anew.
    fn note(&self, record: &ScheduleRecord) -> String {
        format!("since {} on {}", record.since, self.config.task_queue)
    }

    /// By what the server knows a schedule.
    fn schedule_id(&self, key: &Key) -> Result<String> {
        let name = serde_json::json!([key.scope.tenant, key.scope.user, key.namespace, key.name]);
        Ok(format!(
            "atom-schedule-{}",
            self.sealer.schedule(&name.to_string())?
        ))
    }
}

impl From<&ScheduleRecord> for Key {
    fn from(record: &ScheduleRecord) -> Self {
        let (namespace, name) = record.cursor();
        Self {
            scope: record.principal.scope(),
            namespace,
            name,
        }
    }
}

fn spec_of(record: &ScheduleRecord) -> Result<ScheduleSpec> {
    spec::spec(
        record.triggers.iter().map(|scheduled| &scheduled.trigger),
        record.since,
    )
}
