//! Whatever a workflow is made of, a process that dies at any write changes neither how it ends nor what it has done.
//!
//! `PROPTEST_CASES` says how many workflows are made up, the same 300 unless set, and `CRASHES` at how many of its writes each one
//! dies, 6 unless set. `cargo xtask soak` raises both.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atom_core::function::TypedFunction;
use atom_core::storage::{
    ApprovalFilter, ApprovalStatus, Decision, DecisionKind, MemoryStore, MemoryVault, PageRequest, RunStatus,
    RunStore,
};
use atom_core::{Error, ErrorCode, EventLog};
use atom_workflow::runtime::{Decide, RuntimeLimits};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::crash::{MortalStore, keep_time_moving};
use crate::support::Bench;

/// What a service outside has been asked, over all processes: by the effect's name, the idempotency keys in order.
#[derive(Debug, Default)]
struct Effects {
    keys: Mutex<BTreeMap<String, Vec<String>>>,
}

impl Effects {
    /// Notes a call, and tells the number of its key among those of its name, from 1.
    fn note(&self, name: &str, key: &str) -> usize {
        let mut keys = self.keys.lock().unwrap();
        let keys = keys.entry(name.to_owned()).or_default();
        let known: Vec<&String> = {
            let mut seen = BTreeSet::new();
            keys.iter().filter(|key| seen.insert(*key)).collect()
        };
        let number = known
            .iter()
            .position(|known| *known == key)
            .unwrap_or(known.len())
            + 1;
        keys.push(key.to_owned());
        number
    }

    /// How many different calls there were of each name.
    fn distinct(&self) -> BTreeMap<String, usize> {
        let keys = self.keys.lock().unwrap();
        keys.iter()
            .map(|(name, keys)| (name.clone(), keys.iter().collect::<BTreeSet<_>>().len()))
            .collect()
    }

    /// How many calls there were in all.
    fn total(&self) -> usize {
        self.keys.lock().unwrap().values().map(Vec::len).sum()
    }
}

/// A bench whose function `effect` fails for its first `failures` keys and then works.
fn bench(store: Arc<dyn atom_core::storage::Store>, effects: &Arc<Effects>, limits: RuntimeLimits) -> Bench {
    let bench = Bench::over(store, Arc::new(MemoryVault::default()), limits);
    let effects = Arc::clone(effects);
    let function = TypedFunction::new(
        "effect",
        "Does something once.",
        move |arguments: Value, context| {
            let name = arguments["name"].as_str().unwrap_or_default().to_owned();
            let number = effects.note(&name, &context.idempotency_key);
            async move {
                if number as u64 <= arguments["failures"].as_u64().unwrap_or(0) {
                    return Err(Error::new(ErrorCode::Unavailable, "not yet"));
                }
                Ok(json!({ "done": name }))
            }
        },
    );
    bench.functions.register(Arc::new(function)).unwrap();
    bench
}

/// How a run ended and what it has done.
#[derive(Debug, PartialEq)]
struct Ending {
    status: RunStatus,
    output: Option<Value>,
    error: Option<Value>,
    effects: BTreeMap<String, usize>,
    events: usize,
    /// The titles of the approvals, and how each ended.
    approvals: Vec<(String, ApprovalStatus, Option<Decision>)>,
}

/// Runs a workflow in a process that dies after so many writes, and then in another. Gives the ending, the number of
/// calls that were made twice, and the number of writes of the first process. When it dies, the run goes on with a new
/// journal every now and then.
async fn run(document: &str, writes: i64) -> (Ending, usize, i64) {
    let mut limits = RuntimeLimits::default();
    if writes < i64::MAX {
        limits.continue_after = 1 + writes.unsigned_abs() % 4;
    }
    let memory = Arc::new(MemoryStore::default());
    let effects = Arc::new(Effects::default());
    let mortal = MortalStore::new(Arc::clone(&memory), writes);
    let death = mortal.death.clone();
    let first = bench(Arc::clone(&mortal) as _, &effects, limits);
    let scope = first.scope();
    let run = first.try_start(document, json!({})).await.unwrap();
    tokio::select! {
        _ = first.runtime.wait(&scope, run.id) => {}
        () = death.cancelled() => {}
        () = keep_time_moving(&first) => {}
        () = keep_deciding(&first) => {}
    }
    first.runtime.close(Duration::from_secs(5)).await;

    let second = bench(Arc::clone(&memory) as _, &effects, limits);
    second.clock.set(first.clock_now());
    second.runtime.resume(None).await.unwrap();
    let ended = tokio::select! {
        ended = second.runtime.wait(&scope, run.id) => ended.unwrap(),
        () = keep_time_moving(&second) => unreachable!("time never ends"),
        () = keep_deciding(&second) => unreachable!("there is always more to decide"),
    };
    assert!(memory.unfinished().await.unwrap().is_empty());
    let ending = Ending {
        status: ended.status,
        output: ended.output,
        error: ended.error,
        effects: effects.distinct(),
        events: memory.read(&scope, 0, 1000).await.unwrap().len(),
        approvals: approvals(&second).await,
    };
    let repeated = effects.total() - ending.effects.values().sum::<usize>();
    (ending, repeated, mortal.written(writes))
}

