//! Randomness that is the same in every test.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::RandomSource;

/// Counts instead of drawing lots: unique, and the same at every run.
///
/// ```
/// use atom_core::RandomSource;
/// use atom_core::testkit::SequenceRandom;
///
/// let random = SequenceRandom::default();
/// assert_ne!(random.random_bytes(), random.random_bytes());
/// assert_eq!(SequenceRandom::default().random_bytes(), SequenceRandom::default().random_bytes());
/// ```
#[derive(Debug, Default)]
pub struct SequenceRandom(AtomicU64);

impl SequenceRandom {
    /// Counts from a number on, so that it differs from one that counts from 0 until that has come so far.
    #[must_use]
    pub fn starting_at(number: u64) -> Self {
        Self(AtomicU64::new(number))
    }
}

impl RandomSource for SequenceRandom {
    fn random_bytes(&self) -> [u8; 16] {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let mut bytes = [0; 16];
        // In front, because ids keep only the first bytes.
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        bytes
    }
}
