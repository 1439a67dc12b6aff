//! The parked runs of one owner that listen, by what they listen for.

use std::collections::{BTreeMap, BTreeSet};

use atom_core::{CloudEvent, Offset, RunId};

/// The runs of one owner that wait for events without a driver. Each type is looked at once, however many wait for it.
#[derive(Debug)]
pub(super) struct Listening {
    /// Up to where all of them have seen the log.
    seen: Offset,
    /// The runs that may want events of a type; of any when absent.
    by_type: BTreeMap<Option<String>, BTreeSet<RunId>>,
}

impl Listening {
    /// Nobody yet; whoever comes first has seen the log up to `seen`.
    pub(super) fn new(seen: Offset) -> Self {
        Self {
            seen,
            by_type: BTreeMap::new(),
        }
    }

    pub(super) fn seen(&self) -> Offset {
        self.seen
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_type.is_empty()
    }

    /// A run that has seen the log up to `seen` listens.
    pub(super) fn insert(&mut self, run: RunId, types: &[Option<String>], seen: Offset) {
        self.seen = self.seen.min(seen);
        for kind in types {
            self.by_type.entry(kind.clone()).or_default().insert(run);
        }
    }

    pub(super) fn remove(&mut self, run: RunId, types: &[Option<String>]) {
        for kind in types {
            if let Some(runs) = self.by_type.get_mut(kind) {
                runs.remove(&run);
                if runs.is_empty() {
                    self.by_type.remove(kind);
                }
            }
        }
    }

    /// Notes that the log was read from `from` to `until`, and tells which runs to wake.
    pub(super) fn hear<'a>(
        &mut self,
        events: impl Iterator<Item = &'a CloudEvent>,
        from: Offset,
        until: Offset,
    ) -> BTreeSet<RunId> {
        // A run that came meanwhile may have seen less than where the reading began.
        if from <= self.seen {
            self.seen = self.seen.max(until);
        }
        let kinds: BTreeSet<&str> = events.map(|event| event.kind.as_str()).collect();
        let is_heard = |wanted: &Option<String>| match wanted {
            Some(wanted) => kinds.iter().any(|kind| may_be(wanted, kind)),
            None => !kinds.is_empty(),
        };
        let heard = self.by_type.iter().filter(|(wanted, _)| is_heard(wanted));
        heard.flat_map(|(_, runs)| runs).copied().collect()
    }
}

/// Whether a text of a filter can be meant to stand for a type. The text may be a pattern, of which only the character
/// that stands for any other is looked at: others make a filter that listens for any type.
pub(crate) fn may_be(wanted: &str, kind: &str) -> bool {
    let mut characters = kind.chars();
    wanted.chars().all(|wanted| {
        characters
            .next()
            .is_some_and(|kind| wanted == '.' || wanted == kind)
    }) && characters.next().is_none()
}

#[cfg(test)]
mod tests {
    use atom_core::testkit::SequenceRandom;
    use atom_core::{CloudEvent, RunId};

    use super::{Listening, may_be};

    #[test]
    fn a_text_may_stand_for_itself_and_as_a_pattern() {
        assert!(may_be("com.example.a", "com.example.a"));
        assert!(may_be("com.example.a", "com-example-a"));
        for other in ["com.example.b", "com.example.ab", "com.example.", ""] {
            assert!(!may_be("com.example.a", other), "{other}");
        }
    }

    #[test]
    fn what_was_read_before_a_run_came_does_not_count_for_it() {
        let random = SequenceRandom::default();
        let [first, second] = [(); 2].map(|()| RunId::new(jiff::Timestamp::UNIX_EPOCH, &random));
        let any = [None];
        let mut listening = Listening::new(10);
        listening.insert(first, &any, 10);
        // Both the reading that began at 10 and the second run are under way at the same time.
        listening.insert(second, &any, 9);
        let heard = listening.hear(std::iter::empty(), 10, 12);
        assert!(heard.is_empty());
        assert_eq!(listening.seen(), 9);
        let event = CloudEvent::new("1", "/test", "com.example.go");
        let heard = listening.hear([&event].into_iter(), 9, 12);
        assert_eq!(heard.len(), 2);
        assert_eq!(listening.seen(), 12);
    }
}
