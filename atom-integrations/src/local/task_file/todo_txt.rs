//! The todo.txt format, <https://github.com/todotxt/todo.txt>.
//!
//! Priority `(A)` is urgent, `(B)` high, `(C)` normal and `(D)` to `(Z)` low. The first `+project` is the
//! project; further ones and every `@context` are tags. Of the `key:value` pairs, `due:`, `pri:` (the priority
//! a completed task had), `t:` (the day it starts) and `rec:` (how it recurs) are understood; others stay in
//! the title.

use atom_core::model::{Priority, TaskStatus};
use jiff::civil::Date;

use super::entry::{Entry, NewTask, Words, add_tag, day};

/// Reads a line; `None` for a blank one.
pub(super) fn parse(line: usize, text: &str) -> Option<Entry> {
    let mut entry = Entry {
        line,
        ..Entry::default()
    };
    let mut rest = text;
    if let Some(after) = rest.strip_prefix("x ") {
        entry.status = TaskStatus::Completed;
        rest = after;
    }
    if let Some((letter, after)) = leading_priority(rest) {
        entry.priority = priority(letter);
        rest = after;
    }
    let (first, after) = leading_date(rest);
    let (second, after) = if first.is_some() && !entry.is_open() {
        leading_date(after)
    } else {
        (None, after)
    };
    let (completed_on, created_on) = if entry.is_open() {
        (None, first)
    } else {
        (first, second)
    };
    entry
        .extra
        .extend(completed_on.map(|date| ("completed_on", date.to_string())));
    entry
        .extra
        .extend(created_on.map(|date| ("created_on", date.to_string())));
    let mut words = Words::default();
    for word in after.split_whitespace() {
        read_word(word, &mut entry, &mut words);
    }
    entry.title = words.title();
    (!entry.title.is_empty()).then(|| entry.with_blocking_tags())
}

fn read_word<'a>(word: &'a str, entry: &mut Entry, words: &mut Words<'a>) {
    if let Some(project) = word.strip_prefix('+').filter(|name| !name.is_empty()) {
        match &entry.project {
            None => entry.project = Some(project.to_owned()),
            Some(_) => add_tag(&mut entry.tags, project),
        }
        return words.tag(word);
    }
    if let Some(context) = word.strip_prefix('@').filter(|name| !name.is_empty()) {
        add_tag(&mut entry.tags, context);
        return words.tag(word);
    }
    match word.split_once(':').filter(|(_, value)| !value.is_empty()) {
        Some(("due", value)) => match day(value) {
            Some(date) => entry.due_date = entry.due_date.or(Some(date)),
            None => {
                entry.misspelt.push(word.to_owned());
                words.word(word);
            }
        },
        Some(("pri", value)) if letter(value).is_some() => {
            entry.priority = letter(value).map_or(entry.priority, priority);
        }
        Some(("t", value)) if day(value).is_some() => {
            entry.extra.insert("start_on", value.to_owned());
        }
        Some(("rec", value)) => {
            entry.extra.insert("recurrence", value.to_owned());
        }
        _ => words.word(word),
    }
}

/// Where to insert what into a line to complete it. `None` when the line has a creation date and no day of
/// completion is given: the format would take the one for the other.
pub(super) fn completion(text: &str, date: Option<Date>) -> Option<Vec<(usize, String)>> {
    let rest = leading_priority(text).map_or(text, |(_, rest)| rest);
    let at = text.len() - rest.len();
    match (date, leading_date(rest).0) {
        (Some(date), _) => Some(vec![(0, "x ".to_owned()), (at, format!("{date} "))]),
        (None, None) => Some(vec![(0, "x ".to_owned())]),
        (None, Some(_)) => None,
    }
}

/// Writes a line.
pub(super) fn render(task: &NewTask) -> String {
    let mut words = Vec::new();
    let letter = match task.priority {
        Priority::Urgent => Some("(A)"),
        Priority::High => Some("(B)"),
        Priority::Normal => None,
        Priority::Low => Some("(D)"),
    };
    words.extend(letter.map(str::to_owned));
    words.push(task.title.clone());
    words.extend(task.project.iter().map(|project| format!("+{project}")));
    words.extend(task.tags.iter().map(|tag| format!("@{tag}")));
    words.extend(task.due_date.map(|date| format!("due:{date}")));
    words.join(" ")
}

fn leading_priority(text: &str) -> Option<(char, &str)> {
    let (inside, rest) = text.strip_prefix('(')?.split_once(") ")?;
    Some((letter(inside)?, rest))
}

fn letter(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters
        .next()
        .filter(|c| c.is_ascii_uppercase() && characters.next().is_none())
}

fn priority(letter: char) -> Priority {
    match letter {
        'A' => Priority::Urgent,
        'B' => Priority::High,
        'C' => Priority::Normal,
        _ => Priority::Low,
    }
}

fn leading_date(text: &str) -> (Option<Date>, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match day(word) {
        Some(date) => (Some(date), rest),
        None => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn shown(line: &str) -> Value {
        parse(0, line).map_or(Value::Null, |entry| {
            json!([
                entry.title,
                entry.status,
                entry.priority,
                entry.due_date,
                entry.project,
                entry.tags,
                entry.extra
            ])
        })
    }

    #[test]
    fn the_whole_format_is_read() {
        let cases = [
            ("", json!(null)),
            ("   ", json!(null)),
            (
                "Call Bob",
                json!(["Call Bob", "todo", "normal", null, null, [], {}]),
            ),
            (
                "(A) 2026-03-01 Call Bob +Launch @phone due:2026-03-09",
                json!(["Call Bob", "todo", "urgent", "2026-03-09", "Launch", ["phone"], {"created_on": "2026-03-01"}]),
            ),
            (
                "x (B) 2026-03-02 2026-03-01 Done +a +b",
                json!(["Done", "completed", "high", null, "a", ["b"], {"completed_on": "2026-03-02", "created_on": "2026-03-01"}]),
            ),
            (
                "x 2026-03-02 Done pri:D",
                json!(["Done", "completed", "low", null, null, [], {"completed_on": "2026-03-02"}]),
            ),
            (
                "X not done",
                json!(["X not done", "todo", "normal", null, null, [], {}]),
            ),
            (
                "xylophone lesson",
                json!(["xylophone lesson", "todo", "normal", null, null, [], {}]),
            ),
            (
                "(a) lower",
                json!(["(a) lower", "todo", "normal", null, null, [], {}]),
            ),
            (
                "Really (A) inside",
                json!(["Really (A) inside", "todo", "normal", null, null, [], {}]),
            ),
            (
                "(B)->get back",
                json!(["(B)->get back", "todo", "normal", null, null, [], {}]),
            ),
            (
                "Ask @grace at 10:30 http://example.org 1+1 @waiting",
                json!([
                    "Ask @grace at 10:30 http://example.org 1+1",
                    "blocked",
                    "normal",
                    null,
                    null,
                    ["grace", "waiting"],
                    {}
                ]),
            ),
            (
                "Water plants rec:1w t:2026-03-08",
                json!(["Water plants", "todo", "normal", null, null, [], {"recurrence": "1w", "start_on": "2026-03-08"}]),
            ),
            (
                "Odd due:2026-13-45",
                json!(["Odd due:2026-13-45", "todo", "normal", null, null, [], {}]),
            ),
            (
                "@phone +Launch",
                json!(["@phone +Launch", "todo", "normal", null, "Launch", ["phone"], {}]),
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(shown(line), expected, "{line}");
        }
        assert_eq!(
            parse(0, "Odd due:2026-13-45").unwrap().misspelt,
            ["due:2026-13-45"]
        );
    }
}
