//! The `use` section: what tasks refer to by name.

use std::sync::Arc;

use atom_core::Result;

use super::Reader;
use super::cursor::{Cursor, Object};
use super::data::optional;
use super::formats;
use crate::definition::types::{Backoff, Extension, ExtensionTarget, RetryPolicy, Task, TaskList};
use crate::expression::Template;

/// A function of `use.functions`.
pub(super) enum Function<'t> {
    /// Where its definition stands.
    Unread(Cursor<'t>),
    /// Being read: a call to it from inside would never end.
    Reading,
    /// Read, with how many levels of tasks it has.
    Read { task: Arc<Task>, height: usize },
}

/// Where functions are defined.
#[derive(Clone, Copy)]
pub(super) enum Functions {
    /// In `use.functions`.
    Document,
    /// Elsewhere.
    External,
}

const EXTENSION_TARGETS: [(&str, ExtensionTarget); 12] = [
    ("call", ExtensionTarget::Call),
    ("composite", ExtensionTarget::Composite),
    ("emit", ExtensionTarget::Emit),
    ("for", ExtensionTarget::For),
    ("listen", ExtensionTarget::Listen),
    ("raise", ExtensionTarget::Raise),
    ("run", ExtensionTarget::Run),
    ("set", ExtensionTarget::Set),
    ("switch", ExtensionTarget::Switch),
    ("try", ExtensionTarget::Try),
    ("wait", ExtensionTarget::Wait),
    ("all", ExtensionTarget::All),
];

impl<'t> Reader<'t> {
    pub(super) fn reuse(&mut self, cursor: &Cursor<'t>) -> Result<()> {
        let reuse = cursor.object(&[
            "authentications",
            "errors",
            "extensions",
            "functions",
            "retries",
            "secrets",
            "timeouts",
            "catalogs",
        ])?;
        if let Some(secrets) = reuse.get("secrets") {
            self.secrets = secrets.texts()?.into_iter().map(str::to_owned).collect();
        }
        for (name, policy) in members(&reuse, "authentications")? {
            self.authentication_policy(&policy)?;
            let template = self.template(&policy)?;
            self.authentications.insert(name.to_owned(), template);
        }
        for (name, error) in members(&reuse, "errors")? {
            let error = self.error_definition(&error)?;
            self.errors.insert(name, error);
        }
        for (name, policy) in members(&reuse, "retries")? {
            let policy = self.retry_policy(&policy)?;
            self.retries.insert(name, policy);
        }
        for (name, timeout) in members(&reuse, "timeouts")? {
            // A definition, not a reference: only its object form.
            let timeout = timeout.object(&["after"])?.require("after")?;
            let timeout = self.duration(&timeout)?;
            self.timeouts.insert(name, timeout);
        }
        if let Some(catalogs) = reuse.get("catalogs") {
            for (name, catalog) in catalogs.any_object()?.members() {
                let endpoint = catalog.object(&["endpoint"])?.require("endpoint")?;
                self.endpoint(&endpoint)?;
                let catalog = self.catalog(endpoint)?;
                self.catalogs.insert(name, catalog);
            }
        }
        let functions: Vec<_> = members(&reuse, "functions")?;
        self.functions = functions
            .iter()
            .map(|(name, task)| (*name, Function::Unread(task.clone())))
            .collect();
        for (name, task) in &functions {
            self.function(Functions::Document, name, task, 0)?;
        }
        optional(reuse.get("extensions"), |extensions| self.extensions(extensions))
    }

    fn extensions(&mut self, cursor: &Cursor<'t>) -> Result<()> {
        for item in cursor.items()? {
            let member = item.single("an extension")?;
            let extension = member.value.object(&["extend", "when", "before", "after"])?;
            let target = extension
                .require("extend")?
                .choice(&EXTENSION_TARGETS.map(|(name, _)| name))?;
            let extend = EXTENSION_TARGETS.iter().find(|(name, _)| *name == target);
            let when = extension
                .get("when")
                .map(|when| self.expression(&when))
                .transpose()?;
            let mut tasks = |key| match extension.get(key) {
                Some(tasks) => self.task_list(&tasks, 0),
                None => Ok(TaskList::default()),
            };
            let extension = Extension {
                name: member.name.to_owned(),
                extend: extend.map_or(ExtensionTarget::All, |(_, target)| *target),
                before: tasks("before")?,
                after: tasks("after")?,
                when,
            };
            self.extensions.push(Arc::new(extension));
        }
        Ok(())
    }

    pub(super) fn error_definition(&mut self, cursor: &Cursor<'t>) -> Result<Template> {
        let error = cursor.object(&["type", "status", "instance", "title", "detail"])?;
        formats::uri_or_expression(&error.require("type")?)?;
        error.require("status")?.integer()?;
        optional(error.get("instance"), formats::pointer_or_expression)?;
        for key in ["title", "detail"] {
            optional(error.get(key), |text| text.text().map(drop))?;
        }
        self.template(cursor)
    }

    pub(super) fn retry_policy(&mut self, cursor: &Cursor<'t>) -> Result<RetryPolicy> {
        let policy = cursor.object(&["when", "exceptWhen", "delay", "backoff", "limit", "jitter"])?;
        let mut retry = RetryPolicy {
            when: policy
                .get("when")
                .map(|when| self.expression(&when))
                .transpose()?,
            except_when: policy
                .get("exceptWhen")
                .map(|when| self.expression(&when))
                .transpose()?,
            delay: policy
                .get("delay")
                .map(|delay| self.duration(&delay))
                .transpose()?,
            ..RetryPolicy::default()
        };
        if let Some(backoff) = policy.get("backoff") {
            let kinds = ["constant", "exponential", "linear"];
            let (kind, settings) = backoff.object(&kinds)?.one_of(&kinds)?;
            // The schema leaves the settings open but the standard defines none.
            settings.object(&[])?;
            retry.backoff = match kind {
                "exponential" => Backoff::Exponential,
                "linear" => Backoff::Linear,
                _ => Backoff::Constant,
            };
        }
        if let Some(limit) = policy.get("limit") {
            let limit = limit.object(&["attempt", "duration"])?;
            if let Some(attempt) = limit.get("attempt") {
                let attempt = attempt.object(&["count", "duration"])?;
                retry.attempts = attempt.get("count").map(|count| attempts(&count)).transpose()?;
                retry.attempt_duration = attempt
                    .get("duration")
                    .map(|duration| self.duration(&duration))
                    .transpose()?;
            }
            retry.duration = limit
                .get("duration")
                .map(|duration| self.duration(&duration))
                .transpose()?;
        }
        if let Some(jitter) = policy.get("jitter") {
            let jitter = jitter.object(&["from", "to"])?;
            retry.jitter = Some((
                self.duration(&jitter.require("from")?)?,
                self.duration(&jitter.require("to")?)?,
            ));
        }
        Ok(retry)
    }
}

fn attempts(cursor: &Cursor<'_>) -> Result<u64> {
    u64::try_from(cursor.integer()?).map_err(|_| cursor.error("expected 0 or more attempts"))
}

fn members<'t>(reuse: &Object<'t>, key: &str) -> Result<Vec<(&'t str, Cursor<'t>)>> {
    match reuse.get(key) {
        Some(section) => Ok(section.any_object()?.members().collect()),
        None => Ok(Vec::new()),
    }
}
