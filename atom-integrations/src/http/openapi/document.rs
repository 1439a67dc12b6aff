//! An OpenAPI document: its dialect, its operations, its servers and its references.

use atom_core::{Error, ErrorCode, Result};
use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::{reference, yaml};
use crate::http::target::check_uri;

/// What errors call such a document.
const NAME: &str = "OpenAPI";

/// Which generation of OpenAPI a document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Swagger 2.0.
    Two,
    /// OpenAPI 3.0 and 3.1.
    Three,
}

/// An OpenAPI document and where it came from.
#[derive(Debug)]
pub(super) struct Document {
    root: Value,
    uri: Url,
    pub(super) dialect: Dialect,
}

/// An operation of a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation<'d> {
    pub(super) document: &'d Document,
    pub(super) path: &'d str,
    pub(super) method: &'d str,
    /// The path item, which may hold parameters and servers for all its operations.
    pub(super) item: &'d Value,
    pub(super) value: &'d Value,
}

impl Document {
    /// Reads a document in JSON or YAML.
    ///
    /// # Errors
    /// `invalid_data` when it is neither or no OpenAPI document, `unsupported` for a version that is not 2.0,
    /// 3.0 or 3.1.
    pub(super) fn parse(text: &str, uri: Url) -> Result<Self> {
        let root = yaml::parse(text)?;
        let is_minor =
            |version: &str, minor: &str| version == minor || version.starts_with(&format!("{minor}."));
        let dialect = match (yaml::version(&root, "swagger"), yaml::version(&root, "openapi")) {
            (Some(version), _) if is_minor(&version, "2.0") => Dialect::Two,
            (_, Some(version)) if is_minor(&version, "3.0") || is_minor(&version, "3.1") => Dialect::Three,
            (Some(version), _) | (_, Some(version)) => {
                let version: String = version.chars().take(20).collect();
                let message =
                    format!("OpenAPI {version} is not supported; the versions 2.0, 3.0 and 3.1 are");
                return Err(Error::new(ErrorCode::Unsupported, message));
            }
            (None, None) => {
                return Err(malformed(
                    "it has neither 'openapi' nor 'swagger'; check the document's URI",
                ));
            }
        };
        Ok(Self { root, uri, dialect })
    }

    /// The value of a member of the document itself.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.root.get(name)
    }

    /// As [`reference::resolve`].
    pub(super) fn resolve<'d>(&'d self, value: &'d Value) -> Result<&'d Value> {
        reference::resolve(NAME, &self.root, value)
    }

    /// The operation of this id.
    ///
    /// # Errors
    /// `not_found` when there is none, `invalid_data` when there are several.
    pub(super) fn operation<'d>(&'d self, id: &str) -> Result<Operation<'d>> {
        const METHODS: [&str; 8] = [
            "get", "put", "post", "delete", "options", "head", "patch", "trace",
        ];
        let mut found = None;
        let mut others = Vec::new();
        for (path, item) in self.get("paths").and_then(Value::as_object).into_iter().flatten() {
            let item = self.resolve(item)?;
            for method in METHODS {
                let Some(value) = item.get(method) else { continue };
                match value.get("operationId").and_then(Value::as_str) {
                    Some(name) if name == id && found.is_some() => {
                        return Err(malformed(&format!("the operation '{id}' stands there twice")));
                    }
                    Some(name) if name == id => {
                        found = Some(Operation {
                            document: self,
                            path,
                            method,
                            item,
                            value,
                        })
                    }
                    Some(name) => others.push(name),
                    None => {}
                }
            }
        }
        found.ok_or_else(|| {
            others.truncate(10);
            let hint = if others.is_empty() {
                "none has an id".to_owned()
            } else {
                others.join(", ")
            };
            Error::not_found(format!(
                "the document has no operation '{id}'; its operations are: {hint}"
            ))
        })
    }
}

