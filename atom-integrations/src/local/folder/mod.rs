//! Text files in folders: listed, read, searched and written.

mod date;
mod document;
mod glob;
mod search;

use std::path::Path;
use std::sync::Arc;

use atom_core::connector::Manifest;
use atom_core::function::TypedFunction;
use atom_core::model::Document;
use atom_core::{CancellationToken, Connector, Error, ErrorCode, Function, FunctionContext, Result};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::document::{DocumentSummary, is_document, summarize};
use self::search::{Excerpt, Terms};
use super::FileAccess;
use super::answer::{ShownPaths, Skipped, SkippedList, limit, with_slashes};
use super::blocking::blocking;
use super::replace;
use super::text::{MAX_TEXT_BYTES, read_text};
use super::walk::walk;

/// How much text one search reads, in bytes.
const MAX_SEARCHED_BYTES: usize = 512 * 1024 * 1024;
/// How many words and names one search takes.
const MAX_TERMS: usize = 100;

/// The connector for folders.
pub(crate) fn connector(access: FileAccess) -> Result<Connector> {
    let (listing, getting, searching, writing) = (access.clone(), access.clone(), access.clone(), access);
    let functions: Vec<Arc<dyn Function>> = vec![
        Arc::new(
            TypedFunction::new(
                "folder.documents.list",
                "Lists the notes and other text files of a folder.",
                move |request, context| list(listing.clone(), request, context),
            )
            .read_only(),
        ),
        Arc::new(
            TypedFunction::new(
                "folder.documents.get",
                "Reads one text file.",
                move |request, context| get(getting.clone(), request, context),
            )
            .read_only(),
        ),
        Arc::new(
            TypedFunction::new(
                "folder.documents.search",
                "Finds the text files that hold words, name people, or mention a date.",
                move |request, context| find(searching.clone(), request, context),
            )
            .read_only(),
        ),
        Arc::new(TypedFunction::new(
            "folder.files.write",
            "Writes a text file in one step.",
            move |request, context| write(writing.clone(), request, context),
        )),
    ];
    Connector::new(Manifest::from_toml(include_str!("manifest.toml"))?, functions)
}

/// Which documents to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListRequest {
    /// The folder.
    path: String,
    /// Only files whose path below the folder fits, e.g. `*.md` or `daily/**/2026-*.md`. Without it, Markdown
    /// (`.md`) and plain text (`.txt`, `.org`, `.rst`, `.adoc`).
    #[serde(default)]
    glob: Option<String>,
    /// How many documents to return at most; 1000 unless given, up to 10000.
    #[serde(default)]
    limit: Option<usize>,
}

/// Documents of a folder.
#[derive(Debug, Serialize, JsonSchema)]
struct ListResponse {
    /// The documents, sorted by path.
    documents: Vec<DocumentSummary>,
    /// How many files fit, including those past the limit.
    total: usize,
    /// What was not read, and why.
    skipped: Vec<Skipped>,
}

async fn list(access: FileAccess, request: ListRequest, context: FunctionContext) -> Result<ListResponse> {
    let limit = limit(request.limit, 1000)?;
    let root = access.readable(&request.path, &context)?;
    let shown = ShownPaths::new(&context);
    blocking(&context, move |cancellation| {
        let (mut documents, mut total) = (Vec::new(), 0);
        let skipped = each_document(
            &root,
            &access,
            &shown,
            request.glob.as_deref(),
            cancellation,
            |path, skipped| {
                total += 1;
                if documents.len() < limit {
                    let name = shown.show(path);
                    match read_text(path) {
                        Ok(text) => documents.push(summarize(path, name, &text)),
                        Err(error) => skipped.push(&name, None, error.message()),
                    }
                }
                Ok(true)
            },
        )?;
        Ok(ListResponse {
            documents,
            total,
            skipped,
        })
    })
    .await
}

/// Which document to read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetRequest {
    /// The file.
    path: String,
}

async fn get(access: FileAccess, request: GetRequest, context: FunctionContext) -> Result<Document> {
    let path = access.readable(&request.path, &context)?;
    let name = ShownPaths::new(&context).show(&path);
    blocking(&context, move |_| {
        let text = read_text(&path)?;
        Ok(summarize(&path, name, &text).with_content(text))
    })
    .await
}

/// What to look for. A document is found when it mentions the date, names one of the people, or holds every
/// word of the query; at least one of the three must be given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SearchRequest {
    /// The folder.
    path: String,
    /// Words that must all occur, in any order; a word also finds longer ones that begin with it.
    #[serde(default)]
    query: Option<String>,
    /// A day that is mentioned in a usual spelling, e.g. `2026-03-09`, `09.03.2026`, `9 March` or `March 9, 2026`.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    date: Option<Date>,
    /// People or phrases, of which one must occur.
    #[serde(default)]
    names: Vec<String>,
    /// Only files whose path below the folder fits, as for `folder.documents.list`.
    #[serde(default)]
    glob: Option<String>,
    /// How many documents to return at most; 20 unless given, up to 10000.
    #[serde(default)]
    limit: Option<usize>,
}

