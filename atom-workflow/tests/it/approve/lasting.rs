//! Deadlines, restarts and pauses.

use atom_core::ErrorCode;
use atom_core::storage::ApprovalStatus;
use serde_json::{Value, json};

use super::approve;
use crate::support::Bench;

#[tokio::test]
async fn a_deadline_decides_when_nobody_does() {
    let tasks = |on_deadline: &str| {
        format!(
            "- ask: {{ set: '${{ $approval }}', metadata: {{ atom: {{ approve: {{ title: Sure?, deadline: {{ hours: 24 }} {on_deadline} }} }} }} }}"
        )
    };
    for (on_deadline, expected) in [
        (
            "",
            Err((
                "https://open-workflow-specification.org/spec/1.0.0/errors/timeout",
                408,
            )),
        ),
        (
            ", onDeadline: fault",
            Err((
                "https://open-workflow-specification.org/spec/1.0.0/errors/timeout",
                408,
            )),
        ),
        (", onDeadline: reject", Err(("urn:atom:error:rejected", 403))),
        (", onDeadline: approve", Ok(())),
    ] {
        let bench = Bench::new();
        let run = bench.start(&tasks(on_deadline), json!({})).await;
        let asked = bench.question().await;
        assert_eq!(
            asked.deadline,
            Some(bench.clock_now() + std::time::Duration::from_secs(24 * 3600))
        );
        // The deadline holds over a restart.
        let bench = bench.restarted().await;
        bench.runtime.resume(None).await.unwrap();
        bench.pass(24 * 3600).await;
        let ended = bench.wait(&run).await;
        match expected {
            Err((kind, status)) => {
                let error = ended.error.unwrap();
                assert_eq!((&error["type"], &error["status"]), (&json!(kind), &json!(status)));
            }
            Ok(()) => {
                let output = ended.output.unwrap();
                assert_eq!(
                    (&output["decision"], &output["by"], &output["form"]),
                    (&json!("approve"), &Value::Null, &Value::Null)
                );
            }
        }
        let expired = bench.approvals().await.remove(0);
        assert_eq!(
            (expired.status, expired.decision, expired.closed_at),
            (ApprovalStatus::Expired, None, asked.deadline)
        );
        let late = bench.decide(approve(&asked)).await.unwrap_err();
        assert_eq!(late.code(), ErrorCode::Conflict);
        assert_eq!(late.context()["status"], "expired");
        assert_eq!(
            bench.event_types().await,
            ["io.atom.approval.requested.v1", "io.atom.approval.expired.v1"]
        );
    }
}

#[tokio::test]
async fn a_decision_in_time_ends_the_deadline_and_begins_the_timeout() {
    let bench = Bench::new();
    let tasks = r#"
- slow:
    call: hang
    timeout: { after: PT10S }
    metadata: { atom: { approve: { title: Sure?, deadline: PT1H } } }
"#;
    let run = bench.start(tasks, json!({})).await;
    let asked = bench.question().await;
    // The time that passes until somebody decides is not the task's own.
    bench.clock.advance(std::time::Duration::from_secs(1800));
    bench.decide(approve(&asked)).await.unwrap();
    bench.pass(10).await;
    let ended = bench.wait(&run).await;
    assert_eq!(
        ended.error.unwrap()["detail"],
        "the task took longer than its timeout"
    );
}

#[tokio::test]
async fn an_approval_outlives_the_process_and_its_decision_resumes_the_run() {
    for first in ["", "- first: { call: echo, with: { n: 1 } }\n"] {
        let bench = Bench::new();
        let tasks = format!(
            "{first}- ask: {{ call: echo, with: {{ n: 2 }}, metadata: {{ atom: {{ approve: {{ title: Sure? }} }} }} }}"
        );
        let run = bench.start(&tasks, json!({})).await;
        let asked = bench.question().await;
        let bench = bench.restarted().await;
        bench.runtime.resume(None).await.unwrap();
        assert_eq!(bench.question().await, asked);
        let bench = bench.restarted().await;
        // Nobody resumes the run this time.
        let decided = bench.decide(approve(&asked)).await.unwrap();
        assert_eq!(decided.status, ApprovalStatus::Approved);
        assert_eq!(bench.wait(&run).await.output, Some(json!({ "n": 2 })));
        assert_eq!(bench.calls.count("echo"), 1);
        assert_eq!(
            bench.event_types().await,
            ["io.atom.approval.requested.v1", "io.atom.approval.decided.v1"]
        );
    }
}

#[tokio::test]
async fn a_decision_on_a_paused_run_is_kept_and_the_task_runs_when_it_goes_on() {
    let bench = Bench::new();
    let tasks = "- ask: { call: echo, with: { n: 2 }, metadata: { atom: { approve: { title: Sure? } } } }";
    let run = bench.start(tasks, json!({})).await;
    let asked = bench.question().await;
    let scope = bench.scope();
    bench.runtime.pause_run(&scope, run.id, None).await.unwrap();
    let decided = bench.decide(approve(&asked)).await.unwrap();
    assert_eq!(decided.status, ApprovalStatus::Approved);
    let bench = bench.restarted().await;
    bench.runtime.resume(None).await.unwrap();
    assert_eq!(bench.calls.count("echo"), 0);
    bench.runtime.resume_run(&scope, run.id).await.unwrap();
    assert_eq!(bench.wait(&run).await.output, Some(json!({ "n": 2 })));
}
