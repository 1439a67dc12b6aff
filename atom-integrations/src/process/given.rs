//! What every kind of process is given, and which part of its result is asked for.

use atom_core::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The longest text that a process reads from its standard input, in bytes: the longest input of a workflow.
const MAXIMUM_STDIN: usize = 16 * 1024 * 1024;

/// The environment variable that holds the key of the call, which is the same when it is repeated after a crash.
pub(super) const IDEMPOTENCY_KEY: &str = "ATOM_IDEMPOTENCY_KEY";

/// Values shorter than this are not masked: they would hide ordinary text.
const SHORTEST_MASKED: usize = 4;

/// Which part of a process's result is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Return {
    /// What it wrote to its standard output.
    #[default]
    Stdout,
    /// What it wrote to its standard error.
    Stderr,
    /// Its exit code.
    Code,
    /// An object with `code`, `stdout` and `stderr`.
    All,
    /// Nothing: `null`.
    None,
}

/// Input, arguments and environment of a process, as texts.
#[derive(Clone, Default)]
pub(crate) struct Given {
    pub(crate) stdin: Option<String>,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
}

impl Given {
    /// Turns what a document computed into texts: numbers and booleans as JSON spells them, other data for the
    /// standard input as JSON.
    ///
    /// # Errors
    /// `invalid_request` for what a process cannot be given, without repeating its value.
    pub(super) fn new(
        stdin: Option<Value>,
        arguments: Option<Vec<Value>>,
        environment: Option<Map<String, Value>>,
        idempotency_key: &str,
    ) -> Result<Self> {
        let stdin = match stdin {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(other) => Some(other.to_string()),
        };
        if stdin.as_ref().is_some_and(|text| text.len() > MAXIMUM_STDIN) {
            let message = format!("'stdin' is longer than {MAXIMUM_STDIN} bytes");
            return Err(Error::new(atom_core::ErrorCode::LimitExceeded, message));
        }
        let arguments = arguments.unwrap_or_default().into_iter();
        let arguments = arguments
            .enumerate()
            .map(|(index, value)| text(value, &format!("argument {index}")));
        let environment = environment.unwrap_or_default().into_iter().map(|(name, value)| {
            let is_name = !name.is_empty() && !name.contains(['=', '\0']);
            if !is_name || name == IDEMPOTENCY_KEY {
                let message = format!(
                    "an environment variable must have a name without '=' and NUL, and other than {IDEMPOTENCY_KEY}"
                );
                return Err(Error::invalid_request(message));
            }
            let value = text(value, &format!("the environment variable {name}"))?;
            Ok((name, value))
        });
        let mut given = Self {
            stdin,
            arguments: arguments.collect::<Result<_>>()?,
            environment: environment.collect::<Result<_>>()?,
        };
        let key = (IDEMPOTENCY_KEY.to_owned(), idempotency_key.to_owned());
        given.environment.push(key);
        Ok(given)
    }

    /// Hides what the process was given: it may be confidential, and errors are shown and stored.
    pub(crate) fn mask(&self, mut text: String) -> String {
        let given = self.environment.iter().map(|(_, value)| value);
        let mut hidden: Vec<_> = given
            .chain(&self.arguments)
            .chain(&self.stdin)
            .map(|value| value.trim())
            .filter(|value| value.len() >= SHORTEST_MASKED)
            .collect();
        // The longest first, so that a value that contains another is hidden whole.
        hidden.sort_by_key(|value| std::cmp::Reverse(value.len()));
        for value in hidden {
            if text.contains(value) {
                text = text.replace(value, "***");
            }
        }
        text
    }

    /// Hides what the process was given in the message of an error.
    pub(crate) fn mask_error(&self, error: Error) -> Error {
        let masked =
            Error::new(error.code(), self.mask(error.message().to_owned())).with_retry(error.retry());
        let context = error.context().iter();
        context.fold(masked, |masked, (key, value)| masked.with_context(key, value))
    }
}

/// Without the values, which may be confidential.
impl std::fmt::Debug for Given {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Given")
            .field("arguments", &self.arguments.len())
            .field("environment", &self.environment.len())
            .finish_non_exhaustive()
    }
}

fn text(value: Value, what: &str) -> Result<String> {
    let text = match value {
        Value::String(text) => text,
        number @ (Value::Number(_) | Value::Bool(_)) => number.to_string(),
        _ => return Err(Error::invalid_request(format!("{what} must be a text"))),
    };
    check_text(&text, what)?;
    Ok(text)
}

/// Refuses a text that cannot be passed to a process.
///
/// # Errors
/// `invalid_request`.
pub(super) fn check_text(text: &str, what: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::invalid_request(format!("{what} holds a NUL character")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn given(stdin: Value, arguments: Value, environment: Value) -> Result<Given> {
        Given::new(
            Some(stdin),
            serde_json::from_value(arguments).unwrap(),
            serde_json::from_value(environment).unwrap(),
            "key",
        )
    }

    #[test]
    fn data_becomes_texts() {
        let found = given(json!({ "a": 1 }), json!(["x", 2, true]), json!({ "N": 1.5 })).unwrap();
        assert_eq!(found.stdin.as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(found.arguments, ["x", "2", "true"]);
        assert_eq!(found.environment[0], ("N".to_owned(), "1.5".to_owned()));
        assert_eq!(
            found.environment[1],
            (IDEMPOTENCY_KEY.to_owned(), "key".to_owned())
        );
        assert_eq!(given(json!(null), json!(null), json!(null)).unwrap().stdin, None);
    }

    #[test]
    fn what_cannot_be_passed_is_refused_without_its_value() {
        for (arguments, environment) in [
            (json!(["secret\0"]), json!({})),
            (json!([{ "secret": 1 }]), json!({})),
            (json!([null]), json!({})),
            (json!([]), json!({ "A": "secret\0" })),
            (json!([]), json!({ "A=B": "secret" })),
            (json!([]), json!({ "": "secret" })),
            (json!([]), json!({ "ATOM_IDEMPOTENCY_KEY": "secret" })),
        ] {
            let error = given(json!(null), arguments, environment).unwrap_err();
            assert_eq!(error.code(), atom_core::ErrorCode::InvalidRequest);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn what_was_given_is_masked() {
        let given = given(
            json!("whole input\n"),
            json!(["pass-word", "a"]),
            json!({ "T": "pass-word-2" }),
        )
        .unwrap();
        assert_eq!(
            given.mask("a pass-word-2, pass-word: whole input".to_owned()),
            "a ***, ***: ***"
        );
        assert!(!format!("{given:?}").contains("pass"));
    }
}
