//! Alert rules in memory.

use async_trait::async_trait;

use super::MemoryStore;
use crate::storage::{AlertRecord, AlertStore, MAX_ALERT_RULES, Page, PageRequest};
use crate::{Result, Scope};

#[async_trait]
impl AlertStore for MemoryStore {
    async fn put_alert(&self, alert: &AlertRecord) -> Result<bool> {
        let key = (alert.scope.clone(), alert.rule.name.clone());
        self.write(|tables| {
            let revision = tables.alerts.get(&key).map_or(0, |stored| stored.revision);
            if revision != alert.revision {
                return Ok(false);
            }
            let own = tables.alerts.keys().filter(|(owner, _)| *owner == key.0);
            if revision == 0 && own.count() >= MAX_ALERT_RULES {
                return Err(AlertRecord::too_many());
            }
            let stored = AlertRecord {
                revision: alert.next_revision(),
                ..alert.clone()
            };
            tables.alerts.insert(key, stored);
            Ok(true)
        })
    }

    async fn alert(&self, scope: &Scope, name: &str) -> Result<Option<AlertRecord>> {
        let key = (scope.clone(), name.to_owned());
        Ok(self.query(|tables| tables.alerts.get(&key).cloned()))
    }

    async fn alerts(&self, scope: &Scope, page: &PageRequest) -> Result<Page<AlertRecord>> {
        let size = page.size()?;
        let after: Option<String> = page.cursor()?;
        let items = self.query(|tables| {
            let own = tables.alerts.iter().filter(|((owner, _), _)| owner == scope);
            own.map(|(_, alert)| alert)
                .filter(|alert| after.as_ref().is_none_or(|after| alert.rule.name > *after))
                .take(size + 1)
                .cloned()
                .collect()
        });
        Page::cut(items, size, |alert| alert.rule.name.clone())
    }

    async fn delete_alert(&self, scope: &Scope, name: &str, revision: u64) -> Result<bool> {
        let key = (scope.clone(), name.to_owned());
        Ok(self.write(|tables| {
            let is_it = tables
                .alerts
                .get(&key)
                .is_some_and(|stored| stored.revision == revision);
            is_it && tables.alerts.remove(&key).is_some()
        }))
    }

    async fn all_alerts(&self, after: Option<&(Scope, String)>, limit: usize) -> Result<Vec<AlertRecord>> {
        Ok(self.query(|tables| {
            let alerts = tables.alerts.iter();
            alerts
                .filter(|(key, _)| after.is_none_or(|after| *key > after))
                .take(limit)
                .map(|(_, alert)| alert.clone())
                .collect()
        }))
    }
}
