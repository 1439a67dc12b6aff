//! Where the references of a schema lead, or may lead.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;

use super::{MAXIMUM_LEVELS, Problem};

/// Keywords that refer to a schema.
const KEYWORDS: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];
/// How many names of schemas are looked through for all references together.
const MAXIMUM_LOOKUPS: usize = 1_000_000;

/// The schemas of a text that have names, and where references lead. A reference counts as leading to each schema that
/// it may mean.
pub(super) struct References<'s> {
    /// The text itself, and the schemas with an `$id`, each with the last part of that.
    resources: Vec<(String, &'s Value)>,
    /// Schemas by `$anchor` and the like.
    anchors: HashMap<&'s str, Vec<&'s Value>>,
    /// Where references lead that were looked up.
    known: HashMap<&'s str, Vec<&'s Value>>,
}

impl<'s> References<'s> {
    /// Finds the names in a schema.
    pub(super) fn of(root: &'s Value) -> Result<Self, Problem<'s>> {
        let mut resources = vec![(String::new(), root)];
        let mut anchors: HashMap<_, Vec<_>> = HashMap::new();
        let mut waiting = vec![(root, 0)];
        let mut references = 0;
        while let Some((value, level)) = waiting.pop() {
            if level > MAXIMUM_LEVELS {
                return Err(Problem {
                    message: format!("the schema nests deeper than {MAXIMUM_LEVELS} levels"),
                    value,
                });
            }
            match value {
                Value::Array(items) => waiting.extend(items.iter().map(|item| (item, level + 1))),
                Value::Object(fields) => {
                    waiting.extend(fields.values().map(|field| (field, level + 1)));
                    let text = |keyword: &&str| fields.get(*keyword).and_then(Value::as_str);
                    references += KEYWORDS.iter().filter_map(text).count();
                    for id in ["$id", "id"].iter().filter_map(text) {
                        let (uri, fragment) = id.split_once('#').unwrap_or((id, ""));
                        if !uri.is_empty() {
                            resources.push((last_part(uri), value));
                        }
                        if !fragment.is_empty() {
                            anchors.entry(fragment).or_default().push(value);
                        }
                    }
                    for anchor in ["$anchor", "$dynamicAnchor"].iter().filter_map(text) {
                        anchors.entry(anchor).or_default().push(value);
                    }
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        if references.saturating_mul(resources.len()) > MAXIMUM_LOOKUPS {
            return Err(Problem {
                message: format!(
                    "{references} references and {} '$id's are too many",
                    resources.len() - 1
                ),
                value: root,
            });
        }
        Ok(Self {
            resources,
            anchors,
            known: HashMap::new(),
        })
    }

    /// The schemas that a schema refers to.
    pub(super) fn targets(&mut self, schema: &'s Value) -> Vec<&'s Value> {
        let mut targets = Vec::new();
        for reference in KEYWORDS
            .iter()
            .filter_map(|keyword| schema.get(keyword)?.as_str())
        {
            if !self.known.contains_key(reference) {
                self.known.insert(reference, self.look_up(reference));
            }
            targets.extend(&self.known[reference]);
        }
        targets
    }

    /// A reference without a match leads to the schema of JSON Schema itself, or is refused when the schema is compiled.
    fn look_up(&self, reference: &str) -> Vec<&'s Value> {
        let (uri, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let fragment = decode(fragment);
        if !fragment.is_empty() && !fragment.starts_with('/') {
            return self.anchors.get(&*fragment).cloned().unwrap_or_default();
        }
        let name = last_part(uri);
        // Relative to which `$id` a reference is depends on what it stands in.
        let is_any = uri.is_empty() || uri.contains('?');
        let resources = self.resources.iter();
        let resources = resources.filter(|(own, _)| is_any || *own == name);
        let mut found: Vec<_> = resources
            .filter_map(|(_, resource)| resource.pointer(&fragment))
            .collect();
        found.sort_by_key(|value| std::ptr::from_ref::<Value>(value));
        found.dedup_by_key(|value| std::ptr::from_ref::<Value>(value));
        found.retain(|value| value.is_object());
        found
    }
}

/// The last part of a URI's path, in lower case. URIs that mean the same have the same one, however they are written.
fn last_part(uri: &str) -> String {
    let uri = uri.split('?').next().unwrap_or_default();
    let path = match uri.split_once("//") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => uri,
    };
    let part = decode(path.rsplit(['/', ':']).next().unwrap_or_default()).to_ascii_lowercase();
    if matches!(part.as_str(), "." | "..") {
        String::new()
    } else {
        part
    }
}

/// Undoes the percent-encoding of a part of a URI.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut rest = text.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let [first, tail @ ..] = rest {
        let escaped = match (first, digit(tail.first()), digit(tail.get(1))) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        decoded.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}
