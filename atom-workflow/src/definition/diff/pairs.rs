//! Which task of one document is which of the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::MovedTask;
use super::outline::{FUNCTIONS, ListKey, Outline};

/// Which task of one document is which of the other, both ways.
#[derive(Default)]
pub(super) struct Pairs {
    pub(super) to: BTreeMap<usize, usize>,
    pub(super) from: BTreeMap<usize, usize>,
}

impl Pairs {
    pub(super) fn between(from: &Outline, to: &Outline) -> Self {
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

    pub(super) fn moved(&self, from: &Outline, to: &Outline) -> Vec<MovedTask> {
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
