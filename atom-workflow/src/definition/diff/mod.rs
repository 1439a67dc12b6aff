//! What differs between two documents, task by task.
//!
//! Tasks are told apart by their names: first by their place, list by list, then by a name that is left only once on both
//! sides. A task that stands in another list, or whose place among the tasks that both lists have changed, has moved; one
//! before which another was put has not, although its JSON pointer is another. What is said about one direction is said,
//! mirrored, about the other.

mod outline;
mod pairs;
mod resources;
mod values;

use atom_core::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Workflow;
use outline::{Entry, Outline};
use pairs::Pairs;
use values::{Budget, changes};

/// What differs between two documents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowDiff {
    /// The tasks that only the second document has, in document order.
    pub added: Vec<TaskPlace>,
    /// The tasks that only the first document has, in document order.
    pub removed: Vec<TaskPlace>,
    /// The tasks that stand in another list, or at another place among the tasks that both lists have.
    pub moved: Vec<MovedTask>,
    /// The tasks that are themselves different, apart from the tasks inside them.
    pub changed: Vec<ChangedTask>,
    /// What differs outside of tasks: `document`, `input`, `output`, `use`, `timeout`, `schedule`, `evaluate`.
    pub parts: Vec<MemberChange>,
    /// The external resources that differ, by URI; absent when one of the documents refers to some that were not read, as
    /// they are only when it is deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Vec<ChangedResource>>,
}

/// A task of one document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct TaskPlace {
    /// Its name.
    pub name: String,
    /// Its JSON pointer.
    pub task: String,
}

/// A task that stands elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct MovedTask {
    /// Its name.
    pub name: String,
    /// Its JSON pointer in the first document.
    pub from: String,
    /// Its JSON pointer in the second document.
    pub to: String,
}

/// A task that is different.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedTask {
    /// Its name.
    pub name: String,
    /// Its JSON pointer in the first document.
    pub from: String,
    /// Its JSON pointer in the second document.
    pub to: String,
    /// What differs.
    pub members: Vec<MemberChange>,
}

/// An external resource whose text is different, or to which only one document leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedResource {
    /// Where it is.
    pub uri: String,
    /// SHA-256 of the text that the first document is kept with, in hexadecimal; absent when it does not lead to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// SHA-256 of the text that the second document is kept with, in hexadecimal; absent when it does not lead to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// A value that is different.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberChange {
    /// Where it stands: a JSON pointer from the task, or from the document.
    pub path: String,
    /// What stood there; absent when nothing did.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub from: Option<Value>,
    /// What stands there; absent when nothing does.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub to: Option<Value>,
}

/// A `null` that is there is a value.
fn present<'d, D: serde::Deserializer<'d>>(value: D) -> std::result::Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

impl WorkflowDiff {
    /// Compares two documents.
    ///
    /// ```
    /// use atom_workflow::definition::{Workflow, WorkflowDiff};
    ///
    /// let text = "
    /// document: {dsl: 1.0.3, namespace: examples, name: pause, version: 1.0.0}
    /// do:
    ///   - rest: {wait: PT5S}
    /// ";
    /// let first = Workflow::parse(text)?;
    /// let second = Workflow::parse(&text.replace("PT5S", "PT9S"))?;
    /// let diff = WorkflowDiff::between(&first, &second)?;
    /// assert_eq!((diff.changed[0].name.as_str(), diff.changed[0].members[0].path.as_str()), ("rest", "/wait"));
    /// assert!(WorkflowDiff::between(&first, &first)?.is_empty());
    /// # Ok::<(), atom_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `limit_exceeded` when there is more than 16 MiB to tell.
    pub fn between(from: &Workflow, to: &Workflow) -> Result<Self> {
        let mut budget = Budget::new();
        let resources = resources::changes(from, to);
        let (from, to) = (
            Outline::of(&from.source, &mut budget)?,
            Outline::of(&to.source, &mut budget)?,
        );
        let pairs = Pairs::between(&from, &to);
        let mut diff = Self {
            moved: pairs.moved(&from, &to),
            resources,
            ..Self::default()
        };
        let place = |task: &Entry| TaskPlace {
            name: task.name.clone(),
            task: task.pointer.clone(),
        };
        for (index, old) in from.tasks.iter().enumerate() {
            let Some(new) = pairs.to.get(&index).map(|index| &to.tasks[*index]) else {
                diff.removed.push(place(old));
                continue;
            };
            let members = changes(&old.own, &new.own, &mut budget)?;
            if !members.is_empty() {
                diff.changed.push(ChangedTask {
                    name: old.name.clone(),
                    from: old.pointer.clone(),
                    to: new.pointer.clone(),
                    members,
                });
            }
        }
        let added = to.tasks.iter().enumerate();
        diff.added = added
            .filter(|(index, _)| !pairs.from.contains_key(index))
            .map(|(_, task)| place(task))
            .collect();
        diff.parts = changes(&from.rest, &to.rest, &mut budget)?;
        Ok(diff)
    }

    /// Whether nothing differs, as far as is known: `resources` may be absent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.moved.is_empty()
            && self.changed.is_empty()
            && self.parts.is_empty()
            && self.resources.as_ref().is_none_or(Vec::is_empty)
    }
}
