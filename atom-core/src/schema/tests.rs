use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

/// Schemas of which each leads to the next by `link`, of `length` in all.
fn chain(length: usize, link: impl Fn(&str) -> Value) -> Value {
    let mut definitions = Map::new();
    for index in 1..length {
        let next = format!("#/$defs/{}", index + 1);
        let schema = if index + 1 < length {
            link(&next)
        } else {
            json!({})
        };
        definitions.insert(index.to_string(), schema);
    }
    let mut schema = link("#/$defs/1");
    schema["$defs"] = Value::Object(definitions);
    schema
}

fn refusal(schema: &Value) -> (String, String) {
    let error = check(schema).unwrap_err();
    assert_eq!(error.code(), ErrorCode::LimitExceeded);
    (error.message().to_owned(), error.context()["path"].clone())
}

#[test]
fn a_chain_has_an_end() {
    assert!(check(&chain(MAXIMUM_CHAIN, |next| json!({ "$ref": next }))).is_ok());
    let (message, path) = refusal(&chain(MAXIMUM_CHAIN + 1, |next| json!({ "$ref": next })));
    assert!(
        message.starts_with("more than 64 schemas lead to one another"),
        "{message}"
    );
    assert_eq!(path, format!("/$defs/{MAXIMUM_CHAIN}"));
    for keyword in ["not", "if", "then", "else"] {
        refusal(&chain(MAXIMUM_CHAIN, |next| json!({ keyword: { "$ref": next } })));
    }
    for keyword in ["allOf", "anyOf", "oneOf"] {
        refusal(&chain(
            MAXIMUM_CHAIN,
            |next| json!({ keyword: [{}, { "$ref": next }] }),
        ));
    }
    for keyword in ["dependentSchemas", "dependencies"] {
        refusal(&chain(
            MAXIMUM_CHAIN,
            |next| json!({ keyword: { "a": { "$ref": next } } }),
        ));
    }
    refusal(&chain(100_000 / 8, |next| json!({ "allOf": [{ "$ref": next }] })));
}

#[test]
fn a_chain_ends_where_another_value_begins() {
    for keyword in ["properties", "patternProperties"] {
        assert!(
            check(&chain(
                10_000,
                |next| json!({ keyword: { "a": { "$ref": next } } })
            ))
            .is_ok()
        );
    }
    for keyword in WITHIN {
        assert!(
            check(&chain(9_000, |next| json!({ keyword: { "$ref": next } }))).is_ok(),
            "{keyword}"
        );
    }
    // The chain within what a value holds counts as well.
    let mut schema = json!({ "items": { "$ref": "#/$defs/1" } });
    schema["$defs"] = chain(MAXIMUM_CHAIN + 2, |next| json!({ "$ref": next }))["$defs"].clone();
    refusal(&schema);
}

#[test]
fn a_circle_for_the_same_value_is_refused() {
    for schema in [
        json!({ "$ref": "#" }),
        json!({ "$ref": "" }),
        json!({ "$recursiveRef": "#" }),
        json!({ "$dynamicAnchor": "me", "$dynamicRef": "#me" }),
        json!({ "$anchor": "me", "anyOf": [{ "$ref": "#me" }] }),
        json!({ "$id": "#me", "not": { "$ref": "#me" } }),
        json!({ "$id": "https://example.com/a", "allOf": [{ "$ref": "https://example.com/a" }] }),
        json!({ "$id": "https://example.com/a", "allOf": [{ "$ref": "A" }] }),
        json!({ "$id": "https://example.com/a", "allOf": [{ "$ref": "./x/../a#" }] }),
        json!({ "$id": "https://example.com/a", "allOf": [{ "$ref": "%61" }] }),
        json!({ "$id": "https://example.com/a/", "allOf": [{ "$ref": "." }] }),
        json!({ "$id": "https://example.com", "allOf": [{ "$ref": "https://example.com/" }] }),
        json!({ "$id": "https://example.com/a?b=c", "allOf": [{ "$ref": "?b=c" }] }),
        json!({ "$id": "urn:example:a", "allOf": [{ "$ref": "urn:example:a" }] }),
        json!({ "id": "urn:example:a", "allOf": [{ "$ref": "urn:example:a" }] }),
        json!({ "allOf": [{ "$ref": "json-schema:///" }] }),
        json!({ "allOf": [{ "$ref": "#/$defs/a" }], "$defs": { "a": { "oneOf": [{ "$ref": "#/$defs/a" }] } } }),
        json!({ "allOf": [{ "$ref": "#/$defs/a%20~1b" }], "$defs": { "a /b": { "$ref": "#/allOf/0" } } }),
        json!({ "items": { "if": { "$ref": "#/items" } } }),
    ] {
        let (message, _) = refusal(&schema);
        assert!(message.contains("leads back to itself"), "{schema}: {message}");
    }
}

