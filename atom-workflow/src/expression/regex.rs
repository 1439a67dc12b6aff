//! Regular expressions, matched in linear time for each match.

use std::cell::RefCell;

use jaq_core::{Cv, ValR, ValT as _};
use regex::{Captures, Regex, RegexBuilder};

use super::limits::{tick, tick_text};
use super::natives::Language;
use super::operators::Failure;
use super::value::Val;

/// The greatest pattern, in bytes.
const PATTERN_BYTES: usize = 4 * 1024;

/// The greatest compiled pattern, in bytes; counted repetitions and Unicode classes grow it.
const COMPILED_BYTES: usize = 1024 * 1024;

/// How many compiled patterns an evaluation keeps.
const KEPT: usize = 16;

/// The compiled patterns of one evaluation, the newest last. Each evaluation starts with none, so that its
/// steps do not depend on what ran before.
#[derive(Default)]
pub(super) struct Patterns(RefCell<Vec<((String, String), Regex)>>);

impl Patterns {
    fn get(&self, pattern: &str, flags: &str) -> Result<Regex, Failure> {
        let mut kept = self.0.borrow_mut();
        let is_same = |key: &(String, String)| (key.0.as_str(), key.1.as_str()) == (pattern, flags);
        if let Some((_, regex)) = kept.iter().find(|(key, _)| is_same(key)) {
            tick_text(pattern.len());
            return Ok(regex.clone());
        }
        // The price of a pattern that is as large as it may be when compiled.
        tick(2_000 + 100 * pattern.len() as u64);
        let regex = build(pattern, flags)?;
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push(((pattern.to_owned(), flags.to_owned()), regex.clone()));
        Ok(regex)
    }
}

fn build(pattern: &str, flags: &str) -> Result<Regex, Failure> {
    if pattern.len() > PATTERN_BYTES {
        return Err(Failure::str(format_args!(
            "a regular expression has at most {PATTERN_BYTES} bytes"
        )));
    }
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(COMPILED_BYTES).dfa_size_limit(COMPILED_BYTES);
    for flag in flags.chars() {
        match flag {
            'g' | 'n' => &mut builder,
            'i' => builder.case_insensitive(true),
            'x' => builder.ignore_whitespace(true),
            's' => builder.dot_matches_new_line(true),
            'm' => builder.multi_line(true),
            'l' => builder.swap_greed(true),
            'p' => builder.multi_line(true).dot_matches_new_line(true),
            other => {
                return Err(Failure::str(format_args!(
                    "unknown flag {other:?} of a regular expression"
                )));
            }
        };
    }
    builder
        .build()
        .map_err(|error| Failure::str(describe_error(&error)))
}

/// For each match, an array of the match and its groups.
pub(super) fn matches(cv: Cv<'_, Language>) -> ValR<Val> {
    let search = Search::new(cv)?;
    let mut found = Vec::new();
    search.each(|_, captures, offset| {
        found.push(search.describe(captures, offset)?);
        Ok(())
    })?;
    Ok(found.into_iter().collect())
}

/// The parts of the text that do not match, and between them the matches.
pub(super) fn split_matches(cv: Cv<'_, Language>) -> ValR<Val> {
    let search = Search::new(cv)?;
    let mut parts = Vec::new();
    let rest = search.each(|between, captures, offset| {
        parts.push(Val::string(between));
        parts.push(search.describe(captures, offset)?);
        Ok(())
    })?;
    parts.push(Val::string(rest));
    Ok(parts.into_iter().collect())
}

/// The parts of the text that do not match.
pub(super) fn split(cv: Cv<'_, Language>) -> ValR<Val> {
    let search = Search::new(cv)?;
    let mut parts = Vec::new();
    let rest = search.each(|between, _, _| {
        parts.push(Val::string(between));
        Ok(())
    })?;
    parts.push(Val::string(rest));
    Ok(parts.into_iter().collect())
}

struct Search {
    text: std::rc::Rc<String>,
    regex: Regex,
    pattern_bytes: usize,
    is_global: bool,
    skips_empty: bool,
}

impl Search {
    fn new(mut cv: Cv<'_, Language>) -> Result<Self, Failure> {
        let (flags, pattern) = (cv.0.pop_var(), cv.0.pop_var());
        let text = match cv.1 {
            Val::String(text) => text,
            other => {
                return Err(Failure::str(format_args!(
                    "cannot match {other} with a regular expression"
                )));
            }
        };
        let Val::String(pattern) = pattern else {
            return Err(Failure::str(format_args!(
                "a regular expression is a string, not {pattern}"
            )));
        };
        let flags = match &flags {
            Val::Null => "",
            Val::String(flags) => flags.as_str(),
            other => return Err(Failure::str(format_args!("flags are a string, not {other}"))),
        };
        let regex = cv.0.data().patterns.get(&pattern, flags)?;
        let (is_global, skips_empty) = (flags.contains('g'), flags.contains('n'));
        Ok(Self {
            text,
            regex,
            pattern_bytes: pattern.len(),
            is_global,
            skips_empty,
        })
    }

    /// Calls `found` for each match with the text since the match before, the captures and the position in
    /// characters; returns the text after the last match.
    fn each(
        &self,
        mut found: impl FnMut(&str, &Captures<'_>, usize) -> Result<(), Failure>,
    ) -> Result<&str, Failure> {
        let mut end = 0;
        let mut characters = 0;
        let mut matches = self.regex.captures_iter(&self.text);
        loop {
            // A search may look at all that is left of the text before it settles for a short match.
            tick(1);
            tick_text((self.text.len() - end) / 2);
            let Some(captures) = matches.next() else { break };
            let Some(whole) = captures.get(0) else { break };
            tick_text(whole.len() * self.pattern_bytes);
            if !(self.skips_empty && whole.is_empty()) {
                let between = &self.text[end..whole.start()];
                characters += between.chars().count();
                found(between, &captures, characters)?;
                characters += whole.as_str().chars().count();
                end = whole.end();
            }
            if !self.is_global {
                break;
            }
        }
        Ok(&self.text[end..])
    }

    /// The match and its groups as objects with `offset`, `length`, `string` and, for named groups, `name`.
    fn describe(&self, captures: &Captures<'_>, offset: usize) -> ValR<Val> {
        let start = captures.get(0).map_or(0, |whole| whole.start());
        let groups = captures.iter().zip(self.regex.capture_names()).enumerate();
        groups
            .map(|(index, (group, name))| {
                let (offset, length, string) = match group {
                    Some(group) => {
                        let before = &self.text[start..group.start()];
                        tick_text(before.len());
                        let offset = Val::from(offset + before.chars().count());
                        (
                            offset,
                            group.as_str().chars().count(),
                            Val::string(group.as_str()),
                        )
                    }
                    None => ((-1_isize).into(), 0, Val::Null),
                };
                let mut fields = vec![
                    (Val::string("offset"), offset),
                    (Val::string("length"), length.into()),
                    (Val::string("string"), string),
                ];
                if index > 0 {
                    fields.push((Val::string("name"), name.map_or(Val::Null, Val::string)));
                }
                Val::from_map(fields)
            })
            .collect()
    }
}

fn describe_error(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "the regular expression is too large when compiled".to_owned(),
        // The last line says what is wrong; those before draw the pattern.
        other => {
            let text = other.to_string();
            format!(
                "invalid regular expression: {}",
                text.lines().last().unwrap_or_default()
            )
        }
    }
}
