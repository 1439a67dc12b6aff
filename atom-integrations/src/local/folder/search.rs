//! Finds what a document says about words, people and a day.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

use super::{date, document};
use crate::local::markdown::{front_matter, heading};
use crate::local::text::shorten;

/// How many passages of a document are quoted.
const MAX_EXCERPTS: usize = 5;
/// How many lines of a section are quoted after its heading.
const SECTION_LINES: usize = 6;
/// How long a quoted line may be, in characters.
const LINE_CHARACTERS: usize = 240;
/// How often a term counts in one document.
const MAX_COUNTED: u32 = 3;

/// A passage that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Excerpt {
    /// The first line of the passage, counted from 1.
    pub(super) line: usize,
    /// The passage: a line, or a heading and the lines below it.
    pub(super) text: String,
    /// Why it was found.
    pub(super) reason: String,
}

/// What to look for.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    terms: Vec<Term>,
}

#[derive(Clone, Debug)]
struct Term {
    kind: TermKind,
    /// The reason that is given for a passage.
    reason: String,
}

#[derive(Clone, Debug)]
enum TermKind {
    Date(Date),
    Name(String),
    Word(String),
}

/// A document's score and the passages that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) score: u32,
    pub(super) excerpts: Vec<Excerpt>,
}

impl Terms {
    /// Collects what to look for; nothing at all is left to the caller to refuse.
    pub(super) fn new(query: Option<&str>, date: Option<Date>, names: &[String]) -> Self {
        let words: BTreeSet<String> = query
            .unwrap_or_default()
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        let mut terms = Vec::new();
        terms.extend(date.map(|date| Term {
            kind: TermKind::Date(date),
            reason: format!("mentions {date}"),
        }));
        terms.extend(
            names
                .iter()
                .map(|name| name.trim())
                .filter(|name| !name.is_empty())
                .map(|name| Term {
                    kind: TermKind::Name(name.to_lowercase()),
                    reason: format!("names {name}"),
                }),
        );
        terms.extend(words.into_iter().map(|word| Term {
            reason: format!("holds \"{word}\""),
            kind: TermKind::Word(word),
        }));
        Self { terms }
    }

    pub(super) fn len(&self) -> usize {
        self.terms.len()
    }

    /// What a document has to say, or `None` when it holds neither the date, nor a name, nor every word.
    ///
    /// A passage counts 5 points for the date, 3 for a name and 1 for a word; three passages count for each
    /// term, and the document's name counts like three.
    pub(super) fn find(&self, path: &Path, text: &str) -> Option<Finding> {
        let lines: Vec<&str> = text.lines().collect();
        let matter = front_matter(&lines).unwrap_or(0..0);
        let name = document::stem(path).to_lowercase();
        let mut counts: Vec<u32> = self
            .terms
            .iter()
            .map(|term| u32::from(term.is_in(&name)) * MAX_COUNTED)
            .collect();
        let mut hits: Vec<(usize, u32, Vec<usize>)> = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let lower = line.to_lowercase();
            let found: Vec<usize> = (0..self.terms.len())
                .filter(|term| self.terms[*term].is_in(&lower))
                .collect();
            if !found.is_empty() {
                found.iter().for_each(|term| counts[*term] += 1);
                hits.push((
                    at,
                    found.iter().map(|term| self.terms[*term].weight()).sum(),
                    found,
                ));
            }
        }
        self.drop_incomplete_words(&mut counts);
        let score = self
            .terms
            .iter()
            .zip(&counts)
            .map(|(term, count)| term.weight() * count.min(&MAX_COUNTED))
            .sum();
        if score == 0 {
            return None;
        }
        for (_, _, found) in &mut hits {
            found.retain(|term| counts[*term] > 0);
        }
        hits.retain(|(_, _, found)| !found.is_empty());
        let named = (0..self.terms.len()).filter(|term| counts[*term] > 0 && self.terms[*term].is_in(&name));
        let named: Vec<usize> = named.collect();
        Some(Finding {
            score,
            excerpts: self.excerpts(&lines, matter.end, hits, &named),
        })
    }

    /// Words count only together: a document that lacks one of them was not asked for.
    fn drop_incomplete_words(&self, counts: &mut [u32]) {
        let is_word = |term: usize| matches!(self.terms[term].kind, TermKind::Word(_));
        if (0..counts.len()).any(|term| is_word(term) && counts[term] == 0) {
            (0..counts.len())
                .filter(|term| is_word(*term))
                .for_each(|term| counts[term] = 0);
        }
    }

    /// The best passages in the order of the text. What the file's name or its front matter says holds for the
    /// whole document, so that its beginning is quoted.
    fn excerpts(
        &self,
        lines: &[&str],
        body: usize,
        hits: Vec<(usize, u32, Vec<usize>)>,
        named: &[usize],
    ) -> Vec<Excerpt> {
        let (in_matter, mut hits): (Vec<_>, Vec<_>) = hits.into_iter().partition(|(at, _, _)| *at < body);
        let beginning = lines[body..]
            .iter()
            .position(|line| !line.trim().is_empty())
            .map(|at| at + body);
        let whole: BTreeSet<usize> = in_matter
            .into_iter()
            .flat_map(|(_, _, found)| found)
            .chain(named.iter().copied())
            .collect();
        let mut passages = Vec::new();
        if let Some(beginning) = beginning.filter(|_| !whole.is_empty()) {
            let reason = format!("the document as a whole {}", self.reasons(whole));
            passages.push((beginning, section(lines, beginning), reason));
        }
        hits.sort_by_key(|(at, weight, _)| (std::cmp::Reverse(*weight), *at));
        for (at, _, found) in hits {
            if passages.len() == MAX_EXCERPTS {
                break;
            }
            let is_quoted = |(start, (_, length), _): &(usize, (String, usize), String)| {
                (*start..start + length).contains(&at)
            };
            if !passages.iter().any(is_quoted) {
                let passage = if heading(lines[at]).is_some() {
                    section(lines, at)
                } else {
                    (shorten(lines[at].trim(), LINE_CHARACTERS), 1)
                };
                passages.push((at, passage, self.reasons(found)));
            }
        }
        passages.sort_by_key(|(at, _, _)| *at);
        passages
            .into_iter()
            .map(|(at, (text, _), reason)| Excerpt {
                line: at + 1,
                text,
                reason,
            })
            .collect()
    }

    fn reasons(&self, found: impl IntoIterator<Item = usize>) -> String {
        let reasons: Vec<&str> = found
            .into_iter()
            .map(|term| self.terms[term].reason.as_str())
            .collect();
        reasons.join(", ")
    }
}

