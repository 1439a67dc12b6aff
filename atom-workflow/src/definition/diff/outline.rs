//! The tasks of a document, taken out of what stands around them.

use atom_core::Result;
use serde_json::{Map, Value};

use super::values::Budget;
use crate::definition::problem::escaped;

/// The tasks of a document, in document order, and the rest of it.
pub(super) struct Outline {
    pub(super) tasks: Vec<Entry>,
    pub(super) rest: Value,
}

/// A list of tasks: the task that it stands in, and where in it.
pub(super) type ListKey = (Option<usize>, String);

/// A task of a document.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) pointer: String,
    pub(super) list: ListKey,
    /// The task without the tasks inside it.
    pub(super) own: Value,
}

/// Where lists of tasks stand in a task.
const LISTS: [&[&str]; 6] = [
    &["do"],
    &["try"],
    &["fork", "branches"],
    &["catch", "do"],
    &["foreach", "do"],
    &["metadata", "atom", "compensate"],
];

impl Outline {
    pub(super) fn of(source: &Value, budget: &mut Budget) -> Result<Self> {
        let mut outline = Self {
            tasks: Vec::new(),
            rest: Value::Null,
        };
        let mut rest = source.clone();
        if let Some(tasks) = take(&mut rest, &["do"]) {
            outline.list(tasks, &(None, "/do".to_owned()), "/do", budget)?;
        }
        if let Some(Value::Object(functions)) = take(&mut rest, &["use", "functions"]) {
            let list = (None, FUNCTIONS.to_owned());
            for (name, task) in functions {
                let pointer = format!("{FUNCTIONS}/{}", escaped(&name));
                outline.task(name, task, list.clone(), pointer, budget)?;
            }
        }
        let extensions = rest.pointer_mut("/use/extensions").and_then(Value::as_array_mut);
        for (index, item) in extensions.into_iter().flatten().enumerate() {
            let Some((name, extension)) = item.as_object_mut().and_then(|item| item.iter_mut().next()) else {
                continue;
            };
            for key in ["before", "after"] {
                let Some(tasks) = take(extension, &[key]) else {
                    continue;
                };
                let pointer = format!("/use/extensions/{index}/{}/{key}", escaped(name));
                // An extension before which another was put has not changed.
                let list = (None, format!("/use/extensions/{}/{key}", escaped(name)));
                outline.list(tasks, &list, &pointer, budget)?;
            }
        }
        outline.rest = rest;
        Ok(outline)
    }

    fn list(&mut self, tasks: Value, list: &ListKey, pointer: &str, budget: &mut Budget) -> Result<()> {
        let Value::Array(items) = tasks else { return Ok(()) };
        for (index, item) in items.into_iter().enumerate() {
            let Value::Object(item) = item else { continue };
            for (name, task) in item {
                let pointer = format!("{pointer}/{index}/{}", escaped(&name));
                self.task(name, task, list.clone(), pointer, budget)?;
            }
        }
        Ok(())
    }

    /// Adds a task and those inside it. The reader bounds how deep they nest.
    fn task(
        &mut self,
        name: String,
        mut own: Value,
        list: ListKey,
        pointer: String,
        budget: &mut Budget,
    ) -> Result<()> {
        budget.take(name.len() + pointer.len())?;
        let lists: Vec<_> = LISTS
            .iter()
            .filter_map(|path| take(&mut own, path).map(|tasks| (format!("/{}", path.join("/")), tasks)))
            .collect();
        let index = self.tasks.len();
        self.tasks.push(Entry {
            name,
            pointer: pointer.clone(),
            list,
            own,
        });
        for (slot, tasks) in lists {
            let pointer = format!("{pointer}{slot}");
            self.list(tasks, &(Some(index), slot), &pointer, budget)?;
        }
        Ok(())
    }
}

/// Where the tasks stand that others call.
pub(super) const FUNCTIONS: &str = "/use/functions";

/// Takes a list or object of tasks out of an object, with the objects around it that hold nothing else.
fn take(value: &mut Value, path: &[&str]) -> Option<Value> {
    let (key, inner) = path.split_first()?;
    let object = value.as_object_mut()?;
    if inner.is_empty() {
        // What is empty has no tasks to tell of, and stays.
        let is_empty = match object.get(*key)? {
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => true,
        };
        return if is_empty { None } else { object.remove(*key) };
    }
    let child = object.get_mut(*key)?;
    let taken = take(child, inner)?;
    if child.as_object().is_some_and(Map::is_empty) {
        object.remove(*key);
    }
    Some(taken)
}
