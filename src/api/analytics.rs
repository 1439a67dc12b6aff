//! How many runs of the caller's workflows there were, how they ended and what they took.

use std::time::Duration;

use atom_core::storage::{Counted, Durations, Page, PageRequest, Resolution, Series, StatisticsQuery, Tally};
use atom_core::{Error, Result};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Context, Operation, Permission, Request};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::call::<GetWorkflowStatisticsRequest>(),
    Operation::call::<GetStepStatisticsRequest>(),
];

/// How far back statistics reach unless told otherwise.
const PERIOD: Duration = Duration::from_secs(24 * 60 * 60);

/// How many parts a time range can have.
const MAX_PARTS: usize = 1_000;

/// How many parts one answer can have.
const MAX_ANSWERED: usize = 100_000;

/// How the time range of statistics is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatisticsInterval {
    /// By the hour.
    Hour,
    /// By the day, in UTC.
    Day,
}

impl StatisticsInterval {
    fn hours(self) -> i64 {
        match self {
            Self::Hour => 1,
            Self::Day => 24,
        }
    }
}

/// What things took that completed. Each number but the mean is right to within 5 %.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DurationStatistics {
    /// The mean, in milliseconds.
    pub mean_ms: f64,
    /// What half of them did not exceed, in milliseconds.
    pub p50_ms: f64,
    /// What 95 % of them did not exceed, in milliseconds.
    pub p95_ms: f64,
    /// What 99 % of them did not exceed, in milliseconds.
    pub p99_ms: f64,
}

impl DurationStatistics {
    fn of(durations: &Durations) -> Option<Self> {
        #[expect(clippy::cast_precision_loss, reason = "microseconds of any run are exact")]
        let milliseconds = |duration: Duration| duration.as_micros() as f64 / 1_000.0;
        let quantile = |share| durations.quantile(share).map(milliseconds);
        Some(Self {
            mean_ms: durations.mean().map(milliseconds)?,
            p50_ms: quantile(0.5)?,
            p95_ms: quantile(0.95)?,
            p99_ms: quantile(0.99)?,
        })
    }
}

/// How many runs there were, how they ended and what they took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunStatistics {
    /// How many began.
    pub started: u64,
    /// How many ended with an output.
    pub completed: u64,
    /// How many ended with an error.
    pub faulted: u64,
    /// How many were cancelled.
    pub cancelled: u64,
    /// The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<f64>,
    /// How often their tasks were tried again.
    pub retries: u64,
    /// What those took that completed, from the start to the end of the run; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<DurationStatistics>,
}

impl From<&Tally> for RunStatistics {
    fn from(tally: &Tally) -> Self {
        Self {
            started: tally.started,
            completed: tally.completed,
            faulted: tally.faulted,
            cancelled: tally.cancelled,
            success_rate: tally.success_rate(),
            retries: tally.retries,
            duration: DurationStatistics::of(&tally.durations),
        }
    }
}

/// How often a task was executed, how that ended and what it took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepStatistics {
    /// How often the run came to it and carried it out.
    pub executions: u64,
    /// How many executions ended with an output.
    pub completed: u64,
    /// How many ended with an error.
    pub faulted: u64,
    /// How many were stopped before they ended.
    pub cancelled: u64,
    /// The share that completed, from 0 to 1, of those that completed or faulted; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<f64>,
    /// How often it was tried: more than `executions` only for a `try` that retried.
    pub attempts: u64,
    /// What those executions took that completed; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<DurationStatistics>,
}

impl From<&Tally> for StepStatistics {
    fn from(tally: &Tally) -> Self {
        let executions = tally.completed + tally.faulted + tally.cancelled;
        Self {
            executions,
            completed: tally.completed,
            faulted: tally.faulted,
            cancelled: tally.cancelled,
            success_rate: tally.success_rate(),
            attempts: executions + tally.retries,
            duration: DurationStatistics::of(&tally.durations),
        }
    }
}

/// The runs of one hour or day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunStatisticsPart {
    /// When it begins.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// The numbers.
    #[serde(flatten)]
    pub numbers: RunStatistics,
}

