//! Schedules in memory.

use async_trait::async_trait;

use super::MemoryStore;
use crate::storage::{Page, PageRequest, ScheduleRecord, ScheduleStore};
use crate::{Offset, Result, Scope};

#[async_trait]
impl ScheduleStore for MemoryStore {
    async fn put_schedule(&self, schedule: &ScheduleRecord) -> Result<bool> {
        let (namespace, name) = schedule.cursor();
        let key = (schedule.principal.scope(), namespace, name);
        Ok(self.write(|tables| {
            let revision = tables.schedules.get(&key).map_or(0, |stored| stored.revision);
            if revision != schedule.revision {
                return false;
            }
            let stored = ScheduleRecord {
                revision: schedule.next_revision(),
                ..schedule.clone()
            };
            tables.schedules.insert(key, stored);
            true
        }))
    }

    async fn schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<Option<ScheduleRecord>> {
        let key = (scope.clone(), namespace.to_owned(), name.to_owned());
        Ok(self.query(|tables| tables.schedules.get(&key).cloned()))
    }

    async fn schedules(&self, scope: &Scope, page: &PageRequest) -> Result<Page<ScheduleRecord>> {
        let size = page.size()?;
        let after: Option<(String, String)> = page.cursor()?;
        let items = self.query(|tables| {
            let of_scope = tables.schedules.iter().filter(|((owner, ..), _)| owner == scope);
            of_scope
                .map(|(_, schedule)| schedule)
                .filter(|schedule| after.as_ref().is_none_or(|after| schedule.cursor() > *after))
                .cloned()
                .collect()
        });
        Page::cut(items, size, ScheduleRecord::cursor)
    }

    async fn delete_schedule(&self, scope: &Scope, namespace: &str, name: &str) -> Result<bool> {
        let key = (scope.clone(), namespace.to_owned(), name.to_owned());
        Ok(self.write(|tables| tables.schedules.remove(&key).is_some()))
    }

    async fn earliest_schedules(&self, limit: usize) -> Result<Vec<ScheduleRecord>> {
        let mut waking = self.all_schedules(|schedule| schedule.wakes_at().is_some());
        waking.sort_by_key(ScheduleRecord::wakes_at);
        waking.truncate(limit);
        Ok(waking)
    }

    async fn listening_schedules(&self, after: Option<Offset>) -> Result<Vec<ScheduleRecord>> {
        Ok(self.query(|tables| {
            let is_wanted = |schedule: &&ScheduleRecord| match (schedule.listens_after(), after) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(seen), Some(after)) => {
                    let scope = schedule.principal.scope();
                    let mut news = tables.events.range(seen.max(after).saturating_add(1)..);
                    news.any(|(_, (owner, _))| *owner == scope)
                }
            };
            tables.schedules.values().filter(is_wanted).cloned().collect()
        }))
    }

    async fn awaiting_schedules(&self) -> Result<Vec<ScheduleRecord>> {
        Ok(self.all_schedules(|schedule| schedule.awaits().is_some()))
    }
}

impl MemoryStore {
    fn all_schedules(&self, is_wanted: impl Fn(&ScheduleRecord) -> bool) -> Vec<ScheduleRecord> {
        self.query(|tables| {
            let schedules = tables.schedules.values();
            schedules
                .filter(|schedule| is_wanted(schedule))
                .cloned()
                .collect()
        })
    }
}
