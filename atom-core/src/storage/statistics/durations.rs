//! How long things took: counts in buckets that grow with the duration.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The last microsecond of each bucket. A bucket ends at most a tenth after where the one before it ended, so that what
/// is taken for all it holds is wrong by at most one part in 21; below 20 µs each microsecond has a bucket of its own.
const ENDS: [u64; 458] = ends();

const fn ends() -> [u64; 458] {
    let mut ends = [u64::MAX; 458];
    let mut place = 0;
    let mut end: u64 = 0;
    while place < ends.len() {
        ends[place] = end;
        let grown = end.saturating_add(end / 10);
        end = if grown > end { grown } else { end.saturating_add(1) };
        place += 1;
    }
    ends
}

/// Counts of durations, as a histogram whose buckets grow by a tenth (the idea of DDSketch,
/// <https://arxiv.org/abs/1908.10693>, with whole numbers). Adding two of them up gives the same as counting everything in
/// one, and every quantile is right to within 5 %.
///
/// ```
/// use atom_core::storage::Durations;
/// use std::time::Duration;
///
/// let mut durations = Durations::default();
/// (1..=100).for_each(|seconds| durations.add(Duration::from_secs(seconds)));
/// let median = durations.quantile(0.5).unwrap();
/// assert!(median > Duration::from_secs(50).mul_f64(0.95) && median < Duration::from_secs(50).mul_f64(1.05));
/// assert_eq!(durations.mean(), Some(Duration::from_millis(50_500)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Durations {
    /// How many there are in each bucket that is not empty.
    #[serde(with = "pairs")]
    buckets: BTreeMap<u16, u64>,
    /// The sum of all, in microseconds.
    total: u64,
}

impl Durations {
    /// Counts one duration, to the microsecond.
    pub fn add(&mut self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.add_bucket(bucket(microseconds), 1, microseconds);
    }

    /// Counts `count` durations of one bucket that are `total` microseconds long together, as
    /// [`buckets`](Self::buckets) and [`total`](Self::total) gave them.
    pub fn add_bucket(&mut self, bucket: u16, count: u64, total: u64) {
        if count > 0 {
            let known = self.buckets.entry(bucket).or_default();
            *known = known.saturating_add(count);
        }
        self.total = self.total.saturating_add(total);
    }

    /// Adds up.
    pub fn merge(&mut self, other: &Self) {
        other
            .buckets()
            .for_each(|(bucket, count)| self.add_bucket(bucket, count, 0));
        self.total = self.total.saturating_add(other.total);
    }

    /// The buckets that are not empty, and how many durations each holds. There are at most 458.
    pub fn buckets(&self) -> impl Iterator<Item = (u16, u64)> {
        self.buckets.iter().map(|(bucket, count)| (*bucket, *count))
    }

    /// The sum of all, in microseconds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.values().sum()
    }

    /// What they took on average, exactly; nothing when there are none.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        self.total.checked_div(self.count()).map(Duration::from_micros)
    }

    /// The shortest duration that at least this share of all do not exceed, to within 5 %; nothing when there are none.
    /// `share` is from 0 to 1.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank; one that is off by one in 2^53 changes nothing"
        )]
        let rank = ((share.clamp(0.0, 1.0) * self.count() as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets() {
            seen += count;
            if seen >= rank {
                return Some(middle(bucket));
            }
        }
        None
    }
}

/// A map with numbers for keys, which JSON does not have, as a list of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<u16, u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<u16, u64>, D::Error> {
        Vec::deserialize(deserializer).map(BTreeMap::from_iter)
    }
}

fn bucket(microseconds: u64) -> u16 {
    let place = ENDS.partition_point(|end| *end < microseconds);
    u16::try_from(place.min(ENDS.len() - 1)).unwrap_or(u16::MAX)
}

/// What is taken for every duration of a bucket: as far above the shortest as below the longest, in proportion.
fn middle(bucket: u16) -> Duration {
    let place = usize::from(bucket);
    let longest = ENDS.get(place).copied().unwrap_or(u64::MAX);
    let before = place.checked_sub(1).and_then(|place| ENDS.get(place));
    let shortest = before.map_or(0, |end| end.saturating_add(1));
    let (shortest, longest) = (u128::from(shortest), u128::from(longest));
    let sum = shortest + longest;
    let more = (shortest * (longest - shortest) + sum / 2).checked_div(sum);
    let middle = u64::try_from(shortest + more.unwrap_or(0));
    Duration::from_micros(middle.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Any length, short ones as likely as long ones.
    fn length() -> impl Strategy<Value = u64> {
        (0_u32..56, any::<u64>()).prop_map(|(bits, any)| any & ((1 << bits) - 1))
    }

    fn counted(lengths: &[u64]) -> Durations {
        let mut durations = Durations::default();
        lengths
            .iter()
            .for_each(|length| durations.add(Duration::from_micros(*length)));
        durations
    }

    proptest! {
        #[test]
        fn every_quantile_is_right_within_five_percent(
            mut lengths in vec(length(), 1..200),
            share in 0.0..=1.0_f64,
        ) {
            let told = counted(&lengths).quantile(share).unwrap().as_micros() as f64;
            lengths.sort_unstable();
            let rank = ((share * lengths.len() as f64).ceil() as usize).max(1);
            let exact = lengths[rank - 1] as f64;
            // What is told is a whole number of microseconds.
            prop_assert!((told - exact).abs() <= 0.05 * exact, "{told} for {exact}");
        }

        #[test]
        fn adding_up_parts_gives_the_whole(left in vec(length(), 0..100), right in vec(length(), 0..100)) {
            let mut sum = counted(&left);
            sum.merge(&counted(&right));
            let whole = counted(&[left, right].concat());
            prop_assert_eq!(&sum, &whole);
            let mut by_rows = Durations::default();
            whole.buckets().for_each(|(bucket, count)| by_rows.add_bucket(bucket, count, 0));
            by_rows.add_bucket(0, 0, whole.total());
            prop_assert_eq!(by_rows, whole);
        }
    }

    #[test]
    fn the_mean_is_exact_and_nothing_has_none() {
        assert_eq!(Durations::default().mean(), None);
        assert_eq!(Durations::default().quantile(0.5), None);
        assert_eq!(counted(&[1, 2, 9]).mean(), Some(Duration::from_micros(4)));
    }

    #[test]
    fn the_longest_duration_there_is_has_a_bucket() {
        assert!(ENDS.is_sorted_by(|one, next| one < next), "none is empty");
        assert_eq!(ENDS.last(), Some(&u64::MAX));
        let durations = counted(&[u64::MAX]);
        assert_eq!(durations.count(), 1);
        assert!(durations.quantile(1.0).is_some());
    }
}
