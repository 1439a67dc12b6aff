//! Compiled expressions.

use std::fmt;
use std::sync::Arc;

use atom_core::{Error, ErrorCode};
use jaq_core::load::lex::{Lexer, StrPart, Tok, Token};
use jaq_core::load::parse::{Def, Parser};
use jaq_core::load::{Arena, File, Loader, span};
use jaq_core::{Compiler, Ctx, Filter, Vars};
use serde_json::Value;

use super::Variables;
use super::analysis::Analysis;
use super::limits::{Limits, exceeded, metered};
use super::natives::{self, Language, Program};
use super::path::Path;
use super::prelude::{NOT_AVAILABLE, Prelude};
use super::regex::Patterns;
use super::value::Val;

/// The greatest number of brackets that open in a program. It bounds how deep they nest, whatever stands
/// between them, before anything recursive looks at the program.
const BRACKETS: usize = 1_024;

/// The name under which a program is compiled.
const MAIN: &str = "expression__main";

/// A compiled jq program. A clone shares it.
#[derive(Clone)]
pub struct Expression {
    inner: Arc<Inner>,
}

struct Inner {
    source: String,
    limits: Limits,
    /// The variables the program uses, without `$`.
    variables: Vec<String>,
    /// The secrets that the program reads by a name that stands in it.
    secrets: Vec<String>,
    code: Code,
}

/// What compiling gives.
struct Compiled {
    code: Code,
    variables: Vec<String>,
    secrets: Vec<String>,
}

enum Code {
    Path(Path),
    Filter(Filter<Language>),
}

impl Expression {
    /// Compiles a jq program (without `${ }`) to run within the default [`Limits`].
    ///
    /// # Errors
    /// `invalid_expression`, whose context holds the `line` and the `column` (from 1) inside the program;
    /// `limit_exceeded` when the program is too large.
    pub fn compile(source: &str) -> Result<Self, Error> {
        Self::compile_within(source, Limits::default())
    }

    /// As [`Expression::compile`], with other limits.
    ///
    /// # Errors
    /// As [`Expression::compile`].
    pub fn compile_within(source: &str, limits: Limits) -> Result<Self, Error> {
        Self::compile_with(source, limits, true)
    }

    pub(super) fn compile_with(source: &str, limits: Limits, has_shortcut: bool) -> Result<Self, Error> {
        let limits = limits.within_stack();
        if source.len() > limits.source_bytes {
            let message = format!(
                "the program has more than {} bytes; split it up",
                limits.source_bytes
            );
            return Err(exceeded("source_bytes", message));
        }
        if source.bytes().filter(|byte| b"([{".contains(byte)).count() > BRACKETS {
            return Err(exceeded(
                "brackets",
                format!("the program opens more than {BRACKETS} brackets; split it up"),
            ));
        }
        // Only the stack of the meter is needed: compiling is bounded by the size of the program.
        let compiled = metered(&limits, || compile(source, &limits, has_shortcut))?;
        Ok(Self {
            inner: Arc::new(Inner {
                source: source.to_owned(),
                limits,
                variables: compiled.variables,
                secrets: compiled.secrets,
                code: compiled.code,
            }),
        })
    }

    /// The text this was compiled from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// The variables that the program uses and does not define, without `$`.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.inner.variables.iter().map(String::as_str)
    }

    /// The secrets that the program reads by a name that stands in it, as in `$secrets.name`.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.inner.secrets.iter().map(String::as_str)
    }

    /// The first output of the program for `input`, or null when it has none.
    ///
    /// The result depends on the arguments alone. Values of variables that the program does not use are not
    /// looked at.
    ///
    /// # Errors
    /// `invalid_expression` when the program fails, uses a variable that is not there, or yields NaN or an
    /// infinity; `permission_denied` when it names a secret that `$secrets` does not have; `limit_exceeded`, whose context names the `limit`, when it passes one of its [`Limits`].
    pub fn evaluate(&self, input: &Value, variables: &Variables) -> Result<Value, Error> {
        for name in &self.inner.variables {
            if variables.get(name).is_none() {
                return Err(self.failed(&format!(
                    "${name} is not defined here; defined are {}",
                    variables
                        .names()
                        .map(|name| format!("${name}"))
                        .collect::<Vec<_>>()
                        .join(", ")
                )));
            }
        }
        if let Some(missing) = self.secrets().find(|name| !has_secret(variables, name)) {
            return Err(no_secret(missing));
        }
        match &self.inner.code {
            Code::Path(path) => path
                .evaluate(input, variables)
                .map_err(|message| self.failed(&message)),
            Code::Filter(filter) => metered(&self.inner.limits, || self.run(filter, input, variables))
                .map_err(|error| error.with_context("expression", excerpt(self.source()))),
        }
    }

    fn run(&self, filter: &Filter<Language>, input: &Value, variables: &Variables) -> Result<Value, Error> {
        let value = |name: &String| {
            variables
                .get(name)
                .map_or(Val::Null, |value| Val::from_json(value))
        };
        let variables = Vars::new(self.inner.variables.iter().map(value));
        let patterns = Patterns::default();
        let program = Program {
            lut: &filter.lut,
            patterns: &patterns,
        };
        let context = Ctx::<Language>::new(program, variables);
        match filter.id.run((context, Val::from_json(input))).next() {
            None => Ok(Value::Null),
            Some(Ok(value)) => value.to_json().ok_or_else(|| {
                self.failed(
                    "the result holds NaN or an infinity, which JSON has not; replace it, e.g. by null",
                )
            }),
            Some(Err(exception)) => Err(self.failed(&natives::message(exception))),
        }
    }

    fn failed(&self, message: &str) -> Error {
        let message = format!("`{}` failed: {message}", excerpt(self.source()));
        Error::new(ErrorCode::InvalidExpression, message)
    }
}