/// Decides everything that is asked and not left to its deadline: always the same about the same title.
async fn keep_deciding(bench: &Bench) {
    let mut decided = HashSet::new();
    loop {
        let filter = ApprovalFilter {
            status: Some(ApprovalStatus::Pending),
            ..ApprovalFilter::default()
        };
        let page = PageRequest::default();
        let asked = bench.store.approvals(&bench.ada, &filter, &page).await.unwrap();
        for approval in asked.items {
            if approval.deadline.is_some() || !decided.insert(approval.id) {
                continue;
            }
            let decision = match approval.title[1..].parse::<u32>().unwrap() % 4 {
                0 => DecisionKind::Reject,
                1 => DecisionKind::Edit,
                _ => DecisionKind::Approve,
            };
            let decide = Decide {
                approval: approval.id,
                decision,
                comment: Some(approval.title.clone()),
                form: None,
                input: (decision == DecisionKind::Edit).then(|| json!({ "edited": approval.title })),
            };
            // A process that has died decides nothing.
            if bench.runtime.decide(&bench.ada, decide).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        tokio::task::yield_now().await;
    }
}

/// How all approvals ended.
async fn approvals(bench: &Bench) -> Vec<(String, ApprovalStatus, Option<Decision>)> {
    let mut ended = Vec::new();
    let filter = ApprovalFilter::default();
    let mut page = PageRequest::default();
    loop {
        let part = bench.store.approvals(&bench.ada, &filter, &page).await.unwrap();
        for listed in part.items {
            let approval = bench
                .store
                .approval(&bench.ada, listed.id)
                .await
                .unwrap()
                .unwrap();
            assert_ne!(
                approval.status,
                ApprovalStatus::Pending,
                "a run that has ended asks nothing"
            );
            ended.push((approval.title, approval.status, approval.decision));
        }
        page.after = part.next;
        if page.after.is_none() {
            ended.sort_by(|left, right| left.0.cmp(&right.0));
            return ended;
        }
    }
}

/// One task without a name: what stands after `- name:`.
fn task() -> impl Strategy<Value = Value> {
    let compensate = |task: Value| {
        let mut task = task;
        task["metadata"] = json!({ "atom": { "compensate": [
            { "undo": { "call": "effect", "with": { "name": "${ \"undo \" + (.output.done // \"a value\") }" } } },
        ] } });
        task
    };
    let call = |failures: u64| json!({ "call": "effect", "with": { "name": "NAME", "failures": failures } });
    let approve = |task: Value, more: Value| {
        let mut task = task;
        task["metadata"]["atom"]["approve"] = json!({ "title": "NAME", "allowEdit": true });
        for (key, value) in more.as_object().cloned().unwrap_or_default() {
            task["metadata"]["atom"]["approve"][key] = value;
        }
        task
    };
    let leaf = prop_oneof![
        3 => Just(approve(json!({ "set": { "input": "${ . }", "by": "${ $approval.by }" } }), json!({}))),
        2 => Just(approve(compensate(call(0)), json!({}))),
        2 => prop::sample::select(vec!["fault", "reject", "approve"]).prop_map(move |on_deadline| {
            approve(call(0), json!({ "deadline": { "seconds": 2 }, "onDeadline": on_deadline }))
        }),
        2 => Just(json!({ "set": { "value": 1 }, "export": { "as": "${ $context + { NAME: 1 } }" } })),
        4 => Just(call(0)),
        4 => Just(compensate(call(0))),
        1 => Just(compensate(json!({ "set": { "n": 1 } }))),
        2 => (0..4_u64).prop_map(move |failures| json!({
            "try": [{ "risky": call(failures) }],
            "catch": { "retry": { "delay": { "seconds": 1 }, "limit": { "attempt": { "count": 2 } } }, "do": [{ "mend": call(0) }] },
        })),
        1 => Just(json!({ "wait": { "seconds": 1 } })),
        1 => Just(json!({ "emit": { "event": { "with": { "type": "com.example.NAME" } } }, "output": { "as": "{}" } })),
        1 => Just(json!({ "if": "false", "call": "fail" })),
        1 => Just(json!({ "switch": [{ "always": { "then": "continue" } }] })),
        1 => Just(json!({ "raise": { "error": { "type": "https://example.com/NAME", "status": 409 } } })),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        let list = || prop::collection::vec(inner.clone(), 1..4).prop_map(named);
        prop_oneof![
            list().prop_map(|tasks| json!({ "do": tasks })),
            list().prop_map(|tasks| json!({ "for": { "in": "${ [1, 2] }" }, "do": tasks })),
            // What a branch has begun when another one fails depends on who is faster, so no branch fails.
            prop::collection::vec(inner.clone(), 1..4).prop_map(|branches| {
                let caught = branches.into_iter().map(|task| {
                    json!({
                        "try": [{ "t0": task }],
                        "catch": { "do": [{ "go": { "set": { "caught": "${ $error.status }" } } }] },
                    })
                });
                json!({ "fork": { "branches": named(caught.collect()) } })
            }),
            (list(), list()).prop_map(|(tasks, handler)| json!({ "try": tasks, "catch": { "do": handler } })),
        ]
    })
}

