//! Subscriptions to messages: `call: asyncapi` with a `subscription`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use atom_core::function::{FunctionInfo, MessageSink};
use atom_core::storage::{MemoryStore, MemoryVault, PageRequest, RunRecord, RunStatus};
use atom_core::{Error, ErrorCode, EventLog, Function, FunctionContext, Result, Secret};
use atom_workflow::machine::WaitKind;
use atom_workflow::runtime::{RuntimeLimits, StuckCause};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::crash::{MortalStore, keep_time_moving};
use crate::support::Bench;

/// A service with messages, of which each subscriber gets those that nobody has taken yet.
#[derive(Debug)]
struct Feed {
    info: FunctionInfo,
    state: Arc<FeedState>,
}

#[derive(Debug)]
struct FeedState {
    messages: Vec<Value>,
    /// How many messages there are by now.
    released: watch::Sender<usize>,
    /// How many messages were offered, by whoever.
    offered: watch::Sender<usize>,
    /// How many messages were taken, by whoever.
    taken: watch::Sender<usize>,
    /// The arguments of each subscription, and its key.
    opened: Mutex<Vec<(Value, String)>>,
    /// How many subscriptions are open now.
    open: watch::Sender<usize>,
    end: End,
}

/// What comes after the last message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Silence,
    Farewell,
    Break,
    Panic,
}

/// Counts a subscription for as long as it is open, however it ends.
struct Open<'a>(&'a watch::Sender<usize>);

impl<'a> Open<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[async_trait]
impl Function for Feed {
    fn info(&self) -> &FunctionInfo {
        &self.info
    }

    async fn call(&self, arguments: Value, _context: FunctionContext) -> Result<Value> {
        Ok(arguments)
    }

    async fn subscribe(
        &self,
        arguments: Value,
        context: FunctionContext,
        sink: &dyn MessageSink,
    ) -> Result<()> {
        let state = &self.state;
        let _open = Open::new(&state.open);
        state
            .opened
            .lock()
            .unwrap()
            .push((arguments, context.idempotency_key.clone()));
        loop {
            let next = *state.taken.borrow();
            let Some(message) = state.messages.get(next) else {
                break;
            };
            until(&state.released, next + 1).await;
            state.offered.send_replace(next + 1);
            sink.deliver(message.clone()).await?;
            state.taken.send_replace(next + 1);
        }
        match state.end {
            End::Silence => std::future::pending().await,
            End::Farewell => Ok(()),
            End::Break => Err(Error::new(ErrorCode::Unavailable, "the connection broke")),
            End::Panic => std::panic::resume_unwind(Box::new("a defect")),
        }
    }
}

fn feed(messages: impl IntoIterator<Item = Value>, end: End) -> Arc<FeedState> {
    Arc::new(FeedState {
        messages: messages.into_iter().collect(),
        released: watch::Sender::new(usize::MAX),
        offered: watch::Sender::new(0),
        taken: watch::Sender::new(0),
        opened: Mutex::default(),
        open: watch::Sender::new(0),
        end,
    })
}

fn numbers(count: u64) -> Vec<Value> {
    (1..=count)
        .map(|n| json!({ "payload": { "n": n }, "headers": {} }))
        .collect()
}

impl FeedState {
    fn serve(self: &Arc<Self>, bench: &Bench) {
        let feed = Feed {
            info: FunctionInfo::new("asyncapi", "A feed."),
            state: Arc::clone(self),
        };
        bench.functions.register(Arc::new(feed)).unwrap();
    }

    fn opened(&self) -> Vec<(Value, String)> {
        self.opened.lock().unwrap().clone()
    }

    /// Waits until so many messages were taken.
    async fn taken(&self, count: usize) {
        until(&self.taken, count).await;
    }
}

async fn until(counter: &watch::Sender<usize>, count: usize) {
    let mut counter = counter.subscribe();
    counter.wait_for(|number| *number >= count).await.unwrap();
}

