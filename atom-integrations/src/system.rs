//! The machine's own clock and randomness.
//!
//! ```
//! use atom_core::Clock;
//! use atom_integrations::system::SystemClock;
//!
//! assert!(SystemClock.now().as_second() > 0);
//! ```

use std::time::Duration;

use async_trait::async_trait;
use atom_core::{Clock, RandomSource};
use jiff::Timestamp;

/// How long a single sleep is at least and at most, between them a tenth of what is left: this late it is noticed that
/// the machine was suspended or its clock was set. Longer ones let many runs wait at no cost.
const SLEEP: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// The wall clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn wait_until(&self, deadline: Timestamp) {
        // Sleeping in slices re-reads the wall clock, which a monotonic timer would not follow.
        while let Ok(left) = Duration::try_from(deadline.duration_since(self.now())) {
            if left.is_zero() {
                return;
            }
            tokio::time::sleep((left / 10).clamp(SLEEP.0, SLEEP.1).min(left)).await;
        }
    }

    async fn sleep(&self, length: Duration) {
        tokio::time::sleep(length).await;
    }
}

/// The operating system's random number generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl RandomSource for SystemRandom {
    fn random_bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        if getrandom::fill(&mut bytes).is_err() {
            // Without the system's generator ids need only be unique: the standard library seeds its hash
            // maps from its own source of randomness.
            use std::hash::{BuildHasher, RandomState};
            for half in bytes.chunks_mut(8) {
                half.copy_from_slice(
                    &RandomState::new()
                        .hash_one(Timestamp::now().as_nanosecond())
                        .to_le_bytes(),
                );
            }
        }
        bytes
    }
}
