//! Check boxes in Markdown lists: GitHub's task lists, and what the Obsidian Tasks plugin adds to them.
//!
//! Open are `[ ]` and `[/]` (in progress), done `[x]`, given up `[-]`. The nearest heading above is the
//! project, except a single level-one heading that comes first: that is the document's title. Due dates are
//! `due:2026-03-09`, `📅 2026-03-09` and `(2026-03-09)`; priorities `!low`, `!high` or `!!`, `!urgent` or `!!!`,
//! and Obsidian's `🔺` (urgent), `⏫` (high), `🔼` (normal), `🔽` and `⏬` (low); tags `#tag` and `@context`.

use atom_core::model::{Priority, TaskStatus};

use super::entry::{Entry, NewTask, Words, add_tag, day};
use crate::local::markdown::{Fences, front_matter, heading};

/// The tasks and headings of a text.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pub(super) entries: Vec<Entry>,
    /// From heading to heading; the first section comes before the first heading.
    pub(super) sections: Vec<Section>,
}

/// The lines from below a heading to the next.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) project: Option<String>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Reads a text, line by line without the line ends.
pub(super) fn parse(lines: &[&str]) -> Outline {
    let mut fences = Fences::default();
    let body = front_matter(lines).map_or(0, |matter| matter.end);
    let (mut sections, mut boxes) = (vec![(0, None, body)], Vec::new());
    for (at, line) in lines.iter().enumerate().skip(body) {
        if fences.is_code(line) {
            continue;
        }
        if let Some((level, text)) = heading(line) {
            sections.push((
                level,
                Some(text.to_owned()).filter(|text| !text.is_empty()),
                at + 1,
            ));
        } else if let Some(found) = checkbox(line) {
            boxes.push((sections.len() - 1, at, found));
        }
    }
    let has_title = sections.get(1).is_some_and(|(level, _, _)| *level == 1)
        && sections.iter().filter(|(level, _, _)| *level == 1).count() == 1;
    if has_title {
        sections[1].1 = None;
    }
    let entries = boxes.into_iter().map(|(section, at, found)| {
        let project = sections[section].1.clone();
        read(
            Entry {
                line: at,
                project,
                status: found.status,
                ..Entry::default()
            },
            &lines[at][found.body..],
        )
    });
    // An empty box is a form, not a task.
    let entries = entries.filter(|entry| !entry.title.is_empty()).collect();
    let ends: Vec<usize> = sections
        .iter()
        .skip(1)
        .map(|(_, _, start)| start - 1)
        .chain([lines.len()])
        .collect();
    let sections = sections.into_iter().zip(ends);
    let sections = sections
        .map(|((_, project, start), end)| Section { project, start, end })
        .collect();
    Outline { entries, sections }
}

/// A check box at the beginning of a list item.
#[derive(Debug)]
pub(super) struct CheckBox {
    /// Where its mark stands, in bytes.
    pub(super) mark: usize,
    /// The list's bullet.
    pub(super) bullet: char,
    body: usize,
    status: TaskStatus,
}

/// The check box of a line, which may be nested, numbered or quoted.
pub(super) fn checkbox(line: &str) -> Option<CheckBox> {
    let item = line.trim_start_matches([' ', '\t', '>']);
    let after_bullet = match item.strip_prefix(['-', '*', '+']) {
        Some(rest) => rest,
        None => {
            let rest = item.trim_start_matches(|c: char| c.is_ascii_digit());
            let digits = item.len() - rest.len();
            rest.strip_prefix(['.', ')'])
                .filter(|_| (1..=9).contains(&digits))?
        }
    };
    let mark = after_bullet.trim_start_matches([' ', '\t']);
    let status = match mark.get(..3)? {
        _ if mark.len() == after_bullet.len() => return None,
        "[ ]" => TaskStatus::Todo,
        "[x]" | "[X]" => TaskStatus::Completed,
        "[/]" => TaskStatus::InProgress,
        "[-]" => TaskStatus::Cancelled,
        _ => return None,
    };
    let body = &mark[3..];
    (body.is_empty() || body.starts_with([' ', '\t'])).then(|| CheckBox {
        mark: line.len() - mark.len() + 1,
        bullet: item.chars().next().filter(|c| !c.is_ascii_digit()).unwrap_or('-'),
        body: line.len() - body.len(),
        status,
    })
}

