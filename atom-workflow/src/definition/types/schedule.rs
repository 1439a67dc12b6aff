//! When runs start by themselves.

use atom_core::storage::{MissedRuns, ScheduleTrigger};

use super::{EventStrategy, ReadAs};
use crate::definition::{CalendarDuration, Cron};
use crate::expression::Variables;

/// What starts runs of a deployed workflow by itself: one of the properties of `schedule`.
#[derive(Clone, Debug)]
pub enum Trigger {
    /// In equal intervals from its deployment, whether or not the run before has ended.
    Every {
        /// The interval, in months and whole milliseconds.
        interval: CalendarDuration,
        /// What becomes of missed times.
        missed: MissedRuns,
    },
    /// At times of the calendar.
    Cron {
        /// The times.
        cron: Cron,
        /// What becomes of missed times.
        missed: MissedRuns,
    },
    /// Some time after the end of the run before.
    After {
        /// The time, in months and whole milliseconds.
        delay: CalendarDuration,
    },
    /// When events have come.
    Events(EventTrigger),
}

/// The events that start a run, and become its input.
#[derive(Clone, Debug)]
pub struct EventTrigger {
    /// Which events, and how many.
    pub on: EventStrategy,
    /// What of each event becomes part of the input.
    pub read: ReadAs,
    /// What expressions see beside the event, as there is no run yet.
    pub variables: Variables,
}

impl Trigger {
    /// What a store keeps of it.
    #[must_use]
    pub fn stored(&self) -> ScheduleTrigger {
        let milliseconds =
            |length: &CalendarDuration| u64::try_from(length.rest().as_millis()).unwrap_or(u64::MAX);
        match self {
            Self::Every { interval, missed } => ScheduleTrigger::Every {
                months: interval.months(),
                interval_ms: milliseconds(interval),
                missed: *missed,
            },
            Self::Cron { cron, missed } => ScheduleTrigger::Cron {
                expression: cron.expression().to_owned(),
                time_zone: cron.time_zone().to_owned(),
                missed: *missed,
            },
            Self::After { delay } => ScheduleTrigger::After {
                months: delay.months(),
                delay_ms: milliseconds(delay),
            },
            Self::Events(_) => ScheduleTrigger::Events,
        }
    }
}
