//! What runs can be found by, as rows have it.

use atom_core::storage::RunLabels;
use atom_core::{Error, Result};

use super::rows::json;

/// The kind, name and value of each label as they stand in their rows.
pub(super) fn label_values(labels: &RunLabels) -> Result<Vec<(&'static str, &String, String)>> {
    let tags = labels.tags.iter();
    let tags = tags.map(|(name, tag)| Ok::<_, Error>(("tag", name, tag.clone())));
    let fields = labels.fields.iter();
    let fields = fields.map(|(name, field)| Ok(("field", name, json(field)?)));
    // A field tells more runs apart than a tag, so it comes first.
    fields.chain(tags).collect()
}
