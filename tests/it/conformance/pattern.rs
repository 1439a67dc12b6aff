//! Values and patterns of the conformance cases; `tests/conformance/README.md` defines them.

use std::collections::BTreeMap;
use std::path::Path;

use regex::Regex;
use serde_json::{Map, Value, json};

/// What names stand for.
pub(crate) type Names = BTreeMap<String, Value>;

/// The folder that paths of the cases start at.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The value with everything put in place.
pub(crate) fn expand(value: &Value, names: &Names) -> Value {
    match value {
        Value::String(text) => expand_text(text, names),
        Value::Array(items) => items.iter().map(|item| expand(item, names)).collect(),
        Value::Object(members) => expand_object(members, names),
        other => other.clone(),
    }
}

fn expand_object(members: &Map<String, Value>, names: &Names) -> Value {
    let text = |value: &Value| expand(value, names).as_str().unwrap().to_owned();
    if let Some(lines) = members.get("$lines") {
        let lines = lines.as_array().unwrap().iter();
        return lines.map(|line| text(line) + "\n").collect::<String>().into();
    }
    if let Some(part) = members.get("$repeat") {
        let times = usize::try_from(members["$times"].as_u64().unwrap()).unwrap();
        return text(part).repeat(times).into();
    }
    if let Some(depth) = members.get("$nest") {
        return (0..depth.as_u64().unwrap()).fold(Value::Null, |inner, _| json!([inner]));
    }
    if let Some(path) = members.get("$file") {
        return std::fs::read_to_string(root().join(text(path))).unwrap().into();
    }
    let expanded = members
        .iter()
        .map(|(key, value)| (key.clone(), expand(value, names)));
    Value::Object(expanded.collect())
}

fn expand_text(text: &str, names: &Names) -> Value {
    let reference = Regex::new(r"\{\{([a-z_]+)\}\}").unwrap();
    let value = |name: &str| {
        names
            .get(name)
            .unwrap_or_else(|| panic!("nothing is named '{name}'"))
    };
    if let Some(whole) = reference.captures(text)
        && whole[0] == *text
    {
        return value(&whole[1]).clone();
    }
    let expanded = reference.replace_all(text, |found: &regex::Captures<'_>| {
        value(&found[1]).as_str().unwrap().to_owned()
    });
    expanded.into_owned().into()
}

/// Compares a value, absent or not, with an expanded pattern.
///
/// # Errors
/// Where they differ, and how.
pub(crate) fn compare(
    pattern: &Value,
    value: Option<&Value>,
    path: &str,
    names: &mut Names,
) -> Result<(), String> {
    let matcher = pattern
        .as_object()
        .and_then(|members| members.iter().find(|(key, _)| key.starts_with('$')));
    let Some(value) = value else {
        return match matcher {
            Some((key, _)) if key == "$absent" => Ok(()),
            _ => Err(format!("{path} is absent")),
        };
    };
    if let Some((matcher, argument)) = matcher {
        assert_eq!(
            pattern.as_object().unwrap().len(),
            1,
            "a matcher stands alone: {pattern}"
        );
        return apply(matcher, argument, value, path, names);
    }
    match (pattern, value) {
        (Value::Object(members), Value::Object(actual)) => members.iter().try_for_each(|(key, pattern)| {
            compare(pattern, actual.get(key), &format!("{path}/{key}"), names)
        }),
        (Value::Array(patterns), Value::Array(items)) => {
            if patterns.len() != items.len() {
                return Err(format!("{path} has {} elements: {value}", items.len()));
            }
            let mut pairs = patterns.iter().zip(items).enumerate();
            pairs.try_for_each(|(index, (pattern, item))| {
                compare(pattern, Some(item), &format!("{path}/{index}"), names)
            })
        }
        _ => holds(is_equal(pattern, value), "is not equal", path, value),
    }
}

