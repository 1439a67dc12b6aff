//! Compiled expressions.

use std::fmt;
use std::sync::Arc;

use atom_core::{Error, ErrorCode};
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use jaq_json::Val;
use serde_json::Value;

use super::Variables;

/// A compiled jq program.
#[derive(Clone)]
pub struct Expression {
    inner: Arc<Inner>,
}

struct Inner {
    source: String,
    filter: jaq_core::Filter<data::JustLut<Val>>,
    names: Vec<String>,
}

impl Expression {
    /// Compiles a jq program (without `${ }`).
    ///
    /// # Errors
    /// `invalid_expression` when the program is malformed.
    pub fn compile(source: &str) -> Result<Self, Error> {
        let names: Vec<String> = source
            .split('$')
            .skip(1)
            .map(|rest| {
                rest.chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect::<String>()
            })
            .filter(|name| !name.is_empty() && name != "__loc__")
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        let globals: Vec<String> = names.iter().map(|name| format!("${name}")).collect();
        let arena = Arena::default();
        let modules = Loader::new(jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()))
            .load(
                &arena,
                File {
                    code: source,
                    path: (),
                },
            )
            .map_err(|_| invalid(source))?;
        let filter = Compiler::default()
            .with_funs(
                jaq_core::funs()
                    .chain(jaq_std::base_funs())
                    .chain(jaq_json::funs()),
            )
            .with_global_vars(globals.iter().map(String::as_str))
            .compile(modules)
            .map_err(|_| invalid(source))?;
        Ok(Self {
            inner: Arc::new(Inner {
                source: source.to_owned(),
                filter,
                names,
            }),
        })
    }

    /// The text this was compiled from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// The first output for `input`, or null when there is none.
    ///
    /// # Errors
    /// `invalid_expression` when the program fails.
    pub fn evaluate(&self, input: &Value, variables: &Variables) -> Result<Value, Error> {
        let read = |value: &Value| {
            jaq_json::read::parse_single(value.to_string().as_bytes())
                .map_err(|error| Error::internal(error.to_string()))
        };
        let mut values = Vec::new();
        for name in &self.inner.names {
            values.push(variables.get(name).map_or(Ok(Val::Null), |value| read(value))?);
        }
        let context = Ctx::<data::JustLut<Val>>::new(&self.inner.filter.lut, Vars::new(values));
        match self
            .inner
            .filter
            .id
            .run((context, read(input)?))
            .map(unwrap_valr)
            .next()
        {
            None => Ok(Value::Null),
            Some(Ok(value)) => serde_json::from_str(&value.to_string()).map_err(|_| invalid(self.source())),
            Some(Err(error)) => Err(Error::new(ErrorCode::InvalidExpression, error.to_string())),
        }
    }
}

fn invalid(source: &str) -> Error {
    Error::new(
        ErrorCode::InvalidExpression,
        format!("invalid expression `{source}`"),
    )
}

impl fmt::Debug for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Expression").field(&self.source()).finish()
    }
}
