//! How many runs of the caller's workflows there were, how they ended and what they took.

mod numbers;

use std::time::Duration;

use atom_core::storage::{Counted, Page, PageRequest, Resolution, Series, StatisticsQuery, Tally};
use atom_core::{Error, Result};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Context, Operation, Permission, Request};

pub use numbers::{
    DurationStatistics, RunStatistics, RunStatisticsPart, StatisticsPage, StepStatistics, StepStatisticsPart,
    TaskStatistics, WorkflowStatistics,
};

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
        let page = PageRequest::new(self.after, self.limit);
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
        context.embedded(Self::NAME)?;
        let store = &context.parts.store;
        let found = store.statistics(&context.scope(), &query, &page).await?;
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
        let page = PageRequest::new(self.after, self.limit);
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
        context.embedded(Self::NAME)?;
        let store = &context.parts.store;
        let found = store.statistics(&context.scope(), &query, &page).await?;
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
