//! Schedules of the caller's deployed workflows.

use atom_core::storage::{
    MissedRuns, Page, PageRequest, ScheduleFailure, ScheduleRecord, ScheduleTrigger, WorkflowKey,
};
use atom_core::{Error, Result, RunId};
use atom_workflow::definition::Cron;
use atom_workflow::runtime::upcoming;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Context, Operation, Permission, Request, Run};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::call::<ListSchedulesRequest>(),
    Operation::call::<GetScheduleRequest>(),
    Operation::call::<PauseScheduleRequest>(),
    Operation::call::<ResumeScheduleRequest>(),
    Operation::call::<TriggerScheduleRequest>(),
    Operation::call::<PreviewScheduleRequest>(),
];

/// How many times a preview shows unless told otherwise.
const PREVIEWED: usize = 10;
/// How many times a preview can show.
const MAX_PREVIEWED: usize = 1_000;

/// The schedule of a deployed workflow: that of its latest version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Schedule {
    /// The version whose runs it starts.
    pub workflow: WorkflowKey,
    /// What starts them, each by itself: one trigger or more, each of another kind.
    pub triggers: Vec<ScheduledTrigger>,
    /// When it became active.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// Whether it is paused.
    pub is_paused: bool,
    /// The time of its next run, when it is known and the schedule is not paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub next_at: Option<Timestamp>,
    /// The time of the last run it has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub last_at: Option<Timestamp>,
    /// The last run it has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<RunId>,
}

/// One of the triggers of a schedule, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScheduledTrigger {
    /// When it starts runs.
    pub trigger: ScheduleTrigger,
    /// The time of its next run, when it is known and the schedule is not paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub next_at: Option<Timestamp>,
    /// The run whose end it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaits: Option<RunId>,
    /// The last start that failed, until one succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ScheduleFailure>,
}

impl From<ScheduleRecord> for Schedule {
    fn from(record: ScheduleRecord) -> Self {
        let next_at = record.next_at();
        let triggers = record.triggers.into_iter().map(|scheduled| ScheduledTrigger {
            trigger: scheduled.trigger,
            next_at: scheduled.next_at.filter(|_| !record.is_paused),
            awaits: scheduled.awaits,
            failure: scheduled.failure,
        });
        Self {
            workflow: record.workflow,
            triggers: triggers.collect(),
            since: record.since,
            is_paused: record.is_paused,
            next_at,
            last_at: record.last_at,
            last_run: record.last_run,
        }
    }
}

/// Asks which schedules there are.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListSchedulesRequest {
    /// The `next` of the page before; absent for the first page.
    #[serde(default)]
    pub after: Option<String>,
    /// How many schedules at most, 1 to 1000; 100 when absent.
    #[serde(default)]
    pub limit: Option<usize>,
}

impl Request for ListSchedulesRequest {
    const NAME: &'static str = "schedules.list";
    const SUMMARY: &'static str = "Lists the schedules of deployed workflows by namespace and name.";
    const PERMISSION: Permission = Permission::WorkflowsRead;
    type Response = Page<Schedule>;

    async fn handle(self, context: Context) -> Result<Page<Schedule>> {
        let page = PageRequest::new(self.after, self.limit);
        let schedules = context.parts.store.schedules(&context.scope(), &page).await?;
        Ok(Page {
            items: schedules.items.into_iter().map(Schedule::from).collect(),
            next: schedules.next,
        })
    }
}

/// Asks for the schedule of one workflow.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetScheduleRequest {
    /// The namespace of the workflow.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Request for GetScheduleRequest {
    const NAME: &'static str = "schedules.get";
    const SUMMARY: &'static str = "Gives the schedule of a deployed workflow.";
    const PERMISSION: Permission = Permission::WorkflowsRead;
    type Response = Schedule;

    async fn handle(self, context: Context) -> Result<Schedule> {
        let scope = context.scope();
        let runtime = &context.parts.runtime;
        let schedule = runtime.scheduled(&scope, &self.namespace, &self.name).await?;
        Ok(schedule.into())
    }
}

/// Pauses the schedule of a workflow. Runs under way go on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseScheduleRequest {
    /// The namespace of the workflow.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Request for PauseScheduleRequest {
    const NAME: &'static str = "schedules.pause";
    const SUMMARY: &'static str = "Keeps a schedule from starting runs until it is resumed.";
    const PERMISSION: Permission = Permission::WorkflowsWrite;
    type Response = Schedule;

    async fn handle(self, context: Context) -> Result<Schedule> {
        let scope = context.scope();
        let runs = &context.parts.runs;
        let paused = runs.pause_schedule(&scope, &self.namespace, &self.name).await?;
        Ok(paused.into())
    }
}

/// Resumes the schedule of a workflow. What came while it was paused starts no run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResumeScheduleRequest {
    /// The namespace of the workflow.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Request for ResumeScheduleRequest {
    const NAME: &'static str = "schedules.resume";
    const SUMMARY: &'static str = "Lets a paused schedule start runs again, from now on.";
    const PERMISSION: Permission = Permission::WorkflowsWrite;
    type Response = Schedule;

    async fn handle(self, context: Context) -> Result<Schedule> {
        let scope = context.scope();
        let runs = &context.parts.runs;
        let resumed = runs.resume_schedule(&scope, &self.namespace, &self.name).await?;
        Ok(resumed.into())
    }
}