/// A line and those below it up to the next heading, and how many lines of the file that is.
fn section(lines: &[&str], start: usize) -> (String, usize) {
    let mut quoted = vec![shorten(lines[start].trim(), LINE_CHARACTERS)];
    let mut length = 1;
    for line in &lines[start + 1..] {
        if quoted.len() > SECTION_LINES || heading(line).is_some() {
            break;
        }
        length += 1;
        if !line.trim().is_empty() {
            quoted.push(shorten(line.trim_end(), LINE_CHARACTERS));
        }
    }
    (quoted.join("\n"), length)
}

impl Term {
    fn weight(&self) -> u32 {
        match self.kind {
            TermKind::Date(_) => 5,
            TermKind::Name(_) => 3,
            TermKind::Word(_) => 1,
        }
    }

    /// Whether a text in lower case holds the term: a name as whole words, a word at the beginning of one.
    fn is_in(&self, lower: &str) -> bool {
        let (wanted, is_whole) = match &self.kind {
            TermKind::Date(date) => return date::is_mentioned(lower, *date),
            TermKind::Name(name) => (name, true),
            TermKind::Word(word) => (word, false),
        };
        lower.match_indices(wanted.as_str()).any(|(at, _)| {
            let before = lower[..at].chars().next_back();
            let after = lower[at + wanted.len()..].chars().next();
            !(before.is_some_and(char::is_alphanumeric)
                || is_whole && after.is_some_and(char::is_alphanumeric))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(name: &str, text: &str, query: &str, names: &[&str]) -> Option<Finding> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let query = Some(query).filter(|query| !query.is_empty());
        Terms::new(query, Some(jiff::civil::date(2026, 3, 9)), &names).find(Path::new(name), text)
    }

    #[test]
    fn a_heading_that_names_the_day_brings_its_section() {
        let text =
            "# Journal\n\n## 8 March\nrest\n\n## 9 March\n\nCall Grace.\nBuy milk.\n\n## 10 March\nmore";
        let finding = find("journal.md", text, "", &["Grace"]).unwrap();
        assert_eq!(
            finding.excerpts,
            [Excerpt {
                line: 6,
                text: "## 9 March\nCall Grace.\nBuy milk.".into(),
                reason: "mentions 2026-03-09".into()
            }]
        );
        assert_eq!(finding.score, 8);
    }

    #[test]
    fn a_file_named_for_the_day_is_quoted_from_its_beginning() {
        let finding = find(
            "daily/2026-03-09.md",
            "---\ntags: daily\n---\n\nWater the plants.\n",
            "",
            &[],
        )
        .unwrap();
        assert_eq!(finding.excerpts.len(), 1);
        assert_eq!(
            (finding.excerpts[0].line, finding.excerpts[0].text.as_str()),
            (5, "Water the plants.")
        );
        assert_eq!(
            finding.excerpts[0].reason,
            "the document as a whole mentions 2026-03-09"
        );
    }

    #[test]
    fn words_count_only_together_and_names_only_whole() {
        assert!(find("a.md", "the budget", "budget plan", &[]).is_none());
        assert!(find("a.md", "the budgets\nof the plan", "budget plan", &[]).is_some());
        assert!(find("a.md", "Gracefully", "", &["Grace"]).is_none());
        assert_eq!(
            find("a.md", "Dear GRACE, hello", "plan", &["grace"])
                .unwrap()
                .excerpts[0]
                .reason,
            "names grace"
        );
    }

    #[test]
    fn a_long_line_is_cut_and_a_long_document_quoted_in_part() {
        let line = format!("9 March {}", "ä".repeat(10_000));
        let finding = find("a.md", &vec![line.as_str(); 50].join("\n"), "", &[]).unwrap();
        assert_eq!(finding.excerpts.len(), MAX_EXCERPTS);
        assert!(
            finding
                .excerpts
                .iter()
                .all(|excerpt| excerpt.text.chars().count() <= LINE_CHARACTERS + 1)
        );
        assert_eq!(finding.score, 15);
    }
}
