//! An AsyncAPI document: its version, its channels, its operations and its references.

use atom_core::{Error, ErrorCode, Result};
use serde_json::Value;

use super::members;
use crate::http::openapi::{reference, yaml};
use crate::http::resource;

/// What errors call such a document.
const NAME: &str = "AsyncAPI";

/// Which generation of AsyncAPI a document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// AsyncAPI 2.
    Two,
    /// AsyncAPI 3.0.
    Three,
}

/// An AsyncAPI document.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) root: Value,
    pub(super) dialect: Dialect,
}

impl Document {
    /// Reads a document in JSON or YAML.
    ///
    /// # Errors
    /// `invalid_data` when it is neither or no AsyncAPI document, `unsupported` for a version that is neither 2.x
    /// nor 3.0.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let root = yaml::parse(text)?;
        let version = yaml::version(&root, "asyncapi")
            .ok_or_else(|| malformed("it has no 'asyncapi'; check the document's endpoint"))?;
        let dialect = match version.split('.').collect::<Vec<_>>()[..] {
            ["2", ..] => Dialect::Two,
            ["3"] | ["3", "0", ..] => Dialect::Three,
            _ => {
                let version: String = version.chars().take(20).collect();
                let message = format!("AsyncAPI {version} is not supported; the versions 2.x and 3.0 are");
                return Err(Error::new(ErrorCode::Unsupported, message));
            }
        };
        Ok(Self { root, dialect })
    }

    /// Follows `$ref` until there is none.
    ///
    /// # Errors
    /// As [`reference::resolve`].
    pub(super) fn resolve<'d>(&'d self, value: &'d Value) -> Result<&'d Value> {
        reference::resolve(NAME, &self.root, value)
    }

    /// The member of this name in a section of the document, resolved.
    ///
    /// # Errors
    /// `not_found`, naming what there is, and as [`resolve`](Self::resolve).
    pub(super) fn named<'d>(&'d self, section: &str, kind: &str, name: &str) -> Result<&'d Value> {
        let found = members(self.root.get(section)).find(|(key, _)| *key == name);
        match found {
            Some((_, value)) => self.resolve(value),
            None => Err(missing(
                kind,
                name,
                members(self.root.get(section)).map(|(name, _)| name.as_str()),
            )),
        }
    }

    /// The content type of messages that name none.
    pub(super) fn content_type(&self) -> &str {
        self.root
            .get("defaultContentType")
            .and_then(Value::as_str)
            .unwrap_or("application/json")
    }
}

/// The error for a name that the document does not have.
pub(super) fn missing<'n>(kind: &str, name: &str, names: impl Iterator<Item = &'n str>) -> Error {
    resource::missing("the document", kind, name, names)
}

/// The error of a document that breaks its own format.
pub(super) fn malformed(detail: &str) -> Error {
    reference::malformed(NAME, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_known() {
        for (text, dialect) in [
            ("asyncapi: 2.6.0", Dialect::Two),
            ("asyncapi: 2.0.0", Dialect::Two),
            ("asyncapi: 3.0.0", Dialect::Three),
            ("asyncapi: 3.0", Dialect::Three),
            (r#"{ "asyncapi": "3.0.0" }"#, Dialect::Three),
        ] {
            assert_eq!(Document::parse(text).unwrap().dialect, dialect, "{text}");
        }
        for (text, code) in [
            ("asyncapi: 1.2.0", ErrorCode::Unsupported),
            ("asyncapi: 4.0.0", ErrorCode::Unsupported),
            ("openapi: 3.1.0", ErrorCode::InvalidData),
            ("asyncapi: [3]", ErrorCode::InvalidData),
            ("{", ErrorCode::InvalidData),
        ] {
            assert_eq!(Document::parse(text).unwrap_err().code(), code, "{text}");
        }
    }
}
