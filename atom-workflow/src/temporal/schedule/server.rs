//! What is asked of the server about schedules.

use atom_core::storage::ScheduleRecord;
use atom_core::{Result, RunId};
use temporalio_client::NamespacedClient;
use temporalio_client::tonic::{Code, IntoRequest, Status};
use temporalio_common::WorkflowDefinition;
use temporalio_common::protos::temporal::api::common::v1::{Payloads, WorkflowType};
use temporalio_common::protos::temporal::api::enums::v1::ScheduleOverlapPolicy;
use temporalio_common::protos::temporal::api::schedule::v1::schedule_action::Action;
use temporalio_common::protos::temporal::api::schedule::v1::{
    Schedule, ScheduleAction, SchedulePatch, SchedulePolicies, ScheduleSpec, ScheduleState,
};
use temporalio_common::protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_common::protos::temporal::api::workflow::v1::NewWorkflowExecutionInfo;
use temporalio_common::protos::temporal::api::workflowservice::v1::{
    CreateScheduleRequest, DeleteScheduleRequest, DescribeScheduleRequest, ListSchedulesRequest,
    PatchScheduleRequest, UpdateScheduleRequest,
};

use super::Key;
use super::alarm::{Alarm, Ring};
use crate::temporal::client::TemporalRuntime;
use crate::temporal::failure;

/// How many schedules the server lists at a time.
const PAGE: i32 = 1_000;

/// A schedule as the server has it.
pub(super) struct Found {
    state: ScheduleState,
    /// Stands for this state of it.
    token: Vec<u8>,
}

impl Found {
    pub(super) fn note(&self) -> &str {
        &self.state.notes
    }
}

impl TemporalRuntime {
    pub(super) async fn described_schedule(&self, id: &str) -> Result<Option<Found>> {
        let request = DescribeScheduleRequest {
            namespace: self.config.namespace.clone(),
            schedule_id: id.to_owned(),
        };
        let mut service = self.client.connection().workflow_service();
        let described = match service.describe_schedule(request.into_request()).await {
            Ok(described) => described.into_inner(),
            Err(status) if status.code() == Code::NotFound => return Ok(None),
            Err(status) => return Err(failure::rpc(&status)),
        };
        let schedule = described.schedule.unwrap_or_default();
        Ok(Some(Found {
            state: schedule.state.unwrap_or_default(),
            token: described.conflict_token,
        }))
    }

    /// The schedules of the namespace, each with its note. Those of the last second may be missing.
    pub(super) async fn listed_schedules(&self) -> Result<Vec<(String, String)>> {
        let mut schedules = Vec::new();
        let mut next_page_token = Vec::new();
        loop {
            let request = ListSchedulesRequest {
                namespace: self.config.namespace.clone(),
                maximum_page_size: PAGE,
                next_page_token,
                ..ListSchedulesRequest::default()
            };
            let mut service = self.client.connection().workflow_service();
            let listed = service.list_schedules(request.into_request()).await;
            let listed = listed.map_err(|status| failure::rpc(&status))?.into_inner();
            let noted = listed.schedules.into_iter();
            schedules.extend(noted.map(|entry| (entry.schedule_id, entry.info.unwrap_or_default().notes)));
            next_page_token = listed.next_page_token;
            if next_page_token.is_empty() {
                return Ok(schedules);
            }
        }
    }

    /// Makes a schedule, or changes it unless somebody else has done so meanwhile; look whether that is so.
    pub(super) async fn put_schedule(
        &self,
        id: &str,
        key: &Key,
        record: &ScheduleRecord,
        spec: ScheduleSpec,
        found: Option<Found>,
    ) -> Result<()> {
        // A schedule that is paused at the server stays so until it is resumed.
        let paused = record.is_paused || found.as_ref().is_some_and(|found| found.state.paused);
        let schedule = Schedule {
            spec: Some(spec),
            action: Some(self.ringing(id, key).await?),
            policies: Some(SchedulePolicies {
                overlap_policy: ScheduleOverlapPolicy::BufferOne.into(),
                ..SchedulePolicies::default()
            }),
            state: Some(ScheduleState {
                notes: self.note(record),
                paused,
                ..ScheduleState::default()
            }),
        };
        let (namespace, schedule_id) = (self.config.namespace.clone(), id.to_owned());
        let (identity, request_id) = (self.client.identity(), self.request_id());
        let mut service = self.client.connection().workflow_service();
        match found {
            None => {
                let request = CreateScheduleRequest {
                    namespace,
                    schedule_id,
                    schedule: Some(schedule),
                    identity,
                    request_id,
                    ..CreateScheduleRequest::default()
                };
                done(service.create_schedule(request.into_request()).await)
            }
            Some(found) => {
                let request = UpdateScheduleRequest {
                    namespace,
                    schedule_id,
                    schedule: Some(schedule),
                    conflict_token: found.token,
                    identity,
                    request_id,
                    ..UpdateScheduleRequest::default()
                };
                done(service.update_schedule(request.into_request()).await)
            }
        }
    }

    pub(super) async fn remove_schedule(&self, id: &str) -> Result<()> {
        let request = DeleteScheduleRequest {
            namespace: self.config.namespace.clone(),
            schedule_id: id.to_owned(),
            identity: self.client.identity(),
        };
        let mut service = self.client.connection().workflow_service();
        done(service.delete_schedule(request.into_request()).await)
    }

    pub(super) async fn set_paused(&self, record: &ScheduleRecord, is_paused: bool) -> Result<()> {
        // The note stays what it is.
        let (pause, unpause) = match is_paused {
            true => (self.note(record), String::new()),
            false => (String::new(), self.note(record)),
        };
        let request = PatchScheduleRequest {
            namespace: self.config.namespace.clone(),
            schedule_id: self.schedule_id(&Key::from(record))?,
            patch: Some(SchedulePatch {
                pause,
                unpause,
                ..SchedulePatch::default()
            }),
            identity: self.client.identity(),
            request_id: self.request_id(),
        };
        let mut service = self.client.connection().workflow_service();
        done(service.patch_schedule(request.into_request()).await)
    }

    /// What a schedule does at its times.
    async fn ringing(&self, id: &str, key: &Key) -> Result<ScheduleAction> {
        let ring = Ring {
            key: key.clone(),
            not_before: None,
        };
        let workflow = NewWorkflowExecutionInfo {
            // The server adds the time.
            workflow_id: id.to_owned(),
            workflow_type: Some(WorkflowType {
                name: Alarm::run.name().to_owned(),
            }),
            task_queue: Some(TaskQueue {
                name: self.config.task_queue.clone(),
                ..TaskQueue::default()
            }),
            input: Some(Payloads {
                payloads: vec![self.sealer.seal(&ring).await?],
            }),
            ..NewWorkflowExecutionInfo::default()
        };
        Ok(ScheduleAction {
            action: Some(Action::StartWorkflow(workflow)),
        })
    }

    fn request_id(&self) -> String {
        RunId::new(self.parts.clock.now(), self.parts.random.as_ref()).to_string()
    }
}

/// What somebody else has done meanwhile is found by looking again.
fn done<T>(answer: std::result::Result<T, Status>) -> Result<()> {
    match answer {
        Err(status)
            if !matches!(
                status.code(),
                Code::NotFound | Code::AlreadyExists | Code::FailedPrecondition
            ) =>
        {
            Err(failure::schedule(&status))
        }
        _ => Ok(()),
    }
}
