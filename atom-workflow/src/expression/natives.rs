//! The functions that are not written in jq: those of the `jaq` crates that do neither input nor output, and
//! our own where those of the crates are not bounded.

use jaq_core::native::{Fun, bome, unary, v};
use jaq_core::{Bind, DataT, Exn, Lut, Native, ValR, ValT as _};
use serde_json::Value;

use super::access::{occurrences, position};
use super::limits::{check_stack, tick, tick_term, tick_text};
use super::number::Number;
use super::operators::Failure;
use super::regex::{self, Patterns};
use super::secret::secret;
use super::structure::{closure, delete_all, paths, recurse};
use super::value::Val;

/// The instance of jq that expressions run on.
#[derive(Debug)]
pub(super) struct Language;

impl DataT for Language {
    type V<'a> = Val;
    type Data<'a> = Program<'a>;
}

/// The program a context belongs to. The interpreter asks for it each time it runs a term.
pub(super) struct Program<'a> {
    pub(super) lut: &'a Lut<Language>,
    pub(super) patterns: &'a Patterns,
}

impl Clone for Program<'_> {
    fn clone(&self) -> Self {
        tick(1);
        Self { ..*self }
    }
}

impl<'a> jaq_core::data::HasLut<'a, Language> for Program<'a> {
    fn lut(&self) -> &'a Lut<Language> {
        tick_term();
        self.lut
    }
}

/// Functions of the crates that are not offered, or that are replaced below.
const LEFT_OUT: [&str; 15] = [
    "halt",
    "env",
    "now",
    "localtime",
    "strflocaltime",
    "debug_empty",
    "stderr_empty",
    // Bessel functions take as many steps as their order says.
    "jn",
    "yn",
    "implode",
    "path",
    "path_value",
    "matches",
    "split_matches",
    "split_",
];

/// All native functions.
pub(super) fn functions() -> impl Iterator<Item = Fun<Language>> {
    let crates = jaq_core::funs()
        .chain(jaq_std::funs())
        .filter(|(name, ..)| !LEFT_OUT.contains(name));
    crates.chain(own()).chain([closure(), recurse(), secret()])
}

fn own() -> [Fun<Language>; 16] {
    let filter = || [Bind::Fun(())].into();
    [
        ("nan", v(0), Native::new(|_| bome(Ok(f64::NAN.into())))),
        ("infinite", v(0), Native::new(|_| bome(Ok(f64::INFINITY.into())))),
        (
            "tojson",
            v(0),
            Native::new(|cv| bome(Ok(Val::string(cv.1.to_json_text())))),
        ),
        ("fromjson", v(0), Native::new(|cv| bome(from_json_text(&cv.1)))),
        ("length", v(0), Native::new(|cv| bome(length(&cv.1)))),
        (
            "contains",
            v(1),
            Native::new(|cv| unary(cv, |value, part| Ok(contains(&value, &part).into()))),
        ),
        (
            "has",
            v(1),
            Native::new(|cv| unary(cv, |value, key| has(&value, &key))),
        ),
        (
            "indices",
            v(1),
            Native::new(|cv| unary(cv, |value, part| indices(&value, &part))),
        ),
        (
            "bsearch",
            v(1),
            Native::new(|cv| unary(cv, |value, item| bsearch(&value, &item))),
        ),
        ("implode", v(0), Native::new(|cv| bome(implode(&cv.1)))),
        (
            "delpaths",
            v(1),
            Native::new(|mut cv| {
                let paths = cv.0.pop_var();
                bome(delete_all(cv.1, paths))
            }),
        ),
        ("path", filter(), Native::new(|cv| paths(cv, |_, path| path))),
        (
            "path_value",
            filter(),
            Native::new(|cv| paths(cv, |value, path| [path, value].into_iter().collect())),
        ),
        ("matches", v(2), Native::new(|cv| bome(regex::matches(cv)))),
        (
            "split_matches",
            v(2),
            Native::new(|cv| bome(regex::split_matches(cv))),
        ),
        ("split_", v(2), Native::new(|cv| bome(regex::split(cv)))),
    ]
}

fn from_json_text(value: &Val) -> ValR<Val> {
    let Val::String(text) = value else {
        return Err(Failure::typ(value.clone(), "JSON text"));
    };
    tick(text.len() as u64);
    super::limits::charge(text.len().saturating_mul(8));
    // The parser's own message would quote nothing of the text, only say where it went wrong.
    serde_json::from_str::<Value>(text)
        .map(|value| Val::from_json(&value))
        .map_err(|error| Failure::str(format_args!("cannot parse as JSON: {error}")))
}

fn length(value: &Val) -> ValR<Val> {
    Ok(match value {
        Val::Null => 0_usize.into(),
        Val::Bool(_) => return Err(Failure::str("boolean has no length")),
        Val::Number(number) => Val::Number(number.abs()),
        Val::String(text) => {
            tick_text(text.len());
            text.chars().count().into()
        }
        Val::Array(array) => array.items.len().into(),
        Val::Object(object) => object.fields.len().into(),
    })
}

