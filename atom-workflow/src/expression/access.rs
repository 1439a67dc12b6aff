//! Reading and updating the parts of values, as jq defines it.

use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;
use indexmap::map::Entry;
use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{ValR, ValT, ValX};

use super::limits::{check_stack, tick, tick_text};
use super::number::Number;
use super::operators::Failure;
use super::value::{Array, Object, Val};

/// The message for reading `key` of something that has no such part.
pub(super) fn no_index(type_name: &str, key: &str) -> String {
    format!("cannot index {type_name} with {key}")
}

/// A string key as error messages show it.
pub(super) fn quoted(key: &str) -> String {
    match key.char_indices().nth(40) {
        Some((end, _)) => format!("{:?}...", &key[..end]),
        None => format!("{key:?}"),
    }
}

fn index_failure(value: &Val, key: &Val) -> Failure {
    let key = match key {
        Val::String(key) => quoted(key),
        other => other.type_name().to_owned(),
    };
    Failure::str(no_index(value.type_name(), &key))
}

fn not_iterable(value: &Val) -> Failure {
    Failure::str(format_args!("cannot iterate over {value}"))
}

/// Where `index` points in a sequence of `length`, counting from the end when it is negative. May lie beyond
/// the end.
pub(super) fn position(index: Number, length: usize) -> Option<usize> {
    // The cast saturates, and takes NaN, which points nowhere, to 0.
    let index = match index {
        Number::Integer(index) => index,
        Number::Float(index) if index.is_nan() => return None,
        Number::Float(index) => (index.floor() as i128).clamp(i64::MIN.into(), i64::MAX.into()),
    };
    usize::try_from(if index < 0 { index + length as i128 } else { index }).ok()
}

/// The start and the end of a slice of a sequence of `length`.
fn bounds(range: Range<&Val>, length: usize) -> Result<(usize, usize), Failure> {
    let bound = |bound: Option<&Val>, default: usize, round: fn(f64) -> f64| match bound {
        None | Some(Val::Null) => Ok(default),
        Some(Val::Number(number)) => {
            let number = match number {
                Number::Float(float) => Number::from_f64(round(*float)),
                integer @ Number::Integer(_) => *integer,
            };
            Ok(position(number, length).unwrap_or(0).min(length))
        }
        Some(other) => Err(Failure::str(format_args!(
            "the bounds of a slice must be numbers, not {other}"
        ))),
    };
    let start = bound(range.start, 0, f64::floor)?;
    Ok((start, bound(range.end, length, f64::ceil)?.max(start)))
}

/// The part of `text` between two positions, counted in characters.
fn slice_text(text: &str, range: Range<&Val>) -> ValR<Val> {
    tick_text(text.len());
    let (start, end) = bounds(range, text.chars().count())?;
    let offset = |position| {
        text.char_indices()
            .nth(position)
            .map_or(text.len(), |(offset, _)| offset)
    };
    Ok(Val::string(&text[offset(start)..offset(end)]))
}

/// The bounds in `{"start": ..., "end": ...}`.
fn slice_of(object: &Object) -> Range<&Val> {
    object.fields.get("start")..object.fields.get("end")
}

/// The positions at which `part` occurs in `items`.
pub(super) fn occurrences(items: &[Val], part: &[Val]) -> Val {
    if part.is_empty() {
        return Val::Null;
    }
    items
        .windows(part.len())
        .enumerate()
        .filter(|(_, window)| *window == part)
        .map(|(at, _)| Val::from(at))
        .collect()
}