/// A task with this subscription.
fn task(subscription: &str) -> String {
    format!(
        "- hear: {{ call: asyncapi, with: {{ document: {{ endpoint: 'https://{{host}}/a.json' }}, operation: hear, subscription: {subscription} }} }}\n"
    )
}

async fn output(feed: &Arc<FeedState>, tasks: &str) -> Value {
    let bench = Bench::new();
    feed.serve(&bench);
    bench.output(tasks, json!({ "host": "x.test", "least": 2 })).await
}

fn payloads(output: &Value) -> Vec<u64> {
    let messages = output.as_array().unwrap().iter();
    messages
        .map(|message| message["payload"]["n"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn the_amount_counts_the_messages_that_pass_the_filter() {
    let feed = feed(numbers(9), End::Silence);
    let tasks =
        task("{ filter: '${ .payload.n % 2 == 0 and .payload.n > $input.least }', consume: { amount: 2 } }");
    let output = output(&feed, &tasks).await;
    assert_eq!(payloads(&output), [4, 6]);
    // The subscription is resolved like any call, and what is computed for each message is not part of it.
    let [(arguments, key)] = feed.opened().try_into().unwrap();
    let expected =
        json!({ "document": { "endpoint": { "uri": "https://x.test/a.json" } }, "operation": "hear" });
    assert_eq!(arguments, expected);
    assert!(!key.is_empty());
    assert_eq!(*feed.open.borrow(), 0);
}

#[tokio::test]
async fn a_message_of_another_shape_than_the_filter_expects_is_not_consumed() {
    let odd = [
        json!("text"),
        json!({ "payload": [] }),
        json!({ "payload": { "n": 1 } }),
    ];
    let output = output(
        &feed(odd, End::Silence),
        &task("{ filter: '${ .payload.n == 1 }', consume: { amount: 1 } }"),
    )
    .await;
    assert_eq!(payloads(&output), [1]);
}

#[tokio::test]
async fn conditions_see_what_was_consumed() {
    for (consume, expected) in [
        // After each message: the one that ends it is part of the output.
        ("while: '${ ($context.consumedMessages | length) < 3 }'", 3),
        ("while: '${ length < 3 }'", 3),
        ("while: '${ .[-1].payload.n != 2 }'", 2),
        ("while: '${ false }'", 1),
        // Before each message, the first included.
        ("until: '${ ($context.consumedMessages | length) == 3 }'", 3),
        ("until: '${ any(.payload.n == 2) }'", 2),
        ("until: '${ true }'", 0),
        ("amount: 0", 0),
        ("amount: -1", 0),
        ("amount: 1", 1),
    ] {
        let output = output(
            &feed(numbers(5), End::Silence),
            &task(&format!("{{ consume: {{ {consume} }} }}")),
        )
        .await;
        assert_eq!(payloads(&output).len(), expected, "{consume}");
    }
    // What the workflow itself put there is left alone.
    let tasks = format!(
        "- own: {{ set: {{ host: x.test }}, export: {{ as: {{ consumedMessages: [1, 2, 3] }} }} }}\n{}",
        task("{ consume: { while: '${ ($context.consumedMessages | length) < 3 }' } }")
    );
    assert_eq!(
        payloads(&output(&feed(numbers(5), End::Silence), &tasks).await),
        [1]
    );
}

#[tokio::test]
async fn a_condition_that_fails_ends_the_task() {
    for consume in ["while: '${ .payload.n }'", "until: '${ error(\"no\") }'"] {
        let bench = Bench::new();
        let feed = feed(numbers(1), End::Silence);
        feed.serve(&bench);
        let error = bench
            .error(
                &task(&format!("{{ consume: {{ {consume} }} }}")),
                json!({ "host": "x.test" }),
            )
            .await;
        assert_eq!(error["title"], "Expression Error", "{consume}");
        assert_eq!(*feed.open.borrow(), 0);
    }
}

#[tokio::test]
async fn time_that_is_up_ends_the_subscription_with_what_came() {
    let bench = Bench::new();
    let feed = feed(numbers(2), End::Silence);
    feed.serve(&bench);
    let tasks = task("{ consume: { amount: 5, for: { minutes: 30 } } }");
    let run = bench.start(&tasks, json!({ "host": "x.test" })).await;
    feed.taken(2).await;
    bench.pass(30 * 60).await;
    assert_eq!(payloads(&bench.wait(&run).await.output.unwrap()), [1, 2]);
    feed.open.subscribe().wait_for(|open| *open == 0).await.unwrap();
}

#[tokio::test]
async fn foreach_works_on_one_message_after_the_other() {
    let tasks = task(
        "{ consume: { amount: 3 }, foreach: { item: message, at: place, do: [
             { say: { emit: { event: { with: { type: said, data: '${ $message.payload.n }' } } } } },
             { rest: { wait: { seconds: 1 } } },
             { give: { set: { n: '${ $message.payload.n }', place: '${ $place }' } } } ],
           output: { as: '${ .n * 10 + .place }' }, export: { as: '${ { sum: (($context.sum // 0) + .) } }' } } }",
    ) + "- after: { set: { outputs: '${ . }', sum: '${ $context.sum }' } }\n";
    let bench = Bench::new();
    let feed = feed(numbers(3), End::Silence);
    feed.serve(&bench);
    let run = bench.start(&tasks, json!({ "host": "x.test" })).await;
    let ended = tokio::select! {
        run = bench.wait(&run) => run,
        () = keep_time_moving(&bench) => unreachable!("time never ends"),
    };
    assert_eq!(ended.output, Some(json!({ "outputs": [10, 21, 32], "sum": 63 })));
    let said = bench.store.read(&bench.scope(), 0, 10).await.unwrap();
    let said: Vec<_> = said
        .into_iter()
        .map(|logged| logged.event.data.unwrap())
        .collect();
    assert_eq!(said, [json!(1), json!(2), json!(3)]);
    let consumed = bench.history(&run).await;
    assert_eq!(
        consumed
            .iter()
            .filter(|entry| *entry == "task_consumed /do/0/hear")
            .count(),
        3
    );
}

