//! Arithmetic and order of values, as jq defines them.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::{Add, Div, Mul, Neg, Rem, Sub};
use std::rc::Rc;

use jaq_core::ops::Math;

use super::limits::{charge, check_stack, tick, tick_text};
use super::number::Number;
use super::value::{Array, Object, Val};

/// What jq calls an error: a value that `try` can catch.
pub(super) type Failure = jaq_core::Error<Val>;
type Outcome = Result<Val, Failure>;

impl Add for Val {
    type Output = Outcome;

    fn add(self, other: Self) -> Outcome {
        tick(1);
        Ok(match (self, other) {
            (Self::Null, value) | (value, Self::Null) => value,
            (Self::Number(left), Self::Number(right)) => Self::Number(left.add(right)),
            (Self::String(mut left), Self::String(right)) => {
                tick_text(right.len());
                charge(right.len());
                if Rc::get_mut(&mut left).is_none() {
                    charge(left.len());
                }
                Rc::make_mut(&mut left).push_str(&right);
                Self::String(left)
            }
            (Self::Array(mut left), Self::Array(right)) => {
                Array::charge(right.items.len());
                let array = Rc::make_mut(&mut left);
                array.items.extend(right.items.iter().cloned());
                array.replaced(0, right.inner_depth());
                Self::Array(left)
            }
            (Self::Object(mut left), Self::Object(right)) => {
                let object = Rc::make_mut(&mut left);
                for (key, value) in &right.fields {
                    put(object, key, value.clone());
                }
                Self::Object(left)
            }
            (left, right) => return Err(Failure::math(left, Math::Add, right)),
        })
    }
}

/// Sets a field.
fn put(object: &mut Object, key: &std::sync::Arc<str>, value: Val) {
    tick_text(key.len());
    Object::charge(key);
    let new = value.depth();
    let old = object
        .fields
        .insert(key.clone(), value)
        .map_or(0, |value| value.depth());
    object.replaced(old, new);
}

impl Sub for Val {
    type Output = Outcome;

    fn sub(self, other: Self) -> Outcome {
        tick(1);
        Ok(match (self, other) {
            (Self::Number(left), Self::Number(right)) => Self::Number(left.subtract(right)),
            (Self::Array(left), Self::Array(right)) => {
                let gone: BTreeSet<&Self> = right.items.iter().collect();
                left.items
                    .iter()
                    .filter(|item| !gone.contains(item))
                    .cloned()
                    .collect()
            }
            (left, right) => return Err(Failure::math(left, Math::Sub, right)),
        })
    }
}

impl Mul for Val {
    type Output = Outcome;

    fn mul(self, other: Self) -> Outcome {
        tick(1);
        Ok(match (self, other) {
            (Self::Number(left), Self::Number(right)) => Self::Number(left.multiply(right)),
            (Self::String(text), Self::Number(times)) | (Self::Number(times), Self::String(text)) => {
                repeat(&text, times)
            }
            (Self::Object(mut left), Self::Object(right)) => {
                merge(&mut left, &right);
                Self::Object(left)
            }
            (left, right) => return Err(Failure::math(left, Math::Mul, right)),
        })
    }
}

/// `"ab" * 3`; null for zero times or less, once for less than one time.
fn repeat(text: &str, times: Number) -> Val {
    let times = times.as_f64();
    if times.is_nan() || times <= 0.0 {
        return Val::Null;
    }
    // The cast saturates.
    let times = times.max(1.0) as usize;
    charge(text.len().saturating_mul(times));
    Val::string(text.repeat(times))
}

/// Merges objects in objects too.
fn merge(left: &mut Rc<Object>, right: &Object) {
    check_stack();
    let object = Rc::make_mut(left);
    for (key, value) in &right.fields {
        if let (Some(Val::Object(inner)), Val::Object(right)) = (object.fields.get_mut(key), value) {
            let old = inner.depth();
            merge(inner, right);
            let new = inner.depth();
            object.replaced(old, new);
        } else {
            put(object, key, value.clone());
        }
    }
}

impl Div for Val {
    type Output = Outcome;

    fn div(self, other: Self) -> Outcome {
        tick(1);
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => left
                .divide(right)
                .map(Self::Number)
                .ok_or_else(|| Failure::str("cannot divide by zero")),
            (Self::String(text), Self::String(separator)) => {
                tick_text(text.len());
                Ok(if text.is_empty() {
                    std::iter::empty().collect()
                } else if separator.is_empty() {
                    text.chars().map(String::from).map(Self::string).collect()
                } else {
                    text.split(separator.as_str()).map(Self::string).collect()
                })
            }
            (left, right) => Err(Failure::math(left, Math::Div, right)),
        }
    }
}

impl Rem for Val {
    type Output = Outcome;

    fn rem(self, other: Self) -> Outcome {
        tick(1);
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => left
                .remainder(right)
                .map(Self::Number)
                .ok_or_else(|| Failure::str("cannot divide by zero")),
            (left, right) => Err(Failure::math(left, Math::Rem, right)),
        }
    }
}

impl Neg for Val {
    type Output = Outcome;

    fn neg(self) -> Outcome {
        tick(1);
        match self {
            Self::Number(number) => Ok(Self::Number(number.negate())),
            value => Err(Failure::typ(value, "number")),
        }
    }
}

impl PartialEq for Val {
    fn eq(&self, other: &Self) -> bool {
        check_stack();
        tick(1);
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Number(left), Self::Number(right)) => left.equals(*right),
            (Self::String(left), Self::String(right)) => {
                tick_text(left.len().min(right.len()));
                left == right
            }
            (Self::Array(left), Self::Array(right)) => left.items == right.items,
            (Self::Object(left), Self::Object(right)) => left.fields == right.fields,
            _ => false,
        }
    }
}

impl Eq for Val {}

impl PartialOrd for Val {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// null, false, true, numbers, strings, arrays, objects; objects by their sorted keys, then by their values.
impl Ord for Val {
    fn cmp(&self, other: &Self) -> Ordering {
        check_stack();
        tick(1);
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => left.cmp(right),
            (Self::Number(left), Self::Number(right)) => left.compare(*right),
            (Self::String(left), Self::String(right)) => {
                tick_text(left.len().min(right.len()));
                left.cmp(right)
            }
            (Self::Array(left), Self::Array(right)) => left.items.cmp(&right.items),
            (Self::Object(left), Self::Object(right)) => {
                let (left, right) = (sorted(left), sorted(right));
                let keys = left
                    .iter()
                    .map(|field| field.0)
                    .cmp(right.iter().map(|field| field.0));
                keys.then_with(|| {
                    left.iter()
                        .map(|field| field.1)
                        .cmp(right.iter().map(|field| field.1))
                })
            }
            (left, right) => rank(left).cmp(&rank(right)),
        }
    }
}

fn rank(value: &Val) -> u8 {
    match value {
        Val::Null => 0,
        Val::Bool(_) => 1,
        Val::Number(_) => 2,
        Val::String(_) => 3,
        Val::Array(_) => 4,
        Val::Object(_) => 5,
    }
}

fn sorted(object: &Object) -> Vec<(&str, &Val)> {
    tick(object.fields.len() as u64);
    let mut fields: Vec<_> = object.fields.iter().map(|(key, value)| (&**key, value)).collect();
    fields.sort_unstable_by_key(|field| field.0);
    fields
}
