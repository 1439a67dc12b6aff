//! A request that is ready to be sent, and the rules for the redirects that it meets.

use atom_core::{Error, Result};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value};
use url::Url;

use super::authentication::{Authentication, Policy};
use super::body::Body;
use super::encoding;
use super::sensitive::is_sensitive;

/// A request that is ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) uri: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Vec<u8>>,
    /// How the request authenticates.
    pub(super) policy: Option<Policy>,
    /// Whether the `Authorization` header is good for this URI alone.
    pub(super) is_bound: bool,
    /// Whether redirects are followed and statuses from 300 to 399 are answers, not errors.
    pub(crate) follows_redirects: bool,
    pub(crate) version: HttpVersion,
}

/// Which version of HTTP carries a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HttpVersion {
    /// Whichever the service offers.
    #[default]
    Any,
    /// HTTP/1.1, whose connections can be taken over (RFC 9110, section 7.8).
    #[cfg(feature = "asyncapi")]
    One,
    /// HTTP/2, also without TLS, where the service is known to speak it (RFC 9113, section 3.3).
    #[cfg(feature = "grpc")]
    Two,
}

impl HttpVersion {
    /// Whether the host is named in a header of its own; HTTP/2 takes it from the URL.
    pub(super) fn has_host_header(self) -> bool {
        match self {
            Self::Any => true,
            #[cfg(feature = "asyncapi")]
            Self::One => true,
            #[cfg(feature = "grpc")]
            Self::Two => false,
        }
    }
}

/// Headers that belong to the connection: a caller who could set them could smuggle requests.
const CONNECTION_HEADERS: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

impl Request {
    pub(crate) fn new(method: Method, uri: Url) -> Self {
        Self {
            method,
            uri,
            headers: HeaderMap::new(),
            body: None,
            policy: None,
            is_bound: false,
            follows_redirects: false,
            version: HttpVersion::default(),
        }
    }

    /// Adds headers; `null` is left out, and text, numbers and booleans are accepted.
    ///
    /// # Errors
    /// `invalid_request` for a header that is malformed or the connection's own.
    pub(crate) fn add_headers(&mut self, headers: &Map<String, Value>) -> Result<()> {
        for (name, value) in headers {
            let text = match value {
                Value::Null => continue,
                value => encoding::scalar(value).ok_or_else(|| {
                    Error::invalid_request(format!("the header '{name}' must be a text, number or boolean"))
                })?,
            };
            self.add_header(name, &text)?;
        }
        Ok(())
    }

    /// Adds a header.
    ///
    /// # Errors
    /// `invalid_request` for a header that is malformed or the connection's own.
    pub(crate) fn add_header(&mut self, name: &str, text: &str) -> Result<()> {
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Error::invalid_request(format!("'{name}' is not a header name")))?;
        if CONNECTION_HEADERS.contains(&key) {
            return Err(Error::invalid_request(format!(
                "the header '{key}' is set by the engine; remove it"
            )));
        }
        let mut value = HeaderValue::from_str(text).map_err(|_| {
            Error::invalid_request(format!("the value of the header '{key}' is not one line of text"))
        })?;
        value.set_sensitive(is_sensitive(key.as_str()));
        self.headers.append(key, value);
        Ok(())
    }

    /// Sets how the request authenticates.
    ///
    /// # Errors
    /// `invalid_request` when there is an `Authorization` header already or the policy is malformed, `unsupported` for
    /// a policy that is not carried out.
    pub(crate) fn authenticate(&mut self, authentication: &Authentication) -> Result<()> {
        if self.headers.contains_key(header::AUTHORIZATION) {
            let message = "both 'authentication' and an Authorization header are given; remove one";
            return Err(Error::invalid_request(message));
        }
        self.policy = Some(authentication.policy()?);
        Ok(())
    }

    /// Sets the body and its content type.
    ///
    /// # Errors
    /// `invalid_request` when the content type is not one line of text.
    pub(crate) fn set_body(&mut self, body: Body) -> Result<()> {
        let content_type = HeaderValue::from_str(&body.content_type)
            .map_err(|_| Error::invalid_request("the content type is not one line of text"))?;
        self.headers.insert(header::CONTENT_TYPE, content_type);
        self.body = Some(body.bytes);
        Ok(())
    }

    /// Gives the request a key by which the service can know a repetition, unless the method is safe
    /// (RFC 9110, section 9.2.1) or the caller has given a key.
    ///
    /// # Errors
    /// `invalid_request` when the key is not one line of text.
    pub(crate) fn set_idempotency_key(&mut self, key: &str) -> Result<()> {
        const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
        if self.method.is_safe() || self.headers.contains_key(IDEMPOTENCY_KEY) {
            return Ok(());
        }
        let key = HeaderValue::from_str(key)
            .map_err(|_| Error::invalid_request("the idempotency key is not one line of text"))?;
        self.headers.insert(IDEMPOTENCY_KEY, key);
        Ok(())
    }

    /// The request that a redirect asks for (RFC 9110, section 15.4). Credentials stay with their origin.
    #[must_use]
    pub(super) fn redirected(mut self, status: StatusCode, location: Url) -> Self {
        let becomes_get = match status {
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body = None;
            let is_about_body =
                |name: &HeaderName| name.as_str().starts_with("content-") || name == "idempotency-key";
            self.remove_headers(is_about_body);
        }
        if location.origin() != self.uri.origin() {
            self.remove_headers(|name| is_sensitive(name.as_str()));
        }
        if std::mem::take(&mut self.is_bound) {
            self.headers.remove(header::AUTHORIZATION);
        }
        self.uri = location;
        self
    }

    fn remove_headers(&mut self, is_removed: impl Fn(&HeaderName) -> bool) {
        let names: Vec<_> = self
            .headers
            .keys()
            .filter(|name| is_removed(name))
            .cloned()
            .collect();
        for name in names {
            self.headers.remove(name);
        }
    }
}

