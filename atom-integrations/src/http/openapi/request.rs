//! Turns an operation and its parameters into a request.

use std::collections::BTreeSet;

use atom_core::{Error, Result};
use reqwest::header::ACCEPT;
use serde_json::{Map, Value};
use url::Url;

use super::document::{Dialect, Operation, malformed};
use super::parameter::{Parameter, Place, declared};
use super::style::{self, Style};
use crate::http::body::{self, essence, is_json};
use crate::http::call::add_query;
use crate::http::encoding;
use crate::http::request::Request;

/// The parameter that holds the request body of an OpenAPI 3 operation.
const BODY: &str = "body";

/// Where the parts of a request are gathered.
#[derive(Default)]
struct Parts {
    path: String,
    query: Vec<String>,
    headers: Vec<(String, String)>,
    cookies: Vec<String>,
    body: Option<Value>,
    form: Map<String, Value>,
    files: BTreeSet<String>,
}

/// Builds the request of an operation.
///
/// # Errors
/// `invalid_request` for parameters that are missing, unknown or do not fit, `invalid_data` and `unsupported`
/// for a document that breaks its format or leaves itself.
pub(super) fn build(operation: &Operation<'_>, given: &Map<String, Value>) -> Result<Request> {
    let declared = declared(operation)?;
    let request_body = request_body(operation, &declared)?;
    check(&declared, request_body, given)?;
    let mut parts = Parts {
        path: operation.path.to_owned(),
        ..Parts::default()
    };
    for parameter in &declared {
        match given.get(parameter.name) {
            None | Some(Value::Null) => {}
            Some(value) => parts.place(parameter, value)?,
        }
    }
    if request_body.is_some() {
        parts.body = given.get(BODY).filter(|body| !body.is_null()).cloned();
    }
    let mut request = Request::new(operation.http_method()?, uri(operation, &parts)?);
    request.headers.insert(
        ACCEPT,
        reqwest::header::HeaderValue::from_static("application/json, */*;q=0.8"),
    );
    for (name, value) in &parts.headers {
        if name.eq_ignore_ascii_case(ACCEPT.as_str()) {
            request.headers.remove(ACCEPT);
        }
        request.add_header(name, value)?;
    }
    if !parts.cookies.is_empty() {
        request.add_header("cookie", &parts.cookies.join("; "))?;
    }
    add_body(&mut request, operation, request_body, parts)?;
    Ok(request)
}

