//! The `run` task.

use atom_core::Result;
use serde_json::{Value, json};

use super::cursor::{Cursor, Object, shortened};
use super::data::optional;
use super::{Reader, formats};
use crate::definition::types::{DurationSpec, ProcessKind, Returned, RunProcess, RunWorkflow, TaskKind};
use crate::expression::Template;

impl<'t> Reader<'t> {
    pub(super) fn run(&mut self, task: &Object<'t>) -> Result<TaskKind> {
        let cursor = task.require("run")?;
        let run = cursor.object(&["await", "return", "container", "script", "shell", "workflow"])?;
        let is_awaited = run.get("await").map_or(Ok(true), |value| value.boolean())?;
        let selected = run.get("return").map_or(Ok("stdout"), |returns| {
            returns.choice(&["stdout", "stderr", "code", "all", "none"])
        })?;
        let (kind, process) = run.one_of(&["container", "script", "shell", "workflow"])?;
        let before = self.unsupported.len();
        let (mut name, mut cleanup_after) = (None, None);
        let kind = match kind {
            "container" => {
                (name, cleanup_after) = self.container(&process)?;
                ProcessKind::Container
            }
            "script" => {
                self.script(&process)?;
                ProcessKind::Script
            }
            "shell" => {
                let shell = process.object(&["command", "stdin", "arguments", "environment"])?;
                shell.require("command")?.text()?;
                streams(&shell)?;
                ProcessKind::Shell
            }
            _ => {
                let returns = match selected {
                    "stderr" => Returned::Errors,
                    "code" => Returned::Code,
                    "all" => Returned::All,
                    "none" => Returned::Nothing,
                    _ => Returned::Output,
                };
                return self.workflow(&process, is_awaited, returns).map(TaskKind::Run);
            }
        };
        let arguments = self.process_arguments(&process, selected, is_awaited)?;
        Ok(if self.unsupported.len() == before {
            TaskKind::Process(RunProcess {
                kind,
                arguments,
                name,
                cleanup_after,
                is_awaited,
            })
        } else {
            TaskKind::Unsupported
        })
    }

    /// What the function behind a process is called with; what the machine computes by itself is left out.
    fn process_arguments(
        &mut self,
        process: &Cursor<'t>,
        returns: &str,
        is_awaited: bool,
    ) -> Result<Template> {
        let mut arguments = process.json();
        if let Value::Object(members) = &mut arguments {
            members.shift_remove("name");
            if let Some(Value::Object(lifetime)) = members.get_mut("lifetime") {
                lifetime.shift_remove("after");
            }
            members.insert("return".to_owned(), json!(returns));
            members.insert("await".to_owned(), json!(is_awaited));
        }
        self.compile_template(process, &arguments)
    }

    fn workflow(&mut self, cursor: &Cursor<'t>, is_awaited: bool, returns: Returned) -> Result<RunWorkflow> {
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
            returns,
        })
    }

    /// Checks a container and gives its name and how long it stays.
    fn container(&mut self, cursor: &Cursor<'t>) -> Result<(Option<Template>, Option<DurationSpec>)> {
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
        optional(container.get("command"), |text| text.text().map(drop))?;
        let name = container.get("name").map(|name| {
            name.text()?;
            self.template(&name)
        });
        for key in ["ports", "volumes"] {
            optional(container.get(key), |object| object.any_object().map(drop))?;
        }
        streams(&container)?;
        optional(container.get("pullPolicy"), |policy| {
            policy.choice(&["ifNotPresent", "always", "never"]).map(drop)
        })?;
        let cleanup_after = match container.get("lifetime") {
            Some(lifetime) => self.lifetime(&lifetime)?,
            None => None,
        };
        Ok((name.transpose()?, cleanup_after))
    }

    fn lifetime(&mut self, cursor: &Cursor<'t>) -> Result<Option<DurationSpec>> {
        let lifetime = cursor.object(&["cleanup", "after"])?;
        let cleanup = lifetime.require("cleanup")?;
        match (
            cleanup.choice(&["always", "never", "eventually"])?,
            lifetime.get("after"),
        ) {
            ("eventually", _) => self.duration(&lifetime.require("after")?).map(Some),
            (_, None) => Ok(None),
            (other, Some(after)) => Err(after.error(format!(
                "'after' belongs to 'cleanup: eventually', not to '{other}'"
            ))),
        }
    }

    fn script(&mut self, cursor: &Cursor<'t>) -> Result<()> {
        let script = cursor.object(&["language", "code", "source", "stdin", "arguments", "environment"])?;
        let language = script.require("language")?;
        let name = language.text()?;
        if !formats::is_runtime_expression(name) && !matches!(name, "js" | "javascript" | "python") {
            self.lacks(&language, format!("run: script in {}", shortened(name)))?;
        }
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
