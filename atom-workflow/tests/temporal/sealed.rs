//! What the server cannot read, and what is too large for it.

use std::sync::Arc;

use atom_core::function::TypedFunction;
use atom_core::storage::{MemoryStore, MemoryVault, RunStatus, Vault};
use atom_core::testkit::SequenceRandom;
use atom_core::{Error, ErrorCode, Secret};
use atom_workflow::temporal::{KEY_NAME, ensure_key, replay};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::{World, completed, operator};

const SECRET: &str = "tok-0123456789";
const PERSONAL: &str = "ada.lovelace@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn the_server_reads_neither_secrets_nor_data_nor_errors() {
    let Some(mut world) = World::new(PERSONAL).await else {
        return;
    };
    let secret = Secret::new(SECRET);
    let vault = &world.bench.vault;
    vault
        .set(&world.scope(), "token", &secret, Timestamp::now())
        .await
        .unwrap();
    let seen = TypedFunction::new(
        "seen",
        "Fails with what it was given.",
        |arguments: Value, _context| async move {
            Err::<Value, _>(Error::new(
                ErrorCode::Upstream,
                format!("not {}", arguments["mail"]),
            ))
        },
    );
    world.bench.functions.register(Arc::new(seen)).unwrap();
    let tasks = r#"
use: { secrets: [token] }
do:
  - call: { call: echo, with: { bearer: '${ $secrets.token }', mail: '${ .mail }' } }
  - ask: { set: { mail: '${ .mail }' }, metadata: { atom: { approve: { title: '${ "Write to \(.mail)?" }' } } } }
  - fail: { call: seen, with: { mail: '${ .mail }' } }
"#;
    let run = world.start(tasks, json!({ "mail": PERSONAL })).await;
    let view = world.until(run, |view| !view.approvals.is_empty()).await;
    assert_eq!(view.approvals[0].title, format!("Write to {PERSONAL}?"));
    let decide = atom_workflow::runtime::Decide {
        approval: view.approvals[0].id,
        decision: atom_core::storage::DecisionKind::Approve,
        comment: Some(PERSONAL.to_owned()),
        form: None,
        input: None,
    };
    world
        .runtime
        .decide(&world.ada, &world.scope(), run, decide)
        .await
        .unwrap();
    let ended = world.wait(run).await;
    assert_eq!(ended.status, RunStatus::Faulted);
    assert!(ended.error.unwrap().to_string().contains(PERSONAL));
    world.until_listed(1).await;

    let history = world.runtime.history(&world.scope(), run).await.unwrap();
    let said = readable(&serde_json::from_slice(&history).unwrap());
    for hidden in [SECRET, "lovelace", "bearer", "Write to", "acme"] {
        // The task queue of this test has the user's name, as no engine's has.
        let said = said.replace(PERSONAL, "queue");
        assert!(!said.contains(hidden), "{hidden}");
    }
    assert!(said.contains("atom.call"));
    world.stop().await;
}

