//! Tasks: what all have in common, and those that steer the flow.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use atom_core::Result;
use serde_json::Value;

use super::cursor::{Cursor, Member, Object, shortened};
use super::{MAXIMUM_TASK_DEPTH, Reader, check_target, find};
use crate::definition::problem::{choices, problem};
use crate::definition::types::{
    FlowDirective, For, Fork, Raise, SwitchCase, Task, TaskKind, TaskList, Transform, Try,
};
use crate::expression::Expression;

/// The keys that every task may have.
const COMMON: [&str; 7] = ["if", "input", "output", "export", "timeout", "then", "metadata"];
/// The kinds of tasks, and the keys that each may have besides its own and the common ones.
const KINDS: [(&str, &[&str]); 12] = [
    ("call", &["with"]),
    ("do", &[]),
    ("emit", &[]),
    ("for", &["do", "while"]),
    ("fork", &[]),
    ("listen", &["foreach"]),
    ("raise", &[]),
    ("run", &[]),
    ("set", &[]),
    ("switch", &[]),
    ("try", &["catch"]),
    ("wait", &[]),
];
/// Reading a task takes a few frames; a thread may have little left.
const STACK: usize = 1024 * 1024;

impl<'t> Reader<'t> {
    pub(super) fn task_list(&mut self, cursor: &Cursor<'t>, depth: usize) -> Result<TaskList> {
        let members = members(cursor)?;
        let names: Vec<_> = members.iter().map(|member| member.name).collect();
        self.tasks(&members, &names, depth)
    }