/// The `requestBody` of an OpenAPI 3 operation, unless a declared parameter takes its name.
fn request_body<'d>(operation: &Operation<'d>, declared: &[Parameter<'_>]) -> Result<Option<&'d Value>> {
    if operation.document.dialect == Dialect::Two || declared.iter().any(|parameter| parameter.name == BODY) {
        return Ok(None);
    }
    operation
        .value
        .get("requestBody")
        .map(|body| operation.document.resolve(body))
        .transpose()
}

fn check(declared: &[Parameter<'_>], request_body: Option<&Value>, given: &Map<String, Value>) -> Result<()> {
    let mut known: Vec<_> = declared.iter().map(|parameter| parameter.name).collect();
    let mut required: Vec<_> = declared
        .iter()
        .filter(|parameter| parameter.is_required)
        .map(|parameter| parameter.name)
        .collect();
    if let Some(body) = request_body {
        known.push(BODY);
        if body.get("required").and_then(Value::as_bool).unwrap_or(false) {
            required.push(BODY);
        }
    }
    if let Some(unknown) = given.keys().find(|name| !known.contains(&name.as_str())) {
        let has = if known.is_empty() {
            "no parameters".to_owned()
        } else {
            known.join(", ")
        };
        let message = format!("the operation has no parameter '{unknown}'; it has {has}");
        return Err(Error::invalid_request(message));
    }
    let missing: Vec<_> = required
        .into_iter()
        .filter(|name| given.get(*name).is_none_or(Value::is_null))
        .collect();
    if !missing.is_empty() {
        let message = format!("required parameters are missing: {}", missing.join(", "));
        return Err(Error::invalid_request(message));
    }
    Ok(())
}

impl Parts {
    fn place(&mut self, parameter: &Parameter<'_>, value: &Value) -> Result<()> {
        let Parameter {
            name, style, explode, ..
        } = *parameter;
        let json = parameter.is_json.then(|| Value::String(value.to_string()));
        let value = json.as_ref().unwrap_or(value);
        match parameter.place {
            Place::Path => {
                let text = style::in_path(name, value, style, explode)?;
                self.fill(name, &text)?;
            }
            Place::Query => self.query.extend(style::in_query(name, value, style, explode)?),
            Place::Header => {
                self.headers
                    .push((name.to_owned(), style::in_header(name, value, style, explode)?));
            }
            Place::Cookie => self.cookies.extend(style::in_query(name, value, style, explode)?),
            Place::Body => self.body = Some(value.clone()),
            Place::Form => {
                let value = match style {
                    Style::Form(delimiter) if !explode => style::in_form(name, value, delimiter)?,
                    _ => value.clone(),
                };
                self.form.insert(name.to_owned(), value);
                if parameter.is_file {
                    self.files.insert(name.to_owned());
                }
            }
        }
        Ok(())
    }

    /// Puts an encoded value in its place in the path.
    fn fill(&mut self, name: &str, text: &str) -> Result<()> {
        let placeholder = format!("{{{name}}}");
        if !self.path.contains(&placeholder) {
            return Err(malformed(&format!(
                "the path has no place for the parameter '{name}'"
            )));
        }
        self.path = self.path.replace(&placeholder, text);
        if encoding::climbs(&self.path) {
            let message = format!("the path parameter '{name}' must not make the segment '.' or '..'");
            return Err(Error::invalid_request(message));
        }
        Ok(())
    }
}

fn uri(operation: &Operation<'_>, parts: &Parts) -> Result<Url> {
    let path = &parts.path;
    if path.contains(['{', '}', '#']) || !path.starts_with('/') {
        let shown: String = path.chars().take(100).collect();
        return Err(malformed(&format!(
            "the path '{shown}' is malformed or has places that no parameter fills"
        )));
    }
    let base = operation.base()?;
    let mut uri = Url::parse(&format!("{}{path}", base.as_str().trim_end_matches('/')))
        .map_err(|error| malformed("server and path make no URI").with_source(error))?;
    add_query(&mut uri, &parts.query.join("&"));
    Ok(uri)
}

fn add_body(
    request: &mut Request,
    operation: &Operation<'_>,
    request_body: Option<&Value>,
    parts: Parts,
) -> Result<()> {
    let consumes = consumes(operation, request_body);
    let offers = |wanted: &str| consumes.iter().any(|offered| essence(offered) == wanted);
    let (value, content_type) = if !parts.form.is_empty() {
        let is_multipart = !parts.files.is_empty()
            || (offers("multipart/form-data") && !offers("application/x-www-form-urlencoded"));
        let content_type = if is_multipart {
            "multipart/form-data"
        } else {
            "application/x-www-form-urlencoded"
        };
        (Value::Object(parts.form), Some(content_type))
    } else if let Some(value) = parts.body {
        let content_type = choose(&consumes);
        (value, content_type)
    } else {
        return Ok(());
    };
    request.set_body(body::encode(&value, content_type, &parts.files)?)
}

/// The content types that the operation accepts.
fn consumes<'d>(operation: &Operation<'d>, request_body: Option<&'d Value>) -> Vec<&'d str> {
    match operation.document.dialect {
        Dialect::Two => {
            let list = operation
                .value
                .get("consumes")
                .or_else(|| operation.document.get("consumes"));
            list.and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect()
        }
        Dialect::Three => {
            let content = request_body
                .and_then(|body| body.get("content"))
                .and_then(Value::as_object);
            content
                .into_iter()
                .flat_map(Map::keys)
                .map(String::as_str)
                .collect()
        }
    }
}

/// The content type that a body is sent in: JSON where the operation accepts it, else the first. None where
/// the operation accepts anything.
fn choose<'d>(consumes: &[&'d str]) -> Option<&'d str> {
    let json = consumes
        .iter()
        .find(|content_type| is_json(&essence(content_type)));
    json.or(consumes.first())
        .copied()
        .filter(|content_type| !content_type.contains('*'))
}
