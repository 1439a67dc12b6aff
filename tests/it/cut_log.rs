//! An engine whose write-ahead log was cut off, as a power cut may do to what was not yet reported as written: every
//! run goes on from a state that it once had, and ends as it would have ended.
//!
//! <https://www.sqlite.org/fileformat2.html#the_write_ahead_log> is the format of the log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atom_core::function::TypedFunction;
use atom_core::storage::{RunFilter, RunRecord, RunStore};
use atom_core::testkit::ManualClock;
use atom_core::{Clock, Error, ErrorCode, EventLog, FunctionContext, Offset, RunId};
use atom_engine::api::{DeployWorkflowRequest, FollowRunRequest, GetRunRequest, StartRunRequest};
use atom_engine::{Engine, EngineConfig};
use atom_integrations::storage::SqliteStore;
use futures::StreamExt;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Calls, events, a loop, retries, and a run of another workflow.
const PARENT: &str = r#"
document: { dsl: 1.0.3, namespace: tests, name: parent, version: 1.0.0 }
do:
  - tell: { emit: { event: { with: { type: com.example.begun } } } }
  - each: { for: { in: '${ [1, 2] }' }, do: [{ step: { call: effect, with: { name: '${ "each \($item)" }' } } }] }
  - again:
      try: [{ flaky: { call: effect, with: { name: flaky, failures: 1 } } }]
      catch: { retry: { delay: { seconds: 1 }, limit: { attempt: { count: 3 } } } }
  - child: { run: { workflow: { namespace: tests, name: child, version: 1.0.0, input: { n: 1 } } } }
"#;

const CHILD: &str = r"
document: { dsl: 1.0.3, namespace: tests, name: child, version: 1.0.0 }
do:
  - work: { call: effect, with: { name: child } }
  - tell: { emit: { event: { with: { type: com.example.child } } }, output: { as: '{ told: true }' } }
";

/// Waits for an event between two calls.
const LISTENER: &str = r"
document: { dsl: 1.0.3, namespace: tests, name: listener, version: 1.0.0 }
do:
  - before: { call: effect, with: { name: before } }
  - hear: { listen: { to: { one: { with: { type: com.example.go } } } } }
  - after: { call: effect, with: { name: after } }
";

/// Fails, and is undone.
const SAGA: &str = r"
document: { dsl: 1.0.3, namespace: tests, name: saga, version: 1.0.0 }
do:
  - book:
      call: effect
      with: { name: book }
      metadata: { atom: { compensate: [{ undo: { call: effect, with: { name: undo book } } }] } }
  - pause: { wait: { seconds: 1 } }
  - decline: { raise: { error: { type: 'https://example.com/declined', status: 402 } } }
";

const ROOTS: [&str; 3] = [PARENT, LISTENER, SAGA];

fn root(number: usize) -> RunId {
    format!("0192f0c1-0000-7000-8000-00000000000{number}")
        .parse()
        .unwrap()
}

/// What a service outside has been asked.
#[derive(Clone, Debug, Default)]
struct Effects {
    /// The idempotency keys by the effect's name, in the order in which they came first.
    keys: BTreeMap<String, Vec<String>>,
    calls: usize,
}

impl Effects {
    /// Notes a call and tells how many other keys came before its own.
    fn note(&mut self, name: &str, key: String) -> usize {
        self.calls += 1;
        let keys = self.keys.entry(name.to_owned()).or_default();
        if let Some(place) = keys.iter().position(|known| *known == key) {
            return place;
        }
        keys.push(key);
        keys.len() - 1
    }
}

/// An engine of its own process.
struct Process {
    engine: Engine,
    effects: Arc<Mutex<Effects>>,
    time: tokio::task::JoinHandle<()>,
}

