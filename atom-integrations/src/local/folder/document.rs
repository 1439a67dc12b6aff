//! Text files as documents: their title, tags and media type.

use std::fs;
use std::path::Path;

use atom_core::model::{Document, Origin};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::local::markdown::{Fences, front_matter, heading, title_and_tags};

/// File name endings of Markdown.
const MARKDOWN: [&str; 3] = ["md", "markdown", "mkd"];
/// File name endings of other text that people write.
const PLAIN: [&str; 5] = ["txt", "text", "org", "rst", "adoc"];

/// A document without its content.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct DocumentSummary {
    /// Where it came from.
    #[serde(flatten)]
    origin: Origin,
    /// The title: from its front matter, its first heading, or else its file name.
    pub(super) title: String,
    /// The path, to be given to `folder.documents.get`.
    pub(super) path: String,
    /// The media type, `text/markdown` or `text/plain`.
    media_type: String,
    /// The size of the file in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// Labels from the front matter.
    tags: Vec<String>,
}

/// Whether the file's name says that it is a document.
pub(super) fn is_document(path: &Path) -> bool {
    has_ending(path, &MARKDOWN) || has_ending(path, &PLAIN)
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| endings.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// Describes a document by its text. `shown` is its path as answers write it.
pub(super) fn summarize(path: &Path, shown: String, text: &str) -> DocumentSummary {
    let is_markdown = has_ending(path, &MARKDOWN);
    let (title, tags) = if is_markdown {
        described(text)
    } else {
        (None, Vec::new())
    };
    let metadata = fs::metadata(path).ok();
    let mut origin = Origin::new("folder", shown.as_str());
    origin.updated_at = metadata
        .as_ref()
        .and_then(|metadata| metadata.modified().ok())
        .and_then(|modified| Timestamp::try_from(modified).ok());
    DocumentSummary {
        origin,
        title: title.unwrap_or_else(|| stem(path)),
        path: shown,
        media_type: if is_markdown {
            "text/markdown"
        } else {
            "text/plain"
        }
        .to_owned(),
        size: metadata.map(|metadata| metadata.len()),
        tags,
    }
}

/// The file's name without its ending.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// A title and tags from the front matter, or else a title from the first heading.
fn described(text: &str) -> (Option<String>, Vec<String>) {
    let lines: Vec<&str> = text.lines().collect();
    let matter = front_matter(&lines).unwrap_or(0..0);
    let (title, tags) = title_and_tags(&lines[matter.clone()]);
    let title = title.or_else(|| {
        let mut fences = Fences::default();
        let outside = lines[matter.end..].iter().filter(|line| !fences.is_code(line));
        let mut headings = outside
            .filter_map(|line| heading(line))
            .filter(|(_, text)| !text.is_empty());
        headings.next().map(|(_, text)| text.to_owned())
    });
    (title, tags)
}

impl DocumentSummary {
    /// The whole document.
    pub(super) fn with_content(self, content: String) -> Document {
        Document {
            origin: self.origin,
            title: self.title,
            path: Some(self.path),
            media_type: Some(self.media_type),
            content,
            tags: self.tags,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_is_the_best_there_is() {
        let cases = [
            ("a.md", "---\ntitle: Front\n---\n# Head", "Front"),
            ("a.md", "---\ntags: x\n---\ntext\n## Head ##\n# Later", "Head"),
            ("a.md", "```\n# code\n```\n# Head", "Head"),
            ("a.md", "---\ntitle: broken\n# Head", "Head"),
            ("2026-03-09.md", "no heading", "2026-03-09"),
            ("a.txt", "# not a heading", "a"),
        ];
        for (name, text, title) in cases {
            assert_eq!(
                summarize(Path::new(name), name.to_owned(), text).title,
                title,
                "{text}"
            );
        }
    }
}