/// What a sign of the Obsidian Tasks plugin is followed by.
fn dated(sign: &str) -> Option<&'static str> {
    match sign {
        "📅" | "📆" | "🗓" => Some("due"),
        "✅" => Some("completed_on"),
        "❌" => Some("cancelled_on"),
        "➕" => Some("created_on"),
        "⏳" | "⌛" => Some("scheduled_on"),
        "🛫" => Some("start_on"),
        _ => None,
    }
}

fn signed_priority(word: &str) -> Option<Priority> {
    match word {
        "🔺" | "!!!" | "!urgent" => Some(Priority::Urgent),
        "⏫" | "!!" | "!high" => Some(Priority::High),
        "🔼" | "!normal" | "!medium" => Some(Priority::Normal),
        "🔽" | "⏬" | "!low" => Some(Priority::Low),
        _ => None,
    }
}

fn read(mut entry: Entry, body: &str) -> Entry {
    // Signs may touch what follows, and carry a variation selector.
    let mut pieces: Vec<&str> = Vec::new();
    for word in body.split_whitespace() {
        let sign_end = word.chars().next().map_or(0, char::len_utf8);
        let (sign, rest) = word.split_at(sign_end);
        if dated(sign).is_some() || sign == "🔁" || signed_priority(sign).is_some() {
            pieces.push(sign);
            pieces.extend(Some(rest.trim_start_matches('\u{fe0f}')).filter(|rest| !rest.is_empty()));
        } else {
            pieces.push(word);
        }
    }
    let (mut words, mut bracketed, mut at) = (Words::default(), None, 0);
    while let Some(piece) = pieces.get(at).copied() {
        at += 1;
        if let Some(kind) = dated(piece) {
            match pieces.get(at).and_then(|word| day(word)) {
                Some(date) if kind == "due" => {
                    at += 1;
                    entry.due_date = entry.due_date.or(Some(date));
                }
                Some(date) => {
                    at += 1;
                    entry.extra.insert(kind, date.to_string());
                }
                None => {
                    entry
                        .misspelt
                        .push(format!("{piece} {}", pieces.get(at).copied().unwrap_or_default()));
                    words.word(piece);
                }
            }
        } else if piece == "🔁" {
            let is_end = |word: &&str| {
                dated(word).is_some() || signed_priority(word).is_some() || word.starts_with('#')
            };
            let length = pieces[at..].iter().position(is_end).unwrap_or(pieces.len() - at);
            entry
                .extra
                .insert("recurrence", pieces[at..at + length].join(" "));
            at += length;
        } else if let Some(priority) = signed_priority(piece) {
            entry.priority = priority;
        } else if let Some(value) = piece.strip_prefix("due:") {
            match day(value) {
                Some(date) => entry.due_date = entry.due_date.or(Some(date)),
                None => {
                    entry.misspelt.push(piece.to_owned());
                    words.word(piece);
                }
            }
        } else if let Some(date) = piece
            .strip_prefix('(')
            .and_then(|piece| day(piece.strip_suffix(')')?))
        {
            bracketed = bracketed.or(Some(date));
        } else if let Some(tag) = tag(piece) {
            add_tag(&mut entry.tags, tag);
            words.tag(piece);
        } else {
            words.word(piece);
        }
    }
    entry.due_date = entry.due_date.or(bracketed);
    entry.title = words.title();
    entry.with_blocking_tags()
}

/// The name of `#tag` or `@context`. A number such as `#12` is no tag but, mostly, an issue.
fn tag(word: &str) -> Option<&str> {
    let name = word.strip_prefix(['#', '@'])?;
    let is_name = name
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '/'));
    (is_name && name.chars().any(|c| !c.is_ascii_digit())).then_some(name)
}

