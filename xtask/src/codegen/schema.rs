//! What every generator reads of the schemas.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// The operations by their groups, in the order in which groups come first.
pub(super) fn groups(operations: &[Value]) -> Vec<(&str, Vec<&Value>)> {
    let mut groups: Vec<(&str, Vec<&Value>)> = Vec::new();
    for operation in operations {
        let (group, _) = split(operation);
        match groups.iter_mut().find(|(name, _)| *name == group) {
            Some((_, members)) => members.push(operation),
            None => groups.push((group, vec![operation])),
        }
    }
    groups
}

/// The group of an operation and its name there.
pub(super) fn split(operation: &Value) -> (&str, &str) {
    let name = text(&operation["name"]);
    name.split_once('.').unwrap_or(("", name))
}

/// Adds a type. One that is both read and written may have more optional members in one of the two: those are optional.
pub(super) fn add_type(types: &mut BTreeMap<String, Value>, name: &str, schema: &Value) {
    let Some(known) = types.get_mut(name) else {
        types.insert(name.to_owned(), schema.clone());
        return;
    };
    let other = required(schema);
    if let Some(known) = known["required"].as_array_mut() {
        known.retain(|name| other.contains(text(name)));
    }
}

/// `wait_timeout_ms` as `WaitTimeoutMs`.
pub(super) fn pascal(name: &str) -> String {
    let words = name.split(['_', '.', '-']);
    words
        .flat_map(|word| {
            let mut characters = word.chars();
            let first = characters.next().map(|first| first.to_ascii_uppercase());
            first.into_iter().chain(characters)
        })
        .collect()
}

/// `wait_timeout_ms` as `waitTimeoutMs`.
pub(super) fn camel(name: &str) -> String {
    let name = pascal(name);
    let mut characters = name.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

/// The last part of a reference: the name of a type.
pub(super) fn reference_name(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

pub(super) fn required(schema: &Value) -> BTreeSet<&str> {
    items(&schema["required"]).iter().map(text).collect()
}

pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
