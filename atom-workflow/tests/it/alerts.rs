//! Alert rules: told once when they begin to hold and once when they no longer do, whatever happens in between.

use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{AlertCondition, AlertRule, MemoryStore, MemoryVault, Percentile, Store};
use atom_core::{CloudEvent, ErrorCode, Principal, Scope};
use atom_workflow::runtime::{RuntimeLimits, RuntimeSettings};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::crash::MortalStore;
use crate::support::Bench;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const FAIL: &str = "- a: { call: fail }";
const WORK: &str = "- a: { set: { n: 1 } }";

fn process(store: Arc<dyn Store>, now: Timestamp) -> Bench {
    let bench = Bench::over(store, Arc::new(MemoryVault::default()), RuntimeLimits::default());
    bench.clock.set(now);
    bench
}

fn rule(name: &str, condition: AlertCondition) -> AlertRule {
    AlertRule {
        name: name.to_owned(),
        namespace: None,
        workflow: None,
        condition,
    }
}

fn failures(minimum_runs: u64) -> AlertRule {
    let condition = AlertCondition::FailureRate {
        above: 0.25,
        window_ms: 600_000,
        minimum_runs,
    };
    rule("failures", condition)
}

fn silence(successful_only: bool) -> AlertRule {
    let condition = AlertCondition::Silence {
        for_ms: 3_600_000,
        successful_only,
    };
    rule("silence", condition)
}

impl Bench {
    /// Begins to evaluate rules, and waits until that was done once.
    async fn watch(&self) {
        self.runtime.start_alerts(MINUTE);
        self.evaluated().await;
    }

    /// Lets a minute pass and the rules be evaluated.
    async fn minute(&self) {
        self.later(MINUTE).await;
    }

    async fn later(&self, length: Duration) {
        self.clock.advance(length);
        self.evaluated().await;
    }

    /// Waits until the rules were evaluated at the present moment: the next time is a minute ahead.
    async fn evaluated(&self) {
        while self.clock.earliest_deadline() != Some(self.clock_now() + MINUTE) {
            tokio::task::yield_now().await;
        }
    }

    async fn alerts_told(&self) -> Vec<CloudEvent> {
        alerts_told(&*self.store, &self.scope()).await
    }
}

async fn alerts_told(store: &dyn Store, scope: &Scope) -> Vec<CloudEvent> {
    let logged = store.read(scope, 0, 1_000).await.unwrap();
    let events = logged.into_iter().map(|logged| logged.event);
    events
        .filter(|event| event.kind.starts_with("io.atom.alert."))
        .collect()
}

