//! The variables of a document: those that its tasks name, and those that its expressions read.

use std::collections::BTreeSet;

use atom_core::Result;

use super::cursor::{Cursor, Object, shortened, suggestion};
use super::{Reader, missing};
use crate::expression::Expression;

/// The variables that expressions have, which a task of the document must not hide.
const GIVEN: [&str; 8] = [
    "approval", "context", "input", "output", "runtime", "secrets", "task", "workflow",
];
/// One of the specification that the engine does not give: credentials stay out of data.
const AUTHORIZATION: &str = "authorization";

/// What is known of variables so far.
#[derive(Default)]
pub(super) struct Variables<'t> {
    /// Those that tasks name, wherever they can be read.
    named: BTreeSet<String>,
    /// Those that expressions read and the engine does not give, and where.
    read: Vec<(String, Cursor<'t>)>,
    /// The secrets that expressions name, and where.
    secrets: Vec<(String, Cursor<'t>)>,
}

impl<'t> Reader<'t> {
    /// Notes which variables an expression reads.
    pub(super) fn note_variables(&mut self, cursor: &Cursor<'t>, expression: &Expression) -> Result<()> {
        for name in expression.variables().filter(|name| !GIVEN.contains(name)) {
            if name == AUTHORIZATION {
                self.lacks(cursor, "an expression with $authorization")?;
                continue;
            }
            self.variables.read.push((name.to_owned(), cursor.clone()));
        }
        for name in expression.secrets() {
            self.variables.secrets.push((name.to_owned(), cursor.clone()));
        }
        Ok(())
    }

    /// Refuses an expression that reads a variable which nothing gives and no task names, or a secret that is not listed:
    /// it could only fail.
    pub(super) fn check_variables(&self) -> Result<()> {
        let Variables { named, read, secrets } = &self.variables;
        let unlisted = |(name, _): &&(String, Cursor<'t>)| !self.secrets.contains(name);
        if let Some((name, cursor)) = secrets.iter().find(unlisted) {
            let names = self.secrets.iter().map(String::as_str);
            return Err(missing(names, "use.secrets", name, cursor));
        }
        let Some((name, cursor)) = read.iter().find(|(name, _)| !named.contains(name)) else {
            return Ok(());
        };
        let names = named.iter().map(String::as_str).chain(GIVEN);
        let hint = suggestion(name, names);
        Err(cursor.error(format!("there is no variable '${}'{hint}", shortened(name))))
    }

    /// The names of the variables that hold the item of an iteration and its index.
    pub(super) fn two_variables(
        &mut self,
        settings: &Object<'t>,
        each: &str,
        at: &str,
    ) -> Result<(String, String)> {
        let item = self.variable(settings.get(each), "item")?;
        let index = self.variable(settings.get(at), "index")?;
        if item == index {
            let place = settings.get(at).or_else(|| settings.get(each));
            let place = place.unwrap_or_else(|| settings.cursor.clone());
            return Err(place.error(format!(
                "'{each}' and '{at}' are both named '{}'; give them two names",
                shortened(&item)
            )));
        }
        Ok((item, index))
    }

    /// The name of a variable, which expressions read as `$name`.
    pub(super) fn variable(&mut self, cursor: Option<Cursor<'t>>, default: &str) -> Result<String> {
        let name = match &cursor {
            None => default,
            Some(cursor) => checked(cursor)?,
        };
        self.variables.named.insert(name.to_owned());
        Ok(name.to_owned())
    }
}

/// A name that a variable can have.
fn checked<'t>(cursor: &Cursor<'t>) -> Result<&'t str> {
    let name = cursor.text()?;
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit());
    if GIVEN.contains(&name) || name == AUTHORIZATION {
        return Err(cursor.error(format!(
            "'{name}' cannot name a variable: every task has a '${name}' already; choose another name"
        )));
    }
    if is_name {
        return Ok(name);
    }
    Err(cursor.error(format!(
        "'{}' cannot name a variable: use letters, digits and '_', no digit first and no '$'",
        shortened(name)
    )))
}
