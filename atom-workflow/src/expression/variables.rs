//! The named values an expression may refer to as `$name`.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

/// The named values an expression may refer to as `$name`, e.g. `$context`, `$input` and `$item`.
///
/// A clone is cheap and shares the values, so a step takes a copy and adds its own. `Debug` shows the names
/// only: `$secrets` is one of them.
#[derive(Clone, Default)]
pub struct Variables {
    /// Ordered by name. There are few, and every step copies them: a list of shared names and values is the cheapest to copy.
    values: Arc<Vec<(Arc<str>, Arc<Value>)>>,
}

impl Variables {
    /// No variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Defines a variable, or replaces it. `name` is without `$`.
    pub fn insert(&mut self, name: impl AsRef<str>, value: impl Into<Arc<Value>>) {
        let (name, value) = (name.as_ref(), value.into());
        let place = self.place(name);
        let values = Arc::make_mut(&mut self.values);
        match place {
            Ok(place) => values[place].1 = value,
            Err(place) => values.insert(place, (name.into(), value)),
        }
    }

    /// These variables with `name` (without `$`) standing for `value`, whatever it stood for before.
    #[must_use]
    pub fn set(mut self, name: impl AsRef<str>, value: impl Into<Arc<Value>>) -> Self {
        self.insert(name, value);
        self
    }

    /// The value that `name` (without `$`) stands for.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Value>> {
        let place = self.place(name).ok()?;
        self.values.get(place).map(|(_, value)| value)
    }

    /// Where a name is, or would be.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.values
            .binary_search_by(|(known, _)| known.as_ref().cmp(name))
    }

    /// The names, without `$`, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(name, _)| name.as_ref())
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.names()).finish()
    }
}

/// `$runtime`, for a version of the engine.
pub(crate) fn runtime_descriptor(version: &str) -> Value {
    json!({ "name": "atom", "version": version, "metadata": {} })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_with_more_leaves_the_original_alone() {
        let base = Variables::new().set("context", json!(1));
        let more = base.clone().set("item", json!(2)).set("context", json!(3));
        assert_eq!(base.names().collect::<Vec<_>>(), ["context"]);
        assert_eq!(**base.get("context").unwrap(), json!(1));
        assert_eq!(**more.get("context").unwrap(), json!(3));
        assert_eq!(**more.get("item").unwrap(), json!(2));
    }

    #[test]
    fn debug_shows_no_value() {
        let variables = Variables::new().set("secrets", json!("hunter2"));
        assert_eq!(format!("{variables:?}"), r#"["secrets"]"#);
    }
}
