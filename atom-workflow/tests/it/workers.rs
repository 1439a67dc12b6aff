//! Engines that share a store.

use std::sync::Arc;
use std::time::Duration;

use atom_core::function::TypedFunction;
use atom_core::storage::{
    ApprovalFilter, ApprovalStore, Claim, DecisionKind, MemoryStore, PageRequest, RunRecord, RunStatus,
    RunStore, WorkerState, WorkerStore,
};
use atom_core::testkit::fixtures::commit;
use atom_core::{CloudEvent, ErrorCode};
use atom_workflow::definition::Workflow;
use atom_workflow::machine::RecordKind;
use atom_workflow::runtime::{Decide, StartRun};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::crash::keep_time_moving;
use crate::support::Bench;

/// Engines over one store, each with a function `gate` that waits until it is let through.
struct Crew {
    stores: Vec<Arc<MemoryStore>>,
    benches: Vec<Bench>,
    gates: Vec<Arc<Semaphore>>,
}

impl Crew {
    async fn of(takes_runs: &[bool]) -> Self {
        let shared = MemoryStore::default();
        let (mut stores, mut benches, mut gates) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..takes_runs.len() {
            let store = Arc::new(shared.join());
            let bench = Bench::worker(&store, number as u64);
            gates.push(gate(&bench));
            stores.push(store);
            benches.push(bench);
        }
        for (number, takes) in takes_runs.iter().enumerate() {
            let name = format!("worker {number}");
            benches[number].runtime.join_workers(name, *takes).await.unwrap();
        }
        let crew = Self {
            stores,
            benches,
            gates,
        };
        crew.know_each_other().await;
        crew
    }

