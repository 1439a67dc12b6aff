//! What differs between two documents, task by task.
//!
//! Tasks are told apart by their names: first by their place, list by list, then by a name that is left only once on both
//! sides. A task that stands in another list, or whose place among the tasks that both lists have changed, has moved; one
//! before which another was put has not, although its JSON pointer is another. What is said about one direction is said,
//! mirrored, about the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use atom_core::{Error, ErrorCode, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Workflow;
use super::problem::escaped;

/// The most text of a comparison: its pointers, names and values as JSON, in bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

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
        let mut budget = Budget(MAX_BYTES);
        let (from, to) = (
            Outline::of(&from.source, &mut budget)?,
            Outline::of(&to.source, &mut budget)?,
        );
        let pairs = Pairs::between(&from, &to);
        let mut diff = Self {
            moved: pairs.moved(&from, &to),
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

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How many bytes may still be told.
struct Budget(usize);

impl Budget {
    fn take(&mut self, bytes: usize) -> Result<()> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| {
            Error::new(
                ErrorCode::LimitExceeded,
                format!("the documents differ in more than {MAX_BYTES} bytes; compare them as texts"),
            )
        })?;
        Ok(())
    }
}

/// The tasks of a document, in document order, and the rest of it.
struct Outline {
    tasks: Vec<Entry>,
    rest: Value,
}

/// A list of tasks: the task that it stands in, and where in it.
type ListKey = (Option<usize>, String);

struct Entry {
    name: String,
    pointer: String,
    list: ListKey,
    /// The task without the tasks inside it.
    own: Value,
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
    fn of(source: &Value, budget: &mut Budget) -> Result<Self> {
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
const FUNCTIONS: &str = "/use/functions";

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

/// Which task of one document is which of the other, both ways.
#[derive(Default)]
struct Pairs {
    to: BTreeMap<usize, usize>,
    from: BTreeMap<usize, usize>,
}

impl Pairs {
    fn between(from: &Outline, to: &Outline) -> Self {
        let mut pairs = Self::default();
        pairs.by_place(from, to);
        pairs.by_name(from, to);
        // What stands in tasks that have moved.
        pairs.by_place(from, to);
        pairs
    }

    fn add(&mut self, old: usize, new: usize) {
        if !self.to.contains_key(&old) && !self.from.contains_key(&new) {
            self.to.insert(old, new);
            self.from.insert(new, old);
        }
    }

    /// Pairs the tasks of the same name in lists that belong together. Tasks come after those around them.
    fn by_place(&mut self, from: &Outline, to: &Outline) {
        let places: HashMap<_, _> = numbered(to).into_iter().zip(0..).collect();
        for (old, (list, name, number)) in numbered(from).into_iter().enumerate() {
            if let Some(list) = self.counterpart(list)
                && let Some(new) = places.get(&(&list, name, number))
            {
                self.add(old, *new);
            }
        }
    }

    /// Pairs tasks whose name is left once on both sides.
    fn by_name(&mut self, from: &Outline, to: &Outline) {
        let (old, new) = (unique(from, &self.to), unique(to, &self.from));
        for (name, old) in old {
            if let Some(new) = new.get(name) {
                self.add(old, *new);
            }
        }
    }

    /// The list of the second document that belongs to one of the first.
    fn counterpart(&self, (parent, slot): &ListKey) -> Option<ListKey> {
        let parent = match parent {
            None => None,
            Some(parent) => Some(*self.to.get(parent)?),
        };
        Some((parent, slot.clone()))
    }

    fn moved(&self, from: &Outline, to: &Outline) -> Vec<MovedTask> {
        let mut lists: BTreeMap<&ListKey, Vec<(usize, usize)>> = BTreeMap::new();
        let mut moved = BTreeSet::new();
        for (old, new) in &self.to {
            let list = &from.tasks[*old].list;
            if self.counterpart(list).as_ref() != Some(&to.tasks[*new].list) {
                moved.insert(*old);
            } else if list.1 != FUNCTIONS {
                lists.entry(list).or_default().push((*old, *new));
            }
        }
        for mut pairs in lists.into_values() {
            let names = |pairs: &[(usize, usize)]| -> Vec<&str> {
                pairs
                    .iter()
                    .map(|(old, _)| from.tasks[*old].name.as_str())
                    .collect()
            };
            let mut turned = pairs.clone();
            turned.sort_by_key(|(_, new)| *new);
            // Which tasks count as moved must not depend on which document comes first.
            let is_turned = names(&pairs) > names(&turned);
            if is_turned {
                pairs = turned;
            }
            let places: Vec<_> = pairs
                .iter()
                .map(|(old, new)| if is_turned { *old } else { *new })
                .collect();
            let still = longest_rise(&places);
            let others = pairs
                .iter()
                .enumerate()
                .filter(|(place, _)| !still.contains(place));
            moved.extend(others.map(|(_, (old, _))| *old));
        }
        let told = moved.into_iter().filter_map(|old| {
            let new = self.to.get(&old)?;
            Some(MovedTask {
                name: from.tasks[old].name.clone(),
                from: from.tasks[old].pointer.clone(),
                to: to.tasks[*new].pointer.clone(),
            })
        });
        told.collect()
    }
}

/// The list and name of each task, and how many of that name come before it there.
fn numbered(outline: &Outline) -> Vec<(&ListKey, &str, usize)> {
    let mut counts = HashMap::new();
    let tasks = outline.tasks.iter().map(|task| {
        let count = counts.entry((&task.list, task.name.as_str())).or_insert(0);
        *count += 1;
        (&task.list, task.name.as_str(), *count)
    });
    tasks.collect()
}

/// The tasks without a counterpart whose name no other of them has.
fn unique<'o>(outline: &'o Outline, paired: &BTreeMap<usize, usize>) -> BTreeMap<&'o str, usize> {
    let mut found: BTreeMap<&str, Option<usize>> = BTreeMap::new();
    for (index, task) in outline.tasks.iter().enumerate() {
        if !paired.contains_key(&index) {
            let entry = found.entry(&task.name);
            entry.and_modify(|index| *index = None).or_insert(Some(index));
        }
    }
    let unique = found.into_iter().filter_map(|(name, index)| Some((name, index?)));
    unique.collect()
}