impl Operation<'_> {
    /// The method as HTTP writes it.
    ///
    /// # Errors
    /// `internal`: the names of methods in a document are HTTP's.
    pub(super) fn http_method(&self) -> Result<Method> {
        Method::from_bytes(self.method.to_ascii_uppercase().as_bytes())
            .map_err(|error| Error::internal("an operation has no HTTP method").with_source(error))
    }

    /// Where the service is: the first server, or host, base path and scheme, relative to the document.
    ///
    /// # Errors
    /// `invalid_data` when that is no URI, `invalid_request` when it cannot be called.
    pub(super) fn base(&self) -> Result<Url> {
        let base = match self.document.dialect {
            Dialect::Two => self.base_of_two()?,
            Dialect::Three => self.base_of_three()?,
        };
        check_uri(&base)?;
        Ok(base)
    }

    fn base_of_two(&self) -> Result<Url> {
        let document = self.document;
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        let schemes = self
            .value
            .get("schemes")
            .or_else(|| document.get("schemes"))
            .and_then(Value::as_array);
        let own = document.uri.scheme();
        let scheme = match schemes {
            None => own,
            Some(schemes) => {
                let offers = |scheme: &str| schemes.iter().any(|offered| offered == scheme);
                match () {
                    () if schemes.is_empty() => own,
                    () if offers("https") => "https",
                    () if offers("http") => "http",
                    () => {
                        return Err(Error::new(
                            ErrorCode::Unsupported,
                            "the operation is offered by neither http nor https",
                        ));
                    }
                }
            }
        };
        let authority = match (text("host"), document.uri.host_str(), document.uri.port()) {
            (Some(host), _, _) => host.to_owned(),
            (None, Some(host), Some(port)) => format!("{host}:{port}"),
            (None, host, None) => host.unwrap_or_default().to_owned(),
            (None, None, Some(_)) => String::new(),
        };
        let path = text("basePath").unwrap_or_default().trim_start_matches('/');
        Url::parse(&format!("{scheme}://{authority}/{path}"))
            .map_err(|error| malformed("its host and base path make no URI").with_source(error))
    }

    fn base_of_three(&self) -> Result<Url> {
        let first = |holder: Option<&Value>| {
            holder
                .and_then(|holder| holder.get("servers"))
                .and_then(Value::as_array)
                .and_then(|all| all.first())
                .cloned()
        };
        let server = first(Some(self.value))
            .or_else(|| first(Some(self.item)))
            .or_else(|| first(Some(&self.document.root)));
        let text = match &server {
            None => "/",
            Some(server) => server
                .get("url")
                .and_then(Value::as_str)
                .ok_or_else(|| malformed("a server has no 'url'"))?,
        };
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| malformed("a server has a '{' without '}'"))?;
            let default = server
                .as_ref()
                .and_then(|server| server.get("variables")?.get(name)?.get("default")?.as_str())
                .ok_or_else(|| malformed(&format!("the server variable '{name}' has no default")))?;
            expanded.push_str(before);
            expanded.push_str(default);
            rest = after;
        }
        expanded.push_str(rest);
        self.document
            .uri
            .join(&expanded)
            .map_err(|error| malformed("its first server is no URI").with_source(error))
    }
}