fn contains(value: &Val, part: &Val) -> bool {
    check_stack();
    tick(1);
    match (value, part) {
        (Val::String(text), Val::String(part)) => {
            tick_text(text.len());
            text.contains(part.as_str())
        }
        (Val::Array(array), Val::Array(parts)) => parts
            .items
            .iter()
            .all(|part| array.items.iter().any(|item| contains(item, part))),
        (Val::Object(object), Val::Object(parts)) => {
            let field = |key: &str| object.fields.get(key);
            parts
                .fields
                .iter()
                .all(|(key, part)| field(key).is_some_and(|value| contains(value, part)))
        }
        _ => value == part,
    }
}

fn has(value: &Val, key: &Val) -> ValR<Val> {
    Ok(match (value, key) {
        (Val::Object(object), Val::String(key)) => {
            tick_text(key.len());
            object.fields.contains_key(key.as_str())
        }
        (Val::Array(array), Val::Number(at)) => {
            at.as_f64() >= 0.0 && position(*at, array.items.len()).is_some_and(|at| at < array.items.len())
        }
        _ => {
            return Err(Failure::str(format_args!(
                "cannot check whether {value} has a key of type {key}"
            )));
        }
    }
    .into())
}

fn indices(value: &Val, part: &Val) -> ValR<Val> {
    Ok(match (value, part) {
        (Val::Null, _) => Val::Null,
        (Val::String(_), Val::String(part)) if part.is_empty() => Val::Null,
        (Val::String(text), Val::String(part)) => text_indices(text, part),
        (Val::Array(array), Val::Array(part)) => occurrences(&array.items, &part.items),
        (Val::Array(array), item) => array
            .items
            .iter()
            .enumerate()
            .filter(|(_, other)| *other == item)
            .map(|(at, _)| Val::from(at))
            .collect(),
        _ => return value.clone().index(part),
    })
}

/// The positions, in characters, at which `part` occurs; occurrences may overlap.
fn text_indices(text: &str, part: &str) -> Val {
    tick_text(text.len());
    let mut from = 0;
    let mut characters = 0;
    std::iter::from_fn(|| {
        let rest = &text[from..];
        let at = rest.find(part)?;
        tick_text(part.len());
        characters += rest[..at].chars().count();
        let found = characters;
        from += at + rest[at..].chars().next().map_or(0, char::len_utf8);
        characters += 1;
        Some(Val::from(found))
    })
    .collect()
}

fn bsearch(value: &Val, item: &Val) -> ValR<Val> {
    let Val::Array(array) = value else {
        return Err(Failure::typ(value.clone(), "array"));
    };
    Ok(Val::Number(match array.items.binary_search(item) {
        Ok(at) => Number::Integer(at as i128),
        Err(at) => Number::Integer(-1 - at as i128),
    }))
}

fn implode(value: &Val) -> ValR<Val> {
    let Val::Array(array) = value else {
        return Err(Failure::typ(value.clone(), "array"));
    };
    tick(array.items.len() as u64);
    let character = |item: &Val| {
        let Val::Number(number) = item else { return None };
        char::from_u32(u32::try_from(number.as_integer()?).ok()?)
    };
    let text: Option<String> = array.items.iter().map(character).collect();
    text.map(Val::string)
        .ok_or_else(|| Failure::str("implode takes an array of Unicode code points"))
}

impl jaq_std::ValT for Val {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        match self {
            Self::Array(array) => {
                super::value::Array::charge(array.items.len());
                Ok(array.items.iter().cloned().collect())
            }
            value => Err(value),
        }
    }

    fn is_int(&self) -> bool {
        matches!(self, Self::Number(number) if number.as_integer().is_some())
    }

    fn as_isize(&self) -> Option<isize> {
        match self {
            Self::Number(number) => number.as_integer()?.try_into().ok(),
            _ => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number.as_f64()),
            _ => None,
        }
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self, Self::String(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::String(text) => {
                // Whoever asks for the bytes is about to read them.
                tick_text(text.len());
                Some(text.as_bytes())
            }
            _ => None,
        }
    }

    fn as_sub_str(&self, sub: &[u8]) -> Self {
        Self::string(String::from_utf8_lossy(sub))
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Self::string(String::from_utf8_lossy(bytes.as_ref()))
    }
}

/// What a failure says: its message, or the value given to `error` as text.
pub(super) fn message(exception: Exn<'_, Val>) -> String {
    let Ok(failure) = exception.get_err() else {
        return "`break` outside of its label".to_owned();
    };
    let text = match failure.into_val() {
        Val::String(text) => String::clone(&text),
        value => value.to_json_text(),
    };
    match text.char_indices().nth(500) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