/// The places of a longest rising selection of numbers that are all different.
fn longest_rise(numbers: &[usize]) -> BTreeSet<usize> {
    // The place of the lowest number at which a selection of each length ends, and what comes before each number.
    let mut ends: Vec<usize> = Vec::new();
    let mut before = vec![None; numbers.len()];
    for (place, number) in numbers.iter().enumerate() {
        let length = ends.partition_point(|end| numbers[*end] < *number);
        before[place] = length.checked_sub(1).map(|shorter| ends[shorter]);
        if length == ends.len() {
            ends.push(place);
        } else {
            ends[length] = place;
        }
    }
    std::iter::successors(ends.last().copied(), |place| before[*place]).collect()
}

/// Where two values differ: within objects and lists of the same length the parts, else the whole.
fn changes(from: &Value, to: &Value, budget: &mut Budget) -> Result<Vec<MemberChange>> {
    let mut changes = Vec::new();
    compare(Some(from), Some(to), &mut String::new(), &mut changes, budget)?;
    Ok(changes)
}

fn compare(
    from: Option<&Value>,
    to: Option<&Value>,
    path: &mut String,
    changes: &mut Vec<MemberChange>,
    budget: &mut Budget,
) -> Result<()> {
    let length = path.len();
    match (from, to) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
            for key in keys {
                path.push('/');
                path.push_str(&escaped(key));
                compare(old.get(key), new.get(key), path, changes, budget)?;
                path.truncate(length);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                path.push('/');
                path.push_str(&index.to_string());
                compare(Some(old), Some(new), path, changes, budget)?;
                path.truncate(length);
            }
        }
        _ if from == to => {}
        _ => {
            let values = from.into_iter().chain(to);
            budget.take(path.len() + values.map(|value| value.to_string().len()).sum::<usize>())?;
            changes.push(MemberChange {
                path: path.clone(),
                from: from.cloned(),
                to: to.cloned(),
            });
        }
    }
    Ok(())
}