/// Writes what follows the check box, with Obsidian's signs where the text uses them.
pub(super) fn render(task: &NewTask, has_signs: bool) -> String {
    let mut words = vec![task.title.clone()];
    words.extend(task.tags.iter().map(|tag| format!("#{tag}")));
    let priority = match (task.priority, has_signs) {
        (Priority::Normal, _) => None,
        (Priority::Urgent, true) => Some("🔺"),
        (Priority::High, true) => Some("⏫"),
        (Priority::Low, true) => Some("🔽"),
        (Priority::Urgent, false) => Some("!urgent"),
        (Priority::High, false) => Some("!high"),
        (Priority::Low, false) => Some("!low"),
    };
    words.extend(priority.map(str::to_owned));
    words.extend(task.due_date.map(|date| {
        if has_signs {
            format!("📅 {date}")
        } else {
            format!("due:{date}")
        }
    }));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn shown(text: &str) -> Value {
        let lines: Vec<&str> = text.lines().collect();
        let entries = parse(&lines).entries;
        entries
            .iter()
            .map(|e| {
                json!([
                    e.title, e.status, e.priority, e.due_date, e.project, e.tags, e.extra
                ])
            })
            .collect()
    }

    #[test]
    fn every_spelling_of_a_task_is_read() {
        let cases = [
            (
                "- [ ] Call Bob",
                json!(["Call Bob", "todo", "normal", null, null, [], {}]),
            ),
            (
                "  * [x] Nested",
                json!(["Nested", "completed", "normal", null, null, [], {}]),
            ),
            (
                "1. [X] Numbered",
                json!(["Numbered", "completed", "normal", null, null, [], {}]),
            ),
            (
                "> + [/] Quoted",
                json!(["Quoted", "in_progress", "normal", null, null, [], {}]),
            ),
            (
                "2) [-] Dropped",
                json!(["Dropped", "cancelled", "normal", null, null, [], {}]),
            ),
            (
                "- [ ] Pay rent due:2026-03-09 !high #home/flat @desk",
                json!([
                    "Pay rent",
                    "todo",
                    "high",
                    "2026-03-09",
                    null,
                    ["home/flat", "desk"],
                    {}
                ]),
            ),
            (
                "- [ ] Pay #rent today !! (2026-03-10)",
                json!(
                    ["Pay #rent today", "todo", "high", "2026-03-10", null, ["rent"], {
                    }]
                ),
            ),
            (
                "- [ ] Both (2026-03-10) due:2026-03-09",
                json!(["Both", "todo", "normal", "2026-03-09", null, [], {}]),
            ),
            (
                "- [x] Obsidian ⏫ 🔁 every week 🛫 2026-03-01 📅2026-03-09 ✅ 2026-03-08",
                json!(["Obsidian", "completed", "high", "2026-03-09", null, [],
                    {"completed_on": "2026-03-08", "recurrence": "every week", "start_on": "2026-03-01"}]),
            ),
            (
                "- [ ] Low 🔽 #12 mail a@b.org",
                json!(["Low #12 mail a@b.org", "todo", "low", null, null, [], {}]),
            ),
            (
                "- [ ] Later #waiting",
                json!(["Later", "blocked", "normal", null, null, ["waiting"], {}]),
            ),
            (
                "- [ ] 📅 tomorrow",
                json!(["📅 tomorrow", "todo", "normal", null, null, [], {}]),
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(shown(line), json!([expected]), "{line}");
        }
    }

    #[test]
    fn what_is_no_task_is_left_out() {
        for line in [
            "- [a](link)",
            "- [x](link)",
            "-[ ] tight",
            "- [] empty",
            "[ ] bare",
            "text - [ ] inside",
            "- [é] x",
        ] {
            assert_eq!(shown(line), json!([]), "{line}");
        }
        assert_eq!(shown("---\n- [ ] matter\n---\n```\n- [ ] code\n```\n"), json!([]));
    }

    #[test]
    fn headings_name_projects_and_the_only_top_one_is_the_title() {
        let projects = |text: &str| -> Vec<Option<String>> {
            let lines: Vec<&str> = text.lines().collect();
            parse(&lines)
                .entries
                .into_iter()
                .map(|entry| entry.project)
                .collect()
        };
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(
            projects("# Tasks\n- [ ] a\n## Launch\n- [ ] b\n### Site\n- [ ] c"),
            [None, named("Launch"), named("Site")]
        );
        assert_eq!(
            projects("# One\n- [ ] a\n# Two\n- [ ] b"),
            [named("One"), named("Two")]
        );
        assert_eq!(projects("- [ ] a\n## Launch\n- [ ] b"), [None, named("Launch")]);
    }
}