    fn tasks(&mut self, members: &[Member<'t>], siblings: &[&str], depth: usize) -> Result<TaskList> {
        let siblings: HashSet<_> = siblings.iter().copied().collect();
        let tasks = members
            .iter()
            .map(|member| self.task(member.name, &member.value, &siblings, depth + 1))
            .collect::<Result<_>>()?;
        Ok(TaskList { tasks })
    }

    pub(super) fn task(
        &mut self,
        name: &str,
        cursor: &Cursor<'t>,
        siblings: &HashSet<&str>,
        depth: usize,
    ) -> Result<Arc<Task>> {
        if depth > MAXIMUM_TASK_DEPTH {
            return Err(cursor.error(format!("tasks nest more than {MAXIMUM_TASK_DEPTH} deep")));
        }
        self.deepest = self.deepest.max(depth);
        let size = cursor.node.size;
        let reference = cursor.path.to_string();
        self.keep(cursor, size.nodes, size.bytes + reference.len())?;
        stacker::maybe_grow(STACK / 2, 2 * STACK, || {
            self.task_here(name, reference, cursor, siblings, depth)
        })
    }

    fn task_here(
        &mut self,
        name: &str,
        reference: String,
        cursor: &Cursor<'t>,
        siblings: &HashSet<&str>,
        depth: usize,
    ) -> Result<Arc<Task>> {
        let task = cursor.any_object()?;
        let kind = kind(&task)?;
        let atom = self.task_metadata(&task, kind)?;
        let approve = atom.as_ref().and_then(|atom| atom.get("approve"));
        let approve = approve.map(|approve| self.approve(&approve, &task)).transpose()?;
        let compensate = atom.as_ref().and_then(|atom| atom.get("compensate"));
        let compensate = compensate.map(|list| self.compensate(&list, depth)).transpose()?;
        let idempotency_key = self.call_key(atom.as_ref(), &task)?;
        let place = self.place(&task.cursor);
        Ok(Arc::new(Task {
            name: name.to_owned(),
            reference,
            line: place.line,
            column: place.column,
            condition: task
                .get("if")
                .map(|condition| self.expression(&condition))
                .transpose()?,
            input: task
                .get("input")
                .map(|input| self.input(&input))
                .transpose()?
                .unwrap_or_default(),
            kind: self.kind(kind, &task, siblings, depth)?,
            output: task
                .get("output")
                .map(|output| self.output(&output))
                .transpose()?
                .unwrap_or_default(),
            export: task
                .get("export")
                .map(|export| self.output(&export))
                .transpose()?,
            timeout: task
                .get("timeout")
                .map(|timeout| self.timeout(&timeout))
                .transpose()?,
            then: task
                .get("then")
                .map(|then| directive(&then, siblings))
                .transpose()?
                .unwrap_or_default(),
            approve: approve.map(Box::new),
            compensate,
            idempotency_key,
            source: Arc::new(cursor.json()),
        }))
    }

    /// What is written for this engine beside a task.
    fn task_metadata(&mut self, task: &Object<'t>, kind: &str) -> Result<Option<Object<'t>>> {
        match kind {
            "call" => self.metadata(task, &["approve", "compensate", "idempotencyKey"]),
            _ => self.metadata(task, &["approve", "compensate"]),
        }
    }

    /// The idempotency key of a call that leaves the engine.
    fn call_key(&mut self, atom: Option<&Object<'t>>, task: &Object<'t>) -> Result<Option<Expression>> {
        let Some(key) = atom.and_then(|atom| atom.get("idempotencyKey")) else {
            return Ok(None);
        };
        let target = task.get("call").and_then(|call| call.as_text());
        if target.is_some_and(|name| self.functions.contains_key(name)) {
            return Err(key.error("a function of 'use.functions' has no key; give one to the call within it"));
        }
        let with = task.get("with").and_then(|with| with.any_object().ok());
        if target == Some("asyncapi") && with.is_some_and(|with| with.get("subscription").is_some()) {
            return Err(key.error("a subscription changes nothing, so it has no key"));
        }
        self.expression(&key).map(Some)
    }

    /// Reads how a task is undone.
    fn compensate(&mut self, compensate: &Cursor<'t>, depth: usize) -> Result<TaskList> {
        if self.is_compensating {
            return Err(compensate.error("a task that undoes another has no compensation of its own"));
        }
        self.is_compensating = true;
        let tasks = self.task_list(compensate, depth);
        self.is_compensating = false;
        tasks
    }

    fn kind(
        &mut self,
        kind: &str,
        task: &Object<'t>,
        siblings: &HashSet<&str>,
        depth: usize,
    ) -> Result<TaskKind> {
        let content = task.require(kind)?;
        match kind {
            "call" => self.call(task, depth),
            "do" => self.task_list(&content, depth).map(TaskKind::Do),
            "emit" => self.emit(task),
            "for" => self.for_each(task, depth),
            "fork" => self.fork(&content, depth),
            "listen" => self.listen(task, depth),
            "raise" => self.raise(&content),
            "run" => self.run(task),
            "set" => self.set(&content),
            "switch" => self.switch(&content, siblings),
            "try" => self.attempt(task, siblings, depth),
            _ => self.duration(&content).map(TaskKind::Wait),
        }
    }

    fn set(&mut self, cursor: &Cursor<'t>) -> Result<TaskKind> {
        if let Some(text) = cursor.as_text() {
            if !self.is_loose && !crate::expression::is_expression(text) {
                return Err(cursor.error("expected an object, or an expression such as '${ .value }'"));
            }
        } else if cursor.is_object() {
            cursor.any_object()?.filled()?;
        } else {
            return Err(cursor.unexpected("an object, or an expression as text"));
        }
        self.template(cursor).map(TaskKind::Set)
    }

    fn switch(&mut self, cursor: &Cursor<'t>, siblings: &HashSet<&str>) -> Result<TaskKind> {
        let members = members(cursor)?;
        if members.is_empty() {
            return Err(cursor.error("expected at least one case"));
        }
        let mut has_default = false;
        let cases = members.iter().map(|member| {
            let case = member.value.object(&["when", "then"])?;
            if !case.has("when") && std::mem::replace(&mut has_default, true) {
                return Err(member.value.error(
                    "another case has no 'when' already, and only one can apply when no other does; add 'when'",
                ));
            }
            Ok(SwitchCase {
                name: member.name.to_owned(),
                when: case.get("when").map(|when| self.expression(&when)).transpose()?,
                then: directive(&case.require("then")?, siblings)?,
            })
        });
        cases.collect::<Result<_>>().map(TaskKind::Switch)
    }

    fn for_each(&mut self, task: &Object<'t>, depth: usize) -> Result<TaskKind> {
        let settings = task.require("for")?.object(&["each", "in", "at"])?;
        let collection = settings.require("in")?;
        let (each, at) = self.two_variables(&settings, "each", "at")?;
        Ok(TaskKind::For(For {
            each,
            at,
            collection: if collection.is_list() {
                for item in collection.items()? {
                    item.any_object()?;
                }
                Transform::Template(self.template(&collection)?)
            } else if collection.as_text().is_some() {
                Transform::Expression(self.expression(&collection)?)
            } else {
                return Err(collection.unexpected("an expression as text, or a list of objects"));
            },
            r#while: task
                .get("while")
                .map(|condition| self.expression(&condition))
                .transpose()?,
            tasks: self.task_list(&task.require("do")?, depth)?,
        }))
    }

    fn fork(&mut self, cursor: &Cursor<'t>, depth: usize) -> Result<TaskKind> {
        let fork = cursor.object(&["branches", "compete"])?;
        let members = members(&fork.require("branches")?)?;
        Ok(TaskKind::Fork(Fork {
            // Branches run side by side, so none can lead to another.
            branches: self.tasks(&members, &[], depth)?,
            is_competing: fork
                .get("compete")
                .map_or(Ok(false), |compete| compete.boolean())?,
        }))
    }

    fn raise(&mut self, cursor: &Cursor<'t>) -> Result<TaskKind> {
        let error = cursor.object(&["error"])?.require("error")?;
        let error = if error.as_text().is_some() {
            find(&self.errors, "use.errors", &error)?.clone()
        } else if error.is_object() {
            self.error_definition(&error)?
        } else {
            return Err(
                error.unexpected("an object with 'type' and 'status', or the name of an error as text")
            );
        };
        Ok(TaskKind::Raise(Raise { error }))
    }

    fn attempt(&mut self, task: &Object<'t>, siblings: &HashSet<&str>, depth: usize) -> Result<TaskKind> {
        let tasks = self.task_list(&task.require("try")?, depth)?;
        let catch = task.require("catch")?;
        let catch = catch.object(&["errors", "as", "when", "exceptWhen", "retry", "do", "then"])?;
        let errors = catch
            .get("errors")
            .map(|errors| error_filter(&errors))
            .transpose()?
            .unwrap_or_default();
        let retry = catch.get("retry").map(|retry| {
            if retry.as_text().is_some() {
                find(&self.retries, "use.retries", &retry).cloned()
            } else if retry.is_object() {
                self.retry_policy(&retry)
            } else {
                Err(retry.unexpected("an object, or the name of a retry policy as text"))
            }
        });
        Ok(TaskKind::Try(Box::new(Try {
            tasks,
            errors,
            r#as: self.variable(catch.get("as"), "error")?,
            retry: retry.transpose()?,
            when: catch.get("when").map(|when| self.expression(&when)).transpose()?,
            except_when: catch
                .get("exceptWhen")
                .map(|when| self.expression(&when))
                .transpose()?,
            handler: catch
                .get("do")
                .map(|tasks| self.task_list(&tasks, depth))
                .transpose()?,
            then: catch
                .get("then")
                .map(|then| directive(&then, siblings))
                .transpose()?,
        })))
    }
}

/// The members of a list of named things; a name stands there once.
fn members<'t>(cursor: &Cursor<'t>) -> Result<Vec<Member<'t>>> {
    let members = cursor
        .items()?
        .iter()
        .map(|item| item.single("a name"))
        .collect::<Result<Vec<_>>>()?;
    let mut first = BTreeMap::new();
    for member in &members {
        if let Some(line) = first.insert(member.name, member.position.line) {
            let message = format!(
                "the name '{}' stands in this list already, on line {line}",
                shortened(member.name)
            );
            return Err(problem(member.position, &member.value.path, message));
        }
    }
    Ok(members)
}

