//! Which times are due: pure.

use std::collections::VecDeque;
use std::time::Duration;

use atom_core::Result;
use atom_core::storage::{MissedRuns, ScheduleTrigger};
use jiff::{SignedDuration, Timestamp};

use super::length;
use crate::definition::{CalendarDuration, Cron};

/// How late a time is before it counts as missed: nobody was there to start its run.
const GRACE: SignedDuration = SignedDuration::from_secs(60);

/// A month that is as long as any.
const LONGEST_MONTH: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// How many missed times can still start runs.
const MAX_MISSED: usize = 1_000;

/// The times of a schedule.
#[derive(Clone, Debug)]
pub(super) enum Times {
    /// A grid that begins one interval after the schedule became active.
    Grid {
        since: Timestamp,
        /// In nanoseconds.
        interval: i128,
    },
    /// The same in months by the calendar, counted from when the schedule became active.
    Months {
        since: Timestamp,
        interval: CalendarDuration,
    },
    Calendar(Box<Cron>),
}

/// What to do about the times up to now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// The times to start runs for, in order.
    pub(super) fires: Vec<Timestamp>,
    /// The first time after now.
    pub(super) next: Option<Timestamp>,
}

impl Times {
    /// The times of a trigger that has any by itself.
    ///
    /// # Errors
    /// `invalid_request` for a time zone that this machine does not know.
    pub(super) fn of(trigger: &ScheduleTrigger, since: Timestamp) -> Result<Option<Self>> {
        Ok(match trigger {
            ScheduleTrigger::Every {
                months: months @ 1..,
                interval_ms,
                ..
            } => Some(Self::Months {
                since,
                interval: length(*months, *interval_ms),
            }),
            ScheduleTrigger::Every { interval_ms, .. } => Some(Self::Grid {
                since,
                interval: i128::from(*interval_ms).max(1) * 1_000_000,
            }),
            ScheduleTrigger::Cron {
                expression,
                time_zone,
                ..
            } => Some(Self::Calendar(Box::new(Cron::parse(expression, time_zone)?))),
            ScheduleTrigger::After { .. } | ScheduleTrigger::Events => None,
        })
    }

