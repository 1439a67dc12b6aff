//! What a failed exchange means: the error of a status, and how long a service asks to wait.

use atom_core::{Error, ErrorCode, Retry};
use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use url::Url;

/// The longest path that an error shows, in characters.
const SHOWN_PATH: usize = 200;

/// Adds which exchange failed: method, host and path, never the query.
pub(crate) fn located(error: Error, method: &Method, uri: &Url) -> Error {
    let path: String = uri.path().chars().take(SHOWN_PATH).collect();
    error
        .with_context("method", method)
        .with_context("host", uri.host_str().unwrap_or_default())
        .with_context("path", path)
}

/// The error that a status stands for; `now` turns a date in `Retry-After` into a wait.
pub(crate) fn of_status(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Error {
    let code = match status.as_u16() {
        401 => ErrorCode::Unauthenticated,
        403 => ErrorCode::PermissionDenied,
        404 | 410 => ErrorCode::NotFound,
        408 | 504 => ErrorCode::Timeout,
        429 => ErrorCode::RateLimited,
        // These two say that the server lacks something, not that it is down for the moment.
        501 | 505 => ErrorCode::Upstream,
        500..=599 => ErrorCode::Unavailable,
        _ => ErrorCode::Upstream,
    };
    let advice = match status.as_u16() {
        300..=399 => "; set 'redirect: true' to follow redirects",
        401 => "; check the credential in 'authentication'",
        403 => "; check what the credential may do",
        404 | 410 => "; check the URI",
        _ => "",
    };
    let error = Error::new(code, format!("the service answered {status}{advice}"))
        .with_context("status", status.as_u16());
    match retry_after(headers, now) {
        Some(ms) if error.retry() == Retry::Maybe => error.with_retry(Retry::After { ms }),
        _ => error,
    }
}

/// The wait that `Retry-After` asks for, in milliseconds: seconds or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    // The preferred date format of HTTP is that of mail with the zone `GMT`.
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    u64::try_from(date.duration_since(now).as_millis().max(0)).ok()
}

/// The error of an answer, or a part of one, that is longer than the operator allows.
pub(crate) fn too_long(what: &str, limit: u64) -> Error {
    let message =
        format!("{what} is longer than {limit} bytes; raise the setting http.maximum_response_bytes");
    Error::new(ErrorCode::LimitExceeded, message)
}

/// The error of an exchange that got no whole answer.
pub(crate) fn of_transport(error: reqwest::Error) -> Error {
    if let Some(refusal) = cause_of(&error) {
        return refusal;
    }
    // The URL in the library's message would show the query.
    let error = error.without_url();
    if error.is_builder() {
        return Error::invalid_request("the request cannot be written as HTTP").with_source(error);
    }
    let message = if error.is_connect() {
        "the service cannot be reached; check the host and the network"
    } else {
        "the connection to the service broke before the answer was complete"
    };
    Error::new(ErrorCode::Unavailable, message).with_source(error)
}

/// The engine's own error inside the library's, such as a refusal of the resolver.
fn cause_of(error: &reqwest::Error) -> Option<Error> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<Error>() {
            return Some(error.clone());
        }
        source = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, retry_after: Option<&str>) -> Error {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(RETRY_AFTER, text.parse().unwrap());
        }
        let now = "2026-11-20T10:00:00Z".parse().unwrap();
        of_status(StatusCode::from_u16(status).unwrap(), &headers, now)
    }

    #[test]
    fn every_status_has_its_code() {
        for (status, code) in [
            (302, ErrorCode::Upstream),
            (400, ErrorCode::Upstream),
            (401, ErrorCode::Unauthenticated),
            (403, ErrorCode::PermissionDenied),
            (404, ErrorCode::NotFound),
            (408, ErrorCode::Timeout),
            (409, ErrorCode::Upstream),
            (410, ErrorCode::NotFound),
            (418, ErrorCode::Upstream),
            (429, ErrorCode::RateLimited),
            (500, ErrorCode::Unavailable),
            (501, ErrorCode::Upstream),
            (503, ErrorCode::Unavailable),
            (504, ErrorCode::Timeout),
            (799, ErrorCode::Upstream),
        ] {
            let error = error(status, None);
            assert_eq!(error.code(), code, "{status}");
            assert_eq!(error.context()["status"], status.to_string());
            assert_eq!(error.retry(), code.default_retry(), "{status}");
        }
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        for (status, text, retry) in [
            (429, "7", Retry::After { ms: 7000 }),
            (503, " 0 ", Retry::After { ms: 0 }),
            (429, "Fri, 20 Nov 2026 10:02:00 GMT", Retry::After { ms: 120_000 }),
            (429, "Fri, 20 Nov 2026 09:00:00 GMT", Retry::After { ms: 0 }),
            (429, "99999999999999999999", Retry::Maybe),
            (429, "18446744073709551615", Retry::After { ms: u64::MAX }),
            (429, "soon", Retry::Maybe),
            (429, "-5", Retry::Maybe),
            (400, "7", Retry::No),
        ] {
            assert_eq!(error(status, Some(text)).retry(), retry, "{status} {text}");
        }
    }

    #[test]
    fn an_error_shows_neither_query_nor_a_whole_book_of_path() {
        let uri = Url::parse(&format!("https://a.test/{}?key=s3cret", "p".repeat(1000))).unwrap();
        let error = located(error(500, None), &Method::GET, &uri);
        assert!(!error.to_string().contains("s3cret"));
        assert_eq!(error.context()["path"].len(), SHOWN_PATH);
        assert_eq!(error.context()["host"], "a.test");
    }
}