/// The documents that were found.
#[derive(Debug, Serialize, JsonSchema)]
struct SearchResponse {
    /// The best matches first; equal ones sorted by path.
    matches: Vec<Match>,
    /// How many documents were found, including those past the limit.
    total: usize,
    /// What was not read, and why.
    skipped: Vec<Skipped>,
}

/// A document that was found.
#[derive(Debug, Serialize, JsonSchema)]
struct Match {
    /// The document, without its content.
    document: DocumentSummary,
    /// How well it fits: 5 for the date, 3 for each name and 1 for each word, up to three times each.
    score: u32,
    /// The best passages, in the order of the text.
    excerpts: Vec<Excerpt>,
}

async fn find(
    access: FileAccess,
    request: SearchRequest,
    context: FunctionContext,
) -> Result<SearchResponse> {
    let limit = limit(request.limit, 20)?;
    let terms = Terms::new(request.query.as_deref(), request.date, &request.names);
    if !(1..=MAX_TERMS).contains(&terms.len()) {
        return Err(Error::invalid_request(format!(
            "give a query, a date or names to look for, {MAX_TERMS} words and names at most"
        )));
    }
    let root = access.readable(&request.path, &context)?;
    let shown = ShownPaths::new(&context);
    blocking(&context, move |cancellation| {
        let (mut matches, mut searched) = (Vec::new(), 0);
        let skipped = each_document(
            &root,
            &access,
            &shown,
            request.glob.as_deref(),
            cancellation,
            |path, skipped| {
                let name = shown.show(path);
                let text = match read_text(path) {
                    Ok(text) => text,
                    Err(error) => {
                        skipped.push(&name, None, error.message());
                        return Ok(true);
                    }
                };
                if let Some(found) = terms.find(path, &text) {
                    let document = summarize(path, name.clone(), &text);
                    matches.push(Match {
                        document,
                        score: found.score,
                        excerpts: found.excerpts,
                    });
                }
                searched += text.len();
                if searched > MAX_SEARCHED_BYTES {
                    skipped.push(&name, None, "the search stopped here: it had read 512 MiB");
                }
                Ok(searched <= MAX_SEARCHED_BYTES)
            },
        )?;
        let total = matches.len();
        matches.sort_by(|a: &Match, b: &Match| {
            b.score
                .cmp(&a.score)
                .then_with(|| a.document.path.cmp(&b.document.path))
        });
        matches.truncate(limit);
        Ok(SearchResponse {
            matches,
            total,
            skipped,
        })
    })
    .await
}

/// Visits the documents of a folder, or the files that fit the pattern, and returns what was skipped.
fn each_document(
    root: &Path,
    access: &FileAccess,
    shown: &ShownPaths,
    glob: Option<&str>,
    cancellation: &CancellationToken,
    mut visit: impl FnMut(&Path, &mut SkippedList) -> Result<bool>,
) -> Result<Vec<Skipped>> {
    let is_wanted = |path: &Path| match glob {
        Some(pattern) => glob::is_match(pattern, &with_slashes(path.strip_prefix(root).unwrap_or(path))),
        None => is_document(path),
    };
    let mut skipped = SkippedList::default();
    walk(
        root,
        access,
        shown,
        &mut skipped,
        cancellation,
        |path, skipped| {
            if is_wanted(path) {
                visit(path, skipped)
            } else {
                Ok(true)
            }
        },
    )?;
    Ok(skipped.into_items(&shown.show(root)))
}

/// What to write.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WriteRequest {
    /// The file; its folder must exist.
    path: String,
    /// The text, written as UTF-8; 8 MiB at most.
    content: String,
    /// What to do with a file that is there already; `overwrite` unless given.
    #[serde(default)]
    if_exists: IfExists,
}

/// What to do with a file that is there already.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum IfExists {
    /// Replace it in one step.
    #[default]
    Overwrite,
    /// Fail with `already_exists`, unless it holds the same text.
    Fail,
}

/// What was written.
#[derive(Debug, Serialize, JsonSchema)]
struct WriteResponse {
    /// The file.
    path: String,
    /// Its size in bytes.
    bytes: usize,
    /// The SHA-256 digest of its content, in hexadecimal.
    sha256: String,
}

async fn write(access: FileAccess, request: WriteRequest, context: FunctionContext) -> Result<WriteResponse> {
    let content = request.content.into_bytes();
    if content.len() as u64 > MAX_TEXT_BYTES {
        return Err(Error::new(
            ErrorCode::LimitExceeded,
            "the text is longer than 8 MiB; write it in parts",
        ));
    }
    let path = access.writable(&request.path, &context)?;
    let name = ShownPaths::new(&context).show(&path);
    blocking(&context, move |_| {
        match request.if_exists {
            IfExists::Overwrite => replace::overwrite(&path, &content)?,
            IfExists::Fail => replace::create(&path, &content)?,
        }
        let sha256 = Sha256::digest(&content)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(WriteResponse {
            path: name,
            bytes: content.len(),
            sha256,
        })
    })
    .await
}