/// Reads a method in any case.
///
/// # Errors
/// `invalid_request` when it is not a method, or one that makes no sense in a call.
pub(crate) fn parse_method(text: &str) -> Result<Method> {
    let upper = text.to_ascii_uppercase();
    match Method::from_bytes(upper.as_bytes()) {
        Ok(method) if method != Method::CONNECT => Ok(method),
        _ => Err(Error::invalid_request(format!(
            "'{text}' is not an HTTP method that can be called"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atom_core::ErrorCode;
    use serde_json::json;

    fn request(method: Method) -> Request {
        let mut request = Request::new(method, Url::parse("https://a.test/x").unwrap());
        for (name, value) in [
            ("Authorization", "Bearer t"),
            ("Cookie", "c=1"),
            ("X-Api-Key", "k"),
            ("Accept", "*/*"),
        ] {
            request.add_header(name, value).unwrap();
        }
        request
            .set_body(Body {
                content_type: "text/plain".to_owned(),
                bytes: b"hi".to_vec(),
            })
            .unwrap();
        request
    }

    fn names(request: &Request) -> Vec<&str> {
        {
            let mut names: Vec<_> = request.headers.keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            names
        }
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        let same = request(Method::PUT).redirected(
            StatusCode::PERMANENT_REDIRECT,
            Url::parse("https://a.test/y").unwrap(),
        );
        assert_eq!(names(&same).len(), 5);
        for location in ["https://b.test/x", "http://a.test/x", "https://a.test:8443/x"] {
            let other = request(Method::PUT)
                .redirected(StatusCode::TEMPORARY_REDIRECT, Url::parse(location).unwrap());
            assert_eq!(names(&other), ["accept", "content-type"], "{location}");
            assert!(other.body.is_some());
        }
    }

    #[test]
    fn a_redirect_changes_the_method_where_the_standard_says_so() {
        for (method, status, expected) in [
            (Method::POST, 301, Method::GET),
            (Method::POST, 302, Method::GET),
            (Method::POST, 303, Method::GET),
            (Method::POST, 307, Method::POST),
            (Method::POST, 308, Method::POST),
            (Method::PUT, 302, Method::PUT),
            (Method::PUT, 303, Method::GET),
            (Method::HEAD, 303, Method::HEAD),
        ] {
            let location = Url::parse("https://a.test/y").unwrap();
            let next = request(method.clone()).redirected(StatusCode::from_u16(status).unwrap(), location);
            assert_eq!(next.method, expected, "{method} {status}");
            assert_eq!(next.body.is_some(), next.method == method, "{method} {status}");
        }
    }

    #[test]
    fn malformed_headers_are_refused() {
        for (name, value) in [
            ("a b", json!("x")),
            ("X-A", json!("x\r\ny")),
            ("X-A", json!(["x"])),
            ("Host", json!("evil.test")),
            ("Transfer-Encoding", json!("chunked")),
            ("content-length", json!(3)),
        ] {
            let mut request = Request::new(Method::GET, Url::parse("https://a.test").unwrap());
            let headers = Map::from_iter([(name.to_owned(), value)]);
            assert_eq!(
                request.add_headers(&headers).unwrap_err().code(),
                ErrorCode::InvalidRequest,
                "{name}"
            );
        }
    }

    #[test]
    fn methods_are_read_in_any_case() {
        assert_eq!(parse_method("gEt").unwrap(), Method::GET);
        assert_eq!(parse_method("purge").unwrap().as_str(), "PURGE");
        for text in ["", "a b", "connect"] {
            assert!(parse_method(text).is_err(), "{text}");
        }
    }
}
