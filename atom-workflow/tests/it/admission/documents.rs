//! What documents say of limits, and inputs that do not fit.

use atom_core::ErrorCode;
use atom_core::storage::RunFilter;
use atom_workflow::definition::Workflow;
use serde_json::json;

use super::{Gated, ONE, limited};

#[tokio::test]
async fn an_input_that_gives_no_key_or_priority_starts_nothing() {
    let gated = Gated::new();
    for (limits, input, words) in [
        (ONE, json!({}), "concurrency.key"),
        (ONE, json!({ "key": "" }), "must give a text or a number"),
        (ONE, json!({ "key": "k".repeat(257) }), "more than 256"),
        (ONE, json!({ "key": 1, "priority": "high" }), "whole number"),
        (
            ONE,
            json!({ "key": 1, "priority": 3_000_000_000_u64 }),
            "whole number",
        ),
        (
            "{ rateLimit: { key: .user.id, limit: 1, per: { minutes: 1 } } }",
            json!({ "user": 1 }),
            "rateLimit.key",
        ),
    ] {
        let refused = gated.try_start(&limited(limits), input).await.unwrap_err();
        let codes = [ErrorCode::InvalidRequest, ErrorCode::LimitExceeded];
        assert!(codes.contains(&refused.code()), "{refused:?}");
        assert!(refused.message().contains(words), "{refused}");
    }
    let all = gated
        .bench
        .store
        .count_runs(&gated.bench.scope(), &RunFilter::default())
        .await;
    assert_eq!(all.unwrap(), 0);
}

#[test]
fn a_document_says_where_its_limits_are_wrong() {
    for (limits, path, words) in [
        ("{ priority: 1 }", "priority", "add 'concurrency' or 'rateLimit'"),
        (
            "{ concurrency: { limit: 1 }, priority: 1.5 }",
            "priority",
            "whole number",
        ),
        (
            "{ concurrency: { limit: 1 }, priority: 3000000000 }",
            "priority",
            "expected -2147483648",
        ),
        (
            "{ concurrency: { key: .a } }",
            "concurrency",
            "'limit' is missing",
        ),
        (
            "{ concurrency: { limit: 0 } }",
            "concurrency/limit",
            "expected 1 to 10000",
        ),
        (
            "{ concurrency: { limit: 10001 } }",
            "concurrency/limit",
            "expected 1 to 10000",
        ),
        (
            "{ concurrency: { limit: 1, onLimit: cancel } }",
            "concurrency/onLimit",
            "cancelNewest",
        ),
        (
            "{ concurrency: { limit: 1, keys: .a } }",
            "concurrency",
            "unknown key 'keys'",
        ),
        (
            "{ concurrency: { key: '${ . ', limit: 1 } }",
            "concurrency/key",
            "",
        ),
        ("{ rateLimit: { limit: 1 } }", "rateLimit", "'per' is missing"),
        (
            "{ rateLimit: { limit: 1, per: PT0S } }",
            "rateLimit/per",
            "at least one",
        ),
        (
            "{ rateLimit: { limit: 1, per: '${ .per }' } }",
            "rateLimit/per",
            "duration",
        ),
    ] {
        let error = Workflow::parse(&limited(limits)).unwrap_err();
        let place = format!("/document/metadata/atom/{path}");
        assert!(error.message().contains(&place), "{limits}: {error}");
        assert!(error.message().contains(words), "{limits}: {error}");
    }
    let every = "{ concurrency: { limit: 1 }, rateLimit: { limit: 1, per: { minutes: 5 } }, priority: -3 }";
    assert!(Workflow::parse(&limited(every)).unwrap().unsupported.is_empty());
}
