//! Reads `.proto` files with all that they import.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use atom_core::{Error, ErrorCode, FunctionContext, Result};
use prost_reflect::{DescriptorPool, MethodDescriptor};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use crate::http::cache::Cache;
use crate::http::failure;
use crate::http::resource::{Loader, Place, missing};

/// How many files one call may read.
const MAXIMUM_FILES: usize = 256;

/// How deep the blocks of a file may nest. The library follows the messages in options by recursion, without a limit.
const MAXIMUM_NESTING: usize = 50;

/// What the file that a call names is called within its schema.
const ROOT: &str = "the file";

/// Where the types that come with Protocol Buffers stand; they are never looked for.
const WELL_KNOWN: &str = "google/protobuf/";

/// The services and messages of a `.proto` file.
#[derive(Debug)]
pub(super) struct Schema {
    pool: DescriptorPool,
}

impl Schema {
    /// The method of a service.
    ///
    /// # Errors
    /// `not_found`, naming what there is.
    pub(super) fn method(&self, service: &str, method: &str) -> Result<MethodDescriptor> {
        let found = self.pool.get_service_by_name(service).ok_or_else(|| {
            let names = self.pool.services().map(|service| service.full_name().to_owned());
            missing("the .proto file", "service", service, names)
        })?;
        found.methods().find(|each| each.name() == method).ok_or_else(|| {
            let names = found.methods().map(|method| method.name().to_owned());
            missing(&format!("the service '{service}'"), "method", method, names)
        })
    }
}

/// Reads and compiles a file and its imports, or takes what is kept of a file on the web for a few minutes.
///
/// # Errors
/// As [`Loader::load`]; `invalid_data` for a file that is no valid `.proto`, `not_found` for an import that
/// is nowhere, `limit_exceeded` for too many files or bytes.
pub(super) async fn load(
    loader: &Loader,
    cache: &Cache<Schema>,
    place: &Place,
    context: &FunctionContext,
) -> Result<Arc<Schema>> {
    let key = place.key()?;
    if let Some(schema) = key.and_then(|key| cache.get(key)) {
        return Ok(schema);
    }
    let (sources, bytes) = sources(loader, place, context).await?;
    // Large schemas take long to compile.
    let schema = tokio::task::spawn_blocking(move || compile(sources))
        .await
        .map_err(|error| Error::internal("the .proto file could not be compiled").with_source(error))?
        .map_err(|error| place.located(error))?;
    let schema = Arc::new(schema);
    if let Some(key) = key {
        cache.put(key, Arc::clone(&schema), bytes);
    }
    Ok(schema)
}

/// The file and everything that it imports, and how many bytes all that is.
async fn sources(
    loader: &Loader,
    place: &Place,
    context: &FunctionContext,
) -> Result<(HashMap<String, File>, usize)> {
    let limit = usize::try_from(loader.client.maximum_response_bytes()).unwrap_or(usize::MAX);
    let mut files = HashMap::new();
    let mut bytes = 0_usize;
    let mut wanted = VecDeque::from([ROOT.to_owned()]);
    while let Some(name) = wanted.pop_front() {
        if files.contains_key(&name) || name.starts_with(WELL_KNOWN) {
            continue;
        }
        if files.len() >= MAXIMUM_FILES {
            let message = format!("the .proto file imports more than {MAXIMUM_FILES} files");
            return Err(place.located(Error::new(ErrorCode::LimitExceeded, message)));
        }
        let text = if name == ROOT {
            loader.load(place, context).await?
        } else {
            import(loader, place, &name, context).await?
        };
        bytes = bytes.saturating_add(text.len());
        if bytes > limit {
            let what = "the .proto file with its imports";
            return Err(place.located(failure::too_long(what, loader.client.maximum_response_bytes())));
        }
        let file = File::from_source(&name, &text).map_err(|error| place.located(malformed(&error)))?;
        if nesting(&text) > MAXIMUM_NESTING {
            let message = format!("the .proto file nests more than {MAXIMUM_NESTING} levels deep");
            return Err(place.located(Error::new(ErrorCode::LimitExceeded, message)));
        }
        wanted.extend(file.file_descriptor_proto().dependency.iter().cloned());
        files.insert(name, file);
    }
    Ok((files, bytes))
}

/// How deep the blocks of a valid file nest, strings and comments aside.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'"' | b'\'', _) => {
                while let Some(next) = bytes.next().filter(|next| *next != byte) {
                    if next == b'\\' {
                        bytes.next();
                    }
                }
            }
            (b'#', _) | (b'/', Some(b'/')) => {
                bytes.find(|byte| *byte == b'\n');
            }
            (b'/', Some(b'*')) => {
                bytes.next();
                while bytes
                    .next()
                    .is_some_and(|byte| byte != b'*' || bytes.peek() != Some(&b'/'))
                {}
                bytes.next();
            }
            (b'{' | b'<', _) => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (b'}' | b'>', _) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// An imported file. Its name starts at a folder that the `.proto` file does not tell: its own or one above, of
/// which only as many can be meant as the name has folders.
async fn import(loader: &Loader, place: &Place, name: &str, context: &FunctionContext) -> Result<String> {
    let folders = name.matches('/').count();
    for levels in 0..=folders {
        let Some(candidate) = place.beside(levels, name) else {
            break;
        };
        match loader.load(&candidate, context).await {
            Err(error) if error.code() == ErrorCode::NotFound => {}
            // Above the folders that may be read there is nothing to find.
            Err(error) if error.code() == ErrorCode::PermissionDenied && levels > 0 => break,
            other => return other,
        }
    }
    let shown: String = name.chars().take(200).collect();
    let message =
        format!("the import '{shown}' is neither beside the .proto file nor in the folders above it");
    Err(place.located(Error::not_found(message)))
}

fn compile(sources: HashMap<String, File>) -> Result<Schema> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Sources(sources));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler
        .include_imports(true)
        .open_file(ROOT)
        .map_err(|error| malformed(&error))?;
    Ok(Schema {
        pool: compiler.descriptor_pool(),
    })
}

/// The files that were read.
struct Sources(HashMap<String, File>);

impl FileResolver for Sources {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        self.0
            .get(name)
            .cloned()
            .ok_or_else(|| protox::Error::file_not_found(name))
    }
}

fn malformed(error: &protox::Error) -> Error {
    let detail: String = error.to_string().chars().take(300).collect();
    Error::new(
        ErrorCode::InvalidData,
        format!("the .proto file cannot be used: {detail}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blocks_count_as_levels() {
        for (text, levels) in [
            ("", 0),
            ("message A { map<string, int32> b = 1; message C {} }", 2),
            ("a { b < c { } > } d { }", 3),
            ("a { // }\n b { /* } * } **/ c { # }\n d { } } } }", 4),
            ("a /* *//**/ { /**/// b {", 1),
            (r#"a { b: "}\"}" c { d: '}"\'' e { } } }"#, 3),
            (r#"a { b: "{\\" } "#, 1),
        ] {
            assert_eq!(nesting(text), levels, "{text}");
        }
    }
}