fn kinds(events: &[CloudEvent]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

const RAISED: &str = "io.atom.alert.raised.v1";
const RESOLVED: &str = "io.atom.alert.resolved.v1";

#[tokio::test]
async fn a_rule_is_told_once_when_it_holds_and_once_when_it_no_longer_does() {
    let bench = Bench::new();
    bench.watch().await;
    bench
        .runtime
        .put_alert(&bench.scope(), failures(3))
        .await
        .unwrap();
    bench.run(FAIL, json!({})).await;
    bench.run(FAIL, json!({})).await;
    bench.minute().await;
    assert_eq!(bench.alerts_told().await, [], "two runs tell too little");
    bench.run(WORK, json!({})).await;
    bench.minute().await;
    bench.minute().await;
    let events = bench.alerts_told().await;
    assert_eq!(kinds(&events), [RAISED]);
    let data = events[0].data.clone().unwrap();
    assert_eq!(events[0].subject.as_deref(), Some("failures"));
    assert_eq!(events[0].source, "atom:/alerts/failures");
    assert_eq!(data["rule"]["condition"]["type"], "failure_rate");
    assert_eq!(data["reading"], json!({ "value": 2.0 / 3.0, "runs": 3 }));
    let stored = bench.runtime.alert(&bench.scope(), "failures").await.unwrap();
    assert!(stored.raised_at.is_some() && stored.unpublished.is_none());

    // Enough that works, and the rate is below.
    for _ in 0..6 {
        bench.run(WORK, json!({})).await;
    }
    bench.minute().await;
    let events = bench.alerts_told().await;
    assert_eq!(kinds(&events), [RAISED, RESOLVED]);
    let resolved = events[1].data.clone().unwrap();
    assert_eq!(
        (&resolved["reason"], &resolved["reading"]["runs"]),
        (&json!("recovered"), &json!(9))
    );
    assert_eq!(resolved["raised_at"], data["raised_at"]);
    assert_eq!(
        bench
            .runtime
            .alert(&bench.scope(), "failures")
            .await
            .unwrap()
            .raised_at,
        None
    );

    // The window moves on: what is older does not count.
    for _ in 0..11 {
        bench.minute().await;
    }
    for _ in 0..3 {
        bench.run(FAIL, json!({})).await;
    }
    bench.minute().await;
    assert_eq!(kinds(&bench.alerts_told().await), [RAISED, RESOLVED, RAISED]);
    for _ in 0..12 {
        bench.minute().await;
    }
    assert_eq!(
        kinds(&bench.alerts_told().await),
        [RAISED, RESOLVED, RAISED, RESOLVED]
    );
}

#[tokio::test]
async fn latencies_are_of_what_completed_in_the_window() {
    let bench = Bench::new();
    for (name, percentile) in [("median", Percentile::P50), ("slowest", Percentile::P99)] {
        let condition = AlertCondition::Latency {
            percentile,
            above_ms: 30_000,
            window_ms: 60 * 60_000,
            minimum_runs: 1,
        };
        let put = bench
            .runtime
            .put_alert(&bench.scope(), rule(name, condition))
            .await;
        put.unwrap();
    }
    for _ in 0..9 {
        bench.run(WORK, json!({})).await;
    }
    let slow = bench.start("- a: { wait: PT40S }", json!({})).await;
    bench.pass(40).await;
    bench.wait(&slow).await;
    bench.watch().await;
    let events = bench.alerts_told().await;
    assert_eq!(kinds(&events), [RAISED]);
    assert_eq!(events[0].subject.as_deref(), Some("slowest"));
    let latency = events[0].data.as_ref().unwrap()["reading"]["value"]
        .as_f64()
        .unwrap();
    assert!((latency - 40_000.0).abs() <= 2_000.0, "{latency}");
}

#[tokio::test]
async fn silence_counts_from_when_the_rule_was_set() {
    for (successful_only, document) in [(false, WORK), (true, FAIL)] {
        let bench = Bench::new();
        bench.watch().await;
        bench
            .runtime
            .put_alert(&bench.scope(), silence(successful_only))
            .await
            .unwrap();
        for _ in 0..59 {
            bench.minute().await;
        }
        assert_eq!(bench.alerts_told().await, []);
        bench.minute().await;
        assert_eq!(kinds(&bench.alerts_told().await), [RAISED]);
        bench.run(document, json!({})).await;
        bench.minute().await;
        let expected: &[&str] = if successful_only {
            &[RAISED]
        } else {
            &[RAISED, RESOLVED]
        };
        assert_eq!(kinds(&bench.alerts_told().await), expected);
    }
}

#[tokio::test]
async fn a_rule_of_one_workflow_looks_at_no_other() {
    let bench = Bench::new();
    for (name, workflow) in [("own", "test"), ("other", "elsewhere")] {
        let rule = AlertRule {
            name: name.to_owned(),
            namespace: Some("default".to_owned()),
            workflow: Some(workflow.to_owned()),
            ..failures(1)
        };
        bench.runtime.put_alert(&bench.scope(), rule).await.unwrap();
    }
    bench.run(FAIL, json!({})).await;
    bench.watch().await;
    let events = bench.alerts_told().await;
    let subjects: Vec<_> = events.iter().map(|event| event.subject.as_deref()).collect();
    assert_eq!(subjects, [Some("own")]);
}

#[tokio::test]
async fn stuck_runs_are_told_with_their_number() {
    let bench = Bench::new();
    let condition = AlertCondition::StuckRuns {
        for_ms: 5 * 60_000,
        at_least: 1,
    };
    let of = AlertRule {
        namespace: Some("default".to_owned()),
        workflow: Some("test".to_owned()),
        ..rule("stuck", condition.clone())
    };
    bench.runtime.put_alert(&bench.scope(), of).await.unwrap();
    let many = AlertCondition::StuckRuns {
        for_ms: 5 * 60_000,
        at_least: 2,
    };
    bench
        .runtime
        .put_alert(&bench.scope(), rule("many", many))
        .await
        .unwrap();
    // A process in which nobody has registered the function.
    let run = bench.start("- a: { call: hang }", json!({})).await;
    bench.runtime.close(Duration::from_secs(5)).await;
    let second = process(Arc::clone(&bench.store), bench.clock_now());
    second.functions.unregister("hang");
    second.runtime.resume(None).await.unwrap();
    while second.runtime.stuck_now(&second.scope(), run.id).is_empty() {
        tokio::task::yield_now().await;
    }
    second.watch().await;
    for _ in 0..4 {
        second.minute().await;
    }
    assert_eq!(second.alerts_told().await, []);
    second.minute().await;
    let events = second.alerts_told().await;
    assert_eq!(kinds(&events), [RAISED]);
    assert_eq!(events[0].subject.as_deref(), Some("stuck"));
    assert_eq!(
        events[0].data.as_ref().unwrap()["reading"],
        json!({ "value": 1.0 })
    );
    second
        .runtime
        .cancel(&second.scope(), run.id, None)
        .await
        .unwrap();
    second.wait(&run).await;
    second.minute().await;
    assert_eq!(kinds(&second.alerts_told().await), [RAISED, RESOLVED]);
}

#[tokio::test]
async fn an_alert_ends_with_its_rule() {
    let bench = Bench::new();
    let (runtime, scope) = (&bench.runtime, bench.scope());
    runtime.put_alert(&scope, failures(1)).await.unwrap();
    bench.run(FAIL, json!({})).await;
    bench.watch().await;
    let raised = runtime.alert(&scope, "failures").await.unwrap();
    assert_eq!(
        runtime.put_alert(&scope, failures(1)).await.unwrap(),
        raised,
        "nothing changed"
    );
    let changed = runtime.put_alert(&scope, failures(2)).await.unwrap();
    assert_eq!(changed.raised_at, None);
    runtime.put_alert(&scope, failures(1)).await.unwrap();
    bench.minute().await;
    assert!(runtime.delete_alert(&scope, "failures").await.unwrap());
    assert!(!runtime.delete_alert(&scope, "failures").await.unwrap());
    bench.minute().await;
    let events = bench.alerts_told().await;
    assert_eq!(kinds(&events), [RAISED, RESOLVED, RAISED, RESOLVED]);
    let reasons: Vec<_> = events
        .iter()
        .map(|event| event.data.as_ref().unwrap()["reason"].clone())
        .collect();
    assert_eq!(
        reasons,
        [Value::Null, json!("changed"), Value::Null, json!("deleted")]
    );
    let missing = runtime.alert(&scope, "failures").await.unwrap_err();
    assert_eq!(missing.code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn rules_that_are_none_are_refused() {
    let bench = Bench::new();
    let rate = |above: f64, window_ms: u64, minimum_runs: u64| AlertCondition::FailureRate {
        above,
        window_ms,
        minimum_runs,
    };
    let month = 30 * 24 * 60 * 60_000;
    for condition in [
        rate(1.0, 60_000, 1),
        rate(-0.1, 60_000, 1),
        rate(f64::NAN, 60_000, 1),
        rate(0.5, 59_999, 1),
        rate(0.5, month + 1, 1),
        rate(0.5, 60_000, 0),
        AlertCondition::StuckRuns {
            for_ms: 0,
            at_least: 0,
        },
        AlertCondition::StuckRuns {
            for_ms: 0,
            at_least: 1_001,
        },
        AlertCondition::Silence {
            for_ms: 1,
            successful_only: false,
        },
    ] {
        let refused = bench
            .runtime
            .put_alert(&bench.scope(), rule("x", condition.clone()))
            .await;
        assert_eq!(
            refused.unwrap_err().code(),
            ErrorCode::InvalidRequest,
            "{condition:?}"
        );
    }
    for name in ["", "a b", "ä", &"x".repeat(65)] {
        let refused = bench
            .runtime
            .put_alert(&bench.scope(), rule(name, rate(0.5, month, 1)))
            .await;
        assert_eq!(refused.unwrap_err().code(), ErrorCode::InvalidRequest, "{name:?}");
    }
    let half = AlertRule {
        workflow: Some("pay".to_owned()),
        ..failures(1)
    };
    let refused = bench.runtime.put_alert(&bench.scope(), half).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn runs_of_others_are_not_looked_at_and_others_are_not_told() {
    let bench = Bench::new();
    let bob = Principal::new("acme", "bob").unwrap().scope();
    bench.runtime.put_alert(&bob, failures(1)).await.unwrap();
    bench.run(FAIL, json!({})).await;
    bench.watch().await;
    assert_eq!(alerts_told(&*bench.store, &bob).await, []);
    let missing = bench.runtime.alert(&bench.scope(), "failures").await.unwrap_err();
    assert_eq!(missing.code(), ErrorCode::NotFound);

    bench
        .runtime
        .put_alert(&bench.scope(), failures(1))
        .await
        .unwrap();
    bench.minute().await;
    assert_eq!(kinds(&bench.alerts_told().await), [RAISED]);
    assert_eq!(alerts_told(&*bench.store, &bob).await, []);
}

/// Raises and resolves an alert in processes that die after a number of writes; gives what was told, and whether the
/// process lived.
async fn die_after(writes: i64) -> (Vec<CloudEvent>, bool) {
    let memory = Arc::new(MemoryStore::default());
    let ready = process(Arc::clone(&memory) as _, Bench::new().clock_now());
    ready.run(FAIL, json!({})).await;
    ready
        .runtime
        .put_alert(&ready.scope(), failures(1))
        .await
        .unwrap();
    let now = ready.clock_now();

    let mut lived = true;
    // One process sees the failures, the next one that they are long past.
    for minutes in [0, 30] {
        let mortal = MortalStore::new(Arc::clone(&memory), writes);
        let death = mortal.death.clone();
        let first = process(mortal, now + minutes * MINUTE);
        first.runtime.start_alerts(MINUTE);
        tokio::select! {
            _ = first.clock.parked(1) => {}
            () = death.cancelled() => lived = false,
        }
        first.runtime.close(Duration::from_secs(5)).await;
        let second = process(Arc::clone(&memory) as _, first.clock_now());
        second.watch().await;
        second.runtime.close(Duration::from_secs(5)).await;
    }
    (alerts_told(&*memory, &ready.scope()).await, lived)
}

#[tokio::test]
async fn a_crash_after_any_write_tells_each_change_once() {
    let mut writes = 0;
    loop {
        let (events, lived) = die_after(writes).await;
        assert_eq!(kinds(&events), [RAISED, RESOLVED], "after {writes} writes");
        if lived {
            break;
        }
        writes += 1;
    }
    assert!(writes >= 3, "a change is noted, told, and noted as told");
}

#[tokio::test]
async fn what_was_raised_but_not_told_is_told_even_when_the_rule_no_longer_holds() {
    let memory = Arc::new(MemoryStore::default());
    let mortal = MortalStore::new(Arc::clone(&memory), 4);
    let death = mortal.death.clone();
    let first = process(mortal, Bench::new().clock_now());
    // The rule, the run's beginning and end, and the note that it holds.
    first
        .runtime
        .put_alert(&first.scope(), failures(1))
        .await
        .unwrap();
    first
        .run(
            "- a: { raise: { error: { type: https://example.com/x, status: 500 } } }",
            json!({}),
        )
        .await;
    first.runtime.start_alerts(MINUTE);
    death.cancelled().await;
    assert_eq!(alerts_told(&*memory, &first.scope()).await, []);
    first.runtime.close(Duration::from_secs(5)).await;
    let second = process(Arc::clone(&memory) as _, first.clock_now() + 60 * MINUTE);
    second.watch().await;
    assert_eq!(kinds(&second.alerts_told().await), [RAISED, RESOLVED]);
}

#[tokio::test]
async fn minutes_that_no_rule_looks_at_are_forgotten() {
    use atom_core::storage::{Resolution, StatisticsStore};
    let memory = Arc::new(MemoryStore::default());
    let bench = process(Arc::clone(&memory) as _, Bench::new().clock_now());
    bench.run(WORK, json!({})).await;
    bench.watch().await;
    let scope = bench.scope();
    let kept = async || {
        memory
            .runs_since(&scope, None, Resolution::Minute, 0)
            .await
            .unwrap()
            .completed
    };
    bench.later(Duration::from_secs(24 * 60 * 60)).await;
    assert_eq!(kept().await, 1);
    bench.later(Duration::from_secs(2 * 60 * 60)).await;
    assert_eq!(kept().await, 0);
    let hours = memory
        .runs_since(&scope, None, Resolution::Hour, 0)
        .await
        .unwrap();
    assert_eq!(hours.completed, 1, "what is shown is kept");
}

#[tokio::test]
async fn hours_are_kept_as_long_as_the_settings_say_but_no_shorter_than_rules_look_back() {
    use atom_core::storage::{Resolution, StatisticsStore};
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    for (statistics, kept_days) in [
        (Some(400 * DAY), Some(400)),
        (Some(DAY), Some(31)),
        (Some(Duration::MAX), None),
        (None, None),
    ] {
        let memory = Arc::new(MemoryStore::default());
        let settings = RuntimeSettings {
            statistics,
            ..RuntimeSettings::default()
        };
        let bench = Bench::with_settings(
            Arc::clone(&memory) as _,
            Arc::new(MemoryVault::default()),
            RuntimeLimits::default(),
            settings,
        );
        bench.run(WORK, json!({})).await;
        bench.watch().await;
        let scope = bench.scope();
        let hours = async || {
            let tally = memory.runs_since(&scope, None, Resolution::Hour, 0).await;
            tally.unwrap().completed
        };
        bench.later(kept_days.unwrap_or(10_000) * DAY).await;
        assert_eq!(hours().await, 1, "{statistics:?}");
        bench.later(2 * HOUR).await;
        assert_eq!(hours().await, u64::from(kept_days.is_none()), "{statistics:?}");
    }
}
