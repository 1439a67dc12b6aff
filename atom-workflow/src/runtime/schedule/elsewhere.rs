//! Schedules whose runs are carried out elsewhere: something else keeps the time, and tells when one is to be looked at.

use atom_core::storage::ScheduleRecord;
use atom_core::{Result, Scope};
use jiff::Timestamp;

use super::fire::Starter;
use super::turn::Turn;
use super::{MAX_CHANGES, busy};
use crate::runtime::Runtime;

impl Runtime {
    /// Does what is due of a schedule by a moment, as the scheduler would at that time, and gives the schedule as it is then;
    /// `None` when there is none.
    ///
    /// # Errors
    /// `storage_full`, `storage_failed`; `unavailable` when others change it all the time. What is wrong with the schedule is
    /// noted with it.
    pub(crate) async fn attend_schedule(
        &self,
        scope: &Scope,
        namespace: &str,
        name: &str,
        now: Timestamp,
        starter: &dyn Starter,
    ) -> Result<Option<ScheduleRecord>> {
        for _ in 0..MAX_CHANGES {
            let store = &self.inner.parts.store;
            let Some(schedule) = store.schedule(scope, namespace, name).await? else {
                return Ok(None);
            };
            let is_due = schedule.wakes_at().is_some_and(|at| at <= now);
            let Some(turn) = Turn::waking(schedule.clone()).filter(|_| is_due) else {
                return Ok(Some(schedule));
            };
            let fired = self.fire(turn.clone(), now, starter).await;
            self.note(turn, now, fired).await?;
        }
        Err(busy())
    }
}
