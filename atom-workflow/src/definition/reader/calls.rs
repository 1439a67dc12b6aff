//! The `call` task.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use atom_core::Result;
use serde_json::json;

use super::cursor::{Cursor, Object, shortened};
use super::data::optional;
use super::reuse::{Function, Functions};
use super::{MAXIMUM_TASK_DEPTH, Reader, formats};
use crate::definition::types::{Call, CallTarget, Task, TaskKind};

const OUTPUTS: [&str; 3] = ["raw", "content", "response"];

impl<'t> Reader<'t> {
    pub(super) fn call(&mut self, task: &Object<'t>, depth: usize) -> Result<TaskKind> {
        let call = task.require("call")?;
        let name = call.name()?;
        let before = self.unsupported.len();
        let target = match name {
            "http" => {
                self.http(&task.require("with")?)?;
                Some(CallTarget::Http)
            }
            "openapi" => {
                self.openapi(&task.require("with")?)?;
                Some(CallTarget::OpenApi)
            }
            "a2a" => {
                self.a2a(&task.require("with")?)?;
                Some(CallTarget::A2a)
            }
            "mcp" => {
                self.mcp(&task.require("with")?)?;
                Some(CallTarget::Mcp)
            }
            "grpc" => {
                self.grpc(&task.require("with")?)?;
                Some(CallTarget::Grpc)
            }
            "asyncapi" => {
                if let Some(kind) = self.asyncapi(&task.require("with")?, depth)? {
                    return Ok(kind);
                }
                Some(CallTarget::AsyncApi)
            }
            _ => {
                optional(task.get("with"), |with| with.any_object().map(drop))?;
                self.function_target(&call, name, depth)?
            }
        };
        let arguments = match task.get("with") {
            Some(with) => self.template(&with)?,
            None => self.compile_template(&call, &json!({}))?,
        };
        Ok(match target {
            Some(target) if self.unsupported.len() == before || target.task().is_some() => {
                TaskKind::Call(Call { target, arguments })
            }
            _ => TaskKind::Unsupported,
        })
    }

    fn function_target(
        &mut self,
        call: &Cursor<'t>,
        name: &'t str,
        depth: usize,
    ) -> Result<Option<CallTarget>> {
        if let Some(task) = self.function(Functions::Document, name, call, depth)? {
            return Ok(Some(CallTarget::Defined(task)));
        }
        if name.contains("://") || name.contains('@') {
            let task = self.external_function(name, call, depth)?;
            return Ok(task.map(CallTarget::External));
        }
        Ok(Some(CallTarget::Function(name.to_owned())))
    }

    fn functions(&mut self, place: Functions) -> &mut BTreeMap<&'t str, Function<'t>> {
        match place {
            Functions::Document => &mut self.functions,
            Functions::External => &mut self.external,
        }
    }

    /// The task of a function, read when it is first needed.
    pub(super) fn function(
        &mut self,
        place: Functions,
        name: &'t str,
        call: &Cursor<'t>,
        depth: usize,
    ) -> Result<Option<Arc<Task>>> {
        let definition = match self.functions(place).get(name) {
            None => return Ok(None),
            Some(Function::Reading) => {
                let message = format!("the function '{}' calls itself", shortened(name));
                return Err(call.error(message));
            }
            Some(Function::Read { task, height }) => {
                let (task, deepest) = (Arc::clone(task), depth + height);
                if deepest > MAXIMUM_TASK_DEPTH {
                    return Err(call.error(format!(
                        "tasks nest more than {MAXIMUM_TASK_DEPTH} deep through this call"
                    )));
                }
                self.deepest = self.deepest.max(deepest);
                return Ok(Some(task));
            }
            Some(Function::Unread(definition)) => definition.clone(),
        };
        self.functions(place).insert(name, Function::Reading);
        let before = std::mem::replace(&mut self.deepest, depth);
        let task = self.task(name, &definition, &HashSet::new(), depth + 1)?;
        let height = self.deepest - depth;
        self.deepest = self.deepest.max(before);
        self.functions(place).insert(
            name,
            Function::Read {
                task: Arc::clone(&task),
                height,
            },
        );
        Ok(Some(task))
    }

    fn http(&mut self, with: &Cursor<'t>) -> Result<()> {
        let with = with.object(&[
            "method", "endpoint", "headers", "body", "query", "output", "redirect",
        ])?;
        with.require("method")?.text()?;
        self.endpoint(&with.require("endpoint")?)?;
        for key in ["headers", "query"] {
            optional(with.get(key), |texts| match texts.as_text() {
                Some(_) => formats::runtime_expression(texts),
                None => texts.text_object(),
            })?;
        }
        response(&with)
    }

    fn openapi(&mut self, with: &Cursor<'t>) -> Result<()> {
        let with = with.object(&[
            "document",
            "operationId",
            "parameters",
            "authentication",
            "output",
            "redirect",
        ])?;
        self.external_resource(&with.require("document")?)?;
        with.require("operationId")?.text()?;
        optional(with.get("parameters"), |parameters| {
            parameters.any_object().map(drop)
        })?;
        optional(with.get("authentication"), |policy| self.authentication(policy))?;
        response(&with)
    }
}

/// How the response of a call over HTTP is treated.
fn response(with: &Object<'_>) -> Result<()> {
    optional(with.get("output"), |output| output.choice(&OUTPUTS).map(drop))?;
    optional(with.get("redirect"), |redirect| redirect.boolean().map(drop))
}
