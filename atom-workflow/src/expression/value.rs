//! The values jq programs work on, metered as they are made and copied.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::limits::{charge, charge_output, check_depth, check_stack, tick, tick_text};
use super::number::Number;

/// What an element of an array and a field of an object take, roughly.
const ITEM_BYTES: usize = 32;
const FIELD_BYTES: usize = 96;

/// A JSON value that costs nothing but a step to copy.
#[derive(Debug)]
pub(super) enum Val {
    Null,
    Bool(bool),
    Number(Number),
    String(Rc<String>),
    Array(Rc<Array>),
    Object(Rc<Object>),
}

/// The elements of an array, and how deep they nest, the array itself included.
#[derive(Debug, Default)]
pub(super) struct Array {
    pub(super) items: Vec<Val>,
    depth: u32,
}

/// The fields of an object in their order, and how deep they nest, the object itself included.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) fields: IndexMap<Arc<str>, Val>,
    depth: u32,
}

impl Clone for Val {
    fn clone(&self) -> Self {
        tick(1);
        match self {
            Self::Null => Self::Null,
            Self::Bool(value) => Self::Bool(*value),
            Self::Number(value) => Self::Number(*value),
            Self::String(value) => Self::String(Rc::clone(value)),
            Self::Array(value) => Self::Array(Rc::clone(value)),
            Self::Object(value) => Self::Object(Rc::clone(value)),
        }
    }
}

impl Clone for Array {
    fn clone(&self) -> Self {
        charge(self.items.len() * ITEM_BYTES);
        Self {
            items: self.items.clone(),
            depth: self.depth,
        }
    }
}

impl Clone for Object {
    fn clone(&self) -> Self {
        charge(self.fields.len() * FIELD_BYTES);
        Self {
            fields: self.fields.clone(),
            depth: self.depth,
        }
    }
}

impl Array {
    /// Makes room for `count` more elements in the budget.
    pub(super) fn charge(count: usize) {
        charge(count.saturating_mul(ITEM_BYTES));
    }

    /// How deep the elements nest.
    pub(super) fn inner_depth(&self) -> u32 {
        self.depth.saturating_sub(1)
    }

    /// To be called when elements of depth up to `new` have come in and one of depth `old` has gone.
    pub(super) fn replaced(&mut self, old: u32, new: u32) {
        let deepest = || {
            tick(self.items.len() as u64);
            self.items.iter().map(Val::depth).max().unwrap_or(0)
        };
        self.depth = replaced(self.depth, old, new, deepest);
    }
}

impl Object {
    /// Makes room for a field in the budget.
    pub(super) fn charge(key: &str) {
        charge(key.len() + FIELD_BYTES);
    }

    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    /// To be called when fields of depth up to `new` have come in and one of depth `old` has gone.
    pub(super) fn replaced(&mut self, old: u32, new: u32) {
        let deepest = || {
            tick(self.fields.len() as u64);
            self.fields.values().map(Val::depth).max().unwrap_or(0)
        };
        self.depth = replaced(self.depth, old, new, deepest);
    }
}

fn replaced(depth: u32, old: u32, new: u32, deepest: impl FnOnce() -> u32) -> u32 {
    if new + 1 >= depth {
        check_depth(new + 1)
    } else if old + 1 == depth && new < old {
        deepest() + 1
    } else {
        depth
    }
}

impl Val {
    pub(super) fn string(text: impl Into<String>) -> Self {
        let text = text.into();
        charge(text.len() + ITEM_BYTES);
        Self::String(Rc::new(text))
    }

    /// An array of `items`, whose room in the budget was made before.
    pub(super) fn array(items: Vec<Self>) -> Self {
        let depth = items.iter().map(Self::depth).max().unwrap_or(0) + 1;
        Self::Array(Rc::new(Array {
            items,
            depth: check_depth(depth),
        }))
    }

    /// An object of `fields`, whose room in the budget was made before.
    pub(super) fn object(fields: IndexMap<Arc<str>, Self>) -> Self {
        let depth = fields.values().map(Self::depth).max().unwrap_or(0) + 1;
        Self::Object(Rc::new(Object {
            fields,
            depth: check_depth(depth),
        }))
    }

    /// How deep arrays and objects nest in this.
    pub(super) fn depth(&self) -> u32 {
        match self {
            Self::Array(array) => array.depth,
            Self::Object(object) => object.depth,
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => 0,
        }
    }

