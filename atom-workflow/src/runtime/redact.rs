//! Keeps secrets out of what is stored and shown.

use serde_json::{Map, Value};

/// What stands in place of a secret.
pub(super) const MASK: &str = "***";

/// Shorter secrets would hide ordinary text.
const SHORTEST_SECRET: usize = 4;

/// Replaces the texts of a run's secrets wherever they occur in JSON.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    secrets: Vec<String>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Redactor")
            .field("secrets", &self.secrets.len())
            .finish()
    }
}

impl Redactor {
    pub(crate) fn new(secrets: &Map<String, Value>) -> Self {
        let mut texts = Vec::new();
        for secret in secrets.values().filter_map(Value::as_str) {
            texts.push(secret.to_owned());
            // A secret may be an object of which some fields are confidential and others, such as a user's
            // name or a host, are ordinary data that answers contain.
            if let Ok(Value::Object(fields)) = serde_json::from_str(secret) {
                collect(&fields, &mut texts);
            }
        }
        // Inside JSON text a secret is spelled with escapes.
        let escaped: Vec<_> = texts
            .iter()
            .map(|text| escape(text))
            .filter(|text| !texts.contains(text))
            .collect();
        texts.extend(escaped);
        texts.retain(|text| text.len() >= SHORTEST_SECRET);
        // The longest first, so that a secret that contains another is hidden whole.
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        texts.dedup();
        Self { secrets: texts }
    }

    pub(crate) fn text(&self, text: &mut String) {
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), MASK);
            }
        }
    }

    pub(crate) fn value(&self, value: &mut Value) {
        if self.secrets.is_empty() {
            return;
        }
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => {
                fields.values_mut().for_each(|field| self.value(field));
                if fields.keys().any(|key| self.finds(key)) {
                    let masked = std::mem::take(fields).into_iter().map(|(mut key, field)| {
                        self.text(&mut key);
                        (key, field)
                    });
                    *fields = masked.collect();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Whether a secret occurs in a value.
    pub(crate) fn finds_secret(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.finds(text),
            Value::Array(items) => items.iter().any(|item| self.finds_secret(item)),
            Value::Object(fields) => fields
                .iter()
                .any(|(key, field)| self.finds(key) || self.finds_secret(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// Whether a secret occurs in a JSON text.
    pub(super) fn finds_in_text(&self, text: &str) -> bool {
        self.finds(text)
    }

    fn finds(&self, text: &str) -> bool {
        self.secrets.iter().any(|secret| text.contains(secret.as_str()))
    }
}

/// The confidential texts of a secret that is an object, those of the objects in it included.
fn collect(fields: &Map<String, Value>, texts: &mut Vec<String>) {
    for (name, field) in fields {
        match field {
            Value::String(text) if is_confidential(name) => texts.push(text.clone()),
            // JSON is read only to a depth that the stack can bear.
            Value::Object(fields) => collect(fields, texts),
            _ => {}
        }
    }
}

/// Whether a field of a secret is confidential by its name.
fn is_confidential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "password",
        "passphrase",
        "token",
        "secret",
        "key",
        "assertion",
        "pin",
        "credential",
    ]
    .iter()
    .any(|word| name.contains(word))
}

fn escape(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_and_their_fields_are_hidden_and_nothing_else() {
        let login = r#"{"user":"ada1","password":"pass-word","client":{"id":"web-1","secret":"deep-one"}}"#;
        let secrets = json!({ "token": "tok-123", "login": login, "pin": "1", "pem": "line\nline" });
        let redactor = Redactor::new(secrets.as_object().unwrap());
        let mut value = json!({
            "a": ["Bearer tok-123", 1, "pin 1"],
            "b": { "c": "ada1:pass-word", "tok-123": true },
            "d": "as JSON: line\\nline",
            "e": "web-1 deep-one",
        });
        assert!(redactor.finds_secret(&value));
        redactor.value(&mut value);
        let expected = json!({
            "a": ["Bearer ***", 1, "pin 1"],
            "b": { "c": "ada1:***", "***": true },
            "d": "as JSON: ***",
            "e": "web-1 ***",
        });
        assert_eq!(value, expected);
        assert!(!redactor.finds_secret(&value));
    }
}