fn apply(
    matcher: &str,
    argument: &Value,
    value: &Value,
    path: &str,
    names: &mut Names,
) -> Result<(), String> {
    match matcher {
        "$any" => Ok(()),
        "$absent" => holds(false, "is there", path, value),
        "$type" => holds(*argument == type_of(value), "is of another type", path, value),
        "$regex" => {
            let expression = Regex::new(argument.as_str().unwrap()).unwrap();
            let is_found = value.as_str().is_some_and(|text| expression.is_match(text));
            holds(is_found, "does not match", path, value)
        }
        "$length" => {
            let length = value.as_array().map(|items| json!(items.len()));
            holds(
                length.as_ref() == Some(argument),
                "has another length",
                path,
                value,
            )
        }
        "$contains" => {
            let contains = match value {
                Value::Array(items) => items
                    .iter()
                    .any(|item| compare(argument, Some(item), path, names).is_ok()),
                Value::String(text) => text.contains(argument.as_str().unwrap()),
                _ => false,
            };
            holds(contains, "does not contain it", path, value)
        }
        "$lacks" => {
            let lacks = !value.to_string().contains(argument.as_str().unwrap());
            holds(lacks, "contains it", path, value)
        }
        "$exact" => holds(is_equal(argument, value), "is not equal", path, value),
        "$all" => {
            let mut patterns = argument.as_array().unwrap().iter();
            patterns.try_for_each(|pattern| compare(pattern, Some(value), path, names))
        }
        "$save" => {
            names.insert(argument.as_str().unwrap().to_owned(), value.clone());
            Ok(())
        }
        unknown => panic!("there is no matcher {unknown}"),
    }
}

fn holds(holds: bool, complaint: &str, path: &str, value: &Value) -> Result<(), String> {
    if holds {
        return Ok(());
    }
    let mut shown = value.to_string();
    if let Some((end, _)) = shown.char_indices().nth(2_000) {
        shown.truncate(end);
    }
    Err(format!("{path} {complaint}: {shown}"))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Equal as JSON: numbers by their value, objects in any order.
fn is_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            let both_whole = !left.is_f64() && !right.is_f64();
            left == right || (!both_whole && left.as_f64() == right.as_f64())
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| is_equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, left)| right.get(key).is_some_and(|right| is_equal(left, right)))
        }
        _ => left == right,
    }
}

#[test]
fn patterns_match_what_they_say() {
    for (pattern, value, expected) in [
        (json!({ "a": 1 }), json!({ "a": 1.0, "b": 2 }), true),
        (json!({ "a": { "$absent": true } }), json!({ "b": 2 }), true),
        (json!({ "a": { "$absent": true } }), json!({ "a": null }), false),
        (json!({ "a": { "$any": true } }), json!({}), false),
        (json!([1]), json!([1, 2]), false),
        (
            json!(9_007_199_254_740_993_u64),
            json!(9_007_199_254_740_992_u64),
            false,
        ),
        (json!(true), json!(1), false),
        (json!({ "$type": "number" }), json!(1), true),
        (json!({ "$type": "object" }), json!([]), false),
        (json!({ "$regex": "^a.c$" }), json!("abc"), true),
        (json!({ "$regex": "^b" }), json!("abc"), false),
        (json!({ "$length": 2 }), json!([1, 2]), true),
        (json!({ "$length": 2 }), json!("ab"), false),
        (
            json!({ "$contains": { "a": 1 } }),
            json!([0, { "a": 1, "b": 2 }]),
            true,
        ),
        (json!({ "$contains": "bc" }), json!("abcd"), true),
        (json!({ "$contains": "x" }), json!("abcd"), false),
        (json!({ "$lacks": "x" }), json!({ "a": ["x"] }), false),
        (json!({ "$exact": { "a": 1 } }), json!({ "a": 1, "b": 2 }), false),
        (
            json!({ "$all": [{ "a": 1 }, { "b": 2 }] }),
            json!({ "a": 1, "b": 2 }),
            true,
        ),
        (
            json!({ "$all": [{ "a": 1 }, { "b": 3 }] }),
            json!({ "a": 1, "b": 2 }),
            false,
        ),
    ] {
        let result = compare(&pattern, Some(&value), "", &mut Names::new());
        assert_eq!(result.is_ok(), expected, "{pattern} {value}: {result:?}");
    }
}

#[test]
fn values_are_put_in_place() {
    let mut names = Names::from([("offset".to_owned(), json!(7)), ("text".to_owned(), json!("x"))]);
    let written = json!({
        "whole": "{{offset}}", "part": "a{{text}}b", "blank": "{{ text }}",
        "lines": { "$lines": ["a", "{{text}}"] }, "repeated": { "$repeat": "ab", "$times": 2 },
        "nested": { "$nest": 2 }
    });
    let expected = json!({
        "whole": 7, "part": "axb", "blank": "{{ text }}", "lines": "a\nx\n", "repeated": "abab",
        "nested": [[null]]
    });
    assert_eq!(expand(&written, &names), expected);
    compare(&json!({ "$save": "kept" }), Some(&json!([1])), "", &mut names).unwrap();
    assert_eq!(expand(&json!("{{kept}}"), &names), json!([1]));
}
