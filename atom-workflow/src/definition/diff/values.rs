//! What differs between two values.

use std::collections::BTreeSet;

use atom_core::{Error, ErrorCode, Result};
use serde_json::Value;

use super::MemberChange;
use crate::definition::problem::escaped;

/// The most text of a comparison: its pointers, names and values as JSON, in bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// How many bytes may still be told.
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn new() -> Self {
        Self(MAX_BYTES)
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<()> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| {
            Error::new(
                ErrorCode::LimitExceeded,
                format!("the documents differ in more than {MAX_BYTES} bytes; compare them as texts"),
            )
        })?;
        Ok(())
    }
}

/// Where two values differ: within objects and lists of the same length the parts, else the whole.
pub(super) fn changes(from: &Value, to: &Value, budget: &mut Budget) -> Result<Vec<MemberChange>> {
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
