//! Keeps the greatest few of many items in bounded memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The greatest items seen so far, at most `limit`.
#[derive(Debug)]
pub(super) struct Newest<T> {
    limit: usize,
    heap: BinaryHeap<Reverse<T>>,
    total: u64,
}

impl<T: Ord> Newest<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            heap: BinaryHeap::new(),
            total: 0,
        }
    }

    pub(super) fn push(&mut self, item: T) {
        self.total += 1;
        self.heap.push(Reverse(item));
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
    }

    /// How many items were seen.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The items kept, the greatest first.
    pub(super) fn into_descending(self) -> impl Iterator<Item = T> {
        self.heap.into_sorted_vec().into_iter().map(|Reverse(item)| item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_greatest_are_kept() {
        let mut newest = Newest::new(3);
        for number in [5, 1, 9, 7, 3] {
            newest.push(number);
            assert!(newest.heap.len() <= 3);
        }
        assert_eq!(newest.total(), 5);
        assert_eq!(newest.into_descending().collect::<Vec<_>>(), [9, 7, 5]);
    }
}
