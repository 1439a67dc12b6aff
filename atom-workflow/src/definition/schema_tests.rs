//! Compares the reader with the official schema on the official examples and on mutations of them.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Map, Value, json};

use super::{Workflow, yaml};

/// What the reader refuses although the schema allows it: the beginning or middle of the message, and why.
const EXTRA_RULES: &[(&str, &str)] = &[
    (
        "unknown key",
        "the schema leaves some objects open by omission, and a slip there would go unnoticed",
    ),
    (
        "exclude each other",
        "as above: in an open object a second alternative would be ignored",
    ),
    ("is not defined in 'use.", "names must lead somewhere"),
    ("there is no task '", "names must lead somewhere"),
    (
        "stands in this list already",
        "the target of a 'then' must be unambiguous",
    ),
    (
        "is not a valid expression",
        "expressions are compiled when the document is read",
    ),
    (
        "expected an object, or an expression",
        "a text to set that is no expression is no data either",
    ),
    (
        "the agent is missing",
        "the specification's text says that one of the two ways to name it is required",
    ),
    (
        "the schedule is empty",
        "the text of the specification asks for one of its properties",
    ),
    (
        "cron expression",
        "an expression that cannot be read would start nothing",
    ),
    (
        "another case has no 'when' already",
        "the text of the specification allows one default case",
    ),
    ("calls itself", "a function that calls itself never ends"),
    (
        "expected a function of a catalog",
        "the text of the specification says how such a function is named",
    ),
    (
        "is not the name of a function of a catalog",
        "the name is a part of the function's URI",
    ),
    (
        "' is not a semantic version",
        "a function is found by its version",
    ),
    (
        "there is no variable '$",
        "an expression that reads one could only fail",
    ),
    ("cannot name a variable", "expressions could not read it"),
    ("are both named", "one variable would hide the other"),
    ("every task has a '$", "a variable would hide one of the engine's"),
    (
        "is not supported; versions 1.0.x are",
        "other versions of the language may mean something else",
    ),
    (
        "not a JSON Schema",
        "schemas are compiled when the document is read",
    ),
    ("expected 0 or more", "time and counts do not run backwards"),
    ("counts years", "their length varies"),
    ("counts months", "their length varies"),
    ("at most 100 years", "a slip of the pen"),
    ("/emit/event: the key 'with' is missing", "an event needs a type"),
    (
        "expected a name, found an empty text",
        "an empty name leads nowhere",
    ),
    (
        "/metadata/atom: expected an object",
        "what is written for this engine has a form",
    ),
    (
        "/metadata/atom/compensate",
        "the tasks that undo another are read like any other",
    ),
    (
        "/metadata/atom/idempotencyKey",
        "what is written for this engine has a form",
    ),
    (
        "/metadata/atom/index",
        "what is written for this engine has a form",
    ),
    (
        "/metadata/atom/concurrency",
        "what is written for this engine has a form",
    ),
    (
        "/metadata/atom/priority",
        "what is written for this engine has a form",
    ),
    (
        "/metadata/atom/rateLimit",
        "what is written for this engine has a form",
    ),
];

/// The official schema and examples: a checkout of the specification where `OPEN_WORKFLOW_SPECIFICATION` says, seen
/// from the workspace's folder, or beside the workspace.
fn official() -> Option<PathBuf> {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let specification = std::env::var_os("OPEN_WORKFLOW_SPECIFICATION");
    let specification = specification.map_or_else(|| PathBuf::from("../shared/ows"), PathBuf::from);
    let folder = workspace.join(specification);
    if folder.is_dir() {
        return Some(folder);
    }
    println!(
        "skipped: the official schema and examples are not in {}",
        folder.display()
    );
    None
}

/// The documents in a folder.
fn examples(folder: &Path) -> Vec<(String, String)> {
    let mut examples: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read_to_string(&path).unwrap(),
            )
        })
        .collect();
    examples.sort();
    examples
}

#[test]
fn every_official_example_is_valid() {
    let Some(folder) = official() else { return };
    let examples = examples(&folder.join("examples"));
    assert_eq!(examples.len(), 68);
    for (name, text) in examples {
        if let Err(error) = Workflow::parse(&text) {
            panic!("{name}: {error}");
        }
    }
}

/// The official schema. Formats are checked: only then are its alternatives of a time and an expression, or a
/// JSON pointer and an expression, exclusive as it demands.
fn official_schema(folder: &Path) -> Validator {
    let text = std::fs::read_to_string(folder.join("schema/workflow.yaml")).unwrap();
    let schema = yaml::parse(&text).unwrap().json();
    jsonschema::options()
        .should_validate_formats(true)
        .offline()
        .build(&schema)
        .unwrap()
}

