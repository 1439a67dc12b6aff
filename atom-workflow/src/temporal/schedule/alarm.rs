//! What the server starts at the times of a schedule.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atom_core::storage::ScheduleRecord;
use atom_core::{Principal, Result, RunId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use temporalio_client::WorkflowStartOptions;
use temporalio_client::errors::WorkflowStartError;
use temporalio_common::RetryPolicy;
use temporalio_common::search_attributes::SearchAttributeKey;
use temporalio_macros::{activities, workflow, workflow_methods};
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use temporalio_sdk::{ActivityOptions, WorkflowContext, WorkflowResult};

use super::Key;
use crate::runtime::{StartRun, Starter};
use crate::temporal::activities::{Leaving, again, alive};
use crate::temporal::client::TemporalRuntime;
use crate::temporal::failure;
use crate::temporal::interpreter::now;

/// How long one attempt may take: a schedule may have missed a thousand times.
const MAX_ATTEMPT: Duration = Duration::from_secs(60 * 60);

/// After how long without a sign of life of its worker it is tried again.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// The longest pause before it is tried again.
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(60);

/// The time for which the server has started a workflow, as it says itself.
const DUE: SearchAttributeKey<temporalio_common::search_attributes::Timestamp> =
    SearchAttributeKey::datetime("TemporalScheduledStartTime");

/// For which schedule an alarm rings.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Ring {
    pub(super) key: Key,
    /// When, unless the server has waited already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) not_before: Option<Timestamp>,
}

/// What is to be done.
#[derive(Serialize, Deserialize)]
pub(crate) struct Attend {
    key: Key,
    /// The server's time.
    at: Timestamp,
}

/// Does what is due of a schedule by the time at which it rings.
#[workflow]
#[derive(Default)]
pub(crate) struct Alarm;

#[workflow_methods]
impl Alarm {
    #[run(name = "atom.schedule")]
    pub(crate) async fn run(context: &mut WorkflowContext<Self>, ring: Ring) -> WorkflowResult<()> {
        let begins = now(context.workflow_time());
        let wait = ring.not_before.map(|until| until.duration_since(begins));
        let wait = wait.and_then(|wait| Duration::try_from(wait).ok());
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            context.timer(wait).await;
        }
        // Machines of the server may disagree by a moment.
        let due = context.search_attributes().get(&DUE);
        let due = due.and_then(|due| Timestamp::new(due.seconds(), due.nanos()).ok());
        let due = due.max(ring.not_before);
        let at = now(context.workflow_time()).max(due.unwrap_or(begins));
        let retries = RetryPolicy::builder().maximum_interval(MAX_RETRY_PAUSE).build();
        let options = ActivityOptions::with_start_to_close_timeout(MAX_ATTEMPT)
            .activity_id("attend".to_owned())
            .heartbeat_timeout(HEARTBEAT)
            .retry_policy(retries)
            .build();
        let attend = Attend { key: ring.key, at };
        context
            .execute_activity(Attendance::attend, attend, options)
            .await?;
        Ok(())
    }
}

/// What carries the activity out.
#[derive(Debug)]
pub(crate) struct Attendance {
    runtime: TemporalRuntime,
    leaving: Leaving,
}

impl Attendance {
    pub(in crate::temporal) fn new(runtime: TemporalRuntime, leaving: Leaving) -> Self {
        Self { runtime, leaving }
    }
}

#[activities]
impl Attendance {
    /// Does what is due of a schedule.
    #[activity(name = "atom.attend")]
    pub(crate) async fn attend(
        self: Arc<Self>,
        context: ActivityContext,
        attend: Attend,
    ) -> Result<(), ActivityError> {
        alive(&context, self.leaving.over(), self.runtime.attend(&attend))
            .await?
            .map_err(again)
    }
}

impl TemporalRuntime {
    async fn attend(&self, attend: &Attend) -> Result<()> {
        let Attend { key, at } = attend;
        let Key {
            scope,
            namespace,
            name,
        } = key;
        let since = |record: &Option<ScheduleRecord>| record.as_ref().map(|record| record.since);
        let before = self.parts.store.schedule(scope, namespace, name).await?;
        let record = self
            .schedules
            .attend_schedule(scope, namespace, name, *at, self)
            .await?;
        if record.is_none() || since(&record) != since(&before) {
            // It was removed, or another version is the latest by now.
            self.follow(key).await?;
        }
        let failures = record.iter().flat_map(|record| &record.triggers);
        let retries = failures.filter_map(|trigger| trigger.failure.as_ref()?.retry_at);
        match retries.min() {
            Some(retry_at) => self.ring_again(key, retry_at).await,
            None => Ok(()),
        }
    }

    /// Has a schedule looked at once more, besides its times.
    async fn ring_again(&self, key: &Key, at: Timestamp) -> Result<()> {
        let id = format!("{}-again-{at}", self.schedule_id(key)?);
        let ring = Ring {
            key: key.clone(),
            not_before: Some(at),
        };
        let options = WorkflowStartOptions::new(self.config.task_queue.clone(), id).build();
        match self.client.start_workflow(Alarm::run, ring, options).await {
            Ok(_) | Err(WorkflowStartError::AlreadyStarted { .. }) => Ok(()),
            Err(error) => Err(failure::start(error)),
        }
    }
}

#[async_trait]
impl Starter for TemporalRuntime {
    async fn start_due(&self, principal: &Principal, start: StartRun) -> Result<RunId> {
        // With a key, the id follows from that.
        let has_key = start.idempotency_key.is_some() || start.workflow.idempotency_key.is_some();
        let start = StartRun {
            id: start.id.filter(|_| !has_key),
            ..start
        };
        self.start(principal, start).await
    }
}