/// A list of tasks, each with a name.
fn named(tasks: Vec<Value>) -> Value {
    let tasks = tasks.into_iter().enumerate();
    tasks
        .map(|(index, task)| json!({ (format!("t{index}")): task }))
        .collect()
}

/// The tasks of a document whose effects and events each have a name of their own.
fn document() -> impl Strategy<Value = String> {
    let extension = prop_oneof![
        Just("all"),
        Just("call"),
        Just("try"),
        Just("composite"),
        Just("for")
    ];
    let tasks = prop::collection::vec(task(), 1..6);
    (tasks, prop::option::weighted(0.3, extension)).prop_map(|(tasks, extended)| {
        let end = json!({ "set": { "context": "${ $context }", "last": "${ . }" } });
        let mut text = format!("do: {}\n", named(tasks.into_iter().chain([end]).collect()));
        if let Some(extended) = extended {
            let extension = json!({
                "extend": extended,
                "before": [{ "begin": { "call": "effect", "with": { "name": "NAME" } } }],
                "after": [{ "end": { "call": "effect", "with": { "name": "NAME" } } }],
            });
            text.push_str(&format!(
                "use: {}\n",
                json!({ "extensions": [{ "around": extension }] })
            ));
        }
        let mut number = 0;
        while text.contains("NAME") {
            number += 1;
            text = text.replacen("NAME", &format!("n{number}"), 1);
        }
        text
    })
}

fn setting(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

#[test]
fn no_crash_changes_what_a_workflow_does() {
    let config = Config {
        cases: setting("PROPTEST_CASES", 300),
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    };
    let crashes = i64::from(setting("CRASHES", 6));
    // The same workflows every time, unless somebody looks for more.
    let is_search = std::env::var_os("PROPTEST_CASES").is_some();
    let mut runner = if is_search {
        TestRunner::new(config)
    } else {
        let random = TestRng::deterministic_rng(config.rng_algorithm);
        TestRunner::new_with_rng(config, random)
    };
    let result = runner.run(&(document(), any::<u16>()), |(document, start)| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (expected, repeated, writes) = run(&document, i64::MAX).await;
            prop_assert_eq!(repeated, 0);
            let spread = (writes / crashes).max(1);
            let mut crash = 1 + i64::from(start) % spread;
            while crash < writes {
                let (ending, repeated, _) = run(&document, crash).await;
                prop_assert_eq!(&ending, &expected, "dead after {} of {} writes", crash, writes);
                // Only what was under way when the process died is asked again.
                let branches = document.matches("\"t").count();
                prop_assert!(repeated <= branches, "{} calls were repeated", repeated);
                crash += spread;
            }
            Ok::<_, TestCaseError>(())
        })
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
