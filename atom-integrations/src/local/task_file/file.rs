//! The text of a task file: which tasks it holds, and how one is added or completed with every other byte kept.

use std::collections::HashMap;
use std::path::Path;

use atom_core::model::TaskStatus;
use atom_core::{Error, ErrorCode, Result};
use jiff::civil::Date;
use sha2::{Digest, Sha256};

use super::entry::{Entry, NewTask};
use super::{markdown, todo_txt};

/// How the tasks of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Markdown,
    TodoTxt,
}

impl Format {
    /// The format that a file's name stands for.
    pub(super) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "md" | "markdown" => Some(Self::Markdown),
            "txt" => Some(Self::TodoTxt),
            _ => None,
        }
    }

    /// The same for a file that was not named but found: any text would pass for todo.txt, so that the name
    /// must say that it holds tasks.
    pub(super) fn of_found(path: &Path) -> Option<Self> {
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        let is_named = ["todo", "task", "done"].iter().any(|word| stem.contains(word));
        Self::of(path).filter(|format| *format == Self::Markdown || is_named)
    }
}

/// A task and its id within the file.
///
/// The id is made of the title and of how many tasks with the same title come before, so that edits elsewhere,
/// and completing or rescheduling the task itself, do not change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identified {
    pub(super) id: String,
    pub(super) entry: Entry,
}

/// The text of a task file, without a byte order mark.
#[derive(Clone, Copy, Debug)]
pub(super) struct TaskFile<'a> {
    format: Format,
    text: &'a str,
}

impl<'a> TaskFile<'a> {
    pub(super) fn new(format: Format, text: &'a str) -> Self {
        Self { format, text }
    }

    /// The tasks in the order of the text.
    pub(super) fn tasks(&self) -> Vec<Identified> {
        let mut seen: HashMap<String, usize> = HashMap::new();
        let entries = match self.format {
            Format::Markdown => markdown::parse(&self.lines()).entries,
            Format::TodoTxt => self
                .lines()
                .iter()
                .enumerate()
                .filter_map(|(at, line)| todo_txt::parse(at, line))
                .collect(),
        };
        let identify = |entry: Entry| {
            let digest = Sha256::digest(entry.title.as_bytes());
            let hash: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            let count = seen
                .entry(hash.clone())
                .and_modify(|count| *count += 1)
                .or_insert(1);
            let id = if *count == 1 {
                hash
            } else {
                format!("{hash}-{count}")
            };
            Identified { id, entry }
        };
        entries.into_iter().map(identify).collect()
    }

    /// The text with one task completed, or `None` when it is completed already.
    ///
    /// # Errors
    /// `not_found` for an unknown id, `conflict` for a cancelled task, `invalid_request` when the format needs
    /// the day of completion.
    pub(super) fn complete(&self, id: &str, date: Option<Date>) -> Result<Option<String>> {
        let Identified { entry, .. } =
            self.tasks()
                .into_iter()
                .find(|task| task.id == id)
                .ok_or_else(|| {
                    Error::not_found("the file has no task with this id; list its tasks again")
                        .with_context("id", id)
                })?;
        match entry.status {
            TaskStatus::Completed => return Ok(None),
            TaskStatus::Cancelled => {
                return Err(Error::new(
                    ErrorCode::Conflict,
                    "the task was cancelled; reopen it in the file first",
                ));
            }
            _ => {}
        }
        let start = self.line_starts().nth(entry.line).unwrap_or(0);
        let line = self.lines().get(entry.line).copied().unwrap_or_default();
        let mut text = self.text.to_owned();
        match self.format {
            Format::Markdown => {
                let mark = markdown::checkbox(line).map(|found| start + found.mark);
                let mark = mark.ok_or_else(|| Error::internal("a task has lost its check box"))?;
                if let Some(date) = date {
                    let end = start + line.trim_end().len();
                    text.insert_str(end, &format!(" ✅ {date}"));
                }
                text.replace_range(mark..=mark, "x");
            }
            Format::TodoTxt => {
                let insertions = todo_txt::completion(line, date).ok_or_else(|| {
                    Error::invalid_request("the task has a creation date, so that todo.txt needs the day of completion; give 'date'")
                })?;
                for (at, words) in insertions.into_iter().rev() {
                    text.insert_str(start + at, &words);
                }
            }
        }
        Ok(Some(text))
    }

