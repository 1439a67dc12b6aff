//! Secrets that are not there when a run asks for them.

use std::sync::Arc;
use std::time::Duration;

use atom_core::storage::{MemoryStore, MemoryVault, PageRequest, RunRecord, Vault};
use atom_core::{ErrorCode, Secret};
use atom_workflow::definition::Workflow;
use atom_workflow::runtime::{RuntimeLimits, StuckCause};
use serde_json::json;

use crate::support::{Bench, document};

/// What outlives an engine.
#[derive(Default)]
struct World {
    store: Arc<MemoryStore>,
    vault: Arc<MemoryVault>,
}

impl World {
    fn open(&self) -> Bench {
        Bench::over(
            Arc::clone(&self.store) as _,
            Arc::clone(&self.vault) as _,
            RuntimeLimits::default(),
        )
    }

    async fn set(&self, bench: &Bench) {
        let secret = Secret::new("tok-secret");
        self.vault
            .set(&bench.scope(), "token", &secret, bench.clock_now())
            .await
            .unwrap();
    }

    /// Starts a run that waits for a second, and removes its secret and its engine meanwhile.
    async fn interrupted(&self, workflow: &str) -> RunRecord {
        let bench = self.open();
        self.set(&bench).await;
        let run = bench.start(workflow, json!({})).await;
        let due = bench.clock_now() + Duration::from_secs(1);
        while bench.clock.earliest_deadline() != Some(due) {
            tokio::task::yield_now().await;
        }
        bench.runtime.close(Duration::from_secs(5)).await;
        self.vault.delete(&bench.scope(), "token").await.unwrap();
        run
    }

    /// The engine after the wait.
    async fn resumed(&self) -> Bench {
        let bench = self.open();
        bench.clock.advance(Duration::from_secs(1));
        bench.runtime.resume(None).await.unwrap();
        bench
    }
}

#[tokio::test]
async fn a_secret_that_is_gone_is_an_error_of_the_task_that_asks_for_it() {
    for task in [
        "call: echo, with: { header: '${ \"Bearer \" + $secrets.token }' }",
        "call: echo, with: { token: '${ $secrets[\"token\"] }' }",
        "set: { token: '${ $secrets.token }' }",
    ] {
        let world = World::default();
        let workflow =
            format!("use: {{ secrets: [token] }}\ndo:\n- rest: {{ wait: PT1S }}\n- ask: {{ {task} }}\n");
        let run = world.interrupted(&workflow).await;
        let bench = world.resumed().await;
        let error = bench.wait(&run).await.error.unwrap();
        let kind = error["type"].as_str().unwrap();
        assert!(kind.ends_with("/errors/authorization"), "{error}");
        assert_eq!(
            (&error["status"], &error["instance"]),
            (&json!(403), &json!("/do/1/ask"))
        );
        assert_eq!(bench.calls.count("echo"), 0);
    }
}

#[tokio::test]
async fn a_run_that_has_computed_with_a_secret_waits_until_it_is_set_again() {
    let world = World::default();
    let workflow = "use: { secrets: [token] }
do:
- first: { call: echo, with: { n: 1 } }
- keep: { set: { token: '${ $secrets.token }' } }
- rest: { wait: PT1S }
- last: { set: { length: '${ .token | length }' } }
";
    let run = world.interrupted(workflow).await;
    let bench = world.resumed().await;
    let cause = loop {
        let page = PageRequest::default();
        let (scope, now) = (bench.scope(), bench.clock_now());
        let mut stuck = bench.runtime.stuck(&scope, now, &page).await.unwrap();
        if let Some((_, mut causes)) = stuck.items.pop() {
            break causes.remove(0).cause;
        }
        tokio::task::yield_now().await;
    };
    let StuckCause::DriverStopped { error } = cause else {
        panic!("{cause:?}");
    };
    assert_eq!(error.code, ErrorCode::NotFound);
    assert!(error.message.contains("'token'"), "{}", error.message);

    world.set(&bench).await;
    bench.runtime.resume(None).await.unwrap();
    assert_eq!(bench.wait(&run).await.output, Some(json!({ "length": 10 })));
}

#[test]
fn a_secret_that_is_not_listed_is_refused_with_its_place() {
    let refused = |tasks: &str| Workflow::parse(&document(tasks)).unwrap_err();
    let error = refused("use: { secrets: [token] }\ndo:\n- a: { set: { x: '${ [$secrets.tokn] }' } }\n");
    let place = ["line", "column", "path"].map(|part| error.context()[part].as_str());
    assert_eq!(place, ["4", "18", "/do/0/a/set/x"]);
    let expected = "'tokn' is not defined in 'use.secrets'; did you mean 'token'?";
    assert!(error.message().ends_with(expected), "{error}");
    let error = refused("- a: { if: '$secrets.token != null', set: { x: 1 } }\n");
    assert!(error.message().contains("'token' is not defined"), "{error}");
}