impl Process {
    /// `seen` is what the service knows from the process before.
    async fn open(folder: &Path, seen: Effects) -> Self {
        let clock = Arc::new(ManualClock::default());
        let effects = Arc::new(Mutex::new(seen));
        let noted = Arc::clone(&effects);
        let effect = TypedFunction::new(
            "effect",
            "Does something once for each key.",
            move |arguments: Value, context: FunctionContext| {
                let name = arguments["name"].as_str().unwrap().to_owned();
                let place = noted.lock().unwrap().note(&name, context.idempotency_key);
                async move {
                    if (place as u64) < arguments["failures"].as_u64().unwrap_or(0) {
                        return Err(Error::new(ErrorCode::Unavailable, "not yet"));
                    }
                    Ok(json!({ "done": name }))
                }
            },
        );
        let engine = Engine::builder(EngineConfig::in_folder(folder))
            .with_clock(Arc::clone(&clock) as _)
            .with_function(Arc::new(effect))
            .open()
            .await
            .unwrap();
        let time = tokio::spawn(async move {
            loop {
                clock.parked(1).await;
                // Only what runs wait for comes. The bound of a call is minutes ahead, so a busy machine may take as long
                // as it likes for one.
                let now = clock.now();
                let soon = now + Duration::from_secs(30);
                // Who has not noticed yet that its time has come is not overtaken.
                if clock
                    .earliest_deadline()
                    .is_some_and(|next| now < next && next <= soon)
                {
                    clock.advance(Duration::from_secs(1));
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        Self {
            engine,
            effects,
            time,
        }
    }

    /// Starts what is not there yet, lets everything go to its end, and tells how the runs ended.
    async fn finish(&self) -> Vec<(Value, Value)> {
        self.engine.call(DeployWorkflowRequest::new(CHILD)).await.unwrap();
        for (number, document) in ROOTS.into_iter().enumerate() {
            let start = StartRunRequest::document(document).with_id(root(number));
            self.engine.call(start).await.unwrap();
        }
        self.until_it_hears().await;
        let event =
            json!({ "event": { "type": "com.example.go", "source": "/test", "id": "go", "data": 1 } });
        let principal = self.engine.principal();
        self.engine
            .call_json(principal, "events.publish", event)
            .await
            .unwrap();
        let mut endings = Vec::new();
        for number in 0..ROOTS.len() {
            let run = self
                .engine
                .call(GetRunRequest::ended(root(number)))
                .await
                .unwrap();
            endings.push((json!(run.output), json!(run.error)));
        }
        endings
    }

    async fn until_it_hears(&self) {
        let mut history = self.engine.subscribe(FollowRunRequest {
            id: root(1),
            after: 0,
        });
        while let Some(entry) = history.next().await {
            let entry = serde_json::to_value(entry.unwrap()).unwrap();
            if entry["task"] == "/do/1/hear" && entry["type"] == "task_started" {
                return;
            }
        }
    }

    fn effects(&self) -> Effects {
        self.effects.lock().unwrap().clone()
    }

    async fn close(self) {
        self.time.abort();
        self.engine.close().await.unwrap();
    }
}

/// What a store holds: every run with the payloads of its journal, and the events.
#[derive(Clone, Debug, PartialEq)]
struct State {
    runs: BTreeMap<RunId, (RunRecord, Vec<String>)>,
    events: Vec<String>,
}

impl State {
    async fn of_folder(folder: &Path) -> Self {
        let store = SqliteStore::open(folder).await.unwrap();
        let state = Self::of(&store).await;
        store.close().await.unwrap();
        state
    }

    async fn of(store: &SqliteStore) -> Self {
        let scope = EngineConfig::in_memory().principal().unwrap().scope();
        let events = store.read(&scope, 0, usize::MAX).await.unwrap();
        let head: Offset = store.head().await.unwrap();
        assert_eq!(events.last().map_or(0, |event| event.offset), head);
        let mut runs = BTreeMap::new();
        let listed = store
            .runs(&scope, &RunFilter::default(), &Default::default())
            .await
            .unwrap();
        for run in listed.items {
            let record = store.run(&scope, run.id).await.unwrap().unwrap();
            let journal = store.journal(&scope, run.id, 0, usize::MAX).await.unwrap();
            let sequences: Vec<_> = journal.iter().map(|entry| entry.sequence).collect();
            assert_eq!(sequences, (0..journal.len() as u64).collect::<Vec<_>>());
            assert!(!journal.is_empty(), "a run and its first entry come together");
            assert!(journal.iter().all(|entry| entry.event_head <= head));
            if let Some(parent) = record.parent {
                let parent = store.run(&scope, parent.run).await.unwrap();
                assert!(parent.is_some(), "a run comes after the one that started it");
            }
            let payloads = journal.into_iter().map(|entry| entry.payload).collect();
            runs.insert(run.id, (record, payloads));
        }
        let events = events.into_iter().map(|event| event.event.id).collect();
        Self { runs, events }
    }

    /// How many effects have their answer.
    fn answers(&self) -> usize {
        let entries = self.runs.values().flat_map(|(_, journal)| journal);
        let events = entries.map(|payload| serde_json::from_str::<Value>(payload).unwrap());
        let is_answer = |event: &Value| {
            event["type"] == "failed" || (event["type"] == "completed" && event["output"]["done"].is_string())
        };
        events.filter(is_answer).count()
    }

    /// Checks that nothing is here that the later state does not begin with.
    fn assert_begins(&self, later: &Self) {
        assert_eq!(later.events[..self.events.len()], self.events);
        for (id, (record, journal)) in &self.runs {
            let (later_record, later_journal) = &later.runs[id];
            assert_eq!(&later_journal[..journal.len()], journal);
            if record.status.has_ended() {
                assert_eq!((record, journal), (later_record, later_journal));
            }
        }
    }
}

/// The files of an engine at one moment.
struct Snapshot {
    folder: TempDir,
    log: Vec<u8>,
}

const DATABASE: &str = "atom.db";
const LOG: &str = "atom.db-wal";
const KEY: &str = "root.key";

impl Snapshot {
    fn take(folder: &Path) -> Self {
        Self {
            log: std::fs::read(folder.join(LOG)).unwrap(),
            folder: copy(folder),
        }
    }

    /// Where the frames of the log end.
    fn frame_ends(&self) -> impl Iterator<Item = usize> + use<> {
        let page = u32::from_be_bytes(self.log[8..12].try_into().unwrap()) as usize;
        (32..=self.log.len()).step_by(24 + page)
    }

    /// A folder with these files, whose log is cut off.
    fn cut(&self, end: usize) -> TempDir {
        let folder = copy(self.folder.path());
        std::fs::write(folder.path().join(LOG), &self.log[..end]).unwrap();
        folder
    }
}

/// A folder with the same database and key.
fn copy(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in [DATABASE, KEY] {
        std::fs::copy(folder.join(file), copy.path().join(file)).unwrap();
    }
    copy
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_go_on_to_the_same_end_wherever_the_log_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    // A first opening creates the tables and the keys, so that the log holds what the runs wrote.
    Process::open(folder.path(), Effects::default())
        .await
        .close()
        .await;
    let first = Process::open(folder.path(), Effects::default()).await;
    let endings = first.finish().await;
    let effects = first.effects();
    assert_eq!(effects.keys["flaky"].len(), 2);
    assert_eq!(effects.keys["undo book"].len(), 1);
    let snapshot = Snapshot::take(folder.path());
    first.close().await;
    let last = State::of_folder(folder.path()).await;
    assert_eq!(last.answers(), effects.calls);

    let mut before: Option<State> = None;
    let mut states = 0;
    for end in snapshot.frame_ends() {
        let state = State::of_folder(snapshot.cut(end).path()).await;
        state.assert_begins(&last);
        if let Some(before) = &before {
            before.assert_begins(&state);
            if *before == state {
                continue;
            }
        }
        states += 1;
        let folder = snapshot.cut(end);
        // The service remembers all that it was asked before the power went.
        let process = Process::open(
            folder.path(),
            Effects {
                calls: 0,
                ..effects.clone()
            },
        )
        .await;
        assert_eq!(process.finish().await, endings, "cut at {end}");
        let again = process.effects();
        assert_eq!(
            again.keys, effects.keys,
            "the keys of effects are stable, cut at {end}"
        );
        assert_eq!(again.calls, effects.calls - state.answers(), "cut at {end}");
        process.close().await;
        let ended = State::of_folder(folder.path()).await;
        assert!(ended.runs.values().all(|(run, _)| run.status.has_ended()));
        let in_any_order = |state: &State| state.events.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(in_any_order(&ended), in_any_order(&last), "cut at {end}");
        assert_eq!(ended.events.len(), last.events.len());
        before = Some(state);
    }
    assert!(states > 10, "{states} states");
}
