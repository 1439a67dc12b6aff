//! What stands elsewhere: functions of catalogs and at URIs, and schemas.

use std::sync::Arc;

use atom_core::{Error, Result};
use jsonschema::Draft;
use url::Url;

use super::cursor::{Cursor, shortened};
use super::reuse::{Function, Functions};
use super::{Reader, formats, missing};
use crate::definition::DataSchema;
use crate::definition::problem::Path;
use crate::definition::resource::{DEFAULT_CATALOG, ResourceReference, raw};
use crate::definition::types::Task;
use crate::definition::yaml::Node;
use crate::expression::is_expression;

/// Where the functions of a catalog are.
#[derive(Clone)]
pub(super) struct Catalog<'t> {
    endpoint: Cursor<'t>,
    /// The URI; absent when the catalog cannot be used.
    root: Option<String>,
}

/// Where a function was read.
#[derive(Clone)]
pub(super) struct Origin {
    reference: ResourceReference,
}

impl Origin {
    /// The URI of a file that the function names relative to itself.
    fn join(&self, relative: &str) -> Option<String> {
        let uri = Url::parse(&self.reference.uri).ok()?.join(relative).ok()?;
        Some(uri.into())
    }

    /// Whether a file is in the folder of the function, or below.
    fn has_beside(&self, uri: &str) -> bool {
        let folder = self.reference.uri.rsplit_once('/');
        folder.is_some_and(|(folder, _)| uri.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    }
}

impl<'t> Reader<'t> {
    /// A catalog whose endpoint has been checked.
    pub(super) fn catalog(&mut self, endpoint: Cursor<'t>) -> Result<Catalog<'t>> {
        let root = self.absolute(&endpoint, "use.catalogs")?;
        Ok(Catalog { endpoint, root })
    }

    /// The URI of an endpoint that is read before any run; none when it is one that only a run could know. In a function from
    /// elsewhere it may be relative to that.
    fn absolute(&mut self, endpoint: &Cursor<'t>, feature: &str) -> Result<Option<String>> {
        let uri = match endpoint.as_text() {
            Some(uri) => uri,
            None => endpoint.any_object()?.require("uri")?.text()?,
        };
        let lacking = if is_expression(uri) {
            "a URI that is an expression"
        } else if uri.contains(['{', '}']) {
            "a URI template"
        } else if is_readable(uri) {
            return Ok(Some(uri.to_owned()));
        } else if matches!(Url::parse(uri), Err(url::ParseError::RelativeUrlWithoutBase)) {
            let joined = self.origin.as_ref().and_then(|origin| origin.join(uri));
            let is_known = |joined: &String| is_readable(joined) || joined.starts_with(DEFAULT_CATALOG);
            if let Some(joined) = joined.filter(is_known) {
                return Ok(Some(joined));
            }
            "a relative URI, as the document itself has none"
        } else {
            "a URI of another scheme than http, https and file"
        };
        self.lacks(endpoint, format!("{feature}: {lacking}"))?;
        Ok(None)
    }

    /// The function that a call names by its URI, or as `name:version@catalog`; none when it has not been read yet, or when
    /// it is not carried out.
    pub(super) fn external_function(
        &mut self,
        name: &'t str,
        call: &Cursor<'t>,
        depth: usize,
    ) -> Result<Option<Arc<Task>>> {
        if !self.external.contains_key(name) {
            let Some(reference) = self.function_reference(name, call)? else {
                return Ok(None);
            };
            let uri = reference.uri.clone();
            let origin = Origin {
                reference: reference.clone(),
            };
            let Some(node) = self
                .resource(reference)
                .map_err(|error| within("function", &uri, call, &error))?
            else {
                return Ok(None);
            };
            let path = Path::default().join("use").join("functions").join(name);
            self.external
                .insert(name, Function::Unread(Cursor { node, path }));
            self.origins.insert(name, origin);
        }
        let origin = self.origins.get(name).cloned();
        self.as_its_own(call, origin, |reader| {
            reader.function(Functions::External, name, call, depth)
        })
        .map_err(|error| within("function", name, call, &error))
    }

    /// Reads what somebody else has written: the names that the document defines mean nothing there, but for its catalogs.
    fn as_its_own<T>(
        &mut self,
        call: &Cursor<'t>,
        origin: Option<Origin>,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let place = self.place(call);
        let origin = std::mem::replace(&mut self.origin, origin);
        let called_from = self.called_from.replace(place);
        let is_jq = std::mem::replace(&mut self.is_jq, true);
        let is_loose = std::mem::replace(&mut self.is_loose, false);
        let secrets = std::mem::take(&mut self.secrets);
        let authentications = std::mem::take(&mut self.authentications);
        let errors = std::mem::take(&mut self.errors);
        let retries = std::mem::take(&mut self.retries);
        let timeouts = std::mem::take(&mut self.timeouts);
        let functions = std::mem::take(&mut self.functions);
        let variables = std::mem::take(&mut self.variables);
        let result = read(self).and_then(|value| self.check_variables().map(|()| value));
        self.called_from = called_from;
        self.origin = origin;
        self.is_jq = is_jq;
        self.is_loose = is_loose;
        self.secrets = secrets;
        self.authentications = authentications;
        self.errors = errors;
        self.retries = retries;
        self.timeouts = timeouts;
        self.functions = functions;
        self.variables = variables;
        result
    }

    /// Where the function is that a call names.
    fn function_reference(&mut self, name: &'t str, call: &Cursor<'t>) -> Result<Option<ResourceReference>> {
        if name.contains("://") {
            return Ok(self
                .absolute(call, "call: a function by its URI")?
                .map(|uri| self.reference(raw(&uri, false), call)));
        }
        let parts = name
            .rsplit_once('@')
            .and_then(|(function, catalog)| Some((function.split_once(':')?, catalog)));
        let Some(((function, version), catalog)) = parts else {
            return Err(call.error("expected a function of a catalog as 'name:version@catalog'"));
        };
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if function.is_empty() || function.starts_with('.') || !function.bytes().all(is_word) {
            let message = format!(
                "'{}' is not the name of a function of a catalog: use letters, digits, '-', '_' and '.'",
                shortened(function)
            );
            return Err(call.error(message));
        }
        if !formats::is_semantic_version(version) {
            let message = format!("'{}' is not a semantic version", shortened(version));
            return Err(call.error(message));
        }
        let path = format!("functions/{function}/{version}/function.yaml");
        match self.catalogs.get(catalog).cloned() {
            // It is listed where the catalog is defined.
            Some(Catalog { root: None, .. }) => Ok(None),
            Some(Catalog {
                endpoint,
                root: Some(root),
            }) => {
                let mut reference = self.reference(format!("{}/{path}", raw(&root, true)), call);
                self.authenticate(&mut reference, &endpoint)?;
                Ok(Some(reference))
            }
            None if catalog == "default" => {
                Ok(Some(self.reference(format!("{DEFAULT_CATALOG}{path}"), call)))
            }
            None => Err(missing(
                self.catalogs.keys().copied().chain(["default"]),
                "use.catalogs",
                catalog,
                call,
            )),
        }
    }

    /// The schema at an external resource; none when it has not been read yet, or when it is not carried out.
    pub(super) fn external_schema(
        &mut self,
        resource: &Cursor<'t>,
        draft: Option<Draft>,
    ) -> Result<Option<DataSchema>> {
        let endpoint = resource.any_object()?.require("endpoint")?;
        let Some(uri) = self.absolute(&endpoint, "schema.resource")? else {
            return Ok(None);
        };
        let mut reference = self.reference(raw(&uri, false), resource);
        self.authenticate(&mut reference, &endpoint)?;
        if let Some(origin) = &self.origin
            && reference.authentication.is_none()
            && origin.has_beside(&reference.uri)
        {
            // What belongs to a function is read as the function was.
            reference.authentication = origin.reference.authentication.clone();
            reference.policy = origin.reference.policy.clone();
        }
        let node = self.resource(reference);
        let schema = node.and_then(|node| {
            let path = resource.path.clone();
            node.map(|node| self.schema_document(&Cursor { node, path }, draft))
                .transpose()
        });
        schema.map_err(|error| within("schema", &uri, resource, &error))
    }

    fn reference(&self, uri: String, from: &Cursor<'t>) -> ResourceReference {
        let place = self.place(from);
        ResourceReference {
            uri,
            line: place.line,
            column: place.column,
            path: from.path.to_string(),
            authentication: None,
            policy: None,
        }
    }

    /// Notes how an endpoint says to authenticate.
    fn authenticate(&mut self, reference: &mut ResourceReference, endpoint: &Cursor<'t>) -> Result<()> {
        if endpoint.is_object()
            && let Some(policy) = endpoint.any_object()?.get("authentication")
        {
            reference.policy = Some(self.template(&policy)?);
            reference.authentication = Some(policy.json());
        }
        Ok(())
    }

    /// The content of a resource; one that has not been read is noted as missing.
    fn resource(&mut self, reference: ResourceReference) -> Result<Option<&'t Node>> {
        let key = reference.key();
        if let Some(resources) = self.resources
            && let Some(node) = resources.get(&key)?
        {
            return Ok(Some(node));
        }
        if self.unresolved.iter().all(|other| other.key() != key) {
            self.unresolved.push(reference);
        }
        Ok(None)
    }
}

/// Whether a URI is absolute and of a scheme that can be read.
fn is_readable(uri: &str) -> bool {
    uri.split_once("://").is_some_and(|(scheme, rest)| {
        !rest.is_empty()
            && ["http", "https", "file"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known))
    })
}

/// The error of something that stands elsewhere, at the place that refers to it.
fn within(what: &str, uri: &str, from: &Cursor<'_>, error: &Error) -> Error {
    let message = format!(
        "the {what} at '{}' is not valid: {}",
        shortened(uri),
        error.message()
    );
    from.error(message).with_context("resource", uri)
}