#[test]
fn a_circle_through_what_a_value_holds_is_fine() {
    for schema in [
        json!({ "properties": { "children": { "items": { "$ref": "#" } } } }),
        json!({ "additionalProperties": { "anyOf": [{ "type": "string" }, { "$ref": "#" }] } }),
        json!({ "$recursiveAnchor": true, "items": { "$recursiveRef": "#" } }),
        json!({
            "$id": "https://example.com/strict-tree",
            "$dynamicAnchor": "node",
            "$ref": "tree",
            "$defs": { "tree": {
                "$id": "https://example.com/tree",
                "$dynamicAnchor": "node",
                "properties": { "children": { "items": { "$dynamicRef": "#node" } } },
            } },
        }),
        json!({ "$ref": "https://json-schema.org/draft/2020-12/schema" }),
        json!({ "properties": { "$ref": { "type": "string" }, "allOf": { "$ref": "#" } } }),
        json!(true),
    ] {
        assert!(check(&schema).is_ok(), "{schema}");
    }
}

#[test]
fn what_applies_more_often_than_can_be_checked_is_refused() {
    let (message, _) = refusal(&chain(
        30,
        |next| json!({ "allOf": [{ "$ref": next }, { "$ref": next }] }),
    ));
    assert!(
        message.starts_with("more than 10000 schemas apply to the same value"),
        "{message}"
    );
    let many: Vec<_> = (0..MAXIMUM_SUBSCHEMAS).map(|_| json!({ "items": {} })).collect();
    let (message, _) = refusal(&json!({ "prefixItems": many }));
    assert!(
        message.starts_with("the schema consists of more than 20000"),
        "{message}"
    );
    let mut deep = json!({});
    for _ in 0..=MAXIMUM_LEVELS {
        deep = json!({ "items": deep });
    }
    let (message, path) = refusal(&deep);
    assert!(
        message.starts_with("the schema nests deeper than 255 levels"),
        "{message}"
    );
    assert_eq!(path.matches("/items").count(), MAXIMUM_LEVELS + 1);
    let ids: Vec<_> = (0..2_000)
        .map(|id| json!({ "$id": id.to_string(), "$ref": format!("#/{id}") }))
        .collect();
    let (message, _) = refusal(&json!({ "prefixItems": ids }));
    assert!(message.contains("are too many"), "{message}");
}

/// The longest way without memory, or none for a circle; only for small schemas.
fn longest(links: &[Vec<usize>], from: usize, way: &mut Vec<usize>) -> Option<usize> {
    if way.contains(&from) {
        return None;
    }
    way.push(from);
    let mut length = 1;
    for next in &links[from] {
        length = length.max(1 + longest(links, *next, way)?);
    }
    way.pop();
    Some(length)
}

proptest! {
    /// Made-up links among eight schemas: refused just when one that is reached leads back to itself.
    #[test]
    fn circles_are_found_wherever_they_are(
        same in proptest::collection::vec(proptest::collection::vec(0..8_usize, 0..2), 8),
        held in proptest::collection::vec(proptest::collection::vec(0..8_usize, 0..3), 8),
    ) {
        let to = |target: &usize| json!({ "$ref": format!("#/$defs/{target}") });
        let definitions: Map<_, _> = (0..8)
            .map(|index| {
                let same: Vec<_> = same[index].iter().map(to).collect();
                let held: Map<_, _> = held[index].iter().map(|target| (target.to_string(), to(target))).collect();
                (index.to_string(), json!({ "allOf": same, "properties": held }))
            })
            .collect();
        let schema = json!({ "$ref": "#/$defs/0", "$defs": definitions });
        let mut reached = vec![0];
        let mut next = 0;
        while let Some(&index) = reached.get(next) {
            for target in same[index].iter().chain(&held[index]) {
                if !reached.contains(target) {
                    reached.push(*target);
                }
            }
            next += 1;
        }
        let is_finite = reached.iter().all(|index| longest(&same, *index, &mut Vec::new()).is_some());
        prop_assert_eq!(check(&schema).is_ok(), is_finite);
    }
}