    /// The name jq gives to the type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Reads a JSON value. What is given to a program is not charged to it; only its depth is bounded.
    pub(super) fn from_json(value: &Value) -> Self {
        Self::from_json_within(value, 0)
    }

    fn from_json_within(value: &Value, outer: u32) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(Number::from_json(number)),
            Value::String(text) => Self::String(Rc::new(text.clone())),
            Value::Array(items) => {
                let inner = check_depth(outer + 1);
                Self::array(
                    items
                        .iter()
                        .map(|item| Self::from_json_within(item, inner))
                        .collect(),
                )
            }
            Value::Object(fields) => {
                let inner = check_depth(outer + 1);
                let field =
                    |(key, value): (&String, _)| (key.as_str().into(), Self::from_json_within(value, inner));
                Self::object(fields.iter().map(field).collect())
            }
        }
    }

    /// The value as JSON, or `None` when it holds NaN or an infinity.
    pub(super) fn to_json(&self) -> Option<Value> {
        check_stack();
        tick(1);
        Some(match self {
            Self::Null => {
                charge_output(4);
                Value::Null
            }
            Self::Bool(value) => {
                charge_output(5);
                Value::Bool(*value)
            }
            Self::Number(number) => {
                charge_output(8);
                Value::Number(number.to_json()?)
            }
            Self::String(text) => {
                charge_output(text.len() + 2);
                Value::String(String::clone(text))
            }
            Self::Array(array) => {
                charge_output(array.items.len() + 2);
                Value::Array(array.items.iter().map(Self::to_json).collect::<Option<_>>()?)
            }
            Self::Object(object) => {
                let mut map = Map::with_capacity(object.fields.len().min(1024));
                charge_output(2);
                for (key, value) in &object.fields {
                    charge_output(key.len() + 4);
                    map.insert(key.to_string(), value.to_json()?);
                }
                Value::Object(map)
            }
        })
    }

    /// The value as JSON text, in the manner of jq.
    pub(super) fn to_json_text(&self) -> String {
        let mut text = String::new();
        self.write_json(&mut text);
        text
    }

    fn write_json(&self, text: &mut String) {
        check_stack();
        tick(1);
        // The text itself is charged when it becomes a value; this keeps it from growing without bound.
        charge(1);
        match self {
            Self::Null => text.push_str("null"),
            Self::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => text.push_str(&number.to_text()),
            Self::String(string) => write_json_string(string, text),
            Self::Array(array) => {
                text.push('[');
                for (index, item) in array.items.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    item.write_json(text);
                }
                text.push(']');
            }
            Self::Object(object) => {
                text.push('{');
                for (index, (key, value)) in object.fields.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    write_json_string(key, text);
                    text.push(':');
                    value.write_json(text);
                }
                text.push('}');
            }
        }
    }
}

fn write_json_string(string: &str, text: &mut String) {
    tick_text(string.len());
    charge(string.len());
    text.push_str(&Value::from(string).to_string());
}

/// Names the type only: this is what error messages show, and a value may be a secret.
impl fmt::Display for Val {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.type_name())
    }
}

impl FromIterator<Self> for Val {
    fn from_iter<I: IntoIterator<Item = Self>>(iter: I) -> Self {
        let mut items = Vec::new();
        charge(ITEM_BYTES);
        for item in iter {
            tick(1);
            charge(ITEM_BYTES);
            items.push(item);
        }
        Self::array(items)
    }
}

impl From<bool> for Val {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<isize> for Val {
    fn from(value: isize) -> Self {
        Self::Number(Number::Integer(value as i128))
    }
}

impl From<usize> for Val {
    fn from(value: usize) -> Self {
        Self::Number(Number::from_i128(value as i128))
    }
}

impl From<f64> for Val {
    fn from(value: f64) -> Self {
        Self::Number(Number::from_f64(value))
    }
}

impl From<String> for Val {
    fn from(text: String) -> Self {
        Self::string(text)
    }
}

/// The bounds of a slice as a value, as it occurs in paths.
impl From<jaq_core::val::Range<Self>> for Val {
    fn from(range: jaq_core::val::Range<Self>) -> Self {
        let bounds = [("start", range.start), ("end", range.end)];
        Self::object(
            bounds
                .into_iter()
                .map(|(key, value)| (key.into(), value.unwrap_or(Self::Null)))
                .collect(),
        )
    }
}