    /// The text with one more task, or `None` when an open task says the same already.
    ///
    /// # Errors
    /// `invalid_request` when the format cannot express the task.
    pub(super) fn add(&self, task: &NewTask) -> Result<Option<String>> {
        let before = self.tasks();
        if before
            .iter()
            .any(|present| present.entry.is_open() && task.is_said_by(&present.entry))
        {
            return Ok(None);
        }
        let text = match self.format {
            Format::Markdown => self.add_markdown(task),
            Format::TodoTxt => self.insert(self.lines().len(), &[todo_txt::render(task)]),
        };
        let after = TaskFile::new(self.format, &text).tasks();
        let is_new = |task: &NewTask| {
            after
                .iter()
                .filter(|present| task.is_said_by(&present.entry))
                .count()
        };
        let had = before
            .iter()
            .filter(|present| task.is_said_by(&present.entry))
            .count();
        if after.len() != before.len() + 1 || is_new(task) != had + 1 {
            return Err(Error::invalid_request(
                "the file's format cannot express this task: it would be read back differently. Give tags, \
                 project, priority and due date in their own fields, and names without spaces in todo.txt",
            ));
        }
        Ok(Some(text))
    }

    /// Puts the task after the last one of its project, below the project's heading, or below a new heading at
    /// the end. A task without a project goes where the tasks without one are.
    fn add_markdown(&self, task: &NewTask) -> String {
        let lines = self.lines();
        let outline = markdown::parse(&lines);
        let has_signs = self.text.contains('📅');
        let body = markdown::render(task, has_signs);
        let mut sections = outline
            .sections
            .iter()
            .filter(|section| section.project == task.project);
        let last_in = |section: &markdown::Section| {
            outline
                .entries
                .iter()
                .map(|entry| entry.line)
                .rfind(|line| (section.start..section.end).contains(line))
        };
        let used = sections.clone().rev().find_map(last_in);
        if let Some(last) = used {
            let bullet = markdown::checkbox(lines[last]).map_or('-', |found| found.bullet);
            // What is indented below the last task belongs to it.
            let is_below = |line: &&&str| line.starts_with([' ', '\t']) && !line.trim().is_empty();
            let below = lines[last + 1..].iter().take_while(is_below).count();
            return self.insert(last + 1 + below, &[format!("{bullet} [ ] {body}")]);
        }
        let item = format!("- [ ] {body}");
        let Some(section) = sections.next_back() else {
            let heading = format!("## {}", task.project.as_deref().unwrap_or_default());
            let needs_gap = lines.last().is_some_and(|line| !line.trim().is_empty());
            let gap = needs_gap.then(String::new);
            let added: Vec<String> = gap.into_iter().chain([heading, String::new(), item]).collect();
            return self.insert(lines.len(), &added);
        };
        let trailing = lines[section.start..section.end]
            .iter()
            .rev()
            .take_while(|line| line.trim().is_empty());
        let at = section.end - trailing.count();
        let gap = (at > 0).then(String::new);
        let after = (at == section.end && at < lines.len()).then(String::new);
        let added: Vec<String> = gap.into_iter().chain([item]).chain(after).collect();
        self.insert(at, &added)
    }

    /// The text with lines added before a line, with the line ends the text uses.
    fn insert(&self, line: usize, added: &[String]) -> String {
        let end = if self.text.contains("\r\n") { "\r\n" } else { "\n" };
        let at = self.line_starts().nth(line).unwrap_or(self.text.len());
        let (before, after) = self.text.split_at(at);
        let mut text = before.to_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push_str(end);
        }
        for line in added {
            text.push_str(line);
            text.push_str(end);
        }
        text.push_str(after);
        text
    }

    fn lines(&self) -> Vec<&'a str> {
        self.text.lines().collect()
    }

    fn line_starts(&self) -> impl Iterator<Item = usize> + '_ {
        self.text.split_inclusive('\n').scan(0, |start, line| {
            let this = *start;
            *start += line.len();
            Some(this)
        })
    }
}

#[cfg(test)]
mod tests;
