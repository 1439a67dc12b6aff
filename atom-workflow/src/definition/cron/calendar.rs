//! Cron expressions for what knows calendars, and neither alternatives of days nor changes of the clock.

use jiff::{SignedDuration, Timestamp};

use super::{Change, Cron};

/// How far ahead changes of the clock are told.
const FORESIGHT: SignedDuration = SignedDuration::from_hours(24 * 366 * 5);

/// How many times near them are told.
const MAX_NEAR: usize = 1_000;

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

    /// Its times of the next five years around changes of the clock: those that who goes by what the clock shows may take to
    /// come never, once or at another moment.
    pub(crate) fn near_changes(&self, after: Timestamp) -> Vec<Timestamp> {
        let end = after.saturating_add(FORESIGHT).unwrap_or(Timestamp::MAX);
        let changes = std::iter::successors(self.change_after(after), |change| self.change_after(change.at));
        changes
            .take_while(|change| change.at <= end)
            .flat_map(|change| self.times_near(change))
            .take(MAX_NEAR)
            .collect()
    }

    /// The times that the clock shows twice, or that come as it skips them.
    fn times_near(&self, change: Change) -> impl Iterator<Item = Timestamp> {
        let begin = change.at.saturating_sub(change.length());
        let end = change.at.saturating_add(change.length());
        let (begin, end) = (begin.unwrap_or(Timestamp::MIN), end.unwrap_or(Timestamp::MAX));
        let before = begin
            .saturating_sub(SignedDuration::from_nanos(1))
            .unwrap_or(begin);
        std::iter::successors(self.next_after(before), |time| self.next_after(*time))
            .take_while(move |time| *time < end)
    }
}

impl Change {
    /// By how much the clock is moved.
    fn length(&self) -> SignedDuration {
        SignedDuration::from_secs((self.to.seconds() - self.from.seconds()).abs().into())
    }
}
