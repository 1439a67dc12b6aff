//! Tasks in Markdown check boxes and todo.txt files: listed, ranked, added and completed.

mod entry;
mod file;
mod markdown;
mod rank;
mod todo_txt;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use atom_core::connector::Manifest;
use atom_core::function::TypedFunction;
use atom_core::model::{Origin, Priority, Task};
use atom_core::{Connector, Error, ErrorCode, Function, FunctionContext, Result};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::entry::NewTask;
use self::file::{Format, Identified, TaskFile};
use self::rank::{Ranked, rank};
use super::FileAccess;
use super::answer::{ShownPaths, Skipped, SkippedList, limit};
use super::blocking::blocking;
use super::replace;
use super::text::{read_bytes, read_text};
use super::walk::walk;

/// The longest title, in bytes.
const MAX_TITLE_BYTES: usize = 4096;

/// One edit at a time within this process; [`replace::update`] notices those of others.
static EDITS: Mutex<()> = Mutex::new(());

/// The connector for task files.
pub(crate) fn connector(access: FileAccess) -> Result<Connector> {
    let (listing, adding, completing) = (access.clone(), access.clone(), access);
    let functions: Vec<Arc<dyn Function>> = vec![
        Arc::new(
            TypedFunction::new(
                "task_file.tasks.list",
                "Lists the tasks of a Markdown or todo.txt file, or of all such files in a folder.",
                move |request, context| list(listing.clone(), request, context),
            )
            .read_only(),
        ),
        Arc::new(
            TypedFunction::new(
                "task_file.tasks.rank",
                "Puts open tasks in the order of their priority and due date, and says why. Points: urgent 60, \
                 high 40, normal 20; due today 50, one more for each day overdue up to 70, 47 down to 8 over the \
                 next 14 days; begun 5.",
                |request: RankRequest, _context| std::future::ready(ranked(request)),
            )
            .read_only(),
        ),
        Arc::new(TypedFunction::new(
            "task_file.tasks.add",
            "Adds a task to a file, unless an open task says the same already.",
            move |request, context| add(adding.clone(), request, context),
        )),
        Arc::new(TypedFunction::new(
            "task_file.tasks.complete",
            "Marks a task of a file as completed.",
            move |request, context| complete(completing.clone(), request, context),
        )),
    ];
    Connector::new(Manifest::from_toml(include_str!("manifest.toml"))?, functions)
}

/// Which tasks to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListRequest {
    /// A Markdown file (`.md`) or todo.txt file (`.txt`), or a folder, of which every Markdown file is read,
    /// and every `.txt` file with `todo`, `task` or `done` in its name.
    path: String,
    /// Whether to list completed and cancelled tasks as well.
    #[serde(default)]
    include_completed: bool,
    /// Only tasks of this project.
    #[serde(default)]
    project: Option<String>,
    /// How many tasks to return at most; 1000 unless given, up to 10000.
    #[serde(default)]
    limit: Option<usize>,
}

/// Tasks of files.
#[derive(Debug, Serialize, JsonSchema)]
struct ListResponse {
    /// The tasks, in the order of the files and their lines.
    tasks: Vec<Task>,
    /// How many tasks fit, including those past the limit.
    total: usize,
    /// What was not understood, and why.
    skipped: Vec<Skipped>,
}

async fn list(access: FileAccess, request: ListRequest, context: FunctionContext) -> Result<ListResponse> {
    let limit = limit(request.limit, 1000)?;
    let root = access.readable(&request.path, &context)?;
    let shown = ShownPaths::new(&context);
    blocking(&context, move |cancellation| {
        let mut skipped = SkippedList::default();
        let (mut tasks, mut total) = (Vec::new(), 0);
        let mut read = |path: &Path, format: Format, skipped: &mut SkippedList| -> Result<()> {
            let name = shown.show(path);
            for found in TaskFile::new(format, &read_text(path)?).tasks() {
                for text in &found.entry.misspelt {
                    skipped.push(
                        &name,
                        Some(found.entry.line + 1),
                        format!("'{text}' is not a date"),
                    );
                }
                let is_wanted = (request.include_completed || found.entry.is_open())
                    && (request.project.is_none() || request.project == found.entry.project);
                if is_wanted && found.entry.title.len() > MAX_TITLE_BYTES {
                    let reason = format!("the task is longer than {MAX_TITLE_BYTES} bytes");
                    skipped.push(&name, Some(found.entry.line + 1), reason);
                } else if is_wanted {
                    total += 1;
                    if tasks.len() < limit {
                        tasks.push(model(&name, found));
                    }
                }
            }
            Ok(())
        };
        if root.is_dir() {
            walk(
                &root,
                &access,
                &shown,
                &mut skipped,
                cancellation,
                |path, skipped| {
                    if let Some(format) = Format::of_found(path)
                        && let Err(error) = read(path, format, skipped)
                    {
                        skipped.push(&shown.show(path), None, error.message());
                    }
                    Ok(true)
                },
            )?;
        } else {
            read(&root, format_of(&root)?, &mut skipped)?;
        }
        Ok(ListResponse {
            tasks,
            total,
            skipped: skipped.into_items(&shown.show(&root)),
        })
    })
    .await
}

/// A task as the unified model. `extra` holds the file's path, the line counted from 1, and what the model has
/// no field for.
fn model(path: &str, Identified { id, entry }: Identified) -> Task {
    let mut extra = json!({ "path": path, "line": entry.line + 1 });
    for (key, value) in entry.extra {
        extra[key] = value.into();
    }
    Task {
        title: entry.title,
        due_date: entry.due_date,
        priority: entry.priority,
        status: entry.status,
        project: entry.project,
        tags: entry.tags,
        ..Task::new(Origin {
            extra,
            ..Origin::new("task_file", format!("{path}#{id}"))
        })
    }
}

