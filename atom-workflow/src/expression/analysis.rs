//! Finds what a program refers to: the variables and functions that it does not define itself.

use std::collections::BTreeSet;

use jaq_core::load::Arena;
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::Part;

use super::prelude::Signature;
use super::secret::{self, SECRETS};
use super::structure::{CLOSURE, RECURSE};

/// What a program refers to.
#[derive(Default)]
pub(super) struct Analysis<'s> {
    /// The functions it calls and does not define.
    pub(super) calls: BTreeSet<Signature<'s>>,
    /// The variables it uses and does not bind, with their `$`, in the order of their first use.
    pub(super) variables: Vec<&'s str>,
    /// The secrets it reads by a name that stands in it.
    pub(super) secrets: BTreeSet<&'s str>,
    /// The first call of each function it does not define, to say where it stands.
    pub(super) call_sites: Vec<Signature<'s>>,
    functions: Vec<Signature<'s>>,
    bound: Vec<&'s str>,
    /// How many calls of functions that the program defines were met.
    own_calls: usize,
    is_prelude: bool,
}

impl<'s> Analysis<'s> {
    /// Analyses a definition of the prelude, where no definition is recursive through a closure.
    pub(super) fn of_definition(def: &mut Def<&'s str>) -> Self {
        let mut analysis = Self {
            is_prelude: true,
            ..Self::default()
        };
        analysis.definition(def, None);
        analysis
    }

    /// Analyses a program, replaces `$__loc__`, and makes functions pay for the closures they take.
    pub(super) fn of_program(term: &mut Term<&'s str>, source: &'s str, arena: &'s Arena) -> Self {
        let mut analysis = Self::default();
        analysis.term(term, Some((source, arena)));
        analysis
    }

    /// Analyses `term`, whose outputs are handed on as they are, and makes each of them a step when the term
    /// calls functions of the program: else the outputs of a deep recursion would pass through all its levels
    /// unmetered.
    fn handed_on(&mut self, term: &mut Term<&'s str>, place: Option<(&'s str, &'s Arena)>) {
        let before = self.own_calls;
        self.term(term, place);
        if self.own_calls > before {
            let inner = Box::new(std::mem::take(term));
            *term = Term::BinOp(inner, BinaryOp::Pipe(None), Box::new(Term::Id));
        }
    }

    fn term(&mut self, term: &mut Term<&'s str>, place: Option<(&'s str, &'s Arena)>) {
        if !self.bound.contains(&SECRETS) {
            match secret::named(term) {
                Some(name) => drop(self.secrets.insert(name)),
                None => secret::check_computed(term),
            }
        }
        match term {
            Term::Recurse => {
                self.calls.insert((RECURSE, 0));
                *term = Term::Call(RECURSE, Vec::new());
            }
            Term::Id | Term::Num(_) | Term::Arr(None) | Term::Break(_) => {}
            Term::Str(format, parts) => {
                if let Some(format) = format {
                    self.call(format, 0);
                }
                for part in parts {
                    if let StrPart::Term(term) = part {
                        self.term(term, place);
                    }
                }
            }
            Term::Arr(Some(inner)) | Term::Neg(inner) => self.term(inner, place),
            Term::Label(_, inner) => self.handed_on(inner, place),
            Term::Obj(fields) => {
                for (key, value) in fields {
                    // `{$__loc__}` keeps its key.
                    if let (Term::Var(name @ "$__loc__"), None) = (&*key, &value) {
                        *value = Some(Term::Var(name));
                        *key = Term::Str(None, vec![StrPart::Str("__loc__")]);
                    }
                    self.term(key, place);
                    if let Some(value) = value {
                        self.term(value, place);
                    }
                }
            }
            Term::BinOp(left, BinaryOp::Pipe(Some(pattern)), right) => {
                self.term(left, place);
                self.pattern_keys(pattern, place);
                let outer = self.bound.len();
                self.bind(pattern);
                self.term(right, place);
                self.bound.truncate(outer);
            }
            Term::BinOp(left, BinaryOp::Alt, right) => {
                self.handed_on(left, place);
                self.term(right, place);
            }
            Term::BinOp(left, _, right) => {
                self.term(left, place);
                self.term(right, place);
            }
            Term::Fold(_, source, pattern, arguments) => {
                self.term(source, place);
                self.pattern_keys(pattern, place);
                let outer = self.bound.len();
                for (index, argument) in arguments.iter_mut().enumerate() {
                    if index == 1 {
                        self.bind(pattern);
                    }
                    self.term(argument, place);
                }
                self.bound.truncate(outer);
            }
            Term::TryCatch(body, handler) => {
                self.handed_on(body, place);
                if let Some(handler) = handler {
                    self.term(handler, place);
                }
            }
            Term::IfThenElse(branches, otherwise) => {
                for (condition, body) in branches {
                    self.term(condition, place);
                    self.term(body, place);
                }
                if let Some(otherwise) = otherwise {
                    self.term(otherwise, place);
                }
            }
            Term::Def(definitions, body) => {
                let outer = self.functions.len();
                for definition in definitions {
                    self.definition(definition, place);
                    self.functions.push((definition.name, definition.args.len()));
                }
                self.term(body, place);
                self.functions.truncate(outer);
            }
            Term::Call(name, arguments) => {
                self.call(name, arguments.len());
                for argument in arguments {
                    self.handed_on(argument, place);
                }
            }
            Term::Var(name) => {
                if let ("$__loc__", Some((source, arena))) = (*name, place) {
                    *term = location(source, name, arena);
                } else if !self.bound.contains(name) && !self.variables.contains(name) {
                    self.variables.push(name);
                }
            }
            Term::Path(head, path) => {
                self.handed_on(head, place);
                for (part, _) in &mut path.0 {
                    match part {
                        Part::Index(index) => self.term(index, place),
                        Part::Range(from, to) => {
                            for bound in [from, to].into_iter().flatten() {
                                self.term(bound, place);
                            }
                        }
                    }
                }
            }
        }
    }

