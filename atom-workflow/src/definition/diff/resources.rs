//! Which external resources of two documents differ.

use std::collections::{BTreeMap, BTreeSet};

use super::ChangedResource;
use crate::definition::Workflow;

/// The resources that differ; nothing is known when some were not read.
pub(super) fn changes(from: &Workflow, to: &Workflow) -> Option<Vec<ChangedResource>> {
    if !from.unresolved.is_empty() || !to.unresolved.is_empty() {
        return None;
    }
    // One URI has several texts where a document authenticates there in several ways.
    let texts = |workflow: &Workflow| -> BTreeSet<(String, String)> {
        let resources = workflow.resources.iter();
        resources
            .map(|resource| (resource.uri.clone(), resource.hash.clone()))
            .collect()
    };
    let (old, new) = (texts(from), texts(to));
    let mut changed: BTreeMap<String, Vec<ChangedResource>> = BTreeMap::new();
    for (uri, hash) in old.difference(&new) {
        changed.entry(uri.clone()).or_default().push(ChangedResource {
            uri: uri.clone(),
            from: Some(hash.clone()),
            to: None,
        });
    }
    for (uri, hash) in new.difference(&old) {
        let changes = changed.entry(uri.clone()).or_default();
        match changes.iter_mut().find(|change| change.to.is_none()) {
            Some(change) => change.to = Some(hash.clone()),
            None => changes.push(ChangedResource {
                uri: uri.clone(),
                from: None,
                to: Some(hash.clone()),
            }),
        }
    }
    Some(changed.into_values().flatten().collect())
}