impl ValT for Val {
    fn from_num(text: &str) -> ValR<Self> {
        text.parse::<i128>()
            .map(Number::from_i128)
            .or_else(|_| text.parse().map(Number::from_f64))
            .map(Self::Number)
            .map_err(Failure::str)
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(iter: I) -> ValR<Self> {
        let mut fields = IndexMap::new();
        Array::charge(1);
        for (key, value) in iter {
            let Self::String(key) = key else {
                return Err(Failure::str(format_args!(
                    "keys of objects must be strings, not {key}"
                )));
            };
            tick_text(key.len());
            Object::charge(&key);
            fields.insert(Arc::from(key.as_str()), value);
        }
        Ok(Self::object(fields))
    }

    fn key_values(self) -> BoxIter<'static, ValR<(Self, Self), Self>> {
        check_stack();
        match self {
            Self::Array(array) => {
                Box::new((0..array.items.len()).map(move |at| Ok((at.into(), array.items[at].clone()))))
            }
            Self::Object(object) => Box::new((0..object.fields.len()).filter_map(move |at| {
                let (key, value) = object.fields.get_index(at)?;
                Some(Ok((Self::string(&**key), value.clone())))
            })),
            value => box_once(Err(not_iterable(&value))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR<Self>>> {
        check_stack();
        match self {
            Self::Array(array) => Box::new((0..array.items.len()).map(move |at| Ok(array.items[at].clone()))),
            Self::Object(object) => Box::new(
                (0..object.fields.len())
                    .filter_map(move |at| Some(Ok(object.fields.get_index(at)?.1.clone()))),
            ),
            value => box_once(Err(not_iterable(&value))),
        }
    }

    fn index(self, index: &Self) -> ValR<Self> {
        Ok(match (&self, index) {
            (Self::Null, Self::Null | Self::String(_) | Self::Number(_) | Self::Object(_)) => Self::Null,
            (Self::Object(object), Self::String(key)) => {
                tick_text(key.len());
                object.fields.get(key.as_str()).cloned().unwrap_or(Self::Null)
            }
            (Self::Array(array), Self::Number(at)) => {
                let item = position(*at, array.items.len()).and_then(|at| array.items.get(at));
                item.cloned().unwrap_or(Self::Null)
            }
            (Self::Array(array), Self::Array(part)) => occurrences(&array.items, &part.items),
            (Self::Array(_) | Self::String(_), Self::Object(slice)) => return self.range(slice_of(slice)),
            _ => return Err(index_failure(&self, index)),
        })
    }

    fn range(self, range: Range<&Self>) -> ValR<Self> {
        match self {
            Self::Null => Ok(Self::Null),
            Self::String(text) => slice_text(&text, range),
            Self::Array(array) => {
                let (start, end) = bounds(range, array.items.len())?;
                Ok(array.items[start..end].iter().cloned().collect())
            }
            value => Err(Failure::typ(value, "array or string to slice")),
        }
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        check_stack();
        match self {
            Self::Array(array) => {
                let items = Rc::try_unwrap(array)
                    .unwrap_or_else(|array| (*array).clone())
                    .items;
                items.into_iter().filter_map(|item| f(item).next()).collect()
            }
            Self::Object(object) => {
                let fields = Rc::try_unwrap(object)
                    .unwrap_or_else(|object| (*object).clone())
                    .fields;
                let field = |(key, value): (Arc<str>, _)| {
                    tick(1);
                    Object::charge(&key);
                    Some(f(value).next()?.map(|value| (key, value)))
                };
                Ok(Self::object(
                    fields.into_iter().filter_map(field).collect::<Result<_, _>>()?,
                ))
            }
            value => opt.fail(value, |value| not_iterable(&value).into()),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        tick(1);
        match (self, index) {
            (value @ (Self::Null | Self::Array(_)), Self::Object(slice)) => {
                value.map_range(slice_of(slice), opt, f)
            }
            // As in jq, null becomes what its index asks for.
            (Self::Null, Self::String(key)) => Ok(match f(Self::Null).next() {
                Some(value) => Self::from_map([(Self::String(key.clone()), value?)])?,
                None => Self::Null,
            }),
            (Self::Null, Self::Number(at)) => Ok(match f(Self::Null).next() {
                Some(value) => update_item(std::iter::empty().collect(), *at, |_| Some(value))?,
                None => Self::Null,
            }),
            (Self::Object(object), Self::String(key)) => update_field(object, key, |value| f(value).next()),
            (array @ Self::Array(_), Self::Number(at)) => update_item(array, *at, |value| f(value).next()),
            (value, index) => opt.fail(value, |value| index_failure(&value, index).into()),
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        range: Range<&Self>,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let mut array = match self {
            Self::Null => Rc::new(Array::default()),
            Self::Array(array) => array,
            value => {
                return opt.fail(value, |value| {
                    Failure::typ(value, "array to update a slice of").into()
                });
            }
        };
        let (start, end) = bounds(range, array.items.len())?;
        let part = array.items[start..end].iter().cloned().collect();
        let new = match f(part).next().transpose()? {
            None => Array::default(),
            Some(Self::Array(new)) => Rc::try_unwrap(new).unwrap_or_else(|new| (*new).clone()),
            Some(other) => return Err(Failure::typ(other, "array to replace a slice with").into()),
        };
        let rest = array.items.len() - (end - start);
        Array::charge(rest + new.items.len());
        tick(rest as u64 / 16);
        Rc::make_mut(&mut array).items.splice(start..end, new.items);
        Ok(Self::array(std::mem::take(&mut Rc::make_mut(&mut array).items)))
    }

    fn as_bool(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }

    fn into_string(self) -> Self {
        match self {
            Self::String(_) => self,
            value => Self::string(value.to_json_text()),
        }
    }
}

type Updated<'a> = Option<ValX<'a, Val>>;

fn update_field<'a>(
    mut object: Rc<Object>,
    key: &Rc<String>,
    f: impl FnOnce(Val) -> Updated<'a>,
) -> ValX<'a, Val> {
    tick_text(key.len());
    let target = Rc::make_mut(&mut object);
    let mut old = 0;
    let mut new = 0;
    match target.fields.entry(Arc::from(key.as_str())) {
        Entry::Occupied(mut entry) => {
            // Taken out, so that an update of a part of it need not copy it.
            let value = std::mem::replace(entry.get_mut(), Val::Null);
            old = value.depth();
            if let Some(value) = f(value) {
                let value = value?;
                new = value.depth();
                entry.insert(value);
            } else {
                tick(target.fields.len() as u64 / 16);
                target.fields.shift_remove(key.as_str());
            }
        }
        Entry::Vacant(entry) => {
            if let Some(value) = f(Val::Null) {
                let value = value?;
                Object::charge(key);
                new = value.depth();
                entry.insert(value);
            }
        }
    }
    target.replaced(old, new);
    Ok(Val::Object(object))
}

/// Updates an item of `array`; an array that is too short is filled up with nulls.
fn update_item<'a>(array: Val, at: Number, f: impl FnOnce(Val) -> Updated<'a>) -> ValX<'a, Val> {
    let Val::Array(mut array) = array else {
        return Ok(array);
    };
    let Some(at) = position(at, array.items.len()) else {
        return Err(Failure::str("the index is before the start of the array").into());
    };
    let target = Rc::make_mut(&mut array);
    let old = if at < target.items.len() {
        std::mem::replace(&mut target.items[at], Val::Null)
    } else {
        Val::Null
    };
    let old_depth = old.depth();
    let mut new_depth = 0;
    match f(old) {
        Some(value) => {
            let value = value?;
            if at >= target.items.len() {
                let missing = at - target.items.len() + 1;
                Array::charge(missing);
                tick(missing as u64);
                target.items.resize_with(at + 1, || Val::Null);
            }
            new_depth = value.depth();
            target.items[at] = value;
        }
        None if at < target.items.len() => {
            tick((target.items.len() - at) as u64 / 16);
            target.items.remove(at);
        }
        None => {}
    }
    target.replaced(old_depth, new_depth);
    Ok(Val::Array(array))
}
