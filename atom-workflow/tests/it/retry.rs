//! When a `try` tries again, for how long, and when it gives up.

use std::sync::Arc;
use std::time::Duration;

use atom_core::testkit::fixtures::{run_id, scope, start};
use atom_core::{Error, ErrorCode};
use atom_workflow::definition::Workflow;
use atom_workflow::machine::{ActionId, Command, Event, Machine, Outcome, RunFacts, Transition};
use jiff::Timestamp;
use serde_json::json;

use crate::support::document;

/// A run whose one call fails each time it is made.
struct Failing {
    machine: Machine,
    now: Timestamp,
}

impl Failing {
    fn begin(policy: &str) -> (Self, Transition) {
        let tasks = format!(
            "- attempt: {{ try: [{{ ask: {{ call: ask, with: {{}} }} }}], catch: {{ retry: {policy} }} }}"
        );
        let workflow = Arc::new(Workflow::parse(&document(&tasks)).unwrap());
        let mut failing = Self {
            machine: Machine::new(
                workflow,
                RunFacts::new(scope(), run_id(1), json!({ "most": 2 }), start()),
            ),
            now: start(),
        };
        let begun = failing.machine.advance(Event::started(), failing.now);
        (failing, begun)
    }

    /// Fails the call that a transition began.
    fn fail(&mut self, begun: &Transition) -> Transition {
        let call = |(action, command): &(ActionId, Command)| {
            matches!(command, Command::Call { .. }).then_some(*action)
        };
        let action = begun.begin.iter().find_map(call).unwrap();
        let error = Error::new(ErrorCode::Unavailable, "not now").report();
        self.machine.advance(Event::Failed { action, error }, self.now)
    }

    /// Lets time pass to the one timer that a transition began, and says how long that was.
    fn wait(&mut self, begun: &Transition) -> Option<(Duration, Transition)> {
        let timer = |(action, command): &(ActionId, Command)| match command {
            Command::Timer { at } => Some((*action, *at)),
            _ => None,
        };
        let (action, at) = begun.begin.iter().find_map(timer)?;
        let pause = Duration::try_from(at.duration_since(self.now)).unwrap();
        self.now = at;
        Some((pause, self.machine.advance(Event::Fired { action }, at)))
    }
}

/// How long a policy pauses before each retry, at most `most` times.
fn pauses(policy: &str, most: usize) -> Vec<Duration> {
    let (mut failing, mut begun) = Failing::begin(policy);
    let mut pauses = Vec::new();
    while pauses.len() < most {
        let failed = failing.fail(&begun);
        let Some((pause, next)) = failing.wait(&failed) else {
            assert!(matches!(failed.outcome, Some(Outcome::Faulted(_))));
            break;
        };
        pauses.push(pause);
        begun = next;
    }
    pauses
}

fn seconds(pauses: &[Duration]) -> Vec<u64> {
    pauses.iter().map(Duration::as_secs).collect()
}

#[test]
fn a_pause_stays_grows_by_itself_or_doubles() {
    for (backoff, expected) in [
        ("constant", [3, 3, 3, 3]),
        ("linear", [3, 6, 9, 12]),
        ("exponential", [3, 6, 12, 24]),
    ] {
        let policy = format!("{{ delay: PT3S, backoff: {{ {backoff}: {{}} }} }}");
        assert_eq!(seconds(&pauses(&policy, 4)), expected, "{backoff}");
    }
}

#[test]
fn a_pause_grows_to_a_day_and_a_longer_one_stays_as_it_is() {
    let day = 24 * 60 * 60;
    let policy = "{ delay: PT10H, backoff: { exponential: {} } }";
    assert_eq!(seconds(&pauses(policy, 3)), [day * 10 / 24, day * 20 / 24, day]);
    let policy = "{ delay: P3D, backoff: { linear: {} } }";
    assert_eq!(seconds(&pauses(policy, 2)), [3 * day, 3 * day]);
}

#[test]
fn a_random_part_is_added_within_its_bounds() {
    let pauses = pauses("{ delay: PT3S, jitter: { from: PT1S, to: PT5S } }", 20);
    let bounds = Duration::from_secs(4)..=Duration::from_secs(8);
    assert!(pauses.iter().all(|pause| bounds.contains(pause)), "{pauses:?}");
    assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
}

#[test]
fn a_policy_ends_with_its_count_its_time_or_its_condition() {
    for (policy, retries) in [
        ("{ delay: PT1S, limit: { attempt: { count: 2 } } }", 2),
        ("{ delay: PT1S, limit: { attempt: { count: 0 } } }", 0),
        // The third pause would end after ten seconds.
        ("{ delay: PT4S, limit: { duration: PT10S } }", 2),
        ("{ delay: PT1S, when: $error.status == 404 }", 0),
        (
            "{ delay: PT1S, when: $error.status == 503, limit: { attempt: { count: 3 } } }",
            3,
        ),
        ("{ delay: PT1S, exceptWhen: $error.status == 503 }", 0),
        ("{ delay: '${ \"PT\\(.most)S\" }', limit: { duration: PT5S } }", 2),
    ] {
        assert_eq!(pauses(policy, 10).len(), retries, "{policy}");
    }
}

#[test]
fn an_attempt_that_takes_too_long_is_given_up_and_made_again() {
    let (mut failing, begun) =
        Failing::begin("{ delay: PT1S, limit: { attempt: { count: 1, duration: PT20S } } }");
    let (limit, given_up) = failing.wait(&begun).unwrap();
    assert_eq!(limit, Duration::from_secs(20));
    assert_eq!(given_up.stop.len(), 1, "the call is not waited for any more");
    let (pause, again) = failing.wait(&given_up).unwrap();
    assert_eq!(pause, Duration::from_secs(1));
    let (_, ended) = failing.wait(&again).unwrap();
    let Some(Outcome::Faulted(error)) = ended.outcome else {
        panic!("{:?}", ended.outcome);
    };
    assert!(error.kind.ends_with("/timeout"), "{error:?}");
}