/// The executions of a task in one hour or day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepStatisticsPart {
    /// When it begins.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// The numbers.
    #[serde(flatten)]
    pub numbers: StepStatistics,
}

/// The runs of a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowStatistics {
    /// The namespace of the workflow.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its version, when each has numbers of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The numbers of the whole time range.
    pub total: RunStatistics,
    /// The numbers of each hour or day in which there were any, in order; nothing without an `interval`.
    pub parts: Vec<RunStatisticsPart>,
}

/// The executions of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskStatistics {
    /// The JSON pointer of the task in the document.
    pub task: String,
    /// The version of the workflow, when each has numbers of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The numbers of the whole time range.
    pub total: StepStatistics,
    /// The numbers of each hour or day in which there were any, in order; nothing without an `interval`.
    pub parts: Vec<StepStatisticsPart>,
}

/// Numbers, and the time range that they are of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub struct StatisticsPage<T> {
    /// Where the time range begins: the beginning of an hour, or of a day.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// Where it ends.
    #[schemars(with = "String")]
    pub before: Timestamp,
    /// The numbers.
    pub items: Vec<T>,
    /// What to pass as `after` to get the following page, with the same `from` and `before`; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Asks how the runs of workflows fared. A run counts in the hour in which it began, and again in the one in which it
/// ended.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetWorkflowStatisticsRequest {
    /// Of workflows with this namespace only.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Of workflows with this name only.
    #[serde(default)]
    pub name: Option<String>,
    /// Of this version only.
    #[serde(default)]
    pub version: Option<String>,
    /// Whether each version has numbers of its own.
    #[serde(default)]
    pub by_version: bool,
    /// The beginning of the time range, taken back to the beginning of its hour, or day; 24 hours before its end when
    /// absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub from: Option<Timestamp>,
    /// The end of the time range, taken forward to the end of its hour, or day; now when absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub before: Option<Timestamp>,
    /// How the time range is divided, into 1000 parts at most; not at all when absent.
    #[serde(default)]
    pub interval: Option<StatisticsInterval>,
    /// The `next` of the page before; absent for the first page.
    #[serde(default)]
    pub after: Option<String>,
    /// How many workflows at most, 1 to 1000; 100 when absent.
    #[serde(default)]
    pub limit: Option<usize>,
}

impl Request for GetWorkflowStatisticsRequest {
    const NAME: &'static str = "analytics.workflows";
    const SUMMARY: &'static str =
        "Tells for each workflow how many runs there were, how they ended and what they took.";
    const PERMISSION: Permission = Permission::RunsRead;
    type Response = StatisticsPage<WorkflowStatistics>;

    async fn handle(self, context: Context) -> Result<Self::Response> {
        let page = PageRequest {
            after: self.after,
            limit: self.limit,
        };
        let range = Range::new(&context, self.from, self.before, self.interval, &page)?;
        let query = StatisticsQuery {
            counted: Counted::Runs,
            namespace: self.namespace,
            name: self.name,
            version: self.version,
            by_version: self.by_version,
            from: range.from,
            before: range.before,
            hours: range.hours,
        };
        let found = context
            .parts
            .store
            .statistics(&context.scope(), &query, &page)
            .await?;
        Ok(range.page(found, |series, total, parts| WorkflowStatistics {
            namespace: series.key.namespace,
            name: series.key.name,
            version: series.key.version,
            total: RunStatistics::from(&total),
            parts: parts
                .into_iter()
                .map(|(from, tally)| RunStatisticsPart {
                    from,
                    numbers: RunStatistics::from(&tally),
                })
                .collect(),
        }))
    }
}

/// Asks how the tasks of a workflow fared. An execution counts in the hour in which its run ended.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetStepStatisticsRequest {
    /// The namespace of the workflow.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Of this version only.
    #[serde(default)]
    pub version: Option<String>,
    /// Whether each version has numbers of its own.
    #[serde(default)]
    pub by_version: bool,
    /// The beginning of the time range, taken back to the beginning of its hour, or day; 24 hours before its end when
    /// absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub from: Option<Timestamp>,
    /// The end of the time range, taken forward to the end of its hour, or day; now when absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub before: Option<Timestamp>,
    /// How the time range is divided, into 1000 parts at most; not at all when absent.
    #[serde(default)]
    pub interval: Option<StatisticsInterval>,
    /// The `next` of the page before; absent for the first page.
    #[serde(default)]
    pub after: Option<String>,
    /// How many tasks at most, 1 to 1000; 100 when absent.
    #[serde(default)]
    pub limit: Option<usize>,
}

