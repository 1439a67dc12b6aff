//! Keeps secrets out of what is stored and shown.

use serde_json::{Map, Value};

/// What stands in place of a secret.
const MASK: &str = "***";

/// Shorter secrets would hide ordinary text.
const SHORTEST_SECRET: usize = 4;

/// Replaces the texts of a run's secrets wherever they occur in JSON.
#[derive(Clone, Default)]
pub(super) struct Redactor {
    secrets: Vec<String>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Redactor").field("secrets", &self.secrets.len()).finish()
    }
}

impl Redactor {
    pub(super) fn new(secrets: &Map<String, Value>) -> Self {
        let mut texts = Vec::new();
        for secret in secrets.values().filter_map(Value::as_str) {
            texts.push(secret.to_owned());
            // A secret may be an object with several fields, each as secret as the whole.
            if let Ok(fields) = serde_json::from_str::<Value>(secret) {
                collect(&fields, &mut texts);
            }
        }
        texts.retain(|text| text.len() >= SHORTEST_SECRET);
        // The longest first, so that a secret that contains another is hidden whole.
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        texts.dedup();
        Self { secrets: texts }
    }

    pub(super) fn text(&self, text: &mut String) {
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), MASK);
            }
        }
    }

    pub(super) fn value(&self, value: &mut Value) {
        if self.secrets.is_empty() {
            return;
        }
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.value(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_and_their_fields_are_hidden_and_nothing_else() {
        let secrets = json!({ "token": "tok-123", "login": "{\"user\":\"ada1\",\"password\":\"pass-word\"}", "pin": "1" });
        let redactor = Redactor::new(secrets.as_object().unwrap());
        let mut value = json!({ "a": ["Bearer tok-123", 1, "pin 1"], "b": { "c": "ada1:pass-word" } });
        redactor.value(&mut value);
        assert_eq!(value, json!({ "a": ["Bearer ***", 1, "pin 1"], "b": { "c": "***:***" } }));
    }
}
