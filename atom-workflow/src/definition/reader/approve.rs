//! `metadata.atom.approve`: what a person is asked before a task runs.

use std::sync::Arc;

use atom_core::Result;
use atom_core::principal::{MAX_NAME_BYTES, is_name};
use atom_core::storage::OnDeadline;

use super::Reader;
use super::cursor::{Cursor, Object};
use crate::definition::types::{Approve, Form};
use crate::expression::is_expression;

const KEYS: [&str; 8] = [
    "title",
    "message",
    "assignees",
    "form",
    "data",
    "allowEdit",
    "deadline",
    "onDeadline",
];

/// How large the schema of a form may be, as JSON: each approval keeps one.
const MAXIMUM_FORM_BYTES: usize = 64 * 1024;

impl<'t> Reader<'t> {
    /// Reads what is asked before `task` runs.
    pub(super) fn approve(&mut self, cursor: &Cursor<'t>, task: &Object<'t>) -> Result<Approve> {
        if self.is_compensating {
            return Err(cursor.error(
                "a task that undoes another cannot wait for an approval: what was done would stay done until \
                 somebody decides",
            ));
        }
        let approve = cursor.object(&KEYS)?;
        let title = approve.require("title")?;
        title.name()?;
        let message = approve.get("message");
        if let Some(message) = &message {
            message.text()?;
        }
        let allow_edit = match approve.get("allowEdit") {
            Some(allow_edit) => {
                let is_allowed = allow_edit.boolean()?;
                let input = task.get("input").map(|input| input.any_object()).transpose()?;
                if is_allowed && input.is_some_and(|input| input.has("schema") && input.has("from")) {
                    return Err(allow_edit.error(
                        "the task's 'input.schema' is about what comes before 'input.from', so it cannot check what \
                         a person changes after it; leave one of the three out",
                    ));
                }
                is_allowed
            }
            None => false,
        };
        let deadline = approve.get("deadline");
        let on_deadline = match approve.get("onDeadline") {
            None => OnDeadline::default(),
            Some(on_deadline) if deadline.is_none() => {
                return Err(on_deadline.error("'onDeadline' needs 'deadline' beside it"));
            }
            Some(on_deadline) => {
                let name = on_deadline.choice(&OnDeadline::ALL.map(OnDeadline::as_str))?;
                let mut all = OnDeadline::ALL.into_iter();
                all.find(|choice| choice.as_str() == name).unwrap_or_default()
            }
        };
        Ok(Approve {
            title: self.template(&title)?,
            message: message.map(|message| self.template(&message)).transpose()?,
            assignees: approve
                .get("assignees")
                .map(|assignees| {
                    check_assignees(&assignees)?;
                    self.template(&assignees)
                })
                .transpose()?,
            form: approve.get("form").map(|form| self.form(&form)).transpose()?,
            data: approve.get("data").map(|data| self.template(&data)).transpose()?,
            allow_edit,
            deadline: deadline.map(|deadline| self.duration(&deadline)).transpose()?,
            on_deadline,
        })
    }

    fn form(&mut self, cursor: &Cursor<'t>) -> Result<Form> {
        cursor.any_object()?;
        let source = cursor.json();
        if source.to_string().len() > MAXIMUM_FORM_BYTES {
            return Err(cursor.error(format!(
                "the form has more than {MAXIMUM_FORM_BYTES} bytes as JSON"
            )));
        }
        Ok(Form {
            schema: self.schema_document(cursor, None)?,
            source: Arc::new(source),
        })
    }
}

/// Checks the names that are spelled out; what expressions give is checked when it is there.
fn check_assignees(cursor: &Cursor<'_>) -> Result<()> {
    let assignees = cursor.object(&["roles", "users"])?.filled()?;
    for (_, names) in assignees.members() {
        if names.as_text().is_some_and(is_expression) {
            continue;
        }
        if !names.is_list() {
            return Err(names.unexpected("a list of names, or an expression that gives one as text"));
        }
        let texts = names.texts()?;
        if texts.is_empty() {
            return Err(names.error("expected at least one name, found an empty list"));
        }
        for (text, item) in texts.into_iter().zip(names.items()?) {
            if !is_expression(text) && !is_name(text) {
                return Err(item.error(format!(
                    "a name must be 1 to {MAX_NAME_BYTES} bytes without control characters"
                )));
            }
        }
    }
    Ok(())
}
