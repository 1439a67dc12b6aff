//! Schedules of runs on Temporal: what the store has, the server follows.

use atom_core::storage::ScheduleRecord;
use atom_core::{Principal, Result, Scope};

use super::Temporal;

impl Temporal {
    pub(super) async fn set_schedule(
        &self,
        principal: &Principal,
        namespace: &str,
        name: &str,
    ) -> Result<()> {
        self.embedded.schedule(principal, namespace, name).await?;
        let scope = principal.scope();
        self.runtime.follow_schedule(&scope, namespace, name).await
    }

    pub(super) async fn stop_schedule(
        &self,
        scope: &Scope,
        namespace: &str,
        name: &str,
    ) -> Result<ScheduleRecord> {
        let paused = self.embedded.pause_schedule(scope, namespace, name).await?;
        // Nothing starts from here on, whether or not the server hears of it.
        self.runtime.pause_schedule(&paused).await?;
        Ok(paused)
    }

    pub(super) async fn go_on_with_schedule(
        &self,
        scope: &Scope,
        namespace: &str,
        name: &str,
    ) -> Result<ScheduleRecord> {
        let paused = self.embedded.scheduled(scope, namespace, name).await?;
        // The server first: a schedule that is shown as under way must not stand still.
        self.runtime.follow_schedule(scope, namespace, name).await?;
        self.runtime.resume_schedule(&paused).await?;
        self.embedded.resume_schedule(scope, namespace, name).await
    }
}