#[tokio::test]
async fn a_service_that_ends_the_subscription_ends_the_task() {
    let tasks = task("{ consume: { amount: 5 } }");
    assert_eq!(
        payloads(&output(&feed(numbers(2), End::Farewell), &tasks).await),
        [1, 2]
    );
    for (end, status) in [(End::Break, 503), (End::Panic, 500)] {
        let bench = Bench::new();
        feed(numbers(2), end).serve(&bench);
        let error = bench.error(&tasks, json!({ "host": "x.test" })).await;
        assert_eq!(error["status"], status, "{error}");
        assert_eq!(error["instance"], "/do/0/hear");
    }
}

#[tokio::test]
async fn an_extension_of_calls_covers_subscriptions() {
    let bench = Bench::new();
    feed(numbers(1), End::Silence).serve(&bench);
    let text = format!(
        "use: {{ extensions: [{{ noted: {{ extend: call, before: [{{ note: {{ emit: {{ event: {{ with: {{ type: begun }} }} }} }} }}] }} }}] }}\ndo:\n{}",
        task("{ consume: { amount: 1 } }")
    );
    assert_eq!(
        payloads(&bench.output(&text, json!({ "host": "x.test" })).await),
        [1]
    );
    assert_eq!(bench.store.read(&bench.scope(), 0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_function_without_messages_cannot_be_subscribed_to() {
    let bench = Bench::new();
    let function =
        atom_core::function::TypedFunction::new("asyncapi", "None.", |arguments: Value, _| async move {
            Ok(arguments)
        });
    bench.functions.register(Arc::new(function)).unwrap();
    let error = bench
        .error(&task("{ consume: { amount: 1 } }"), json!({ "host": "x.test" }))
        .await;
    assert_eq!(error["title"], "Configuration Error");
    let missing = Bench::new();
    let error = missing
        .try_start(&task("{ consume: { amount: 1 } }"), json!({ "host": "x.test" }))
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn a_run_that_is_cancelled_or_out_of_time_leaves_its_subscription() {
    let bench = Bench::new();
    let feed = feed(numbers(1), End::Silence);
    feed.serve(&bench);
    let run = bench
        .start(&task("{ consume: { amount: 2 } }"), json!({ "host": "x.test" }))
        .await;
    feed.taken(1).await;
    bench.runtime.cancel(&bench.scope(), run.id, None).await.unwrap();
    assert_eq!(bench.wait(&run).await.status, RunStatus::Cancelled);
    feed.open.subscribe().wait_for(|open| *open == 0).await.unwrap();

    let late = format!(
        "timeout: {{ after: {{ seconds: 5 }} }}\ndo:\n{}",
        task("{ consume: { amount: 2 } }")
    );
    let run = bench.start(&late, json!({ "host": "x.test" })).await;
    bench.pass(5).await;
    assert_eq!(bench.wait(&run).await.error.unwrap()["status"], 408);
    feed.open.subscribe().wait_for(|open| *open == 0).await.unwrap();
}

#[tokio::test]
async fn a_secret_in_a_message_is_masked_before_it_is_judged_and_kept() {
    let bench = Bench::new();
    let secret = Secret::new("tok-secret");
    let (scope, now) = (bench.scope(), bench.clock_now());
    bench.vault.set(&scope, "token", &secret, now).await.unwrap();
    let messages = [
        json!({ "payload": { "n": 1, "token": "tok-secret" } }),
        json!({ "payload": { "n": 2 } }),
    ];
    feed(messages, End::Silence).serve(&bench);
    let text = format!(
        "use: {{ secrets: [token] }}\ndo:\n{}",
        task("{ filter: '${ .payload.token != $secrets.token }', consume: { amount: 2 } }")
    );
    let run = bench.run(&text, json!({ "host": "x.test" })).await;
    assert_eq!(payloads(run.output.as_ref().unwrap()), [1, 2]);
    let journal = bench.store.journal(&bench.scope(), run.id, 0, 100).await.unwrap();
    assert!(!format!("{journal:?}{run:?}").contains("tok-secret"));
}

#[tokio::test]
async fn what_is_consumed_is_bounded() {
    let limits = RuntimeLimits {
        payload_bytes: 5000,
        ..RuntimeLimits::default()
    };
    let bench = Bench::over(
        Arc::new(MemoryStore::default()),
        Arc::new(MemoryVault::default()),
        limits,
    );
    feed([json!("m".repeat(6000))], End::Silence).serve(&bench);
    let error = bench
        .error(&task("{ consume: { amount: 1 } }"), json!({ "host": "x.test" }))
        .await;
    assert!(
        error["detail"].as_str().unwrap().contains("6002 bytes"),
        "{error}"
    );

    for (messages, said) in [
        (vec![json!(1); 10_001], "10000 events or messages"),
        (vec![json!("m".repeat(1024 * 1024)); 17], "bytes"),
    ] {
        let bench = Bench::new();
        feed(messages, End::Silence).serve(&bench);
        let error = bench
            .error(
                &task("{ consume: { while: '${ true }' } }"),
                json!({ "host": "x.test" }),
            )
            .await;
        assert!(error["detail"].as_str().unwrap().contains(said), "{error}");
    }
}

#[tokio::test]
async fn a_crash_after_any_write_loses_and_repeats_no_message() {
    let tasks = task(
        "{ filter: '${ .payload.n != 2 }', consume: { while: '${ ($context.consumedMessages | length) < 3 }' },
           foreach: { item: message, do: [
             { say: { emit: { event: { with: { type: said, data: '${ $message.payload.n }' } } } } },
             { note: { call: echo, with: { n: '${ $message.payload.n }' } } } ] } }",
    );
    let mut writes = 1;
    loop {
        let memory = Arc::new(MemoryStore::default());
        let mortal = MortalStore::new(Arc::clone(&memory), writes);
        let death = mortal.death.clone();
        let vault = Arc::new(MemoryVault::default());
        let feed = feed(numbers(9), End::Silence);
        let first = Bench::over(mortal, Arc::clone(&vault) as _, RuntimeLimits::default());
        feed.serve(&first);
        let Ok(run) = first.try_start(&tasks, json!({ "host": "x.test" })).await else {
            writes += 1;
            continue;
        };
        let scope = first.scope();
        let alive = tokio::select! {
            ended = first.runtime.wait(&scope, run.id) => ended.is_ok(),
            () = death.cancelled() => false,
        };
        first.runtime.close(Duration::from_secs(5)).await;
        let second = Bench::over(Arc::clone(&memory) as _, vault, RuntimeLimits::default());
        feed.serve(&second);
        second.runtime.resume(None).await.unwrap();
        let ended: RunRecord = second.wait(&run).await;
        // A message counts once it is durable: the feed goes on after the last one that was taken.
        assert_eq!(
            ended.output,
            Some(json!([{ "n": 1 }, { "n": 3 }, { "n": 4 }])),
            "after {writes} writes"
        );
        let said = memory.read(&second.scope(), 0, 10).await.unwrap();
        assert_eq!(said.len(), 3, "after {writes} writes");
        if alive {
            assert_eq!(feed.opened().len(), 1);
            return;
        }
        writes += 1;
    }
}

#[tokio::test]
async fn a_message_that_comes_while_the_run_is_paused_is_consumed_when_it_goes_on() {
    let bench = Bench::new();
    let feed = feed(numbers(2), End::Silence);
    feed.serve(&bench);
    feed.released.send_replace(1);
    let scope = bench.scope();
    let run = bench
        .start(&task("{ consume: { amount: 2 } }"), json!({ "host": "x.test" }))
        .await;
    feed.taken(1).await;
    let waits = bench.runtime.waits(&scope, run.id).await.unwrap();
    let messages = WaitKind::Messages {
        function: "asyncapi".to_owned(),
    };
    assert_eq!(
        waits.into_iter().map(|wait| wait.what).collect::<Vec<_>>(),
        [messages]
    );

    bench.runtime.pause_run(&scope, run.id, None).await.unwrap();
    feed.released.send_replace(2);
    until(&feed.offered, 2).await;
    bench.runtime.resume_run(&scope, run.id).await.unwrap();
    let ended = bench.wait(&run).await;
    assert_eq!(payloads(&ended.output.unwrap()), [1, 2]);
    assert_eq!(
        bench.history(&run).await[2..6],
        [
            "task_consumed /do/0/hear",
            "run_paused",
            "run_resumed",
            "task_consumed /do/0/hear"
        ]
    );
}

#[tokio::test]
async fn a_subscription_of_a_function_that_nobody_registered_is_stuck_until_somebody_does() {
    let first = Bench::new();
    let feed = feed(numbers(1), End::Silence);
    feed.serve(&first);
    feed.released.send_replace(0);
    let run = first
        .start(&task("{ consume: { amount: 1 } }"), json!({ "host": "x.test" }))
        .await;
    until(&feed.open, 1).await;
    first.runtime.close(Duration::from_secs(5)).await;

    let second = Bench::over(
        Arc::clone(&first.store),
        Arc::clone(&first.vault),
        RuntimeLimits::default(),
    );
    second.runtime.resume(None).await.unwrap();
    let missing = StuckCause::FunctionMissing {
        function: "asyncapi".to_owned(),
        task: "/do/0/hear".to_owned(),
    };
    loop {
        let (scope, now, page) = (second.scope(), second.clock_now(), PageRequest::default());
        let page = second.runtime.stuck(&scope, now, &page).await.unwrap();
        let mut stuck = page.items.iter().flat_map(|(_, stuck)| stuck);
        if stuck.any(|stuck| stuck.cause == missing) {
            break;
        }
        tokio::task::yield_now().await;
    }
    feed.released.send_replace(1);
    feed.serve(&second);
    assert_eq!(payloads(&second.wait(&run).await.output.unwrap()), [1]);
}
