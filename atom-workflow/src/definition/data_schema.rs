//! What data must look like: JSON Schema.

use std::sync::Arc;

use atom_core::{Error, Result, schema};
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use super::reader::beginning;

/// How often the matching of one pattern of a schema may go back before it counts as not matching.
const BACKTRACK_LIMIT: usize = 10_000;
/// How large one compiled pattern may be, in bytes.
pub(super) const PATTERN_SIZE: usize = 256 * 1024;
/// Compiling a schema recurses as deep as it nests, and checking with it as deep as the data nests, each time by as many
/// schemas as may lead to one another. Memory is taken only for what of it is used.
const STACK: usize = 32 * 1024 * 1024;

/// What data must look like.
#[derive(Clone)]
pub struct DataSchema {
    validator: Arc<Validator>,
}

impl DataSchema {
    /// Compiles a JSON Schema; of which version, it says itself unless `draft` does.
    ///
    /// # Errors
    /// `invalid_request` when it is none, `limit_exceeded` when it is beyond the bounds of [`schema`]; the context `path`
    /// says where.
    pub(super) fn compile(document: &Value, draft: Option<Draft>) -> Result<Self> {
        schema::check(document)?;
        let options = jsonschema::options();
        let options = match draft {
            None => options,
            Some(draft) => options.with_draft(draft),
        };
        let options = options
            .with_pattern_options(
                PatternOptions::fancy_regex()
                    .backtrack_limit(BACKTRACK_LIMIT)
                    .size_limit(PATTERN_SIZE),
            )
            .offline();
        let validator = stacker::maybe_grow(STACK, STACK, || options.build(document)).map_err(|error| {
            let detail = beginning(&error.to_string(), 240);
            Error::invalid_request(format!("not a JSON Schema: {detail}"))
                .with_context("path", error.instance_path())
        })?;
        Ok(Self {
            validator: Arc::new(validator),
        })
    }

    /// Checks a value.
    ///
    /// # Errors
    /// `invalid_request` naming the first places that do not fit, without their values.
    pub fn check(&self, value: &Value) -> Result<()> {
        let problems = stacker::maybe_grow(STACK, STACK, || self.problems(value));
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Error::invalid_request(problems.join("; ")))
        }
    }

    fn problems(&self, value: &Value) -> Vec<String> {
        let problems = self.validator.iter_errors(value).take(3);
        let problems = problems.map(|problem| {
            let place = problem.instance_path().to_string();
            // Masked: the value may be confidential and the message is stored with the run.
            let problem = problem.masked();
            if place.is_empty() {
                problem.to_string()
            } else {
                format!("{place}: {problem}")
            }
        });
        problems.collect()
    }
}

impl std::fmt::Debug for DataSchema {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DataSchema").finish_non_exhaustive()
    }
}
