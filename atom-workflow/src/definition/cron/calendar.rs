//! Cron expressions for what knows calendars, and neither alternatives of days nor changes of the clock.

use jiff::{SignedDuration, Timestamp};

use super::Cron;

/// How far ahead changes of the clock are told.
const FORESIGHT: SignedDuration = SignedDuration::from_hours(24 * 366 * 20);

/// Dates and times of the calendar, as ranges of values from the first to the last, in every combination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dates {
    pub(crate) minutes: Vec<(i8, i8)>,
    pub(crate) hours: Vec<(i8, i8)>,
    pub(crate) days: Vec<(i8, i8)>,
    pub(crate) months: Vec<(i8, i8)>,
    /// From 0, Sunday, to 6.
    pub(crate) weekdays: Vec<(i8, i8)>,
}

impl Cron {
    /// What the clock shows at its times: one of these.
    pub(crate) fn dates(&self) -> Vec<Dates> {
        let dates = Dates {
            minutes: self.minute.ranges(0..=59),
            hours: self.hour.ranges(0..=23),
            days: self.day.ranges(1..=31),
            months: self.month.ranges(1..=12),
            weekdays: self.weekday.ranges(0..=6),
        };
        if self.day.is_open || self.weekday.is_open {
            return vec![dates];
        }
        let on_days = Dates {
            weekdays: vec![(0, 6)],
            ..dates.clone()
        };
        let on_weekdays = Dates {
            days: vec![(1, 31)],
            ..dates
        };
        vec![on_days, on_weekdays]
    }

    /// The moments of the next twenty years at which the clock is moved, and a time counts that it skips.
    pub(crate) fn made_up(&self, after: Timestamp) -> Vec<Timestamp> {
        let end = after.saturating_add(FORESIGHT).unwrap_or(Timestamp::MAX);
        let changes = std::iter::successors(self.change_after(after), |change| self.change_after(change.at));
        let counts = |moment: &Timestamp| {
            let before = moment.saturating_sub(SignedDuration::from_nanos(1));
            before.is_ok_and(|before| self.next_after(before) == Some(*moment))
        };
        changes
            .map(|change| change.at)
            .take_while(|moment| *moment <= end)
            .filter(counts)
            .collect()
    }
}
