//! Programs that only follow a path, such as `.a.b` and `$context.items[0]`: most expressions are, and they
//! need no interpreter.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::Term;
use jaq_core::path::{Opt, Part};
use serde_json::Value;

use super::Variables;
use super::access::{no_index, position, quoted};
use super::number::Number;

/// A path from the input or a variable.
#[derive(Debug)]
pub(super) struct Path {
    /// The variable it starts at, without `$`; the input otherwise.
    variable: Option<String>,
    keys: Vec<Key>,
}

#[derive(Debug)]
enum Key {
    Field(String),
    Item(Number),
}

impl Path {
    /// The path that `term` follows, when that is all it does.
    pub(super) fn of(term: &Term<&str>) -> Option<Self> {
        let (head, parts) = match term {
            Term::Path(head, path) => (&**head, path.0.as_slice()),
            head => (head, [].as_slice()),
        };
        let variable = match head {
            Term::Id => None,
            Term::Var(name) => Some(name.strip_prefix('$')?.to_owned()),
            _ => return None,
        };
        let keys = parts.iter().map(|part| match part {
            (Part::Index(index), Opt::Essential) => Key::of(index),
            _ => None,
        });
        Some(Self {
            variable,
            keys: keys.collect::<Option<_>>()?,
        })
    }

    /// The value at the path: null where something is missing, an error message where something else stands
    /// in the way. The variable is known to exist.
    pub(super) fn evaluate(&self, input: &Value, variables: &Variables) -> Result<Value, String> {
        let mut value = match &self.variable {
            None => input,
            Some(name) => variables.get(name).map_or(&Value::Null, |value| value),
        };
        for key in &self.keys {
            value = match (value, key) {
                (Value::Null, _) => return Ok(Value::Null),
                (Value::Object(fields), Key::Field(key)) => fields.get(key).unwrap_or(&Value::Null),
                (Value::Array(items), Key::Item(at)) => position(*at, items.len())
                    .and_then(|at| items.get(at))
                    .unwrap_or(&Value::Null),
                (value, Key::Field(key)) => return Err(no_index(type_name(value), &quoted(key))),
                (value, Key::Item(_)) => return Err(no_index(type_name(value), "number")),
            };
        }
        Ok(value.clone())
    }
}

impl Key {
    fn of(term: &Term<&str>) -> Option<Self> {
        match term {
            Term::Str(None, parts) => match parts.as_slice() {
                [] => Some(Self::Field(String::new())),
                [StrPart::Str(text)] => Some(Self::Field((*text).to_owned())),
                _ => None,
            },
            Term::Num(text) => Some(Self::Item(Number::Integer(text.parse::<i64>().ok()?.into()))),
            Term::Neg(inner) => match &**inner {
                Term::Num(text) => Some(Self::Item(Number::Integer(-i128::from(
                    text.parse::<i64>().ok()?,
                )))),
                _ => None,
            },
            _ => None,
        }
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