/// All texts in a history, with those that stand there as bytes or in Base64.
pub(crate) fn readable(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let bytes = BASE64.decode(text);
            let decoded = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            format!("{text} {}\n", decoded.unwrap_or_default())
        }
        Value::Array(items) => {
            let bytes: Option<Vec<u8>> = items
                .iter()
                .map(|item| item.as_u64().and_then(|byte| u8::try_from(byte).ok()))
                .collect();
            match bytes {
                Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                None => items.iter().map(readable).collect(),
            }
        }
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| format!("{name} {}", readable(field)))
            .collect(),
        other => other.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_the_server_stays_in_the_store() {
    let Some(mut world) = World::new("large").await else {
        return;
    };
    let large: String = (0..300_000 / 7).map(|n| format!("{n:07}")).collect();
    let tasks = "- first: { call: echo, with: { text: '${ .text }' } }\n- second: { call: echo, with: { text: '${ .text }' } }";
    let run = world.start(tasks, json!({ "text": large })).await;
    assert_eq!(world.wait(run).await, completed(json!({ "text": large })));
    let history = world.runtime.history(&world.scope(), run).await.unwrap();
    assert!(history.len() < large.len() / 3, "{}", history.len());
    // A replay finds it there, and keeps nothing twice.
    let (vault, store) = (world.bench.vault.as_ref(), Arc::clone(&world.bench.store));
    replay(vault, store, &operator(), &history).await.unwrap();
    let elsewhere = Arc::new(atom_core::storage::MemoryStore::default());
    replay(vault, elsewhere, &operator(), &history).await.unwrap_err();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_has_made_up_is_refused() {
    let Some(mut world) = World::new("forged").await else {
        return;
    };
    let run = world
        .start("- go: { call: echo, with: { n: 1 } }", json!({}))
        .await;
    world.wait(run).await;
    let history = world.runtime.history(&world.scope(), run).await.unwrap();
    world.stop().await;
    let history: Value = serde_json::from_slice(&history).unwrap();
    let replayed = async |history: &Value| {
        let (vault, store) = (world.bench.vault.as_ref(), Arc::clone(&world.bench.store));
        replay(vault, store, &operator(), history.to_string().as_bytes()).await
    };
    replayed(&history).await.unwrap();
    let answers = "/attributes/ActivityTaskCompletedEventAttributes/result/payloads/0";
    let is_answer = |event: &Value| event.pointer(answers).is_some();
    let index = history["events"]
        .as_array()
        .unwrap()
        .iter()
        .rposition(is_answer)
        .unwrap();
    let mut altered = history.clone();
    let sealed = altered["events"][index].pointer_mut(answers).unwrap();
    let mut data = BASE64.decode(sealed["data"].as_str().unwrap()).unwrap();
    *data.last_mut().unwrap() ^= 1;
    sealed["data"] = json!(BASE64.encode(data));
    let mut forged = history.clone();
    *forged["events"][index].pointer_mut(answers).unwrap() = json!({
        "metadata": { "encoding": BASE64.encode("json/plain") },
        "data": BASE64.encode(r#"{"completed":{"n":2}}"#),
        "external_payloads": [],
    });
    let refused = replayed(&altered).await.unwrap_err();
    assert!(refused.report().cause.concat().contains("altered"), "{refused:?}");
    // It is no answer, and so the run goes another way.
    let refused = replayed(&forged).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::VersionMismatch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_seals_and_the_old_one_still_opens() {
    let Some(mut world) = World::new("keys").await else {
        return;
    };
    let tasks = "- go: { call: echo, with: { n: 1 } }";
    let run = world.start(tasks, json!({})).await;
    world.wait(run).await;
    let history = world.runtime.history(&world.scope(), run).await.unwrap();
    world.stop().await;
    let (vault, store) = (world.bench.vault.as_ref(), &world.bench.store);
    let new = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
    for (keys, expected) in [
        (format!("{new}\n{}", crate::world::KEY), None),
        (new.to_owned(), Some(ErrorCode::VersionMismatch)),
        ("c2hvcnQ=".to_owned(), Some(ErrorCode::InvalidData)),
        (String::new(), Some(ErrorCode::InvalidData)),
    ] {
        let secret = Secret::new(keys);
        vault
            .set(&operator(), KEY_NAME, &secret, Timestamp::now())
            .await
            .unwrap();
        let replayed = replay(vault, Arc::clone(store), &operator(), &history).await;
        assert_eq!(replayed.err().map(|error| error.code()), expected);
    }
}

#[tokio::test]
async fn engines_that_are_opened_together_come_to_one_key() {
    let (vault, store, random) = (
        MemoryVault::default(),
        MemoryStore::default(),
        SequenceRandom::default(),
    );
    let operator = operator();
    let now = Timestamp::now();
    let key = async || {
        let key = vault.get(&operator, KEY_NAME).await.unwrap().unwrap();
        key.expose().to_owned()
    };
    // One that was interrupted has said which is the first, and has not put it in its place yet.
    ensure_key(&vault, &store, &operator, &random, now).await.unwrap();
    let first = key().await;
    assert_eq!(BASE64.decode(&first).unwrap().len(), 32);
    vault.delete(&operator, KEY_NAME).await.unwrap();
    ensure_key(&vault, &store, &operator, &random, now).await.unwrap();
    assert_eq!(key().await, first);
    // There is nothing left of the second, and nothing new once there is a key.
    let kept = vault.list(&operator).await.unwrap();
    assert_eq!(kept.len(), 2);
    ensure_key(&vault, &store, &operator, &random, now).await.unwrap();
    assert_eq!(key().await, first);
    assert_eq!(vault.list(&operator).await.unwrap(), kept);
}