/// What a task does, once it is sure that it does one thing and that all its keys belong to it.
fn kind(task: &Object<'_>) -> Result<&'static str> {
    let extras = ["with", "while", "foreach", "catch"];
    let all: Vec<_> = KINDS
        .iter()
        .map(|(kind, _)| *kind)
        .chain(COMMON)
        .chain(extras)
        .collect();
    if let Some(entry) = task
        .entries
        .iter()
        .find(|entry| !all.contains(&entry.key.as_str()))
    {
        return Err(task.unknown(entry, &all));
    }
    let is_loop = task.has("for");
    let kinds = task.entries.iter().filter_map(|entry| {
        let kind = KINDS.iter().find(|(kind, _)| *kind == entry.key)?;
        // The `do` of a loop is part of the loop.
        (!(is_loop && kind.0 == "do")).then_some((entry, kind))
    });
    let kinds: Vec<_> = kinds.collect();
    match kinds.as_slice() {
        [] => {
            let names = KINDS.map(|(kind, _)| kind);
            Err(task.cursor.error(format!(
                "the task does nothing; one of {} is missing",
                choices(&names)
            )))
        }
        [(_, (kind, extras))] => {
            let is_foreign = |key: &str| !COMMON.contains(&key) && key != *kind && !extras.contains(&key);
            match task.entries.iter().find(|entry| is_foreign(&entry.key)) {
                None => Ok(kind),
                Some(entry) => {
                    let message = format!("the key '{}' does not belong to a '{kind}' task", entry.key);
                    Err(task.key_error(entry, message))
                }
            }
        }
        [(_, (first, _)), (entry, (second, _)), ..] => {
            let message = format!("'{first}' and '{second}' exclude each other; a task does one thing");
            Err(task.key_error(entry, message))
        }
    }
}

fn directive(cursor: &Cursor<'_>, siblings: &HashSet<&str>) -> Result<FlowDirective> {
    Ok(match cursor.text()? {
        "continue" => FlowDirective::Continue,
        "exit" => FlowDirective::Exit,
        "end" => FlowDirective::End,
        target => {
            check_target(target, siblings, cursor)?;
            FlowDirective::Task(target.to_owned())
        }
    })
}

/// Which errors are handled: fields that must be equal.
fn error_filter(cursor: &Cursor<'_>) -> Result<BTreeMap<String, Value>> {
    let Some(with) = cursor.object(&["with"])?.get("with") else {
        return Ok(BTreeMap::new());
    };
    let fields = with
        .object(&["type", "status", "instance", "title", "detail"])?
        .filled()?;
    for (key, value) in fields.members() {
        if key == "status" {
            value.integer()?;
        } else {
            value.text()?;
        }
    }
    Ok(fields
        .members()
        .map(|(key, value)| (key.to_owned(), value.json()))
        .collect())
}