    fn definition(&mut self, def: &mut Def<&'s str>, place: Option<(&'s str, &'s Arena)>) {
        let (functions, bound) = (self.functions.len(), self.bound.len());
        self.functions.push((def.name, def.args.len()));
        for argument in &def.args {
            if argument.starts_with('$') {
                self.bound.push(argument);
            } else {
                self.functions.push((argument, 0));
            }
        }
        self.term(&mut def.body, place);
        if self.functions.len() > functions + 1 && !self.is_prelude {
            let body = std::mem::take(&mut def.body);
            let pay = Term::Call(CLOSURE, Vec::new());
            def.body = Term::BinOp(Box::new(pay), BinaryOp::Pipe(None), Box::new(body));
            self.calls.insert((CLOSURE, 0));
        }
        self.functions.truncate(functions);
        self.bound.truncate(bound);
    }

    fn call(&mut self, name: &'s str, arity: usize) {
        if self.functions.contains(&(name, arity)) {
            self.own_calls += 1;
        } else if self.calls.insert((name, arity)) {
            self.call_sites.push((name, arity));
        }
    }

    fn pattern_keys(&mut self, pattern: &mut Pattern<&'s str>, place: Option<(&'s str, &'s Arena)>) {
        match pattern {
            Pattern::Var(_) => {}
            Pattern::Arr(items) => items.iter_mut().for_each(|item| self.pattern_keys(item, place)),
            Pattern::Obj(fields) => {
                for (key, value) in fields {
                    self.term(key, place);
                    self.pattern_keys(value, place);
                }
            }
        }
    }

    fn bind(&mut self, pattern: &Pattern<&'s str>) {
        match pattern {
            Pattern::Var(name) => self.bound.push(name),
            Pattern::Arr(items) => items.iter().for_each(|item| self.bind(item)),
            Pattern::Obj(fields) => fields.iter().for_each(|(_, value)| self.bind(value)),
        }
    }
}

/// What `$__loc__` stands for: `{"file": "<top-level>", "line": 1}`.
fn location<'s>(source: &'s str, part: &'s str, arena: &'s Arena) -> Term<&'s str> {
    let line = jaq_core::load::span(source, part).start;
    let line = source[..line].matches('\n').count() + 1;
    let text = |text| Term::Str(None, vec![StrPart::Str(text)]);
    let line: &'s str = arena.alloc(line.to_string());
    Term::Obj(vec![
        (text("file"), Some(text("<top-level>"))),
        (text("line"), Some(Term::Num(line))),
    ])
}
