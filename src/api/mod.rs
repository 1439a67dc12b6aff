//! Every operation of the engine, once: its name, types, permission and code.
//!
//! The command line and all host languages are projections of this table. An operation is a request type that
//! implements [`Request`] (one answer) or [`StreamRequest`] (many) and is named in the list of its file.
//!
//! ```
//! use atom_engine::Engine;
//!
//! let start = Engine::operations().iter().find(|operation| operation.name == "runs.start").unwrap();
//! assert!(!start.is_read_only);
//! assert!(start.request_schema["properties"]["workflow"].is_object());
//! ```

mod alerts;
mod analytics;
mod approvals;
mod context;
mod engine;
mod events;
mod functions;
mod json;
mod permission;
mod runs;
mod schedules;
mod secrets;
mod table;
mod templates;
mod versions;
mod workers;
mod workflows;

pub use alerts::{
    Alert, DeleteAlertRequest, DeletedAlert, GetAlertRequest, ListAlertsRequest, SetAlertRequest,
};
pub use analytics::{
    DurationStatistics, GetStepStatisticsRequest, GetWorkflowStatisticsRequest, RunStatistics,
    RunStatisticsPart, StatisticsInterval, StatisticsPage, StepStatistics, StepStatisticsPart,
    TaskStatistics, WorkflowStatistics,
};
pub use approvals::{Approval, DecideApprovalRequest, GetApprovalRequest, ListApprovalsRequest};
pub use context::Context;
use context::blocking;
pub(crate) use context::{Parts, closed};
pub use engine::{
    EngineHealth, EngineInfo, GetEngineHealthRequest, GetEngineInfoRequest, HealthStatus, RunsHealth,
    StorageHealth,
};
pub use events::{EventDraft, EventPage, ListEventsRequest, PublishEventRequest, SubscribeEventsRequest};
pub use functions::{
    CallFunctionRequest, FunctionList, FunctionOutput, GetFunctionRequest, ListFunctionsRequest,
};
pub use json::{MAX_REQUEST_BYTES, MAX_REQUEST_DEPTH};
pub use permission::Permission;
pub use runs::{
    CancelRunRequest, CancelRunsRequest, ChangedRun, ChangedRuns, DeleteRunRequest, Done, ExportRunRequest,
    FollowRunRequest, GetRunHistoryRequest, GetRunRequest, ListRunStepsRequest, ListRunWaitsRequest,
    ListRunsRequest, ListStuckRunsRequest, MigrateRunRequest, MigratedRun, PauseRunRequest, ReplayRunRequest,
    RerunRunRequest, RerunRunsRequest, ResumeRunRequest, Run, RunHistory, RunSelection, RunSteps, RunWaits,
    SignalRunRequest, StartRunRequest, StuckRun, WorkflowReference,
};
pub use schedules::{
    GetScheduleRequest, ListSchedulesRequest, PauseScheduleRequest, PreviewScheduleRequest,
    ResumeScheduleRequest, Schedule, SchedulePreview, ScheduledTime, TriggerScheduleRequest,
};
pub use secrets::{DeleteSecretRequest, DeletedSecret, ListSecretsRequest, SecretList, SetSecretRequest};
pub use table::{OperationInfo, OperationKind, Request, StreamRequest};
pub use templates::{
    DeleteTemplateRequest, DeletedTemplate, GetTemplateRequest, InstantiateTemplateRequest,
    InstantiatedTemplate, ListTemplatesRequest, SaveTemplateRequest, TemplateDetails,
};
pub use versions::{DiffWorkflowsRequest, RollBackWorkflowRequest, RolledBackWorkflow, WorkflowComparison};
pub use workers::{ListWorkersRequest, Worker, WorkerList};
pub use workflows::{
    DeleteWorkflowRequest, DeletedWorkflows, DeployWorkflowRequest, DryRunWorkflowRequest,
    GetWorkflowRequest, ListWorkflowsRequest, ValidateWorkflowRequest, ValidatedWorkflow, WorkflowDocument,
    WorkflowValidation,
};

pub(crate) use json::{check_length, parse_request, read_value};
pub(crate) use permission::PermissionTable;
pub(crate) use table::{Handler, Operation, find, infos};
