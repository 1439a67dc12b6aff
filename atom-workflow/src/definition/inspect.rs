//! Answers questions about a whole document.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use atom_core::{Error, ErrorCode, Result};

use super::{CallTarget, Task, TaskKind, TaskList, Workflow};

impl Workflow {
    /// Checks that the engine carries out every part of the document.
    ///
    /// # Errors
    /// `unsupported` naming the parts that it does not.
    pub fn check_supported(&self) -> Result<()> {
        let Some(first) = self.unsupported.first() else {
            return Ok(());
        };
        let features: BTreeSet<_> = self
            .unsupported
            .iter()
            .map(|part| part.feature.as_str())
            .collect();
        let features: Vec<_> = features.into_iter().collect();
        Err(Error::new(
            ErrorCode::Unsupported,
            format!(
                "the document is valid but uses what this engine does not carry out: {}",
                features.join(", ")
            ),
        )
        .with_context("line", first.line)
        .with_context("column", first.column)
        .with_context("path", &first.path))
    }

    /// Checks that everything was read that the document refers to.
    ///
    /// # Errors
    /// `conflict` naming the first resource that was not.
    pub fn check_resolved(&self) -> Result<()> {
        let Some(first) = self.unresolved.first() else {
            return Ok(());
        };
        let message = format!(
            "the document refers to '{}', which has not been read; deploy the document, or start it as text",
            first.uri
        );
        Err(first.located(Error::new(ErrorCode::Conflict, message)))
    }

    /// Whether any task waits for an approval.
    #[must_use]
    pub fn has_approvals(&self) -> bool {
        let mut has_approvals = false;
        self.visit(&mut |task| has_approvals |= task.approve.is_some());
        has_approvals
    }

    /// Whether any task has what undoes it.
    #[must_use]
    pub fn has_compensations(&self) -> bool {
        let mut has_compensations = false;
        self.visit(&mut |task| has_compensations |= task.compensate.is_some());
        has_compensations
    }

    /// The names of the registered functions that the document calls, those among them that stand behind
    /// protocols such as `call: http`, and behind `run`, each with the first task that calls it.
    #[must_use]
    pub fn called_functions(&self) -> BTreeMap<&str, &Arc<Task>> {
        let mut functions = BTreeMap::new();
        self.visit(&mut |task| {
            let function = match &task.kind {
                TaskKind::Call(call) => call.target.function(),
                TaskKind::Subscribe(_) => CallTarget::AsyncApi.function(),
                TaskKind::Process(process) => Some(process.kind.function()),
                _ => None,
            };
            if let Some(function) = function {
                functions.entry(function).or_insert(task);
            }
        });
        functions
    }

    /// Shows every task, those of extensions first.
    pub(crate) fn visit<'a>(&'a self, see: &mut impl FnMut(&'a Arc<Task>)) {
        let lists = self
            .extensions
            .iter()
            .flat_map(|extension| [&extension.before, &extension.after]);
        for list in lists.chain([&self.tasks]) {
            visit(list, see);
        }
    }
}

/// Shows every task of a list and of the lists inside, in document order. The reader bounds how deep they nest.
fn visit<'a>(list: &'a TaskList, see: &mut impl FnMut(&'a Arc<Task>)) {
    for task in &list.tasks {
        visit_task(task, see);
    }
}

fn visit_task<'a>(task: &'a Arc<Task>, see: &mut impl FnMut(&'a Arc<Task>)) {
    see(task);
    if let Some(compensate) = &task.compensate {
        visit(compensate, see);
    }
    match &task.kind {
        TaskKind::Do(list) => visit(list, see),
        TaskKind::For(each) => visit(&each.tasks, see),
        TaskKind::Fork(fork) => visit(&fork.branches, see),
        TaskKind::Try(attempt) => {
            visit(&attempt.tasks, see);
            if let Some(handler) = &attempt.handler {
                visit(handler, see);
            }
        }
        TaskKind::Listen(listen) => {
            if let Some(foreach) = &listen.foreach {
                visit(&foreach.tasks, see);
            }
        }
        TaskKind::Subscribe(subscribe) => {
            if let Some(foreach) = &subscribe.foreach {
                visit(&foreach.tasks, see);
            }
        }
        TaskKind::Call(call) => {
            if let Some(task) = call.target.task() {
                visit_task(task, see);
            }
        }
        _ => {}
    }
}
