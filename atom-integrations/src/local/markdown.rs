//! The little of Markdown that notes and task lists need: headings, code fences and front matter.
//!
//! Headings and fences follow CommonMark 0.31 sections 4.2 and 4.5; front matter is what Jekyll, Obsidian and
//! other note programs write: YAML between two lines of `---` at the very beginning.

use std::ops::Range;

/// Tells, line by line, what lies inside a fenced code block.
#[derive(Debug, Default)]
pub(crate) struct Fences {
    open: Option<(char, usize)>,
}

impl Fences {
    /// Whether this line, the next of the text, is code or a fence.
    pub(crate) fn is_code(&mut self, line: &str) -> bool {
        // A fence within a list item is indented, and one within a quotation is quoted.
        let line = line.trim_start_matches([' ', '\t', '>']);
        let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'));
        let length = mark.map_or(0, |mark| line.chars().take_while(|c| *c == mark).count());
        let rest = &line[length..];
        match (self.open, mark) {
            (Some((open, least)), Some(mark))
                if mark == open && length >= least && rest.trim().is_empty() =>
            {
                self.open = None;
                true
            }
            (Some(_), _) => true,
            (None, Some(mark)) if length >= 3 && !(mark == '`' && rest.contains('`')) => {
                self.open = Some((mark, length));
                true
            }
            _ => false,
        }
    }
}

/// The level and text of a heading that starts with `#`.
pub(crate) fn heading(line: &str) -> Option<(usize, &str)> {
    let text = line.trim_start_matches(' ');
    if line.len() - text.len() > 3 {
        return None;
    }
    let level = text.bytes().take_while(|byte| *byte == b'#').count();
    let rest = &text[level..];
    if !(1..=6).contains(&level) || !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    let rest = rest.trim();
    let without_closing = rest.trim_end_matches('#');
    let is_closed = without_closing.is_empty() || without_closing.ends_with([' ', '\t']);
    Some((
        level,
        if is_closed {
            without_closing.trim_end()
        } else {
            rest
        },
    ))
}

/// The lines of the front matter with both its marks, if the text begins with one that is closed.
pub(crate) fn front_matter(lines: &[&str]) -> Option<Range<usize>> {
    if lines.first()?.trim_end() != "---" {
        return None;
    }
    let end = lines
        .iter()
        .skip(1)
        .position(|line| matches!(line.trim_end(), "---" | "..."))?;
    Some(0..end + 2)
}

/// The title and tags that front matter gives, in the spellings that note programs write:
/// `title: Text`, `tags: [a, b]`, `tags: a, b`, and a list of `- a` below `tags:`. Everything else is left alone.
pub(crate) fn title_and_tags(front_matter: &[&str]) -> (Option<String>, Vec<String>) {
    let (mut title, mut tags, mut is_in_tags) = (None, Vec::new(), false);
    for line in front_matter {
        if let Some(item) = line.trim_start().strip_prefix("- ").filter(|_| is_in_tags) {
            tags.push(unquoted(item));
            continue;
        }
        is_in_tags = false;
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match key {
            "title" if !value.is_empty() => title = Some(unquoted(value)),
            "tags" | "tag" if value.is_empty() => is_in_tags = true,
            "tags" | "tag" => {
                let list = value
                    .strip_prefix('[')
                    .and_then(|list| list.strip_suffix(']'))
                    .unwrap_or(value);
                tags.extend(list.split(',').map(unquoted));
            }
            _ => {}
        }
    }
    tags.retain(|tag| !tag.is_empty());
    (title.filter(|title| !title.is_empty()), tags)
}

fn unquoted(value: &str) -> String {
    let value = value.trim();
    let inner = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    inner.unwrap_or(value).trim_start_matches('#').trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_told_from_tags_and_code() {
        let cases = [
            ("# Title", Some((1, "Title"))),
            ("   ### Three ###", Some((3, "Three"))),
            ("## C#", Some((2, "C#"))),
            ("##", Some((2, ""))),
            ("#tag", None),
            ("    # code", None),
            ("####### seven", None),
        ];
        for (line, expected) in cases {
            assert_eq!(heading(line), expected, "{line}");
        }
    }

    #[test]
    fn a_fence_ends_with_its_own_mark_only() {
        let text = "a\n```rust\n- [ ] code\n~~~\n```\nb\n~~~~\n~~~\n~~~~\nc\n``` not `a` fence\nd";
        let mut fences = Fences::default();
        let outside: Vec<_> = text.lines().filter(|line| !fences.is_code(line)).collect();
        assert_eq!(outside, ["a", "b", "c", "``` not `a` fence", "d"]);
    }

    #[test]
    fn front_matter_gives_a_title_and_tags() {
        let cases: [(&str, Option<&str>, &[&str]); 6] = [
            (
                "---\ntitle: Budget\ntags: [a, \"b c\"]\n---\nx",
                Some("Budget"),
                &["a", "b c"],
            ),
            (
                "---\ntitle: 'Q1: plan'\ntags:\n  - '#a'\n  - b\nother: - c\n---",
                Some("Q1: plan"),
                &["a", "b"],
            ),
            ("---\ntags: a, b\n---", None, &["a", "b"]),
            ("---\ntitle: \"\n---", Some("\""), &[]),
            ("---\ntitle: never closed", None, &[]),
            ("text\n---\ntitle: later\n---", None, &[]),
        ];
        for (text, title, tags) in cases {
            let lines: Vec<_> = text.lines().collect();
            let found = title_and_tags(front_matter(&lines).map_or(&[][..], |range| &lines[range]));
            assert_eq!(found.0.as_deref(), title, "{text}");
            assert_eq!(found.1, tags, "{text}");
        }
    }
}
