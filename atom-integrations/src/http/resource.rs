//! External resources: documents that a call names, on the web or in a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use atom_core::{Error, ErrorCode, FunctionContext, Result};
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::HttpClient;
use super::authentication::Authentication;
#[cfg(any(feature = "asyncapi", feature = "grpc"))]
use super::cache::Key;
use super::call::Endpoint;
use super::client::Client;
use super::failure;
use super::request::Request;
use super::target::check_uri;
use crate::local::blocking::blocking;
use crate::local::{FileAccess, read_error};

/// How many names an error lists.
#[cfg(any(feature = "asyncapi", feature = "grpc"))]
const SHOWN_NAMES: usize = 10;

/// A document that a call names.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HttpExternalResource")]
pub(crate) struct ExternalResource {
    /// Where to get it: by `http` or `https`, or a file as `file://` URI or relative path.
    pub(crate) endpoint: Endpoint,
    /// What it is called.
    #[serde(default, rename = "name")]
    _name: Option<String>,
}

/// Where a document is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// On the web.
    Web {
        uri: Url,
        authentication: Option<Authentication>,
    },
    /// In a file; a relative path starts at the call's directory.
    File(PathBuf),
}

impl Place {
    /// Where an endpoint leads. As the specification's own examples write `file://app/greet.proto`, what looks
    /// like the host of a file URI is the beginning of a relative path.
    ///
    /// # Errors
    /// `invalid_request` for what is neither a web address nor a file.
    pub(crate) fn of(endpoint: Endpoint) -> Result<Self> {
        let (text, authentication) = endpoint.into_parts();
        match Url::parse(&text) {
            Ok(uri) if uri.scheme() == "file" => {
                let written = text.get("file:".len()..).unwrap_or_default();
                match written.strip_prefix("//") {
                    Some(path) if !path.starts_with('/') && !path.starts_with("localhost/") => file(path),
                    _ => uri.to_file_path().map(Self::File).map_err(|()| malformed()),
                }
            }
            Ok(uri) => {
                check_uri(&uri)?;
                Ok(Self::Web { uri, authentication })
            }
            Err(url::ParseError::RelativeUrlWithoutBase) => file(&text),
            Err(error) => Err(malformed().with_source(error)),
        }
    }

    /// The document that stands `levels` folders above this one under a relative path; none above the topmost, and
    /// none on another host, which must not get this one's credential.
    #[cfg(feature = "grpc")]
    pub(crate) fn beside(&self, levels: usize, path: &str) -> Option<Self> {
        match self {
            Self::Web { uri, authentication } => {
                let depth = uri.path_segments().map_or(0, Iterator::count);
                let joined =
                    (levels < depth).then(|| uri.join(&format!("{}{path}", "../".repeat(levels))))?;
                let joined = joined.ok().filter(|joined| joined.origin() == uri.origin())?;
                Some(Self::Web {
                    uri: joined,
                    authentication: authentication.clone(),
                })
            }
            Self::File(file) => {
                let folder = file.ancestors().nth(levels + 1)?;
                Some(Self::File(folder.join(path)))
            }
        }
    }

    /// What a document on the web is kept under; files are read anew each time.
    ///
    /// # Errors
    /// As [`Authentication`] for a malformed policy.
    #[cfg(any(feature = "asyncapi", feature = "grpc"))]
    pub(crate) fn key(&self) -> Result<Option<Key>> {
        match self {
            Self::Web { uri, authentication } => {
                let request = request(uri.clone(), authentication.as_ref())?;
                Ok(Some(Key::of(&request)))
            }
            Self::File(_) => Ok(None),
        }
    }

    /// Adds to an error which document it is about.
    pub(crate) fn located(&self, error: Error) -> Error {
        match self {
            Self::Web { uri, .. } => failure::located(error, &Method::GET, uri),
            Self::File(path) => error.with_context("path", path.display()),
        }
    }
}

/// Reads documents by the operator's rules for the web and for files.
#[derive(Clone, Debug)]
pub(crate) struct Loader {
    pub(crate) client: Arc<Client>,
    access: FileAccess,
}

impl Loader {
    pub(crate) fn new(http: &HttpClient, access: FileAccess) -> Self {
        Self {
            client: Arc::clone(&http.client),
            access,
        }
    }

