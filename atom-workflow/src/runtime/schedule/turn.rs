//! The turn of one trigger: what is due of a schedule is done trigger by trigger.

use atom_core::RunId;
use atom_core::storage::{ScheduleRecord, ScheduledTrigger};
use jiff::Timestamp;

/// One trigger of a schedule whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// The schedule as it was read, but for what its runs leave in it.
    pub(super) schedule: ScheduleRecord,
    /// The place of the trigger among those of the schedule.
    pub(super) place: usize,
    /// The trigger, as far as it is now.
    pub(super) trigger: ScheduledTrigger,
}

impl Turn {
    fn new(schedule: ScheduleRecord, place: Option<usize>) -> Option<Self> {
        let place = place?;
        let trigger = schedule.triggers.get(place)?.clone();
        Some(Self {
            schedule,
            place,
            trigger,
        })
    }

    /// The turn of the trigger that wakes first.
    pub(super) fn waking(schedule: ScheduleRecord) -> Option<Self> {
        let triggers = schedule.triggers.iter().enumerate();
        let waking = triggers.filter_map(|(place, trigger)| Some((trigger.wakes_at()?, place)));
        let place = waking.min().map(|(_, place)| place);
        Self::new(schedule, place)
    }

    /// The turn of the trigger that wants events.
    pub(super) fn listening(schedule: ScheduleRecord) -> Option<Self> {
        let mut triggers = schedule.triggers.iter();
        let place = triggers.position(|trigger| trigger.listens_after().is_some());
        Self::new(schedule, place)
    }

    /// The turn of the trigger that waits for the end of a run.
    pub(super) fn awaiting(schedule: ScheduleRecord) -> Option<Self> {
        let mut triggers = schedule.triggers.iter();
        let place = triggers.position(|trigger| trigger.awaits.is_some());
        Self::new(schedule, place)
    }

    /// The schedule with the trigger as it is now.
    pub(super) fn record(&self) -> ScheduleRecord {
        let mut schedule = self.schedule.clone();
        if let Some(trigger) = schedule.triggers.get_mut(self.place) {
            trigger.clone_from(&self.trigger);
        }
        schedule
    }

    /// What makes a cause that another trigger of the schedule may have, too, one of this trigger. The causes of a trigger that
    /// is alone have always been what they are.
    pub(super) fn cause(&self, cause: &str) -> String {
        if self.schedule.triggers.len() == 1 {
            cause.to_owned()
        } else {
            format!("{}: {cause}", self.place)
        }
    }

    /// Notes a run that was started.
    pub(super) fn note_start(&mut self, run: RunId, at: Timestamp) {
        self.schedule.last_at = Some(at);
        self.schedule.last_run = Some(run);
        self.trigger.last_run = Some(run);
        self.trigger.failure = None;
    }
}
