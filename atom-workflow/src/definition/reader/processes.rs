//! The `run` task.

use atom_core::Result;
use serde_json::json;

use super::Reader;
use super::cursor::{Cursor, Object};
use super::data::optional;
use crate::definition::types::{RunWorkflow, TaskKind};

impl<'t> Reader<'t> {
    pub(super) fn run(&mut self, task: &Object<'t>) -> Result<TaskKind> {
        let cursor = task.require("run")?;
        let run = cursor.object(&["await", "return", "container", "script", "shell", "workflow"])?;
        let is_awaited = run.get("await").map_or(Ok(true), |value| value.boolean())?;
        let returns = run.get("return");
        optional(returns.clone(), |returns| {
            returns
                .choice(&["stdout", "stderr", "code", "all", "none"])
                .map(drop)
        })?;
        let (kind, process) = run.one_of(&["container", "script", "shell", "workflow"])?;
        match kind {
            "container" => self.container(&process)?,
            "script" => self.script(&process)?,
            "shell" => {
                let shell = process.object(&["command", "stdin", "arguments", "environment"])?;
                shell.require("command")?.text()?;
                streams(&shell)?;
            }
            _ => {
                let workflow = self.workflow(&process, is_awaited)?;
                return Ok(
                    match returns.filter(|returns| returns.as_text() != Some("stdout")) {
                        None => TaskKind::Run(workflow),
                        Some(returns) => {
                            self.lacks(&returns, "run: workflow with return")?;
                            TaskKind::Unsupported
                        }
                    },
                );
            }
        }
        self.template(&process)?;
        self.lacks(&process, format!("run: {kind}"))?;
        Ok(TaskKind::Unsupported)
    }

    fn workflow(&mut self, cursor: &Cursor<'t>, is_awaited: bool) -> Result<RunWorkflow> {
        let workflow = cursor.object(&["namespace", "name", "version", "input"])?;
        let text = |key| workflow.require(key)?.name().map(str::to_owned);
        Ok(RunWorkflow {
            namespace: text("namespace")?,
            name: text("name")?,
            version: text("version")?,
            input: match workflow.get("input") {
                Some(input) => {
                    input.any_object()?;
                    self.template(&input)?
                }
                None => self.compile_template(cursor, &json!({}))?,
            },
            is_awaited,
        })
    }

    fn container(&mut self, cursor: &Cursor<'t>) -> Result<()> {
        let container = cursor.object(&[
            "image",
            "name",
            "command",
            "ports",
            "volumes",
            "environment",
            "stdin",
            "arguments",
            "lifetime",
            "pullPolicy",
        ])?;
        container.require("image")?.text()?;
        for key in ["name", "command"] {
            optional(container.get(key), |text| text.text().map(drop))?;
        }
        for key in ["ports", "volumes"] {
            optional(container.get(key), |object| object.any_object().map(drop))?;
        }
        streams(&container)?;
        optional(container.get("lifetime"), |lifetime| {
            let lifetime = lifetime.object(&["cleanup", "after"])?;
            let cleanup = lifetime.require("cleanup")?;
            match (
                cleanup.choice(&["always", "never", "eventually"])?,
                lifetime.get("after"),
            ) {
                ("eventually", _) => self.duration(&lifetime.require("after")?).map(drop),
                (_, None) => Ok(()),
                (other, Some(after)) => Err(after.error(format!(
                    "'after' belongs to 'cleanup: eventually', not to '{other}'"
                ))),
            }
        })?;
        optional(container.get("pullPolicy"), |policy| {
            policy.choice(&["ifNotPresent", "always", "never"]).map(drop)
        })
    }

    fn script(&mut self, cursor: &Cursor<'t>) -> Result<()> {
        let script = cursor.object(&["language", "code", "source", "stdin", "arguments", "environment"])?;
        script.require("language")?.text()?;
        match script.one_of(&["code", "source"])? {
            ("code", code) => code.text().map(drop)?,
            (_, source) => self.external_resource(&source)?,
        }
        streams(&script)
    }
}

/// What a process is given.
fn streams(process: &Object<'_>) -> Result<()> {
    optional(process.get("stdin"), |text| text.text().map(drop))?;
    optional(process.get("arguments"), |arguments| arguments.texts().map(drop))?;
    optional(process.get("environment"), |environment| {
        environment.any_object().map(drop)
    })
}