/// Which tasks to rank.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RankRequest {
    /// The tasks, of any connector. Completed, cancelled and blocked ones, and those that wait for an open one,
    /// are left out.
    tasks: Vec<Task>,
    /// The day to rank for.
    #[schemars(with = "String", extend("format" = "date"))]
    date: Date,
    /// How many tasks to return at most; 1000 unless given, up to 10000.
    #[serde(default)]
    limit: Option<usize>,
}

/// Tasks in order.
#[derive(Debug, Serialize, JsonSchema)]
struct RankResponse {
    /// The tasks, the first to do first.
    tasks: Vec<Ranked>,
    /// How many tasks can be done, including those past the limit.
    total: usize,
}

fn ranked(request: RankRequest) -> Result<RankResponse> {
    let limit = limit(request.limit, 1000)?;
    let mut tasks = rank(request.tasks, request.date);
    let total = tasks.len();
    tasks.truncate(limit);
    Ok(RankResponse { tasks, total })
}

/// The task to add.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AddRequest {
    /// The file, `.md` or `.txt`; it is created when it does not exist.
    path: String,
    /// What to do, in one line.
    title: String,
    /// The day it is due.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    due_date: Option<Date>,
    /// How urgent it is; `normal` unless given.
    #[serde(default)]
    priority: Priority,
    /// The project: a heading in Markdown, a `+project` in todo.txt.
    #[serde(default)]
    project: Option<String>,
    /// Labels: `#tag` in Markdown, `@context` in todo.txt.
    #[serde(default)]
    tags: Vec<String>,
}

/// A task after an edit.
#[derive(Debug, Serialize, JsonSchema)]
struct EditResponse {
    /// The task.
    task: Task,
    /// Whether the file was changed: not when the task was there, or completed, already.
    is_changed: bool,
}

async fn add(access: FileAccess, request: AddRequest, context: FunctionContext) -> Result<EditResponse> {
    let is_line = |text: &String| !text.chars().any(char::is_control);
    if !is_line(&request.title)
        || request.title.len() > MAX_TITLE_BYTES
        || !request.project.iter().all(is_line)
    {
        return Err(Error::invalid_request(format!(
            "a title or project is one line, a title of {MAX_TITLE_BYTES} bytes at most"
        )));
    }
    let path = access.writable(&request.path, &context)?;
    let name = ShownPaths::new(&context).show(&path);
    let task = NewTask {
        title: request.title.split_whitespace().collect::<Vec<_>>().join(" "),
        due_date: request.due_date,
        priority: request.priority,
        project: request.project,
        tags: request.tags,
    };
    blocking(&context, move |_| {
        edit(
            &path,
            &name,
            |file| file.add(&task),
            |found| task.is_said_by(&found.entry) && found.entry.is_open(),
        )
    })
    .await
}

/// The task to complete.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CompleteRequest {
    /// The file.
    path: String,
    /// The task's `id` or `remote_id`, as listed.
    id: String,
    /// The day it was completed, to be written into the file. A todo.txt task with a creation date needs it.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    date: Option<Date>,
}

async fn complete(
    access: FileAccess,
    request: CompleteRequest,
    context: FunctionContext,
) -> Result<EditResponse> {
    access.readable(&request.path, &context)?;
    let path = access.writable(&request.path, &context)?;
    let name = ShownPaths::new(&context).show(&path);
    blocking(&context, move |_| {
        let id = request.id.rsplit('#').next().unwrap_or_default().to_owned();
        edit(
            &path,
            &name,
            |file| file.complete(&id, request.date),
            |found| found.id == id,
        )
    })
    .await
}

/// Changes the text of a file, unless `change` finds it as wanted already, and returns the task concerned.
fn edit(
    path: &Path,
    name: &str,
    change: impl FnOnce(TaskFile<'_>) -> Result<Option<String>>,
    is_concerned: impl Fn(&Identified) -> bool,
) -> Result<EditResponse> {
    let format = format_of(path)?;
    let _one_at_a_time = EDITS.lock().unwrap_or_else(PoisonError::into_inner);
    let before = if path.exists() {
        Some(read_bytes(path)?)
    } else {
        None
    };
    let text = std::str::from_utf8(before.as_deref().unwrap_or_default()).map_err(|_| {
        Error::new(
            ErrorCode::InvalidData,
            "the file is not UTF-8; save it as UTF-8 before it is edited",
        )
        .with_context("path", name)
    })?;
    let (mark, text) = match text.strip_prefix('\u{feff}') {
        Some(rest) => ("\u{feff}", rest),
        None => ("", text),
    };
    let changed = change(TaskFile::new(format, text))?;
    if let Some(after) = &changed {
        let after = format!("{mark}{after}");
        match &before {
            Some(before) => replace::update(path, before, after.as_bytes())?,
            None => replace::create(path, after.as_bytes())?,
        }
    }
    let tasks = TaskFile::new(format, changed.as_deref().unwrap_or(text)).tasks();
    let concerned = tasks.into_iter().rfind(is_concerned);
    let concerned = concerned.ok_or_else(|| Error::internal("the edited task cannot be found"))?;
    Ok(EditResponse {
        task: model(name, concerned),
        is_changed: changed.is_some(),
    })
}

fn format_of(path: &Path) -> Result<Format> {
    Format::of(path).ok_or_else(|| {
        Error::invalid_request("a task file's name ends in .md (Markdown) or .txt (todo.txt)")
            .with_context("path", path.display())
    })
}