/// The error of a document that breaks its own format.
pub(super) fn malformed(detail: &str) -> Error {
    reference::malformed(NAME, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Result<Document> {
        Document::parse(
            text,
            Url::parse("https://docs.test:8443/v1/openapi.yaml").unwrap(),
        )
    }

    #[test]
    fn the_version_is_known() {
        for (text, dialect) in [
            ("swagger: 2.0", Dialect::Two),
            (r#"{"swagger":"2.0"}"#, Dialect::Two),
            ("openapi: 3.0.3", Dialect::Three),
            ("openapi: 3.1", Dialect::Three),
        ] {
            assert_eq!(document(text).unwrap().dialect, dialect, "{text}");
        }
        for (text, code) in [
            ("swagger: '1.2'", ErrorCode::Unsupported),
            ("openapi: 4.0.0", ErrorCode::Unsupported),
            ("openapi: 3.10.0", ErrorCode::Unsupported),
            ("title: x", ErrorCode::InvalidData),
            ("[]", ErrorCode::InvalidData),
        ] {
            assert_eq!(document(text).unwrap_err().code(), code, "{text}");
        }
    }

    #[test]
    fn the_base_is_found_as_each_dialect_says() {
        for (head, expected) in [
            (
                "swagger: '2.0'\nhost: api.test\nbasePath: /v2\nschemes: [http, https]",
                "https://api.test/v2",
            ),
            (
                "swagger: '2.0'\nhost: api.test:81\nschemes: [http]",
                "http://api.test:81/",
            ),
            ("swagger: '2.0'", "https://docs.test:8443/"),
            ("openapi: 3.0.0", "https://docs.test:8443/"),
            ("openapi: 3.0.0\nservers: []", "https://docs.test:8443/"),
            (
                "openapi: 3.0.0\nservers: [{url: https://api.test/v3}, {url: https://b.test}]",
                "https://api.test/v3",
            ),
            (
                "openapi: 3.0.0\nservers: [{url: ../api}]",
                "https://docs.test:8443/api",
            ),
            (
                "openapi: 3.0.0\nservers: [{url: 'https://{zone}.test/{v}', variables: {zone: {default: eu}, v: {default: v1}}}]",
                "https://eu.test/v1",
            ),
        ] {
            let document =
                document(&format!("{head}\npaths: {{/a: {{get: {{operationId: x}}}}}}\n")).unwrap();
            assert_eq!(
                document.operation("x").unwrap().base().unwrap().as_str(),
                expected,
                "{head}"
            );
        }
    }

    #[test]
    fn servers_of_the_operation_win() {
        let text = "openapi: 3.0.0\nservers: [{url: https://a.test}]\npaths:\n  /a:\n    servers: [{url: https://b.test}]\n    \
             get: {operationId: x}\n    put: {operationId: y, servers: [{url: https://c.test}]}\n";
        let document = document(text).unwrap();
        assert_eq!(
            document.operation("x").unwrap().base().unwrap().as_str(),
            "https://b.test/"
        );
        assert_eq!(
            document.operation("y").unwrap().base().unwrap().as_str(),
            "https://c.test/"
        );
    }

    #[test]
    fn a_base_that_cannot_be_called_is_refused() {
        for head in [
            "swagger: '2.0'\nschemes: [ws]",
            "swagger: '2.0'\nhost: 'a b'",
            "openapi: 3.0.0\nservers: [{url: 'file:///etc'}]",
            "openapi: 3.0.0\nservers: [{url: 'https://ada:pw@a.test'}]",
            "openapi: 3.0.0\nservers: [{url: 'https://{zone}.test'}]",
            "openapi: 3.0.0\nservers: [{url: 'https://{zone'}]",
            "openapi: 3.0.0\nservers: [{}]",
        ] {
            let document =
                document(&format!("{head}\npaths: {{/a: {{get: {{operationId: x}}}}}}\n")).unwrap();
            assert!(document.operation("x").unwrap().base().is_err(), "{head}");
        }
    }

    #[test]
    fn references_are_followed_within_the_document_and_not_for_ever() {
        let text = "openapi: 3.0.0\npaths: {}\ncomponents:\n  a/b: {found: true}\n  one: {$ref: '#/components/two'}\n  \
             two: {$ref: '#/components/a~1b'}\n  loop: {$ref: '#/components/loop'}\n  gone: {$ref: '#/nowhere'}\n  \
             out: {$ref: 'https://x.test/y.yaml#/z'}\n  escaped: {$ref: '#/components/a~1b%20'}\n  'a/b ': 1\n";
        let document = document(text).unwrap();
        let resolve = |name: &str| document.resolve(&document.get("components").unwrap()[name]);
        assert_eq!(resolve("one").unwrap()["found"], true);
        assert_eq!(resolve("escaped").unwrap(), 1);
        for (name, code) in [
            ("loop", ErrorCode::InvalidData),
            ("gone", ErrorCode::InvalidData),
            ("out", ErrorCode::Unsupported),
        ] {
            assert_eq!(resolve(name).unwrap_err().code(), code, "{name}");
        }
    }

    #[test]
    fn an_operation_is_found_by_its_id_alone() {
        let text = "openapi: 3.0.0\npaths:\n  /a: {get: {operationId: one}, put: {operationId: two}, post: {}}\n  \
             /b: {get: {operationId: two}}\n";
        let document = document(text).unwrap();
        assert_eq!(document.operation("one").unwrap().path, "/a");
        assert_eq!(
            document.operation("two").unwrap_err().code(),
            ErrorCode::InvalidData
        );
        let error = document.operation("three").unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound);
        assert!(error.message().contains("one, two"), "{error}");
    }
}
