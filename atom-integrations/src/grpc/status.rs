//! What the status of a gRPC answer means (<https://grpc.io/docs/guides/status-codes/>).

use atom_core::{Error, ErrorCode, Result};
use percent_encoding::percent_decode_str;
use reqwest::header::HeaderMap;

use crate::http::sensitive::concealed;

/// The longest message of a service that an error repeats, in characters.
const SHOWN_MESSAGE: usize = 200;

/// Number, name, the engine's code, and the HTTP status that stands for it where the service answered in its own
/// right: such an error is one of communication, with this status (`google.rpc.Code` gives the mapping).
const STATUSES: [(u32, &str, ErrorCode, Option<u16>); 16] = [
    (1, "CANCELLED", ErrorCode::Upstream, Some(499)),
    (2, "UNKNOWN", ErrorCode::Upstream, Some(500)),
    (3, "INVALID_ARGUMENT", ErrorCode::InvalidRequest, Some(400)),
    (4, "DEADLINE_EXCEEDED", ErrorCode::Timeout, None),
    (5, "NOT_FOUND", ErrorCode::NotFound, Some(404)),
    (6, "ALREADY_EXISTS", ErrorCode::AlreadyExists, Some(409)),
    (7, "PERMISSION_DENIED", ErrorCode::PermissionDenied, None),
    (8, "RESOURCE_EXHAUSTED", ErrorCode::RateLimited, Some(429)),
    (9, "FAILED_PRECONDITION", ErrorCode::Conflict, Some(400)),
    (10, "ABORTED", ErrorCode::Conflict, Some(409)),
    (11, "OUT_OF_RANGE", ErrorCode::InvalidRequest, Some(400)),
    (12, "UNIMPLEMENTED", ErrorCode::Upstream, Some(501)),
    (13, "INTERNAL", ErrorCode::Upstream, Some(500)),
    (14, "UNAVAILABLE", ErrorCode::Unavailable, Some(503)),
    (15, "DATA_LOSS", ErrorCode::Upstream, Some(500)),
    (16, "UNAUTHENTICATED", ErrorCode::Unauthenticated, None),
];

/// Whether these headers or trailers hold a status.
pub(super) fn is_given(metadata: &HeaderMap) -> bool {
    metadata.contains_key("grpc-status")
}

/// # Errors
/// The error that the status stands for, with its name as `grpc_status` in the context; `upstream` for a status
/// that is missing or unknown. It does not repeat the access token of the request.
pub(super) fn check(metadata: &HeaderMap, token: Option<&str>) -> Result<()> {
    let text = |name| metadata.get(name).and_then(|value| value.to_str().ok());
    let Some(number) = text("grpc-status") else {
        let message = "the service ended its answer without a gRPC status; is it a gRPC service?";
        return Err(Error::new(ErrorCode::Upstream, message));
    };
    let number = number.parse::<u32>().ok();
    if number == Some(0) {
        return Ok(());
    }
    let (name, code, status) = STATUSES.iter().find(|(each, ..)| Some(*each) == number).map_or(
        ("UNKNOWN", ErrorCode::Upstream, Some(500)),
        |(_, name, code, status)| (*name, *code, *status),
    );
    let said = text("grpc-message")
        .map(|message| percent_decode_str(message).decode_utf8_lossy())
        .unwrap_or_default();
    let said: String = concealed(&said, token.unwrap_or_default())
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(SHOWN_MESSAGE)
        .collect();
    let advice = match code {
        ErrorCode::Unauthenticated => "; check the credential in 'service.authentication'",
        ErrorCode::PermissionDenied => "; check what the credential may do",
        _ => "",
    };
    let said = if said.is_empty() {
        said
    } else {
        format!(": {said}")
    };
    let error = Error::new(code, format!("the service answered {name}{said}{advice}"))
        .with_context("grpc_status", name);
    Err(match status {
        Some(status) => error.with_context("status", status),
        None => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use atom_core::Retry;

    fn error(status: &str, message: &str) -> Error {
        let mut metadata = HeaderMap::new();
        metadata.insert("grpc-status", status.parse().unwrap());
        metadata.insert("grpc-message", message.parse().unwrap());
        check(&metadata, Some("t0ken")).unwrap_err()
    }

    #[test]
    fn every_status_has_its_error() {
        for (number, name, code, status) in STATUSES {
            let error = error(&number.to_string(), "no%20luck%21%0A");
            assert_eq!(error.code(), code, "{name}");
            assert_eq!(error.context()["grpc_status"], name);
            assert_eq!(
                error.context().get("status").cloned(),
                status.map(|status| status.to_string())
            );
            assert!(
                error
                    .message()
                    .starts_with(&format!("the service answered {name}: no luck! ")),
                "{error}"
            );
        }
        assert_eq!(error("14", "").retry(), Retry::Maybe);
        assert_eq!(error("5", "").retry(), Retry::No);
        for odd in ["99", "-1", "soon"] {
            assert_eq!(error(odd, "").code(), ErrorCode::Upstream);
        }
    }

    #[test]
    fn an_error_does_not_repeat_the_access_token() {
        let error = error("13", "bad token t0%6ben, or t0ken");
        assert_eq!(
            error.message(),
            "the service answered INTERNAL: bad token ***, or ***"
        );
    }

    #[test]
    fn an_answer_without_a_status_is_no_answer() {
        assert_eq!(
            check(&HeaderMap::new(), None).unwrap_err().code(),
            ErrorCode::Upstream
        );
        let mut metadata = HeaderMap::new();
        metadata.insert("grpc-status", "0".parse().unwrap());
        assert!(check(&metadata, None).is_ok());
    }
}