/// Starts a run of a scheduled workflow now, besides those that the schedule starts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TriggerScheduleRequest {
    /// The namespace of the workflow.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The id to give to the run, a UUID. Triggering again with the same id gives the first run.
    #[serde(default)]
    pub id: Option<RunId>,
}

impl Request for TriggerScheduleRequest {
    const NAME: &'static str = "schedules.trigger";
    const SUMMARY: &'static str =
        "Starts a run of a scheduled workflow now, even while the schedule is paused.";
    const PERMISSION: Permission = Permission::RunsWrite;
    type Response = Run;

    async fn handle(self, context: Context) -> Result<Run> {
        let Context { parts, principal } = &context;
        let start = parts
            .runtime
            .triggered(principal, &self.namespace, &self.name, self.id)
            .await?;
        parts.runs.start(principal, start).await
    }
}

/// Asks when a schedule, or a cron expression, starts runs.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewScheduleRequest {
    /// The namespace of a scheduled workflow; either this and `name`, or `cron`.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The name of a scheduled workflow.
    #[serde(default)]
    pub name: Option<String>,
    /// A cron expression, e.g. `0 8 * * 1-5`.
    #[serde(default)]
    pub cron: Option<String>,
    /// The time zone of `cron`, a name of the IANA database; `UTC` when absent.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// The time after which to begin; now when absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub after: Option<Timestamp>,
    /// How many times to show, 1 to 1000; 10 when absent.
    #[serde(default)]
    pub count: Option<usize>,
}

/// When a schedule starts runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SchedulePreview {
    /// The next times, in order.
    pub times: Vec<ScheduledTime>,
}

/// A time of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScheduledTime {
    /// The moment.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What the clocks of the schedule's time zone show then, with the zone (RFC 9557).
    pub local: String,
}

impl Request for PreviewScheduleRequest {
    const NAME: &'static str = "schedules.preview";
    const SUMMARY: &'static str = "Shows the next times of a schedule, or of a cron expression.";
    const PERMISSION: Permission = Permission::WorkflowsRead;
    type Response = SchedulePreview;

    async fn handle(self, context: Context) -> Result<SchedulePreview> {
        let after = self.after.unwrap_or_else(|| context.parts.clock.now());
        let count = self.count.unwrap_or(PREVIEWED);
        if !(1..=MAX_PREVIEWED).contains(&count) {
            return Err(Error::invalid_request(format!(
                "'count' must be from 1 to {MAX_PREVIEWED}"
            )));
        }
        let mut times = match (self.namespace, self.name, self.cron) {
            (Some(namespace), Some(name), None) if self.time_zone.is_none() => {
                let scope = context.scope();
                let schedule = context.parts.runtime.scheduled(&scope, &namespace, &name).await?;
                let mut triggers = schedule.triggers.iter();
                if triggers.all(|scheduled| scheduled.trigger == ScheduleTrigger::Events) {
                    return Err(Error::invalid_request(
                        "this schedule starts runs when events come; nobody knows when that is",
                    ));
                }
                let mut times = Vec::new();
                for scheduled in &schedule.triggers {
                    let next_at = scheduled.next_at;
                    times.extend(preview(
                        &scheduled.trigger,
                        schedule.since,
                        next_at,
                        after,
                        count,
                    )?);
                }
                times
            }
            (None, None, Some(expression)) => {
                let trigger = ScheduleTrigger::Cron {
                    expression,
                    time_zone: self.time_zone.unwrap_or_else(|| "UTC".to_owned()),
                    missed: MissedRuns::default(),
                };
                preview(&trigger, after, None, after, count)?
            }
            _ => {
                return Err(Error::invalid_request(
                    "give either 'namespace' and 'name', or 'cron' and perhaps 'time_zone'",
                ));
            }
        };
        times.sort_by_key(|time| time.at);
        times.truncate(count);
        Ok(SchedulePreview { times })
    }
}

/// The next times of a trigger; none for one that no time decides about.
fn preview(
    trigger: &ScheduleTrigger,
    since: Timestamp,
    next_at: Option<Timestamp>,
    after: Timestamp,
    count: usize,
) -> Result<Vec<ScheduledTime>> {
    let times = match trigger {
        // Only the next one is known: the others follow from when it ends.
        ScheduleTrigger::After { .. } => next_at.filter(|next| *next > after).into_iter().collect(),
        _ => upcoming(trigger, since, after, count)?,
    };
    let cron = match trigger {
        ScheduleTrigger::Cron {
            expression,
            time_zone,
            ..
        } => Some(Cron::parse(expression, time_zone)?),
        _ => None,
    };
    let time = |at: Timestamp| {
        let cron = cron.as_ref();
        let local = cron.map_or_else(|| at.to_zoned(TimeZone::UTC), |cron| cron.local(at));
        ScheduledTime {
            at,
            local: local.to_string(),
        }
    };
    Ok(times.into_iter().map(time).collect())
}
