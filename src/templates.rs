//! The templates that come with the engine.

use std::sync::LazyLock;

use atom_core::Result;
use atom_core::storage::{StoredTemplate, TemplateInfo};
use atom_workflow::definition::WorkflowTemplate;
use jiff::Timestamp;

const FILES: [&str; 8] = [
    include_str!("../templates/document-workflow.yaml"),
    include_str!("../templates/file-management.yaml"),
    include_str!("../templates/github-workflow.yaml"),
    include_str!("../templates/meeting-scheduler.yaml"),
    include_str!("../templates/notion-content-workflow.yaml"),
    include_str!("../templates/task-automation.yaml"),
    include_str!("../templates/team-communication.yaml"),
    include_str!("../templates/workflow-automation-demo.yaml"),
];

static TEMPLATES: LazyLock<Result<Vec<StoredTemplate>>> = LazyLock::new(|| {
    let stored = |text: &str| Ok(stored(&WorkflowTemplate::parse(text)?, text, None));
    FILES.into_iter().map(stored).collect()
});

/// Every template that comes with the engine, by name.
///
/// # Errors
/// `invalid_workflow` when one of the files does not fit, which a test rules out.
pub(crate) fn all() -> Result<&'static [StoredTemplate]> {
    TEMPLATES.as_deref().map_err(Clone::clone)
}

/// The template of this name, when one comes with the engine.
///
/// # Errors
/// As [`all`].
pub(crate) fn find(name: &str) -> Result<Option<&'static StoredTemplate>> {
    Ok(all()?.iter().find(|template| template.info.name == name))
}

/// A template with its text, to be kept or shown.
pub(crate) fn stored(
    template: &WorkflowTemplate,
    text: &str,
    imported_at: Option<Timestamp>,
) -> StoredTemplate {
    StoredTemplate {
        info: TemplateInfo {
            name: template.name.clone(),
            version: template.version.clone(),
            title: template.title.clone(),
            summary: template.summary.clone(),
            category: template.category.clone(),
            imported_at,
        },
        text: text.to_owned(),
    }
}
