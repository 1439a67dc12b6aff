//! How a process ended, and what a task gets of that.

use atom_core::{Error, ErrorCode, Result};
use serde_json::{Value, json};

use super::given::{Given, Return};

/// The longest output of a process, in bytes, for each of its two streams.
pub(super) const MAXIMUM_OUTPUT: usize = 4 * 1024 * 1024;

/// How much of the end of the standard error an error shows, in bytes.
const SHOWN_STDERR: usize = 2048;

/// How a process ended.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The exit code; 128 and the signal's number when a signal ended it, as shells count.
    pub(super) code: i64,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

impl Outcome {
    /// The part that is wanted. The specification says nothing of a code other than 0: it is an error unless the
    /// code itself is asked for.
    ///
    /// # Errors
    /// `upstream` with the code as `exit_code` in the context, and the end of the standard error.
    pub(super) fn select(self, wanted: Return, given: &Given) -> Result<Value> {
        if self.code != 0 && !matches!(wanted, Return::Code | Return::All) {
            return Err(self.failure(given));
        }
        Ok(match wanted {
            Return::Stdout => json!(text(self.stdout)),
            Return::Stderr => json!(text(self.stderr)),
            Return::Code => json!(self.code),
            Return::All => json!({
                "code": self.code,
                "stdout": text(self.stdout),
                "stderr": text(self.stderr),
            }),
            Return::None => Value::Null,
        })
    }

    fn failure(self, given: &Given) -> Error {
        // Masked before it is cut: half a secret would no longer be recognised.
        let stderr = given.mask(text(self.stderr));
        let stderr = end(stderr.trim());
        let message = match (self.code, stderr) {
            (code, "") => {
                format!("the process ended with code {code} and wrote nothing to its standard error")
            }
            (code, stderr) => format!("the process ended with code {code}: {stderr}"),
        };
        Error::new(ErrorCode::Upstream, message).with_context("exit_code", self.code)
    }
}

/// The error for a process that writes too much.
pub(super) fn too_long(stream: &str) -> Error {
    let message = format!(
        "the process wrote more than {MAXIMUM_OUTPUT} bytes to its {stream}; let it write to a file instead"
    );
    Error::new(ErrorCode::LimitExceeded, message)
}

/// What a process wrote, with U+FFFD in place of what is not UTF-8.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The last lines of a text. A line that is too long by itself is left out, as a part of it could be a part of
/// something confidential.
fn end(text: &str) -> &str {
    if text.len() <= SHOWN_STDERR {
        return text;
    }
    let start = text.len() - SHOWN_STDERR;
    let line = text
        .as_bytes()
        .iter()
        .skip(start)
        .position(|byte| *byte == b'\n')
        .map(|newline| start + newline + 1);
    line.and_then(|line| text.get(line..))
        .unwrap_or("(a line too long to be shown)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(code: i64) -> Outcome {
        Outcome {
            code,
            stdout: b"out \xff\n".to_vec(),
            stderr: b"err\n".to_vec(),
        }
    }

    #[test]
    fn each_part_can_be_asked_for() {
        let select = |wanted| outcome(0).select(wanted, &Given::default()).unwrap();
        assert_eq!(select(Return::Stdout), "out \u{fffd}\n");
        assert_eq!(select(Return::Stderr), "err\n");
        assert_eq!(select(Return::Code), 0);
        let all = json!({ "code": 0, "stdout": "out \u{fffd}\n", "stderr": "err\n" });
        assert_eq!(select(Return::All), all);
        assert_eq!(select(Return::None), Value::Null);
    }

    #[test]
    fn another_code_is_an_error_unless_it_is_asked_for() {
        for wanted in [Return::Stdout, Return::Stderr, Return::None] {
            let error = outcome(3).select(wanted, &Given::default()).unwrap_err();
            assert_eq!(error.context()["exit_code"], "3");
            assert_eq!(error.message(), "the process ended with code 3: err");
        }
        let select = |wanted| outcome(3).select(wanted, &Given::default()).unwrap();
        assert_eq!(select(Return::Code), 3);
        assert_eq!(select(Return::All)["code"], 3);
    }

    #[test]
    fn an_error_shows_whole_lines_of_the_end_and_nothing_that_was_given() {
        let given = Given {
            environment: vec![("TOKEN".to_owned(), "s3cret-token".to_owned())],
            ..Given::default()
        };
        let failed = |stderr: String| {
            let outcome = Outcome {
                code: 1,
                stderr: stderr.into_bytes(),
                ..Outcome::default()
            };
            outcome.select(Return::Stdout, &given).unwrap_err()
        };
        let error = failed(format!("{}\nlast s3cret-token line\n", "x".repeat(5000)));
        assert!(error.message().ends_with(": last *** line"), "{error}");
        let error = failed(format!("s3cret-token{}", "é".repeat(5000)));
        assert!(
            error.message().ends_with("(a line too long to be shown)"),
            "{error}"
        );
    }
}
