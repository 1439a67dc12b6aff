//! The native functions that follow, update and delete the parts of values.

use jaq_core::box_iter::box_once;
use jaq_core::native::{Fun, v};
use jaq_core::path::Opt;
use jaq_core::{Cv, Exn, Native, ValR, ValT as _, ValXs};

use super::limits::{check_stack, following_path, tick_closure};
use super::natives::Language;
use super::operators::Failure;
use super::value::Val;

/// The function that passes its input on and pays for a closure. Its name cannot be written in a program.
pub(super) const CLOSURE: &str = "!closure";

/// `..`; the one of the interpreter takes as many calls for each output as it is nested.
pub(super) const RECURSE: &str = "!recurse";

/// See [`CLOSURE`].
pub(super) fn closure() -> Fun<Language> {
    let native = Native::<Language>::new(|cv| {
        tick_closure();
        box_once(Ok(cv.1))
    })
    .with_paths(|cv| {
        tick_closure();
        box_once(Ok(cv.1))
    })
    .with_update(|cv, f| {
        tick_closure();
        f(cv.1)
    });
    (CLOSURE, v(0), native)
}

/// See [`RECURSE`].
pub(super) fn recurse() -> Fun<Language> {
    let native = Native::<Language>::new(|cv| {
        let mut waiting = vec![cv.1];
        Box::new(std::iter::from_fn(move || {
            let value = waiting.pop()?;
            if value.depth() > 0 {
                let inner = waiting.len();
                waiting.extend(value.clone().values().flatten());
                waiting[inner..].reverse();
            }
            Some(Ok(value))
        }))
    })
    .with_paths(|cv| {
        let mut waiting = vec![cv.1];
        Box::new(std::iter::from_fn(move || {
            let (value, path) = waiting.pop()?;
            if value.depth() > 0 {
                let inner = waiting.len();
                let part = |(key, value)| (value, path.clone().cons(key));
                waiting.extend(value.clone().key_values().flatten().map(part));
                waiting[inner..].reverse();
            }
            Some(Ok((value, path)))
        }))
    })
    .with_update(|cv, f| update_all(cv.1, &f));
    (RECURSE, v(0), native)
}

/// Updates from the leaves to the root, as `walk` needs it.
fn update_all<'a>(value: Val, f: &dyn Fn(Val) -> ValXs<'a, Val>) -> ValXs<'a, Val> {
    check_stack();
    match value.map_values(Opt::Optional, |inner| update_all(inner, f)) {
        Ok(value) => f(value),
        Err(exception) => box_once(Err(exception)),
    }
}

/// The paths that a filter follows, each made into a result with the value it leads to.
pub(super) fn paths<'a>(mut cv: Cv<'a, Language>, result: fn(Val, Val) -> Val) -> ValXs<'a, Val> {
    let (f, context) = cv.0.pop_fun();
    let mut found = following_path(|| f.paths((context, (cv.1, Default::default()))));
    Box::new(std::iter::from_fn(move || {
        let next = following_path(|| found.next())?;
        Some(next.map(|(value, path)| {
            let mut keys: Vec<Val> = path.iter().cloned().collect();
            keys.reverse();
            result(value, keys.into_iter().collect())
        }))
    }))
}

/// Deletes from the last path to the first, so that no deletion moves what another is about.
pub(super) fn delete_all(value: Val, paths: Val) -> ValR<Val> {
    let Val::Array(paths) = paths else {
        return Err(Failure::typ(paths, "array of paths"));
    };
    let mut paths: Vec<&Val> = paths.items.iter().collect();
    paths.sort_unstable();
    paths.into_iter().rev().try_fold(value, |value, path| match path {
        Val::Array(path) => delete(value, &path.items),
        other => Err(Failure::typ(other.clone(), "path, which is an array")),
    })
}

fn delete(value: Val, path: &[Val]) -> ValR<Val> {
    check_stack();
    let Some((key, rest)) = path.split_first() else {
        return Ok(Val::Null);
    };
    let updated = if rest.is_empty() {
        value.map_index(key, Opt::Essential, |_| std::iter::empty())
    } else if matches!(value.clone().index(key)?, Val::Null) {
        return Ok(value);
    } else {
        value.map_index(key, Opt::Essential, |inner| {
            std::iter::once(delete(inner, rest).map_err(Exn::from))
        })
    };
    // Deleting runs no term, so that it can only fail.
    updated.map_err(|exception| {
        exception
            .get_err()
            .unwrap_or_else(|_| Failure::str("cannot delete"))
    })
}