/// One change to a document.
#[derive(Clone, Debug)]
enum Mutation {
    Remove,
    Replace(Value),
    Rename(String),
    Insert(String, Value),
    /// Inserts under a key what stands somewhere in some example.
    Transplant(String, Index, Index),
    /// Replaces with what stands somewhere in some example.
    Graft(Index, Index),
}

/// Keys of the language, so that mutations come close to valid documents.
fn key() -> impl Strategy<Value = String> {
    let keys = "document input use do timeout output schedule evaluate dsl namespace name version title summary tags \
        metadata authentications errors extensions functions retries secrets timeouts catalogs every cron after on \
        read language mode if export then call with for while fork emit listen foreach raise run set switch try catch \
        wait branches compete event each in at to error await return container script shell workflow when exceptWhen \
        as retry delay backoff limit jitter attempt count duration from constant exponential linear format resource \
        schema endpoint uri authentication basic bearer digest oauth2 oidc username password token authority grant \
        client id secret request encoding issuers scopes audiences subject actor endpoints days hours minutes seconds \
        milliseconds type status instance detail all any one until correlate extend before document operationId \
        parameters headers body query redirect method proto service arguments host port channel operation server \
        protocol message subscription filter consume amount payload variables agentCard transport http stdio options \
        command environment image ports volumes stdin lifetime cleanup pullPolicy code source time dataschema data \
        datacontenttype item atom compensate idempotencyKey index retention completed failed concurrency priority \
        rateLimit key onLimit per unknown";
    let keys: Vec<_> = keys.split_whitespace().map(str::to_owned).collect();
    proptest::sample::select(keys)
}

fn value() -> impl Strategy<Value = Value> {
    let values = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-3),
        json!(404),
        json!(2.0),
        json!(1.5),
        json!({}),
        json!([]),
        json!([{}]),
        json!(["a"]),
        json!({"a": "b"}),
        json!({"seconds": 3}),
        json!({"use": "mySecret"}),
        json!({"one": {"with": {"type": "a"}}}),
        json!([{"a": {"set": {"b": 1}}}]),
        json!([{"a": {"wait": {"hours": 1}}}, {"b": {"do": []}}]),
        json!({"set": {"a": 1}}),
        json!({"document": {"type": "object"}}),
        json!({"as": "error"}),
        json!({"basic": {"username": "a", "password": "b"}}),
        json!({"authority": "https://example.com", "grant": "password"}),
        json!({"type": "https://example.com/e", "status": 400}),
        json!({"metadata": {"atom": {"compensate": {}}}}),
        json!({"metadata": {"atom": {"retention": {"completed": "P7D"}}}}),
        json!({"metadata": {"atom": {"concurrency": {"limit": 1}, "priority": 1, "rateLimit": {"limit": 1, "per": "PT1S"}}}}),
        json!({"metadata": {"atom": {"idempotencyKey": ".id", "index": {"a": ".b"}}}}),
    ];
    let texts = [
        "",
        " ",
        "a",
        "x y",
        "end",
        "exit",
        "continue",
        "http",
        "grpc",
        "latest",
        "1.0",
        "1.0.2",
        "1.1.0",
        "PT3S",
        "P1Y",
        "P1DT",
        "${ .a }",
        "${ .a } b",
        "${",
        "${}",
        ".a",
        ".a |",
        "https://example.com/{id}",
        "a{b",
        "/x",
        "/~2",
        "2026-01-01T00:00:00Z",
        "data",
        "envelope",
        "strict",
        "loose",
        "always",
        "eventually",
        "none",
        "password",
        "tools/list",
        "message/send",
        "kafka",
        "-a",
        "localhost",
        "a.b@c",
        "client_secret_jwt",
        "application/json",
    ];
    let texts = texts.iter().map(|text| json!(text));
    proptest::sample::select(values.into_iter().chain(texts).collect::<Vec<_>>())
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        2 => Just(Mutation::Remove),
        4 => value().prop_map(Mutation::Replace),
        2 => key().prop_map(Mutation::Rename),
        4 => (key(), value()).prop_map(|(key, value)| Mutation::Insert(key, value)),
        3 => (key(), any::<Index>(), any::<Index>()).prop_map(|(key, example, place)| Mutation::Transplant(key, example, place)),
        3 => (any::<Index>(), any::<Index>()).prop_map(|(example, place)| Mutation::Graft(example, place)),
    ]
}

