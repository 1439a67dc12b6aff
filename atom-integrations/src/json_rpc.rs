//! What JSON-RPC 2.0 (<https://www.jsonrpc.org/specification>) and the protocols on top of it have in common.

use atom_core::{Error, ErrorCode};

/// The longest text of a server that an error shows, in characters.
const SHOWN_TEXT: usize = 1000;

/// The key of an error's context that tells a failure on the other side from one on the way there: the code of
/// a JSON-RPC error, or `tool`.
const REMOTE_ERROR: &str = "remote_error";

/// The error for an error object that a server answered.
pub(crate) fn error(server: &str, code: i64, message: &str) -> Error {
    let kind = match code {
        -32601 => ErrorCode::Unsupported,
        -32602 => ErrorCode::InvalidRequest,
        _ => ErrorCode::Upstream,
    };
    let message = format!("the {server} answered the error {code}: {}", shown(message));
    Error::new(kind, message).with_context(REMOTE_ERROR, code)
}

/// The error for a tool that says it failed.
#[cfg(feature = "mcp")]
pub(crate) fn tool_error(text: &str) -> Error {
    let message = format!("the tool failed: {}", shown(text));
    Error::new(ErrorCode::Upstream, message).with_context(REMOTE_ERROR, "tool")
}

/// The error for an answer that breaks the protocol.
pub(crate) fn malformed(server: &str, what: &str) -> Error {
    Error::new(ErrorCode::InvalidData, format!("the {server} {what}"))
}

/// The beginning of a foreign text, on one line.
pub(crate) fn shown(text: &str) -> String {
    let line: String = text
        .trim()
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(SHOWN_TEXT)
        .collect();
    if line.is_empty() {
        "it does not say why".to_owned()
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_their_code_and_show_one_bounded_line() {
        for (code, kind) in [
            (-32700, ErrorCode::Upstream),
            (-32601, ErrorCode::Unsupported),
            (-32602, ErrorCode::InvalidRequest),
            (-32001, ErrorCode::Upstream),
        ] {
            let error = error("agent", code, "a\r\nb");
            assert_eq!(error.code(), kind);
            assert_eq!(error.context()["remote_error"], code.to_string());
            assert!(error.message().ends_with(": a  b"), "{error}");
        }
        assert_eq!(shown(&"é".repeat(5000)).chars().count(), SHOWN_TEXT);
        assert_eq!(shown(" \n"), "it does not say why");
    }
}
