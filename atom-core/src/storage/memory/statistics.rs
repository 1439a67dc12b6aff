//! Statistics in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{MemoryStore, Tables};
use crate::storage::{
    Counted, Page, PageRequest, Resolution, RunTally, Series, SeriesKey, StatisticsQuery, StatisticsStore,
    Tally, WorkflowName,
};
use crate::{Result, Scope};

/// What numbers are of; of runs when there is no task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StatisticsKey {
    scope: Scope,
    resolution: Resolution,
    number: i64,
    namespace: String,
    name: String,
    version: String,
    task: Option<String>,
}

impl Tables {
    pub(super) fn count(&mut self, scope: &Scope, tally: &RunTally, at: Timestamp) {
        let mut add = |resolution: Resolution, task: Option<&String>, more: &Tally| {
            let key = StatisticsKey {
                scope: scope.clone(),
                resolution,
                number: resolution.number(at),
                namespace: tally.workflow.namespace.clone(),
                name: tally.workflow.name.clone(),
                version: tally.workflow.version.clone(),
                task: task.cloned(),
            };
            self.statistics.entry(key).or_default().merge(more);
        };
        add(Resolution::Minute, None, &tally.run);
        add(Resolution::Hour, None, &tally.run);
        for (task, more) in &tally.tasks {
            add(Resolution::Hour, Some(task), more);
        }
    }
}

#[async_trait]
impl StatisticsStore for MemoryStore {
    async fn statistics(
        &self,
        scope: &Scope,
        query: &StatisticsQuery,
        page: &PageRequest,
    ) -> Result<Page<Series>> {
        let size = page.size()?;
        let after: Option<(String, String, String, String)> = page.cursor()?;
        let is_wanted = |key: &StatisticsKey| {
            let is = |wanted: &Option<String>, value: &String| {
                wanted.as_ref().is_none_or(|wanted| wanted == value)
            };
            key.scope == *scope
                && key.resolution == Resolution::Hour
                && (query.from..query.before).contains(&key.number)
                && key.task.is_some() == (query.counted == Counted::Tasks)
                && is(&query.namespace, &key.namespace)
                && is(&query.name, &key.name)
                && is(&query.version, &key.version)
        };
        let found: BTreeMap<_, BTreeMap<i64, Tally>> = self.query(|tables| {
            let mut found = BTreeMap::<_, BTreeMap<i64, Tally>>::new();
            for (key, tally) in tables.statistics.iter().filter(|(key, _)| is_wanted(key)) {
                let of = SeriesKey {
                    namespace: key.namespace.clone(),
                    name: key.name.clone(),
                    version: query.by_version.then(|| key.version.clone()),
                    task: key.task.clone(),
                };
                let slot = key.number.div_euclid(query.hours) * query.hours;
                let slots = found.entry(of).or_default();
                slots.entry(slot).or_default().merge(tally);
            }
            found
        });
        let series = found.into_iter().map(|(key, slots)| Series {
            key,
            slots: slots.into_iter().collect(),
        });
        let is_next = |series: &Series| after.as_ref().is_none_or(|after| series.key.cursor() > *after);
        let mut items: Vec<_> = series.filter(is_next).collect();
        items.sort_by_cached_key(|series| series.key.cursor());
        Page::cut(items, size, |series| series.key.cursor())
    }

    async fn runs_since(
        &self,
        scope: &Scope,
        workflow: Option<&WorkflowName>,
        resolution: Resolution,
        from: i64,
    ) -> Result<Tally> {
        let is_wanted = |key: &StatisticsKey| {
            key.scope == *scope
                && key.resolution == resolution
                && key.number >= from
                && key.task.is_none()
                && workflow.is_none_or(|of| of.namespace == key.namespace && of.name == key.name)
        };
        Ok(self.query(|tables| {
            let mut sum = Tally::default();
            let wanted = tables.statistics.iter().filter(|(key, _)| is_wanted(key));
            wanted.for_each(|(_, tally)| sum.merge(tally));
            sum
        }))
    }

    async fn drop_statistics(&self, resolution: Resolution, before: i64) -> Result<u64> {
        Ok(self.write(|tables| {
            let held = tables.statistics.len();
            let is_old = |key: &StatisticsKey| key.resolution == resolution && key.number < before;
            tables.statistics.retain(|key, _| !is_old(key));
            (held - tables.statistics.len()) as u64
        }))
    }
}