/// The JSON pointers of all values in a document.
fn pointers(value: &Value) -> Vec<String> {
    fn collect(value: &Value, pointer: &str, found: &mut Vec<String>) {
        found.push(pointer.to_owned());
        match value {
            Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(index, item)| collect(item, &format!("{pointer}/{index}"), found));
            }
            Value::Object(fields) => fields.iter().for_each(|(key, field)| {
                let key = key.replace('~', "~0").replace('/', "~1");
                collect(field, &format!("{pointer}/{key}"), found);
            }),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(value, "", &mut found);
    found
}

fn pick(document: &Value, place: &Index) -> Value {
    let pointers = pointers(document);
    document.pointer(place.get::<String>(&pointers)).unwrap().clone()
}

fn mutate(document: &mut Value, place: &Index, mutation: &Mutation, examples: &[Value]) {
    let pointer = place.get::<String>(&pointers(document)).clone();
    let target = document.pointer_mut(&pointer).unwrap();
    let inserted = match mutation {
        Mutation::Replace(value) => {
            *target = value.clone();
            return;
        }
        Mutation::Graft(example, place) => {
            *target = pick(example.get(examples), place);
            return;
        }
        Mutation::Insert(key, value) => Some((key, value.clone())),
        Mutation::Transplant(key, example, place) => Some((key, pick(example.get(examples), place))),
        Mutation::Remove | Mutation::Rename(_) => None,
    };
    if let Some((key, value)) = inserted {
        match target {
            Value::Object(fields) => drop(fields.insert(key.clone(), value)),
            Value::Array(items) => items.push(value),
            other => *other = value,
        }
        return;
    }
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        return;
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    match (document.pointer_mut(parent).unwrap(), mutation) {
        (Value::Array(items), _) => drop(items.remove(name.parse().unwrap())),
        (Value::Object(fields), Mutation::Rename(key)) => {
            let renamed = |field: String| if field == name { key.clone() } else { field };
            *fields = std::mem::take(fields)
                .into_iter()
                .map(|(field, value)| (renamed(field), value))
                .collect::<Map<_, _>>();
        }
        (Value::Object(fields), _) => drop(fields.remove(&name)),
        _ => unreachable!(),
    }
}

#[test]
fn the_reader_agrees_with_the_official_schema_on_mutated_examples() {
    let Some(folder) = official() else { return };
    let schema = official_schema(&folder);
    // Two of our own documents use what the examples leave out.
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents/valid");
    let examples: Vec<_> = [folder.join("examples"), own]
        .iter()
        .flat_map(|folder| examples(folder))
        .map(|(_, text)| yaml::parse(&text).unwrap().json())
        .collect();
    for example in &examples {
        assert!(schema.is_valid(example), "{example}");
    }
    let (valid, invalid) = (Cell::new(0_u32), Cell::new(0_u32));
    let compare = |document: &Value| {
        let is_valid = schema.is_valid(document);
        let counter = if is_valid { &valid } else { &invalid };
        counter.set(counter.get() + 1);
        match Workflow::parse(&document.to_string()) {
            Ok(_) if is_valid => Ok(()),
            Err(_) if !is_valid => Ok(()),
            Ok(_) => {
                let problem = schema
                    .iter_errors(document)
                    .next()
                    .map(|error| format!("{}: {error}", error.instance_path()));
                Err(TestCaseError::fail(format!(
                    "accepted {document}\nbut the schema says: {problem:?}"
                )))
            }
            Err(error)
                if EXTRA_RULES
                    .iter()
                    .any(|(message, _)| error.message().contains(message)) =>
            {
                Ok(())
            }
            Err(error) => Err(TestCaseError::fail(format!(
                "refused {document}\nwith: {error}\nbut the schema allows it"
            ))),
        }
    };
    let config = Config {
        cases: Config::default().cases.max(500),
        max_shrink_iters: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let mutations = proptest::collection::vec((any::<Index>(), mutation()), 1..4);
    TestRunner::new(config)
        .run(
            &(any::<Index>(), any::<bool>(), mutations),
            |(example, is_own, mutations)| {
                let own = &examples[examples.len() - 2..];
                let mut document = example.get(if is_own { own } else { &examples[..] }).clone();
                for (place, mutation) in &mutations {
                    mutate(&mut document, place, mutation, &examples);
                }
                compare(&document)
            },
        )
        .unwrap();
    // Mutations that leave nothing valid, or nothing invalid, would prove nothing.
    assert!(
        valid.get() > 50 && invalid.get() > 50,
        "{valid:?} valid, {invalid:?} invalid"
    );
}