    /// The first time after a moment.
    pub(super) fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Grid { since, interval } => {
                let begin = since.as_nanosecond();
                let passed = (moment.as_nanosecond() - begin).max(0) / interval;
                Timestamp::from_nanosecond(begin + (passed + 1) * interval).ok()
            }
            Self::Months { since, interval } => {
                // With months of 31 days there have been as many intervals at least.
                let longest = LONGEST_MONTH
                    .saturating_mul(interval.months())
                    .saturating_add(interval.rest());
                let passed = Duration::try_from(moment.duration_since(*since)).unwrap_or_default();
                let passed = u32::try_from(passed.as_nanos() / longest.as_nanos().max(1)).ok()?;
                let later = (passed..u32::MAX).map(|passed| {
                    let length = interval.checked_mul(passed + 1)?.from(*since);
                    since.checked_add(length).ok()
                });
                let mut reached = later.skip_while(|time| time.is_some_and(|time| time <= moment));
                reached.next().flatten()
            }
            Self::Calendar(cron) => cron.next_after(moment),
        }
    }

    /// What to do when the time `next_at` is the first whose run has not been started.
    ///
    /// A clock that was set back makes nothing due; one that was set far ahead is as if nobody had been there.
    pub(super) fn due(&self, missed: MissedRuns, next_at: Timestamp, now: Timestamp) -> Due {
        if next_at > now {
            return Due {
                fires: Vec::new(),
                next: Some(next_at),
            };
        }
        let is_missed = now.duration_since(next_at) > GRACE;
        let limit = match missed {
            MissedRuns::Skip if is_missed => 0,
            MissedRuns::Latest if is_missed => 1,
            _ => MAX_MISSED,
        };
        Due {
            fires: self.last(limit, next_at, now),
            next: self.next_after(now),
        }
    }

    /// The last times from `first`, which is one of them, to `now`.
    fn last(&self, limit: usize, first: Timestamp, now: Timestamp) -> Vec<Timestamp> {
        if limit == 0 {
            return Vec::new();
        }
        // How far back they go is not known: looking back twice as far each time costs about as much as looking once.
        let mut length = GRACE;
        loop {
            let begin = now.saturating_sub(length).unwrap_or(Timestamp::MIN).max(first);
            let mut found = VecDeque::new();
            let mut time = if begin == first {
                Some(first)
            } else {
                self.next_after(begin)
            };
            while let Some(due) = time.filter(|time| *time <= now) {
                if found.len() == limit {
                    found.pop_front();
                }
                found.push_back(due);
                time = self.next_after(due);
            }
            if begin == first || found.len() == limit {
                return found.into();
            }
            length = length.saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn seconds(count: i64) -> Timestamp {
        moment("2026-03-28T12:00:00Z") + SignedDuration::from_secs(count)
    }

    fn grid(interval: i64) -> Times {
        Times::Grid {
            since: seconds(0),
            interval: i128::from(interval) * 1_000_000_000,
        }
    }

    fn calendar(expression: &str) -> Times {
        Times::Calendar(Box::new(Cron::parse(expression, "Europe/Berlin").unwrap()))
    }

    fn times() -> impl Strategy<Value = Times> {
        prop_oneof![
            (1_i64..100_000).prop_map(grid),
            (1_u32..4, 0_u64..100_000_000).prop_map(|(months, rest)| Times::Months {
                since: seconds(0),
                interval: length(months, rest),
            }),
            proptest::sample::select(vec![
                "* * * * *",
                "*/7 * * * *",
                "30 2 * * *",
                "0 3 * * 1-5",
                "15 */2 * * *"
            ])
            .prop_map(calendar),
        ]
    }

    #[test]
    fn what_was_missed_follows_the_policy() {
        let times = grid(3600);
        let first = seconds(3600);
        let at = |hours: &[i64]| -> Vec<_> { hours.iter().map(|hour| seconds(hour * 3600)).collect() };
        for (missed, now, fires) in [
            (MissedRuns::Skip, 3 * 3600 + 600, at(&[])),
            (MissedRuns::Latest, 3 * 3600 + 600, at(&[3])),
            (MissedRuns::All, 3 * 3600 + 600, at(&[1, 2, 3])),
            // Up to a minute late is not missed.
            (MissedRuns::Skip, 3660, at(&[1])),
            (MissedRuns::Skip, 3661, at(&[])),
            // One that is on time does not make up for those that were missed.
            (MissedRuns::Skip, 3 * 3600 + 1, at(&[])),
            (MissedRuns::Latest, 3 * 3600 + 1, at(&[3])),
        ] {
            let due = times.due(missed, first, seconds(now));
            let next = seconds((now / 3600 + 1) * 3600);
            let expected = Due {
                fires,
                next: Some(next),
            };
            assert_eq!(due, expected, "{missed:?} {now}");
        }
    }

    #[test]
    fn months_are_counted_by_the_calendar_from_the_first_day() {
        for (months, rest, since, expected) in [
            (1, 0, "2026-01-31", ["2026-02-28", "2026-03-31", "2026-04-30"]),
            (12, 0, "2024-02-29", ["2025-02-28", "2026-02-28", "2027-02-28"]),
            (
                1,
                86_400_000,
                "2026-01-31",
                ["2026-03-01", "2026-04-02", "2026-05-03"],
            ),
        ] {
            let day = |day: &str| moment(&format!("{day}T12:00:00Z"));
            let times = Times::Months {
                since: day(since),
                interval: length(months, rest),
            };
            let next = |time: &Timestamp| times.next_after(*time);
            let found: Vec<_> = std::iter::successors(next(&day(since)), next).take(3).collect();
            assert_eq!(found, expected.map(day), "{months} months from {since}");
            // Centuries later it is found as well, and before the first one that is the next.
            let late = times.next_after(day("2926-01-01")).unwrap();
            assert!(late > day("2926-01-01") && late.duration_since(day("2926-01-01")).as_hours() < 367 * 24);
            assert_eq!(times.next_after(day("2000-01-01")), Some(day(expected[0])));
        }
    }

    #[test]
    fn years_of_missed_minutes_are_bounded_and_the_last_count() {
        let times = calendar("* * * * *");
        let first = moment("2020-01-01T00:00:00Z");
        let now = moment("2026-01-01T00:00:30Z");
        let due = times.due(MissedRuns::All, first, now);
        assert_eq!(due.fires.len(), MAX_MISSED);
        assert_eq!(due.fires.last(), Some(&moment("2026-01-01T00:00:00Z")));
        assert!(
            due.fires
                .windows(2)
                .all(|pair| pair[1].duration_since(pair[0]).as_secs() == 60)
        );
        assert_eq!(due.next, Some(moment("2026-01-01T00:01:00Z")));
    }

    proptest! {
        /// However often somebody looks, the same times are due, each once and in order.
        #[test]
        fn looking_in_between_changes_nothing(times in times(), looks in proptest::collection::vec(1_i64..40_000, 1..20)) {
            let (mut fires, mut now) = (Vec::new(), 0);
            let mut next = times.next_after(seconds(0)).unwrap();
            for look in &looks {
                now += look;
                let due = times.due(MissedRuns::All, next, seconds(now));
                // Nothing was dropped: so few are due.
                if due.fires.len() == MAX_MISSED {
                    return Ok(());
                }
                prop_assert!(due.fires.iter().all(|fire| *fire >= next && *fire <= seconds(now)));
                fires.extend(due.fires);
                next = due.next.unwrap();
                prop_assert!(next > seconds(now));
                // The clock is set back: nothing comes again.
                let again = times.due(MissedRuns::All, next, seconds(now - look));
                prop_assert_eq!(&again.fires, &[]);
                prop_assert_eq!(again.next, Some(next));
            }
            let mut expected = Vec::new();
            let mut time = times.next_after(seconds(0));
            while let Some(due) = time.filter(|time| *time <= seconds(now)) {
                expected.push(due);
                time = times.next_after(due);
            }
            prop_assert_eq!(fires, expected);
        }

        #[test]
        fn policies_differ_in_nothing_but_how_many_they_start(times in times(), late in 0_i64..2_000_000) {
            let first = times.next_after(seconds(0)).unwrap();
            let now = first + SignedDuration::from_secs(late);
            let all = times.due(MissedRuns::All, first, now);
            let latest = times.due(MissedRuns::Latest, first, now);
            let skip = times.due(MissedRuns::Skip, first, now);
            prop_assert_eq!((latest.next, skip.next), (all.next, all.next));
            if late > 60 {
                prop_assert_eq!(latest.fires.as_slice(), &all.fires[all.fires.len() - 1..]);
                prop_assert_eq!(skip.fires, []);
            } else {
                prop_assert_eq!((&latest.fires, &skip.fires), (&all.fires, &all.fires));
            }
        }

        #[test]
        fn a_grid_does_not_drift(interval in 1_i64..100_000, from in -1000_i64..1_000_000) {
            let next = grid(interval).next_after(seconds(from)).unwrap();
            let offset = next.duration_since(seconds(0)).as_secs();
            prop_assert!(next > seconds(from) && offset > 0 && offset % interval == 0);
            prop_assert!(offset - interval <= from.max(0));
        }
    }
}
