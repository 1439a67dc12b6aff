//! How long a subscription that broke is opened again.

use std::time::Duration;

use atom_core::{Error, Retry};

/// How often in a row a subscription is opened again that does not hold: with the usual pauses for somewhat over two
/// minutes.
const MAXIMUM_TRIES: u32 = 12;

/// The longest pause that a service can ask for.
const LONGEST_ASKED: Duration = Duration::from_mins(1);

/// The pauses between tries, each twice as long as the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses {
    pub(super) shortest: Duration,
    pub(super) longest: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            shortest: Duration::from_millis(100),
            longest: Duration::from_secs(30),
        }
    }
}

/// What is left of the patience with a service.
#[derive(Debug)]
pub(super) struct Patience {
    pauses: Pauses,
    tries: u32,
}

impl Patience {
    pub(super) fn new(pauses: Pauses) -> Self {
        Self { pauses, tries: 0 }
    }

    /// Begins anew: the subscription has held for a while.
    pub(super) fn renew(&mut self) {
        self.tries = 0;
    }

    /// How long to wait before the subscription is opened again: as long as the service asks, but neither without a
    /// pause nor for hours. None when that makes no sense, or no longer.
    pub(super) fn next(&mut self, error: &Error) -> Option<Duration> {
        let asked = match error.retry() {
            Retry::No | Retry::Exhausted => return None,
            Retry::Maybe => Duration::ZERO,
            Retry::After { ms } => Duration::from_millis(ms).min(LONGEST_ASKED),
        };
        if self.tries == MAXIMUM_TRIES {
            return None;
        }
        let pause = self.pauses.shortest.saturating_mul(2_u32.pow(self.tries));
        self.tries += 1;
        Some(pause.min(self.pauses.longest).max(asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atom_core::ErrorCode;

    fn broken() -> Error {
        Error::new(ErrorCode::Unavailable, "broken")
    }

    #[test]
    fn an_outage_of_two_minutes_is_outlasted_and_one_without_end_is_not() {
        let mut patience = Patience::new(Pauses::default());
        let pauses: Vec<_> = std::iter::from_fn(|| patience.next(&broken())).collect();
        assert_eq!(pauses[..3], [100, 200, 400].map(Duration::from_millis));
        assert!(pauses.is_sorted());
        assert_eq!(pauses.iter().max(), Some(&Duration::from_secs(30)));
        let total: Duration = pauses.iter().sum();
        assert!(total > Duration::from_mins(2), "{total:?}");
        assert!(total < Duration::from_mins(3), "{total:?}");
        patience.renew();
        assert_eq!(patience.next(&broken()), Some(Duration::from_millis(100)));
    }

    #[test]
    fn what_the_service_asks_for_is_kept_within_bounds() {
        for (asked, expected) in [
            (0, Duration::from_millis(100)),
            (5000, Duration::from_secs(5)),
            (u64::MAX, Duration::from_mins(1)),
        ] {
            let error = broken().with_retry(Retry::After { ms: asked });
            let mut patience = Patience::new(Pauses::default());
            assert_eq!(patience.next(&error), Some(expected));
            // Asking for it does not last for ever.
            assert_eq!(std::iter::from_fn(|| patience.next(&error)).count(), 11);
        }
        let hopeless = broken().with_retry(Retry::No);
        assert_eq!(Patience::new(Pauses::default()).next(&hopeless), None);
    }
}
