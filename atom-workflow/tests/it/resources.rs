//! Functions and schemas that stand elsewhere: they are read once, before a run, and kept with the document.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use atom_core::function::TypedFunction;
use atom_core::storage::{MemoryStore, MemoryVault, RunRecord};
use atom_core::{Error, ErrorCode, FunctionContext, Principal, Result, Secret};
use atom_workflow::definition::{Bundle, Workflow};
use atom_workflow::runtime::{RuntimeLimits, StartRun};
use serde_json::{Value, json};

use crate::support::{Bench, document};

/// Resources by URI, and what was asked for.
#[derive(Clone, Default)]
struct Shelf {
    texts: Arc<Mutex<BTreeMap<String, String>>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Shelf {
    /// A shelf from which the runtime of a bench reads.
    fn at(bench: &Bench) -> Self {
        let shelf = Self::default();
        let reader = shelf.clone();
        let read = move |arguments: Value, _: FunctionContext| {
            reader.asked.lock().unwrap().push(arguments["endpoint"].clone());
            let uri = arguments["endpoint"]["uri"].as_str().unwrap_or_default();
            let text = reader.texts.lock().unwrap().get(uri).cloned();
            let missing = || Error::not_found("there is nothing at this URI; status 404");
            std::future::ready(text.ok_or_else(missing))
        };
        let function = TypedFunction::new("resource.read", "Reads a resource.", read);
        bench.functions.register(Arc::new(function)).unwrap();
        shelf
    }

    fn put(&self, uri: &str, text: &str) {
        self.texts.lock().unwrap().insert(uri.to_owned(), text.to_owned());
    }

    fn clear(&self) {
        self.texts.lock().unwrap().clear();
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

fn bench() -> (Bench, Shelf) {
    let bench = Bench::new();
    let shelf = Shelf::at(&bench);
    (bench, shelf)
}

const GREET: &str = "https://f.test/greet.yaml";

const CALL: &str = "
- greet:
    call: https://f.test/greet.yaml
    with: { name: '${ .name }' }
";

async fn resolved(bench: &Bench, tasks: &str) -> Result<(Arc<Workflow>, String)> {
    let text = document(tasks);
    let workflow = Arc::new(Workflow::parse(&text)?);
    let resolved = bench.runtime.resolve(&bench.ada, workflow, text, None).await?;
    Ok((resolved.workflow, resolved.text))
}

async fn refused(bench: &Bench, tasks: &str) -> Error {
    resolved(bench, tasks).await.unwrap_err()
}

#[tokio::test]
async fn a_function_at_a_uri_is_read_once_and_stays_what_it_was() {
    let (bench, shelf) = bench();
    shelf.put(GREET, "set: { greeting: '${ \"Hello \" + .name }' }");
    let first = bench.run(CALL, json!({ "name": "Ada" })).await;
    assert_eq!(first.output, Some(json!({ "greeting": "Hello Ada" })));
    assert_eq!(shelf.asked(), [json!({ "uri": GREET })]);

    // Another text is another document.
    shelf.put(GREET, "set: { greeting: '${ \"Bye \" + .name }' }");
    let second = bench.run(CALL, json!({ "name": "Ada" })).await;
    assert_eq!(second.output, Some(json!({ "greeting": "Bye Ada" })));
    assert_ne!(first.workflow.hash, second.workflow.hash);

    // What is kept needs nobody.
    shelf.clear();
    let history = bench.history(&first).await;
    assert!(history.contains(&"task_completed /use/functions/https:~1~1f.test~1greet.yaml".to_owned()));
    let text = bench
        .store
        .document(&bench.scope(), &first.workflow.hash)
        .await
        .unwrap()
        .unwrap();
    let bundle = Bundle::read(&text).unwrap();
    assert_eq!(bundle.document(), document(CALL));
    assert_eq!(bundle.parse().unwrap().hash, first.workflow.hash);
    let recording = bench.runtime.record_run(&bench.scope(), first.id).await.unwrap();
    assert_eq!(recording.replay().unwrap().divergence, None);
}

#[tokio::test]
async fn starting_again_reads_nothing_again() {
    let (bench, shelf) = bench();
    shelf.put(GREET, "set: { greeting: Hello }");
    let start = || {
        let text = document(CALL);
        let workflow = Arc::new(Workflow::parse(&text).unwrap());
        let mut start = StartRun::new(workflow, text, json!({ "name": "Ada" }));
        start.idempotency_key = Some("once".to_owned());
        start
    };
    let first = bench.runtime.start(&bench.ada, start()).await.unwrap();
    shelf.clear();
    let second = bench.runtime.start(&bench.ada, start()).await.unwrap();
    assert_eq!(first.id, second.id);
    assert_eq!(shelf.asked().len(), 1);

    let mut other = start();
    let text = document("- greet: { call: 'https://f.test/other.yaml' }");
    other.workflow = Arc::new(Workflow::parse(&text).unwrap());
    other.text = Some(text);
    let error = bench.runtime.start(&bench.ada, other).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::AlreadyExists);
}

#[tokio::test]
async fn a_run_goes_on_after_a_crash_when_the_server_is_gone() {
    let (store, vault) = (Arc::new(MemoryStore::default()), Arc::new(MemoryVault::default()));
    let before = Bench::over(
        Arc::clone(&store) as _,
        Arc::clone(&vault) as _,
        RuntimeLimits::default(),
    );
    let shelf = Shelf::at(&before);
    shelf.put(
        GREET,
        "do: [{ sleep: { wait: PT1H } }, { greet: { set: '${ $task.reference }' } }]",
    );
    let run = before.start(CALL, json!({ "name": "Ada" })).await;
    before.runtime.close(std::time::Duration::from_secs(1)).await;

    let after = Bench::over(store, vault, RuntimeLimits::default());
    after.runtime.resume(None).await.unwrap();
    after.clock.advance(std::time::Duration::from_secs(3600));
    let run = after.wait(&run).await;
    assert_eq!(run.error, None);
    let reference = "/use/functions/https:~1~1f.test~1greet.yaml/do/1/greet";
    assert_eq!(run.output, Some(json!(reference)));
}

#[tokio::test]
async fn catalogs_say_where_their_functions_are() {
    let (bench, shelf) = bench();
    let function = "set: { said: '${ .message }' }";
    shelf.put("https://c.test/root/functions/log/1.2.0/function.yaml", function);
    let base = "https://raw.githubusercontent.com/acme/catalog/main/functions";
    shelf.put(&format!("{base}/log/1.0.0-rc.1/function.yaml"), function);
    let tasks = "
use:
  catalogs:
    own: { endpoint: 'https://c.test/root/' }
    hub: { endpoint: { uri: 'https://github.com/acme/catalog/tree/main' } }
do:
  - own: { call: 'log:1.2.0@own', with: { message: a } }
  - hub: { call: 'log:1.0.0-rc.1@hub', with: { message: '${ .said + \"b\" }' } }
";
    assert_eq!(bench.output(tasks, json!({})).await, json!({ "said": "ab" }));

    for (call, expected) in [
        ("log:1.2.0@oven", "'oven' is not defined in 'use.catalogs'"),
        (
            "log@own",
            "expected a function of a catalog as 'name:version@catalog'",
        ),
        ("log:latest@own", "'latest' is not a semantic version"),
        ("../secret:1.0.0@own", "'../secret' is not the name of a function"),
    ] {
        let text = document(&format!(
            "use: {{catalogs: {{own: {{endpoint: 'https://c.test'}}}}}}\ndo: [{{a: {{call: '{call}'}}}}]"
        ));
        let error = Workflow::parse(&text).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidWorkflow);
        assert!(error.message().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn the_default_catalog_is_the_engines_unless_the_document_has_one() {
    let (bench, shelf) = bench();
    let error = refused(&bench, "- a: { call: 'log:1.0.0@default' }").await;
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert!(
        error.message().contains("set the engine's 'default_catalog'"),
        "{error}"
    );
    assert_eq!(error.context()["path"], "/do/0/a/call");

    shelf.put(
        "https://mine.test/functions/log/1.0.0/function.yaml",
        "set: { from: mine }",
    );
    let own = "use: { catalogs: { default: { endpoint: 'https://mine.test' } } }\ndo: [{ a: { call: 'log:1.0.0@default' } }]";
    assert_eq!(bench.output(own, json!({})).await, json!({ "from": "mine" }));
}

#[tokio::test]
async fn policies_of_catalogs_are_those_of_calls() {
    let (bench, shelf) = bench();
    let secret = atom_core::Secret::new("the-token".to_owned());
    bench
        .vault
        .set(&bench.scope(), "token", &secret, jiff::Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    // A server that gives away what it was sent.
    shelf.put(
        "https://c.test/functions/log/1.0.0/function.yaml",
        "set: { said: 'the-token' }",
    );
    let tasks = "
use:
  secrets: [token]
  authentications: { login: { bearer: { token: '${ $secrets.token }' } } }
  catalogs: { own: { endpoint: { uri: https://c.test, authentication: { use: login } } } }
do:
  - log: { call: 'log:1.0.0@own' }
";
    let (workflow, text) = resolved(&bench, tasks).await.unwrap();
    let authentication = json!({ "bearer": { "token": "the-token" } });
    assert_eq!(shelf.asked()[0]["authentication"], authentication);
    assert!(text.contains("***") && !text.contains("the-token"), "{text}");
    assert!(!format!("{workflow:?}").contains("the-token"));

    // Another tenant has no such secret.
    let eve = Principal::new("other", "ada").unwrap();
    let parsed = Arc::new(Workflow::parse(&document(tasks)).unwrap());
    let error = bench
        .runtime
        .resolve(&eve, parsed, document(tasks), None)
        .await
        .unwrap_err();
    assert_eq!(shelf.asked().len(), 1, "{error}");
}

#[tokio::test]
async fn a_function_from_elsewhere_sees_what_it_is_passed_and_no_secret() {
    let (bench, shelf) = bench();
    let secret = atom_core::Secret::new(r#"{"username":"ada","password":"hunter22"}"#.to_owned());
    bench
        .vault
        .set(&bench.scope(), "login", &secret, jiff::Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    let http = TypedFunction::new("http", "Never reached.", |_: Value, _| async { Ok(Value::Null) });
    bench.functions.register(Arc::new(http)).unwrap();
    let head = "use: { secrets: [login], authentications: { own: { basic: { use: login } } } }\n";
    let call = format!("{head}do: [{{ a: {{ call: '{GREET}', with: {{ x: 1 }} }} }}]");

    shelf.put(GREET, "set: { secrets: '${ $secrets }', x: '${ .x }' }");
    assert_eq!(
        bench.output(&call, json!({})).await,
        json!({ "secrets": null, "x": 1 })
    );

    // Neither by a policy that names it, nor by one that only turns up when it runs.
    for policy in ["{ use: own }", "{ basic: { use: login } }"] {
        shelf.put(GREET, &format!("call: http\nwith: {{ method: get, endpoint: {{ uri: 'https://x.test', authentication: {policy} }} }}"));
        let error = refused(&bench, &call).await;
        assert!(error.message().contains("is not defined in 'use."), "{error}");
    }
    for policy in ["{use: \"own\"}", "{basic: {use: \"login\"}}"] {
        shelf.put(GREET, &format!("call: http\nwith: {{ method: get, endpoint: '${{ {{uri: \"https://x.test\", authentication: {policy}}} }}' }}"));
        let error = bench.error(&call, json!({})).await;
        let kind = error["type"].as_str().unwrap();
        assert!(
            kind.ends_with("configuration") || kind.ends_with("authorization"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn functions_call_functions_and_never_themselves() {
    let (bench, shelf) = bench();
    shelf.put(
        GREET,
        "do: [{ a: { call: 'https://f.test/b.yaml' } }, { b: { call: 'c:1.0.0@own' } }]",
    );
    shelf.put("https://f.test/b.yaml", "set: { b: 1 }");
    shelf.put(
        "https://c.test/functions/c/1.0.0/function.yaml",
        "set: '${ . + {c: 2} }'",
    );
    let tasks = format!(
        "use: {{ catalogs: {{ own: {{ endpoint: 'https://c.test' }} }} }}\ndo: [{{ a: {{ call: '{GREET}' }} }}]"
    );
    // Arguments are what each is given, not the output of the one before.
    assert_eq!(bench.output(&tasks, json!({})).await, json!({ "c": 2 }));

    shelf.put("https://f.test/b.yaml", &format!("call: {GREET}"));
    let error = refused(&bench, &tasks).await;
    assert_eq!(error.code(), ErrorCode::InvalidWorkflow);
    assert!(error.message().contains("calls itself"), "{error}");

    for number in 0..20 {
        shelf.put(
            &format!("https://deep.test/{number}"),
            &format!("call: https://deep.test/{}", number + 1),
        );
    }
    let error = refused(&bench, "- a: { call: 'https://deep.test/0' }").await;
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
}

#[tokio::test]
async fn what_is_wrong_with_a_resource_is_told_where_it_is_called() {
    let (bench, shelf) = bench();
    for (text, expected) in [
        (
            "set: {a: 1}\nfoo: 2",
            "the function at 'https://f.test/greet.yaml' is not valid: line 2, column 1: /use/functions/",
        ),
        ("[1", "not YAML"),
        ("a: 1", "is not valid"),
        (
            "try: [{a: {set: {a: 1}}}]\ncatch: {retry: often}",
            "'often' is not defined in 'use.retries'",
        ),
        ("call: echoes", ""),
    ] {
        shelf.put(GREET, text);
        let tasks = "use: { retries: { often: { delay: PT1S } } }\ndo: [{ a: { call: 'https://f.test/greet.yaml' } }]";
        if expected.is_empty() {
            // A function that is not registered is the business of the start.
            resolved(&bench, tasks).await.unwrap();
            continue;
        }
        let error = refused(&bench, tasks).await;
        assert_eq!(error.code(), ErrorCode::InvalidWorkflow, "{text}");
        assert!(error.message().contains(expected), "{error}");
        assert_eq!(error.context()["path"], "/do/0/a/call");
        assert_eq!(error.context()["line"], "3");
        assert_eq!(error.context()["resource"], GREET);
    }

    shelf.clear();
    let error = refused(&bench, CALL).await;
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert!(
        error
            .message()
            .starts_with("the resource 'https://f.test/greet.yaml' cannot be read: there is nothing"),
        "{error}"
    );
    assert_eq!(
        (
            error.context()["line"].as_str(),
            error.context()["column"].as_str()
        ),
        ("5", "11")
    );

    shelf.put(GREET, &format!("set: {}", "a".repeat(1024 * 1024)));
    assert_eq!(refused(&bench, CALL).await.code(), ErrorCode::LimitExceeded);

    // What is not carried out is listed at the call as well.
    shelf.put(GREET, "run: { script: { language: ruby, code: puts 1 } }");
    let (workflow, _) = resolved(&bench, CALL).await.unwrap();
    let part = &workflow.unsupported[0];
    assert_eq!((part.feature.as_str(), part.line), ("run: script in ruby", 5));
}

#[tokio::test]
async fn schemas_from_elsewhere_check_data() {
    let (bench, shelf) = bench();
    shelf.put(
        "https://s.test/in.json",
        r#"{"type": "object", "required": ["name"]}"#,
    );
    shelf.put(
        "https://s.test/out.yaml",
        "type: object\nproperties: { greeting: { type: string } }",
    );
    let tasks = "
input: { schema: { resource: { endpoint: { uri: 'https://s.test/in.json' } } } }
do:
  - greet:
      set: { greeting: '${ .name }' }
      output: { schema: { format: json, resource: { name: out, endpoint: 'https://s.test/out.yaml' } } }
      export: { as: .greeting, schema: { resource: { endpoint: 'https://s.test/out.yaml' } } }
";
    let error = bench.error(tasks, json!({})).await;
    assert!(error["type"].as_str().unwrap().ends_with("validation"), "{error}");
    let error = bench.error(tasks, json!({ "name": 1 })).await;
    assert!(error["type"].as_str().unwrap().ends_with("validation"), "{error}");
    // `export` must fit as well, and a text is no object.
    let error = bench.error(tasks, json!({ "name": "Ada" })).await;
    assert_eq!(error["instance"], "/do/0/greet", "{error}");
    // What stands at two places is read once.
    assert_eq!(shelf.asked().len(), 6);

    shelf.put("https://s.test/in.json", r#"{"type": "thing"}"#);
    let error = refused(&bench, tasks).await;
    assert!(
        error
            .message()
            .contains("the schema at 'https://s.test/in.json' is not valid"),
        "{error}"
    );
    assert_eq!(error.context()["path"], "/input/schema/resource");
}

#[tokio::test]
async fn nothing_runs_that_was_not_read() {
    let (bench, shelf) = bench();
    shelf.put(GREET, "set: 1");
    let count = |records: Vec<RunRecord>| records.len();
    shelf.clear();
    let error = bench.try_start(CALL, json!({})).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    let page = atom_core::storage::PageRequest::default();
    let runs = bench
        .store
        .runs(&bench.scope(), &Default::default(), &page)
        .await
        .unwrap();
    assert_eq!(count(runs.items), 0);
    let workflow = Workflow::parse(&document(CALL)).unwrap();
    assert_eq!(workflow.check_resolved().unwrap_err().code(), ErrorCode::Conflict);
}

#[tokio::test]
async fn what_undoes_a_function_from_elsewhere_sees_no_secrets_after_the_run_has_continued_either() {
    let (store, vault) = (Arc::new(MemoryStore::default()), Arc::new(MemoryVault::default()));
    let limits = RuntimeLimits {
        continue_after: 2,
        ..RuntimeLimits::default()
    };
    let open = || Bench::over(Arc::clone(&store) as _, Arc::clone(&vault) as _, limits);
    let first = open();
    Shelf::at(&first).put(
        GREET,
        "call: echo
with: { n: 0 }
metadata: { atom: { compensate: [{ undo: { call: echo, with: { seen: '${ $secrets }' } } }] } }",
    );
    let (secret, now) = (Secret::new("swordfish"), first.clock_now());
    first
        .vault
        .set(&first.scope(), "token", &secret, now)
        .await
        .unwrap();
    let tasks = "
use: { secrets: [token] }
do:
  - greet: { call: 'https://f.test/greet.yaml' }
  - ask: { call: echo, with: { n: '${ .n + 1 }' } }
  - more: { switch: [{ on: { when: '${ .n < 5 }', then: ask } }] }
  - hear: { listen: { to: { one: { with: { type: never } } } } }
";
    let run = first.start(tasks, json!({})).await;
    first.until_listening(&run).await;
    let record = first.store.run(&first.scope(), run.id).await.unwrap().unwrap();
    assert!(record.journal_start > 0);
    first.runtime.close(std::time::Duration::from_secs(5)).await;

    let second = open();
    second
        .runtime
        .cancel(&second.scope(), run.id, None)
        .await
        .unwrap();
    second.wait(&run).await;
    let history = second.runtime.history(&second.scope(), run.id).await.unwrap();
    let history = serde_json::to_string(&history).unwrap();
    assert!(history.contains(r#""seen":null"#), "{history}");
}

#[tokio::test]
async fn a_function_from_elsewhere_names_its_files_relative_to_itself() {
    let (bench, shelf) = bench();
    bench
        .vault
        .set(
            &bench.scope(),
            "token",
            &Secret::new("the-token"),
            jiff::Timestamp::UNIX_EPOCH,
        )
        .await
        .unwrap();
    let folder = "https://c.test/functions/log/1.0.0";
    let with = |schema: &str| {
        format!("input: {{ schema: {{ resource: {{ endpoint: {schema} }} }} }}\nset: {{ n: 1 }}")
    };
    shelf.put(&format!("{folder}/schemas/input.json"), r#"{"required":["n"]}"#);
    shelf.put("https://c.test/functions/log/other.json", "{}");
    let tasks = "
use:
  secrets: [token]
  catalogs:
    own: { endpoint: { uri: https://c.test, authentication: { bearer: { token: '${ $secrets.token }' } } } }
do:
  - log: { call: 'log:1.0.0@own' }
";
    shelf.put(&format!("{folder}/function.yaml"), &with("schemas/input.json"));
    let error = bench.error(tasks, json!({})).await;
    assert!(error["type"].as_str().unwrap().ends_with("validation"), "{error}");
    let asked = shelf.asked();
    assert_eq!(asked[1]["uri"], format!("{folder}/schemas/input.json"));
    // What belongs to the function is read as the function is, and nothing else.
    assert_eq!(asked[1]["authentication"], asked[0]["authentication"]);
    shelf.put(&format!("{folder}/function.yaml"), &with("../other.json"));
    assert_eq!(bench.output(tasks, json!({})).await, json!({ "n": 1 }));
    assert_eq!(
        shelf.asked()[3],
        json!({ "uri": "https://c.test/functions/log/other.json" })
    );

    // A document has no place of its own.
    let own = Workflow::parse(&document(&format!(
        "- a: {{ {} }}",
        with("a.json").replace('\n', ", ")
    )))
    .unwrap();
    assert_eq!(
        own.unsupported[0].feature,
        "schema.resource: a relative URI, as the document itself has none"
    );
}