impl Request for GetStepStatisticsRequest {
    const NAME: &'static str = "analytics.steps";
    const SUMMARY: &'static str =
        "Tells for each task of a workflow how often it was executed, how that ended and what it took.";
    const PERMISSION: Permission = Permission::RunsRead;
    type Response = StatisticsPage<TaskStatistics>;

    async fn handle(self, context: Context) -> Result<Self::Response> {
        let page = PageRequest {
            after: self.after,
            limit: self.limit,
        };
        let range = Range::new(&context, self.from, self.before, self.interval, &page)?;
        let query = StatisticsQuery {
            counted: Counted::Tasks,
            namespace: Some(self.namespace),
            name: Some(self.name),
            version: self.version,
            by_version: self.by_version,
            from: range.from,
            before: range.before,
            hours: range.hours,
        };
        let found = context
            .parts
            .store
            .statistics(&context.scope(), &query, &page)
            .await?;
        Ok(range.page(found, |series, total, parts| TaskStatistics {
            task: series.key.task.unwrap_or_default(),
            version: series.key.version,
            total: StepStatistics::from(&total),
            parts: parts
                .into_iter()
                .map(|(from, tally)| StepStatisticsPart {
                    from,
                    numbers: StepStatistics::from(&tally),
                })
                .collect(),
        }))
    }
}

/// A time range in hours, as the store counts them.
struct Range {
    from: i64,
    before: i64,
    /// How many hours share numbers.
    hours: i64,
    is_divided: bool,
}

impl Range {
    fn new(
        context: &Context,
        from: Option<Timestamp>,
        before: Option<Timestamp>,
        interval: Option<StatisticsInterval>,
        page: &PageRequest,
    ) -> Result<Self> {
        let before = before.unwrap_or_else(|| context.parts.clock.now());
        let from = from.unwrap_or_else(|| before.saturating_sub(PERIOD).unwrap_or(before));
        if from >= before {
            return Err(Error::invalid_request("'from' must come before 'before'"));
        }
        let unit = interval.map_or(1, StatisticsInterval::hours);
        let from = Resolution::Hour.number(from).div_euclid(unit) * unit;
        let before = (Resolution::Hour.number_after(before) + unit - 1).div_euclid(unit) * unit;
        let parts = usize::try_from((before - from) / unit).unwrap_or(usize::MAX);
        if interval.is_some() && parts > MAX_PARTS {
            return Err(Error::invalid_request(format!(
                "the time range has more than {MAX_PARTS} parts; make it shorter or the interval longer"
            )));
        }
        if interval.is_some() && parts.saturating_mul(page.size()?) > MAX_ANSWERED {
            return Err(Error::invalid_request(format!(
                "the answer could have more than {MAX_ANSWERED} parts; lower the 'limit', or make the time range shorter"
            )));
        }
        Ok(Self {
            from,
            before,
            hours: unit,
            is_divided: interval.is_some(),
        })
    }

    fn page<T>(
        &self,
        found: Page<Series>,
        item: impl Fn(Series, Tally, Vec<(Timestamp, Tally)>) -> T,
    ) -> StatisticsPage<T> {
        let items = found.items.into_iter().map(|mut series| {
            let mut total = Tally::default();
            series.slots.iter().for_each(|(_, tally)| total.merge(tally));
            let mut parts = std::mem::take(&mut series.slots);
            if !self.is_divided {
                parts.clear();
            }
            let parts = parts.into_iter();
            let parts = parts.map(|(hour, tally)| (Resolution::Hour.start(hour), tally));
            item(series, total, parts.collect())
        });
        StatisticsPage {
            from: Resolution::Hour.start(self.from),
            before: Resolution::Hour.start(self.before),
            items: items.collect(),
            next: found.next,
        }
    }
}
