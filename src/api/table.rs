//! The table of operations, and what an operation is.

use std::sync::LazyLock;

use atom_core::{Error, Result};
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json::read_request;
use super::{
    Context, Permission, alerts, analytics, approvals, engine, events, functions, runs, schedules, secrets,
    templates, versions, workers, workflows,
};

/// A request with one answer.
pub trait Request: DeserializeOwned + JsonSchema + Send + 'static {
    /// The operation's name, e.g. `runs.start`.
    const NAME: &'static str;
    /// One sentence for people and models.
    const SUMMARY: &'static str;
    /// What the caller must hold. An operation whose permission is read-only changes nothing.
    const PERMISSION: Permission;
    /// The answer.
    type Response: Serialize + JsonSchema + Send + 'static;

    /// Carries the operation out. [`Engine::call`](crate::Engine::call) checks the permission first.
    fn handle(self, context: Context) -> impl Future<Output = Result<Self::Response>> + Send;
}

/// A request with any number of answers.
pub trait StreamRequest: DeserializeOwned + JsonSchema + Send + 'static {
    /// The operation's name, e.g. `runs.events`.
    const NAME: &'static str;
    /// One sentence for people and models.
    const SUMMARY: &'static str;
    /// What the caller must hold.
    const PERMISSION: Permission;
    /// One answer.
    type Item: Serialize + JsonSchema + Send + 'static;

    /// Begins the stream. What it shows begins with this call, not with the first item that is taken.
    ///
    /// # Errors
    /// `invalid_request`; other errors come as items.
    fn handle(self, context: Context) -> Result<BoxStream<'static, Result<Self::Item>>>;
}

/// How an operation answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Once.
    Call,
    /// With a stream of items.
    Stream,
}

/// What an operation is called, takes and gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OperationInfo {
    /// Its name, e.g. `runs.start`.
    pub name: String,
    /// One sentence for people and models.
    pub summary: String,
    /// How it answers.
    pub kind: OperationKind,
    /// What the caller must hold.
    pub permission: Permission,
    /// Whether it changes nothing.
    pub is_read_only: bool,
    /// JSON Schema of the request.
    pub request_schema: Value,
    /// JSON Schema of the answer, or of one item of the stream.
    pub response_schema: Value,
}

/// An operation whose types are JSON.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) permission: Permission,
    pub(crate) handler: Handler,
    summary: &'static str,
    schemas: fn() -> (Value, Value),
}

/// The code of an operation whose types are JSON.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    Call(fn(Context, Value) -> BoxFuture<'static, Result<Value>>),
    Stream(fn(Context, Value) -> Result<BoxStream<'static, Result<Value>>>),
}

static TABLE: [&[Operation]; 13] = [
    engine::OPERATIONS,
    functions::OPERATIONS,
    workflows::OPERATIONS,
    versions::OPERATIONS,
    workers::OPERATIONS,
    templates::OPERATIONS,
    runs::OPERATIONS,
    schedules::OPERATIONS,
    approvals::OPERATIONS,
    analytics::OPERATIONS,
    alerts::OPERATIONS,
    events::OPERATIONS,
    secrets::OPERATIONS,
];

static INFOS: LazyLock<Vec<OperationInfo>> = LazyLock::new(|| operations().map(Operation::info).collect());

fn operations() -> impl Iterator<Item = &'static Operation> {
    TABLE.iter().copied().flatten()
}

/// What every operation is called, takes and gives.
pub(crate) fn infos() -> &'static [OperationInfo] {
    &INFOS
}

/// The operation with this name.
///
/// # Errors
/// `not_found`, naming the nearest ones.
pub(crate) fn find(name: &str) -> Result<&'static Operation> {
    operations()
        .find(|operation| operation.name == name)
        .ok_or_else(|| {
            let near = nearest(name);
            let hint = if near.is_empty() {
                format!(
                    "the operations are {}",
                    operations()
                        .map(|operation| operation.name)
                        .collect::<Vec<_>>()
                        .join(", ")
                )
            } else {
                format!("did you mean {}?", near.join(" or "))
            };
            let shown: String = name.chars().take(64).collect();
            Error::not_found(format!("there is no operation '{shown}'; {hint}")).with_operation(shown)
        })
}

