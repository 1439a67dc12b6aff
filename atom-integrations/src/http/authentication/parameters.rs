//! The parameters of a request for a token.

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::http::body::Body;
use crate::http::encoding::percent;

/// The content type of a form.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// The parameters of a request for a token, in order; some may be given more than once.
#[derive(Default)]
pub(super) struct Parameters {
    parameters: Vec<(&'static str, Zeroizing<String>)>,
}

impl Parameters {
    pub(super) fn add(&mut self, name: &'static str, value: &str) {
        self.parameters.push((name, Zeroizing::new(value.to_owned())));
    }

    pub(super) fn body(&self, is_json: bool) -> Body {
        if is_json { self.as_json() } else { self.as_form() }
    }

    fn as_form(&self) -> Body {
        let pairs: Vec<_> = self
            .parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", percent(value)))
            .collect();
        Body {
            content_type: FORM.to_owned(),
            bytes: pairs.join("&").into_bytes(),
        }
    }

    /// As a JSON object, where what is given more than once becomes a list.
    fn as_json(&self) -> Body {
        let mut object = Map::new();
        for (name, value) in &self.parameters {
            let value = json!(value.as_str());
            match object.get_mut(*name) {
                None => drop(object.insert((*name).to_owned(), value)),
                Some(Value::Array(values)) => values.push(value),
                Some(first) => *first = json!([first.take(), value]),
            }
        }
        Body {
            content_type: "application/json".to_owned(),
            bytes: Value::Object(object).to_string().into_bytes(),
        }
    }
}
