//! The numbers of submissions that were refused, kept in little room however many they are.

use std::collections::BTreeMap;

/// Numbers as ranges from a first to a last one.
///
/// Numbers of one parity are handed out in order, and while submissions are refused no other ones come between
/// them. So a range grows instead of a second one being added, and there are no more ranges than messages that wait.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    even: BTreeMap<u64, u64>,
    odd: BTreeMap<u64, u64>,
}

impl Refusals {
    pub(super) fn is_empty(&self) -> bool {
        self.even.is_empty() && self.odd.is_empty()
    }

    pub(super) fn add(&mut self, number: u64) {
        let ranges = if number.is_multiple_of(2) {
            &mut self.even
        } else {
            &mut self.odd
        };
        let last = number
            .checked_add(2)
            .and_then(|next| ranges.remove(&next))
            .unwrap_or(number);
        match ranges.range_mut(..number).next_back() {
            Some((_, end)) if end.checked_add(2) == Some(number) => *end = last,
            _ => {
                ranges.insert(number, last);
            }
        }
    }

    /// Takes up to `max` numbers.
    pub(super) fn take(&mut self, max: usize) -> Vec<u64> {
        let mut taken = Vec::new();
        for ranges in [&mut self.even, &mut self.odd] {
            while taken.len() < max
                && let Some((first, last)) = ranges.pop_first()
            {
                taken.push(first);
                if first < last {
                    ranges.insert(first + 2, last);
                }
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refusals_in_a_row_are_one_range() {
        let mut refusals = Refusals::default();
        for number in 0..1_000_000 {
            refusals.add(number);
        }
        // Threads that submit at the same time may be refused in another order.
        for number in [1_000_004, 1_000_006, 1_000_002, 1_000_000] {
            refusals.add(number);
        }
        assert_eq!((refusals.even.len(), refusals.odd.len()), (1, 1));
        assert_eq!(refusals.take(2), [0, 2]);
        assert_eq!(refusals.take(usize::MAX).len(), 1_000_002);
        assert!(refusals.is_empty());
    }

    proptest! {
        #[test]
        fn what_is_added_is_taken_once(numbers in prop::collection::btree_set(0_u64..100, 0..60), seed: u64) {
            let mut refusals = Refusals::default();
            let mut order: Vec<_> = numbers.iter().copied().collect();
            order.sort_by_key(|number| number.wrapping_add(1).wrapping_mul(seed | 1).rotate_left(17));
            for number in order {
                refusals.add(number);
            }
            let mut taken = Vec::new();
            while !refusals.is_empty() {
                taken.extend(refusals.take(7));
            }
            prop_assert_eq!(taken.len(), numbers.len());
            prop_assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), numbers);
        }
    }
}