/// Up to three operations whose names look like this one.
fn nearest(name: &str) -> Vec<&'static str> {
    const MAX_DISTANCE: usize = 4;
    // Nothing near is longer, and the distance takes time with the product of the lengths.
    if name.len() > 64 {
        return Vec::new();
    }
    let mut near: Vec<_> = operations()
        .map(|operation| (distance(name, operation.name), operation.name))
        .filter(|(distance, _)| *distance <= MAX_DISTANCE)
        .collect();
    near.sort_unstable();
    near.into_iter().map(|(_, name)| name).take(3).collect()
}

/// How many characters must be inserted, removed or replaced to make one text the other (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (index, from) in left.chars().enumerate() {
        let mut diagonal = index;
        let mut last = index + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(right.chars()) {
            let replaced = diagonal + usize::from(from != to);
            diagonal = *cell;
            *cell = replaced.min(diagonal + 1).min(last + 1);
            last = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

impl Operation {
    /// The operation of a request with one answer.
    pub(super) const fn call<R: Request>() -> Self {
        Self {
            name: R::NAME,
            permission: R::PERMISSION,
            handler: Handler::Call(|context, request| {
                Box::pin(async move { to_json(read_request::<R>(request)?.handle(context).await?) })
            }),
            summary: R::SUMMARY,
            schemas: || schemas::<R, R::Response>(),
        }
    }

    /// The operation of a request with many answers.
    pub(super) const fn stream<R: StreamRequest>() -> Self {
        Self {
            name: R::NAME,
            permission: R::PERMISSION,
            handler: Handler::Stream(|context, request| {
                let items = read_request::<R>(request)?.handle(context)?;
                Ok(items.map(|item| to_json(item?)).boxed())
            }),
            summary: R::SUMMARY,
            schemas: || schemas::<R, R::Item>(),
        }
    }

    fn info(&self) -> OperationInfo {
        let (request_schema, response_schema) = (self.schemas)();
        OperationInfo {
            name: self.name.to_owned(),
            summary: self.summary.to_owned(),
            kind: match self.handler {
                Handler::Call(_) => OperationKind::Call,
                Handler::Stream(_) => OperationKind::Stream,
            },
            permission: self.permission,
            is_read_only: self.permission.is_read_only(),
            request_schema,
            response_schema,
        }
    }
}

fn schemas<Input: JsonSchema, Output: JsonSchema>() -> (Value, Value) {
    let input = SchemaSettings::draft2020_12()
        .for_deserialize()
        .into_generator()
        .into_root_schema_for::<Input>();
    let output = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Output>();
    (input.to_value(), output.to_value())
}

fn to_json(value: impl Serialize) -> Result<Value> {
    serde_json::to_value(value)
        .map_err(|error| Error::internal("the answer cannot be written as JSON").with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use atom_core::ErrorCode;

    #[test]
    fn names_are_unique_and_streams_read() {
        let mut names: Vec<_> = infos().iter().map(|info| info.name.as_str()).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        for info in infos() {
            assert!(
                info.kind == OperationKind::Call || info.is_read_only,
                "{}",
                info.name
            );
            assert!(info.summary.ends_with('.'), "{}", info.name);
            assert_eq!(info.request_schema["type"], "object", "{}", info.name);
        }
    }

    #[test]
    fn an_unknown_operation_names_its_neighbours() {
        for (name, near) in [
            ("run.start", "runs.start"),
            ("workflows.lst", "workflows.list"),
            ("x", "engine.info"),
        ] {
            let error = find(name).err().unwrap();
            assert_eq!(error.code(), ErrorCode::NotFound);
            assert!(error.message().contains(near), "{error}");
        }
        assert!(find(&"x".repeat(1_000_000)).err().unwrap().message().len() < 2_000);
    }

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (left, right, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("abc", "abc", 0),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }
}