/// Shows the source, whose variables stand in it by name only.
impl fmt::Debug for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Expression").field(&self.source()).finish()
    }
}

fn has_secret(variables: &Variables, name: &str) -> bool {
    let secrets = variables.get("secrets");
    secrets.is_some_and(|secrets| secrets.get(name).is_some())
}

/// The error for a secret that is asked for and not there.
pub(crate) fn no_secret(name: &str) -> Error {
    let message = format!(
        "there is no secret '{name}' here: set it with secrets.set, list it in 'use.secrets', and pass a function from \
         elsewhere what it needs"
    );
    Error::new(ErrorCode::PermissionDenied, message)
}

fn compile(source: &str, limits: &Limits, has_shortcut: bool) -> Result<Compiled, Error> {
    let tokens = Lexer::new(source).lex().map_err(|errors| match errors.first() {
        Some((expected, found)) => malformed(source, found, &format!("expected {}", expected.as_str())),
        None => malformed(source, source, "it cannot be read"),
    })?;
    if count(&tokens) > limits.tokens {
        let message = format!("the program has more than {} tokens; split it up", limits.tokens);
        return Err(exceeded("tokens", message));
    }
    let mut term = Parser::new(&tokens)
        .parse(|parser| parser.term())
        .map_err(|errors| match errors.first() {
            Some((expected, found)) => {
                let found = Token::opt_as_str(*found, source);
                malformed(source, found, &format!("expected {}", expected.as_str()))
            }
            None => malformed(source, source, "it cannot be read"),
        })?;

    let arena = Arena::default();
    let analysis = Analysis::of_program(&mut term, source, &arena);
    let not_available = |name: &str| NOT_AVAILABLE.iter().find(|(other, _)| *other == name);
    let prelude = Prelude::get()?;
    for (name, arity) in analysis.call_sites {
        if !prelude.has((name, arity)) {
            let problem = match not_available(name) {
                Some((_, instead)) => format!("`{name}` is not available: {instead}"),
                None => format!("there is no function `{name}` of {arity} arguments"),
            };
            return Err(malformed(source, name, &problem));
        }
    }
    for name in &analysis.variables {
        if let Some((_, instead)) = not_available(name) {
            return Err(malformed(
                source,
                name,
                &format!("`{name}` is not available: {instead}"),
            ));
        }
    }
    let variables = analysis
        .variables
        .iter()
        .map(|name| name.trim_start_matches('$').to_owned())
        .collect();
    let secrets = analysis.secrets.iter().map(|name| (*name).to_owned()).collect();
    let compiled = |code| Compiled {
        code,
        variables,
        secrets,
    };
    if let Some(path) = Path::of(&term).filter(|_| has_shortcut) {
        return Ok(compiled(Code::Path(path)));
    }

    let (mut defs, needed): (Vec<Def<&str>>, _) = prelude.needed(&analysis.calls);
    defs.push(Def {
        name: MAIN,
        args: Vec::new(),
        body: term,
    });
    let modules = Loader::new(defs)
        .load(&arena, File { code: MAIN, path: () })
        .map_err(|_| malformed(source, source, "it cannot be loaded"))?;
    let filter = Compiler::default()
        .with_funs(natives::functions().filter(|(name, args, _)| needed.contains(&(*name, args.len()))))
        .with_global_vars(analysis.variables)
        .compile(modules)
        .map_err(
            |errors| match errors.first().and_then(|(_, errors)| errors.first()) {
                Some((name, undefined)) => malformed(
                    source,
                    name,
                    &format!("{} `{name}` is not defined", undefined.as_str()),
                ),
                None => malformed(source, source, "it cannot be compiled"),
            },
        )?;
    Ok(compiled(Code::Filter(filter)))
}

fn count(tokens: &[Token<&str>]) -> usize {
    let one = |token: &Token<&str>| match &token.1 {
        Tok::Block(tokens) => 1 + count(tokens),
        Tok::Str(parts) => parts.iter().fold(1, |sum, part| match part {
            StrPart::Term(Token(_, Tok::Block(tokens))) => sum + 1 + count(tokens),
            _ => sum + 1,
        }),
        Tok::Word | Tok::Var | Tok::Fmt | Tok::Num | Tok::Sym => 1,
    };
    tokens.iter().map(one).sum()
}

/// The error for a `problem` at `part` of `source`.
fn malformed(source: &str, part: &str, problem: &str) -> Error {
    let range = source.as_bytes().as_ptr_range();
    // Text of the prelude is no part of the program; then the whole program is to blame.
    let is_inside = range.contains(&part.as_ptr()) || part.as_ptr() == range.end;
    let (offset, part) = if is_inside {
        (span(source, part).start, part)
    } else {
        (0, source)
    };
    let before = &source[..offset];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let found = if part.is_empty() {
        "the end".to_owned()
    } else {
        format!("`{}`", excerpt(part))
    };
    let message = format!(
        "`{}` is not a valid expression: {problem} at {found} (line {line}, column {column})",
        excerpt(source)
    );
    Error::new(ErrorCode::InvalidExpression, message)
        .with_context("line", line)
        .with_context("column", column)
}

/// The beginning of `text` on one line.
fn excerpt(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
