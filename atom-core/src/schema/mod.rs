//! Bounds of JSON Schemas that others have written.
//!
//! Checking data with a schema recurses once for each schema that applies to the same value, as `allOf` and `$ref` do, and once
//! more for each level of the data. A schema within these bounds is checked on a stack of a size that is known.

mod references;

use std::collections::HashMap;

use serde_json::Value;

use crate::{Error, ErrorCode, Result};
use references::References;

/// How many schemas may apply to one value by one leading to the next.
pub const MAXIMUM_CHAIN: usize = 64;
/// How many schemas may apply to one value, each counted as often as it does.
pub const MAXIMUM_APPLIED: usize = 10_000;
/// How many schemas one schema may consist of.
pub const MAXIMUM_SUBSCHEMAS: usize = 20_000;
/// How many levels of objects and lists a schema may have.
pub const MAXIMUM_LEVELS: usize = 255;

/// Keywords whose schemas apply to the value itself.
const SAME_VALUE: [&str; 7] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];
/// Keywords whose schemas apply to the value itself, by name.
const SAME_VALUE_BY_NAME: [&str; 2] = ["dependentSchemas", "dependencies"];
/// Keywords whose schemas apply to what the value holds.
const WITHIN: [&str; 9] = [
    "items",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "contains",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "contentSchema",
];
/// Keywords whose schemas apply to what the value holds, by name.
const WITHIN_BY_NAME: [&str; 2] = ["properties", "patternProperties"];

/// Refuses a JSON Schema, of any version, that is not within the bounds: the longest way from schema to schema that apply
/// to the same value, circles among them, and its size. That a schema leads to itself for what a value holds, as that of
/// a tree does, is fine.
///
/// Names that `$id` gives are compared by their last part only, so a schema of several resources may be taken to be
/// longer than it is, never shorter.
///
/// # Errors
/// `limit_exceeded`; the context `path` is the JSON pointer of the schema that is too much.
///
/// ```
/// use serde_json::json;
///
/// let tree = json!({ "properties": { "children": { "items": { "$ref": "#" } } } });
/// assert!(atom_core::schema::check(&tree).is_ok());
/// let circle = json!({ "allOf": [{ "$ref": "#" }] });
/// assert!(atom_core::schema::check(&circle).is_err());
/// ```
pub fn check(schema: &Value) -> Result<()> {
    let references = References::of(schema).map_err(|problem| problem.place(schema))?;
    let mut survey = Survey {
        references,
        measured: HashMap::new(),
        waiting: vec![schema],
    };
    while let Some(next) = survey.waiting.pop() {
        survey.measure(next, 0).map_err(|problem| problem.place(schema))?;
    }
    Ok(())
}

/// What is too much, and which value it is.
struct Problem<'s> {
    message: String,
    value: &'s Value,
}

impl Problem<'_> {
    /// The error, with the place of the value in the schema.
    fn place(self, root: &Value) -> Error {
        let mut waiting = vec![(String::new(), root)];
        let mut place = String::new();
        while let Some((pointer, value)) = waiting.pop() {
            if std::ptr::eq(value, self.value) {
                place = pointer;
                break;
            }
            match value {
                Value::Array(items) => {
                    waiting.extend(
                        (0..)
                            .zip(items)
                            .map(|(index, item)| (format!("{pointer}/{index}"), item)),
                    );
                }
                Value::Object(fields) => waiting.extend(fields.iter().map(|(name, field)| {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    (format!("{pointer}/{name}"), field)
                })),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        Error::new(ErrorCode::LimitExceeded, self.message).with_context("path", place)
    }
}

/// What follows from one schema for the value that it applies to.
#[derive(Clone, Copy)]
struct Extent {
    /// The longest way from schema to schema, this one included.
    chain: usize,
    /// How many schemas apply, each counted as often as it does.
    applied: usize,
}

struct Survey<'s> {
    references: References<'s>,
    /// By address; none while it is being measured.
    measured: HashMap<*const Value, Option<Extent>>,
    /// Schemas of what values hold, where a way begins anew.
    waiting: Vec<&'s Value>,
}

impl<'s> Survey<'s> {
    /// Measures a schema that `above` others lead to. Recurses no deeper than a chain may be.
    fn measure(&mut self, schema: &'s Value, above: usize) -> Result<Extent, Problem<'s>> {
        let problem = |message: String| Problem {
            message,
            value: schema,
        };
        let too_long = || {
            problem(format!(
                "more than {MAXIMUM_CHAIN} schemas lead to one another for the same value, by '$ref', 'allOf' and the like"
            ))
        };
        match self.measured.get(&std::ptr::from_ref(schema)) {
            Some(Some(extent)) => return Ok(*extent),
            Some(None) => {
                return Err(problem(
                    "the schema leads back to itself for the same value, by '$ref', 'allOf' and the like"
                        .to_owned(),
                ));
            }
            None => {}
        }
        if above >= MAXIMUM_CHAIN {
            return Err(too_long());
        }
        if self.measured.len() >= MAXIMUM_SUBSCHEMAS {
            return Err(problem(format!(
                "the schema consists of more than {MAXIMUM_SUBSCHEMAS} schemas"
            )));
        }
        self.measured.insert(schema, None);
        self.waiting.extend(within(schema));
        let mut extent = Extent { chain: 1, applied: 1 };
        for next in self.same_value(schema) {
            let found = self.measure(next, above + 1)?;
            extent.chain = extent.chain.max(found.chain + 1);
            extent.applied = extent.applied.saturating_add(found.applied);
        }
        if extent.chain > MAXIMUM_CHAIN {
            return Err(too_long());
        }
        if extent.applied > MAXIMUM_APPLIED {
            return Err(problem(format!(
                "more than {MAXIMUM_APPLIED} schemas apply to the same value, by '$ref', 'allOf' and the like"
            )));
        }
        self.measured.insert(schema, Some(extent));
        Ok(extent)
    }

    /// The schemas that apply to the same value as this one does.
    fn same_value(&mut self, schema: &'s Value) -> Vec<&'s Value> {
        let mut found: Vec<_> = parts(schema, &SAME_VALUE, &SAME_VALUE_BY_NAME).collect();
        found.extend(self.references.targets(schema));
        found
    }
}

/// The schemas that apply to what a value holds.
fn within(schema: &Value) -> impl Iterator<Item = &Value> {
    parts(schema, &WITHIN, &WITHIN_BY_NAME)
}

/// The schemas under keywords: one or a list of them, or objects of them.
fn parts<'s>(
    schema: &'s Value,
    keywords: &'static [&str],
    by_name: &'static [&str],
) -> impl Iterator<Item = &'s Value> {
    let single = keywords.iter().filter_map(|keyword| schema.get(keyword));
    let single = single.flat_map(|value| match value {
        Value::Array(items) => items.as_slice(),
        other => std::slice::from_ref(other),
    });
    let named = by_name
        .iter()
        .filter_map(|keyword| schema.get(keyword)?.as_object());
    single
        .chain(named.flat_map(serde_json::Map::values))
        .filter(|part| part.is_object())
}

#[cfg(test)]
mod tests;