    /// Reads a document as text. Redirects are followed.
    ///
    /// # Errors
    /// As [`Client::send`] for the web and [`FileAccess::readable`] for files; `limit_exceeded` for a file
    /// longer than an answer may be, `invalid_data` for one that is not UTF-8.
    ///
    /// # Cancel safety
    /// Dropping the future forgets what was read.
    pub(crate) async fn load(&self, place: &Place, context: &FunctionContext) -> Result<String> {
        match place {
            Place::Web { uri, authentication } => {
                let request = request(uri.clone(), authentication.as_ref())?;
                let answer = self.client.send(request, context).await?;
                answer.check_encoding().map_err(|error| place.located(error))?;
                Ok(answer.text())
            }
            Place::File(path) => {
                let shown = path.to_str().ok_or_else(malformed)?;
                let path = self.access.readable(shown, context)?;
                let limit = self.client.maximum_response_bytes();
                let text = blocking(context, move |_| read_file(&path, limit));
                text.await.map_err(|error| place.located(error))
            }
        }
    }
}

fn read_file(path: &Path, limit: u64) -> Result<String> {
    use std::io::Read as _;

    let file = std::fs::File::open(path).map_err(|error| read_error(path, error))?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| read_error(path, error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(failure::too_long("the document", limit));
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::new(ErrorCode::InvalidData, "the document is not text in UTF-8"))
}

fn request(uri: Url, authentication: Option<&Authentication>) -> Result<Request> {
    let mut request = Request::new(Method::GET, uri);
    request.follows_redirects = true;
    if let Some(authentication) = authentication {
        request.authenticate(authentication)?;
    }
    Ok(request)
}

fn file(path: &str) -> Result<Place> {
    let path = percent_encoding::percent_decode_str(path).decode_utf8();
    let path = path.map_err(|error| malformed().with_source(error))?;
    Ok(Place::File(PathBuf::from(path.as_ref())))
}

/// The error for a name that a document, or a part of one, does not have.
#[cfg(any(feature = "asyncapi", feature = "grpc"))]
pub(crate) fn missing(
    holder: &str,
    kind: &str,
    name: &str,
    names: impl Iterator<Item = impl Into<String>>,
) -> Error {
    let names: Vec<String> = names.take(SHOWN_NAMES).map(Into::into).collect();
    let hint = if names.is_empty() {
        format!("it has no {kind}s")
    } else {
        format!("its {kind}s are: {}", names.join(", "))
    };
    Error::not_found(format!("{holder} has no {kind} '{name}'; {hint}"))
}

fn malformed() -> Error {
    Error::invalid_request(
        "the endpoint of the document is not valid; give an http, https or file URI, or the path of a file",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(uri: &str) -> Result<Place> {
        Place::of(Endpoint::Uri(uri.to_owned()))
    }

    fn shown(place: &Place) -> String {
        match place {
            Place::Web { uri, .. } => uri.to_string(),
            Place::File(path) => path.display().to_string(),
        }
    }

    #[test]
    fn an_endpoint_is_on_the_web_or_a_file() {
        for (endpoint, expected) in [
            ("https://x.test/a/greet.proto", "https://x.test/a/greet.proto"),
            ("file://app/greet.proto", "app/greet.proto"),
            ("file://App/My%20Files/greet.proto", "App/My Files/greet.proto"),
            ("file:///srv/greet.proto", "/srv/greet.proto"),
            ("file://localhost/srv/greet.proto", "/srv/greet.proto"),
            ("protos/greet.proto", "protos/greet.proto"),
            ("/srv/greet.proto", "/srv/greet.proto"),
        ] {
            assert_eq!(shown(&place(endpoint).unwrap()), expected, "{endpoint}");
        }
        for endpoint in ["ftp://x.test/a", "https://ada:pw@x.test/a", "http://", "a%ff"] {
            let error = place(endpoint).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{endpoint}");
        }
    }

    #[cfg(feature = "grpc")]
    #[test]
    fn a_neighbour_stands_beside_or_above() {
        let web = place("https://x.test/a/b/greet.proto").unwrap();
        let file = place("a/b/greet.proto").unwrap();
        for (levels, expected) in [
            (0, ["https://x.test/a/b/c/d.proto", "a/b/c/d.proto"]),
            (1, ["https://x.test/a/c/d.proto", "a/c/d.proto"]),
        ] {
            assert_eq!(shown(&web.beside(levels, "c/d.proto").unwrap()), expected[0]);
            assert_eq!(shown(&file.beside(levels, "c/d.proto").unwrap()), expected[1]);
        }
        assert!(web.beside(3, "c/d.proto").is_none());
        for path in [
            "http:/evil.example/x.proto",
            "http:evil.example/x.proto",
            "https://evil.example/x.proto",
            "//evil.example/x.proto",
            "\\\\evil.example/x.proto",
            "ftp://x.test/x.proto",
        ] {
            assert!(web.beside(0, path).is_none(), "{path}");
        }
        assert!(file.beside(9, "c/d.proto").is_none());
    }
}