    /// Waits until the first knows of all others.
    async fn know_each_other(&self) {
        for bench in &self.benches {
            while bench.runtime.list_workers().await.unwrap().len() < self.benches.len() {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Starts a run at the first engine, once that knows who has its functions.
    async fn start_for_others(&self, tasks: &str) -> RunRecord {
        loop {
            match self.benches[0].try_start(tasks, json!({})).await {
                Ok(run) => return run,
                // The others have not told yet.
                Err(error) => assert_eq!(error.code(), ErrorCode::NotFound, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn record(&self, run: &RunRecord) -> RunRecord {
        let scope = run.principal.scope();
        self.stores[0].run(&scope, run.id).await.unwrap().unwrap()
    }

    /// Which of the engines holds a run.
    async fn holder(&self, run: &RunRecord) -> Option<usize> {
        let holder = self.record(run).await.worker?;
        self.stores
            .iter()
            .position(|store| *store.identity().borrow() == holder)
    }

    async fn until_held_by(&self, run: &RunRecord, number: usize) {
        while self.holder(run).await != Some(number) {
            tokio::task::yield_now().await;
        }
    }

    async fn until_called(&self, number: usize, function: &str, count: u64) {
        while self.benches[number].calls.count(function) < count {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until an engine drives nothing.
    async fn until_idle(&self, number: usize) {
        while self.benches[number].runtime.running() > 0 {
            tokio::task::yield_now().await;
        }
    }

    fn calls(&self, function: &str) -> u64 {
        self.benches.iter().map(|bench| bench.calls.count(function)).sum()
    }
}

fn gate(bench: &Bench) -> Arc<Semaphore> {
    let gate = Arc::new(Semaphore::new(0));
    let (held, calls) = (Arc::clone(&gate), Arc::clone(&bench.calls));
    let function = TypedFunction::new(
        "gate",
        "Waits to be let through.",
        move |arguments: Value, context| {
            calls.note("gate", &context);
            let held = Arc::clone(&held);
            async move {
                held.acquire().await.unwrap().forget();
                Ok(arguments)
            }
        },
    );
    bench.functions.register(Arc::new(function)).unwrap();
    gate
}

const TWO_STEPS: &str = "- first: { call: gate, with: { n: 1 } }\n- second: { call: echo, with: { n: 2 } }\n";

/// Whoever opens the store later takes nothing that somebody drives.
#[tokio::test]
async fn a_run_is_driven_by_who_started_it_alone() {
    let crew = Crew::of(&[true, true]).await;
    let run = crew.benches[0].start(TWO_STEPS, json!({})).await;
    crew.until_called(0, "gate", 1).await;
    assert_eq!(crew.benches[1].runtime.resume(None).await.unwrap(), []);
    crew.gates[0].add_permits(1);
    let ended = crew.benches[1].wait(&run).await;
    assert_eq!(ended.output, Some(json!({ "n": 2 })));
    assert_eq!((crew.calls("gate"), crew.calls("echo")), (1, 1));
    assert_eq!(crew.holder(&run).await, Some(0));
}

/// Cancelling, pausing, signals and decisions reach a run wherever it is, and what it answers reaches who asked.
#[tokio::test]
async fn what_is_asked_at_one_engine_is_done_by_the_one_that_drives_the_run() {
    let crew = Crew::of(&[true, true]).await;
    let (here, there) = (&crew.benches[0], &crew.benches[1]);
    let scope = here.scope();

    let run = here.start(TWO_STEPS, json!({})).await;
    crew.until_called(0, "gate", 1).await;
    let paused = there.runtime.pause_run(&scope, run.id, None).await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    let resumed = there.runtime.resume_run(&scope, run.id).await.unwrap();
    assert_eq!(resumed.status, RunStatus::Running);
    let cancelled = there.runtime.cancel(&scope, run.id, None).await.unwrap();
    assert_eq!(cancelled.status, RunStatus::Cancelled);
    let late = there.runtime.pause_run(&scope, run.id, None).await.unwrap_err();
    assert_eq!(late.code(), ErrorCode::Conflict);

    let listening = "- hear: { listen: { to: { one: { with: { type: t } } } } }";
    let run = here.start(listening, json!({})).await;
    let mut event = CloudEvent::new("1", "/test", "t");
    event.data = Some(json!({ "n": 7 }));
    there.runtime.signal(&scope, run.id, event).await.unwrap();
    assert_eq!(there.wait(&run).await.output, Some(json!([{ "n": 7 }])));

    let asks = "- ask: { set: { done: true }, metadata: { atom: { approve: { title: Sure? } } } }";
    let run = here.start(asks, json!({})).await;
    let ada = there.ada.clone();
    let (filter, page) = (ApprovalFilter::default(), PageRequest::default());
    let pending = crew.stores[1].approvals(&ada, &filter, &page).await.unwrap();
    let approval = pending.items[0].id;
    let decide = |decision| Decide {
        approval,
        decision,
        comment: None,
        form: None,
        input: None,
    };
    there
        .runtime
        .decide(&ada, decide(DecisionKind::Approve))
        .await
        .unwrap();
    assert_eq!(there.wait(&run).await.output, Some(json!({ "done": true })));
    let other = there.runtime.decide(&ada, decide(DecisionKind::Reject)).await;
    assert_eq!(other.unwrap_err().code(), ErrorCode::Conflict);
    assert_eq!(there.runtime.running(), 0);
}

/// A worker that stood still for longer than its lease, and goes on: nothing that it still writes lands, and every step counts
/// once.
#[tokio::test]
async fn a_run_of_a_lost_lease_is_taken_over_and_its_worker_writes_nothing_more() {
    let crew = Crew::of(&[true, true]).await;
    let run = crew.benches[0].start(TWO_STEPS, json!({})).await;
    crew.until_called(0, "gate", 1).await;
    crew.stores[0].lose_lease();
    crew.until_called(1, "gate", 1).await;
    assert_eq!(crew.benches[0].calls.keys(), crew.benches[1].calls.keys());
    // The first one comes to the end of its call and does not know yet.
    crew.gates[0].add_permits(1);
    tokio::task::yield_now().await;
    assert_eq!(crew.benches[0].calls.count("echo"), 0);
    crew.gates[1].add_permits(1);
    assert_eq!(crew.benches[1].wait(&run).await.output, Some(json!({ "n": 2 })));
    let journal = crew.stores[1]
        .journal(&crew.benches[0].scope(), run.id, 0, 100)
        .await
        .unwrap();
    let sequences: Vec<_> = journal.iter().map(|entry| entry.sequence).collect();
    assert_eq!(sequences, [0, 1, 2]);
    assert_eq!(crew.benches[1].calls.count("echo"), 1);
}

/// After its lease was lost, an engine has a new one, and is of use again.
#[tokio::test]
async fn an_engine_that_lost_its_lease_goes_on_as_a_new_worker() {
    let crew = Crew::of(&[true, true]).await;
    let old = crew.benches[0].start(TWO_STEPS, json!({})).await;
    crew.until_called(0, "gate", 1).await;
    let awaited = crew.benches[0].wait(&old);
    let others = async {
        crew.stores[0].lose_lease();
        crew.until_called(1, "gate", 1).await;
        crew.stores[0].rejoin();
        crew.gates[1].add_permits(1);
    };
    // Whoever waited there hears of the end all the same.
    let (ended, ()) = tokio::select! {
        both = async { tokio::join!(awaited, others) } => both,
        () = keep_time_moving(&crew.benches[0]) => unreachable!("time never ends"),
    };
    assert_eq!(ended.output, Some(json!({ "n": 2 })));
    let new = loop {
        crew.benches[0].clock.advance(Duration::from_secs(1));
        match crew.benches[0]
            .try_start("- one: { call: echo, with: { n: 3 } }", json!({}))
            .await
        {
            Ok(run) => break run,
            // It has not noticed yet.
            Err(error) => assert_eq!(error.code(), ErrorCode::Conflict, "{error}"),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(crew.benches[0].wait(&new).await.output, Some(json!({ "n": 3 })));
    assert_eq!(crew.holder(&new).await, Some(0));
}

/// A run whose driver found that the lease is lost goes on under the next one, and whoever asks meanwhile waits for that.
#[tokio::test]
async fn who_asks_while_the_lease_is_lost_hears_of_the_end() {
    let crew = Crew::of(&[true]).await;
    let bench = &crew.benches[0];
    let run = bench.start(TWO_STEPS, json!({})).await;
    crew.until_called(0, "gate", 1).await;
    // Nobody hears that the lease is lost but who writes.
    crew.stores[0].lose_lease();
    crew.gates[0].add_permits(2);
    crew.until_idle(0).await;
    let told = bench.runtime.follow(bench.scope(), run.id, 0);
    let asked = async { tokio::join!(bench.wait(&run), told.map(Result::unwrap).collect::<Vec<_>>()) };
    let mut asked = std::pin::pin!(asked);
    assert!(futures::poll!(&mut asked).is_pending());
    crew.stores[0].rejoin();
    let (ended, told) = tokio::select! {
        both = asked => both,
        () = keep_time_moving(bench) => unreachable!("time never ends"),
    };
    assert_eq!(ended.output, Some(json!({ "n": 2 })));
    let last = &told.last().unwrap().record.what;
    assert!(matches!(last, RecordKind::RunCompleted { .. }), "{last:?}");
}

/// A run that nobody goes on with is not waited for, though it was another's write that stopped it.
#[tokio::test]
async fn a_run_whose_journal_is_not_what_was_written_is_given_up() {
    let crew = Crew::of(&[true]).await;
    let bench = &crew.benches[0];
    let run = bench.start(TWO_STEPS, json!({})).await;
    crew.until_called(0, "gate", 1).await;
    crew.stores[0]
        .commit(commit(&bench.scope(), run.id, 1..2))
        .await
        .unwrap();
    crew.gates[0].add_permits(1);
    crew.until_idle(0).await;
    let scope = bench.scope();
    let waited = tokio::time::timeout(Duration::from_secs(60), bench.runtime.wait(&scope, run.id)).await;
    assert_eq!(waited.unwrap().unwrap_err().code(), ErrorCode::Conflict);
    let mut told = bench.runtime.follow(scope, run.id, 1);
    assert!(told.next().await.unwrap().is_err());
}

/// Whoever opens an engine on a busy machine need not begin anew.
#[tokio::test]
async fn an_engine_that_loses_its_lease_before_it_has_begun_works_under_the_next_one() {
    let crew = Crew::of(&[false]).await;
    let run = crew.benches[0].start(TWO_STEPS, json!({})).await;
    let store = Arc::new(crew.stores[0].join());
    let late = Bench::worker(&store, 1);
    gate(&late).add_permits(1);
    store.lose_lease();
    late.runtime.join_workers("late".to_owned(), true).await.unwrap();
    crew.stores[0].lose_lease();
    assert_eq!(late.runtime.resume(None).await.unwrap(), []);
    store.rejoin();
    let ended = tokio::select! {
        ended = late.wait(&run) => ended,
        () = keep_time_moving(&late) => unreachable!("time never ends"),
    };
    assert_eq!(ended.output, Some(json!({ "n": 2 })));
    let workers = late.runtime.list_workers().await.unwrap();
    assert!(
        workers
            .iter()
            .any(|worker| worker.info.name == "late" && worker.takes_runs()),
        "{workers:?}"
    );
}

/// An engine that only serves requests leaves runs to those that work, and a run goes to one that has its functions.
#[tokio::test]
async fn a_run_goes_to_a_worker_that_has_its_functions() {
    let crew = Crew::of(&[false, true, true]).await;
    let special = TypedFunction::new("special", "Only one has it.", |n: Value, _| async move { Ok(n) });
    crew.benches[2].functions.register(Arc::new(special)).unwrap();
    let run = crew
        .start_for_others("- one: { call: special, with: { n: 1 } }")
        .await;
    let ended = crew.benches[0].wait(&run).await;
    assert_eq!(ended.output, Some(json!({ "n": 1 })));
    assert_eq!(crew.holder(&run).await, Some(2));
}

/// What happens to a run is told at every engine, from its beginning to its end.
#[tokio::test]
async fn what_happens_to_a_run_is_told_wherever_it_is() {
    let crew = Crew::of(&[true, true]).await;
    let run = crew.benches[0].start(TWO_STEPS, json!({})).await;
    crew.until_called(0, "gate", 1).await;
    let runtime = &crew.benches[1].runtime;
    let mut told = runtime.follow(crew.benches[1].scope(), run.id, 0);
    let first = told.next().await.unwrap().unwrap();
    assert_eq!(first.offset, 1);
    let follow = told.map(Result::unwrap).collect::<Vec<_>>();
    // It is another's in the middle of it, who is the one that tells from then on.
    let (rest, ()) = tokio::join!(follow, async {
        crew.stores[0].lose_lease();
        crew.until_called(1, "gate", 1).await;
        crew.gates[1].add_permits(1);
    });
    let history = runtime.history(&crew.benches[1].scope(), run.id).await.unwrap();
    assert_eq!(rest, history[1..]);
    assert!(matches!(
        rest.last().unwrap().record.what,
        RecordKind::RunCompleted { .. }
    ));

    // Whoever told it loses it.
    let run = crew.benches[1].start(TWO_STEPS, json!({})).await;
    crew.until_called(1, "gate", 2).await;
    let told = runtime.follow(crew.benches[1].scope(), run.id, 0);
    crew.stores[0].rejoin();
    let follow = told.map(Result::unwrap).collect::<Vec<_>>();
    let others = async {
        crew.stores[1].lose_lease();
        crew.until_called(0, "gate", 2).await;
        crew.stores[1].rejoin();
        crew.gates[0].add_permits(2);
    };
    let (told, ()) = tokio::select! {
        both = async { tokio::join!(follow, others) } => both,
        () = keep_time_moving(&crew.benches[0]) => unreachable!("time never ends"),
        () = keep_time_moving(&crew.benches[1]) => unreachable!("time never ends"),
    };
    assert!(matches!(
        told.last().unwrap().record.what,
        RecordKind::RunCompleted { .. }
    ));
}

/// A run that all who are there refuse can be ended all the same.
#[tokio::test(start_paused = true)]
async fn a_run_whose_functions_nobody_has_can_be_cancelled() {
    let crew = Crew::of(&[false, true, true]).await;
    let special = TypedFunction::new("special", "Only one has it.", |n: Value, _| async move { Ok(n) });
    crew.benches[2].functions.register(Arc::new(special)).unwrap();
    let steps = "- one: { call: gate, with: { n: 1 } }\n- two: { call: special, with: { n: 1 } }";
    let run = crew.start_for_others(steps).await;
    crew.until_called(2, "gate", 1).await;
    crew.stores[2].lose_lease();
    let scope = crew.benches[0].scope();
    let cancelled = crew.benches[0]
        .runtime
        .cancel(&scope, run.id, None)
        .await
        .unwrap();
    assert_eq!(cancelled.status, RunStatus::Cancelled);
    assert_eq!(crew.calls("special"), 0);
}

/// What a run has done is undone by somebody who can, so it is left to wait for them.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_to_be_undone_is_left_to_those_who_can() {
    let crew = Crew::of(&[false, true, true]).await;
    let undo = TypedFunction::new("undo", "Only one has it.", |n: Value, _| async move { Ok(n) });
    crew.benches[2].functions.register(Arc::new(undo)).unwrap();
    let steps = "- one: { call: echo, with: { n: 1 }, metadata: { atom: { compensate: [{ back: { call: undo } }] } } }\n\
                 - two: { call: gate, with: { n: 1 } }";
    let run = crew.start_for_others(steps).await;
    crew.until_called(2, "gate", 1).await;
    crew.stores[2].lose_lease();
    let scope = crew.benches[0].scope();
    let error = crew.benches[0]
        .runtime
        .cancel(&scope, run.id, None)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert_eq!(crew.record(&run).await.status, RunStatus::Running);
    assert_eq!(crew.benches[0].runtime.running(), 0);
}

/// What is under way in an engine that drains comes to its end there, and what follows is done by another.
#[tokio::test]
async fn an_engine_that_drains_ends_its_calls_and_leaves_the_rest() {
    let crew = Crew::of(&[true, true]).await;
    let run = crew.benches[0].start(TWO_STEPS, json!({})).await;
    crew.until_called(0, "gate", 1).await;
    let waiting = crew.benches[0].start("- pause: { wait: P1D }", json!({})).await;
    let drain = crew.benches[0].runtime.drain(Duration::from_secs(60));
    let rest = async {
        loop {
            let workers = crew.stores[1].list().await.unwrap();
            if workers[0].state == WorkerState::Draining {
                break;
            }
            tokio::task::yield_now().await;
        }
        // What is started there now is others' at once.
        let new = crew.benches[0]
            .start("- one: { call: echo, with: { n: 3 } }", json!({}))
            .await;
        crew.until_held_by(&new, 1).await;
        crew.gates[0].add_permits(1);
    };
    let (drained, ()) = tokio::join!(drain, rest);
    drained.unwrap();
    // The others need not wait until it has left.
    crew.until_held_by(&run, 1).await;
    crew.until_held_by(&waiting, 1).await;
    crew.benches[0].runtime.close(Duration::from_secs(5)).await;
    assert_eq!(crew.benches[1].wait(&run).await.output, Some(json!({ "n": 2 })));
    assert_eq!((crew.calls("gate"), crew.benches[0].calls.count("echo")), (1, 0));
    assert_eq!(crew.stores[1].list().await.unwrap().len(), 1);
}

/// What nobody answers is not done later behind the back of who asked.
#[tokio::test(start_paused = true)]
async fn what_nobody_takes_in_is_taken_back() {
    let crew = Crew::of(&[true, true]).await;
    let run = crew.benches[0].start(TWO_STEPS, json!({})).await;
    crew.until_called(0, "gate", 1).await;
    // It stands still: it holds its lease, but takes in no letters.
    crew.benches[0].runtime.close(Duration::ZERO).await;
    crew.stores[0].rejoin();
    let stalled = crew.stores[0].claim(&Claim::of_any(10)).await.unwrap();
    assert_eq!(stalled.len(), 1);
    let error = crew.benches[1]
        .runtime
        .pause_run(&crew.benches[1].scope(), run.id, None)
        .await;
    assert_eq!(error.unwrap_err().code(), ErrorCode::Unavailable);
    crew.stores[0]
        .release(&[(crew.benches[0].scope(), run.id)])
        .await
        .unwrap();
    crew.until_called(1, "gate", 1).await;
    crew.gates[1].add_permits(1);
    assert_eq!(crew.benches[1].wait(&run).await.status, RunStatus::Completed);
}

/// A limit holds over all engines, and the turn of a run comes wherever it is.
#[tokio::test]
async fn a_limit_holds_across_engines() {
    let crew = Crew::of(&[true, true]).await;
    let document = "document: { dsl: 1.0.3, namespace: default, name: test, version: 0.1.0, \
                    metadata: { atom: { concurrency: { limit: 1 } } } }\ndo:\n- one: { call: gate }\n";
    let start = |number: usize| {
        let bench = &crew.benches[number];
        let start = StartRun::new(Arc::new(Workflow::parse(document).unwrap()), document, json!({}));
        bench.runtime.start(&bench.ada, start)
    };
    let first = start(0).await.unwrap();
    let second = start(1).await.unwrap();
    assert_eq!(
        (first.status, second.status),
        (RunStatus::Running, RunStatus::Queued)
    );
    crew.until_called(0, "gate", 1).await;
    assert_eq!(crew.benches[1].calls.count("gate"), 0);
    crew.gates[0].add_permits(1);
    crew.gates[1].add_permits(1);
    assert_eq!(crew.benches[0].wait(&second).await.status, RunStatus::Completed);
    assert_eq!(crew.benches[1].wait(&first).await.status, RunStatus::Completed);
    assert_eq!(crew.benches[1].calls.count("gate"), 1);
}

/// A run that waits for another run hears of its end wherever that is driven by then.
#[tokio::test]
async fn a_child_that_another_engine_took_over_answers_its_parent() {
    let crew = Crew::of(&[true, true]).await;
    let child = "document: { dsl: 1.0.3, namespace: default, name: child, version: 0.1.0 }\ndo:\n- one: { call: gate, with: { n: 1 } }\n";
    crew.benches[0].deploy(child).await;
    let parent = "- run: { run: { workflow: { namespace: default, name: child, version: 0.1.0 } } }";
    let run = crew.benches[0].start(parent, json!({})).await;
    let child = crew.benches[0].child_of(&run).await;
    crew.until_called(0, "gate", 1).await;
    // As if the child had been handed over.
    crew.stores[0].lose_lease();
    crew.until_held_by(&run, 1).await;
    crew.until_held_by(&child, 1).await;
    crew.gates[1].add_permits(1);
    let ended = crew.benches[1].wait(&run).await;
    assert_eq!(ended.output, Some(json!({ "n": 1 })));
}
