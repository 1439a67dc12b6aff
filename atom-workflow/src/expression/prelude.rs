//! The functions that programs may call, and what to use in place of those that jq has and programs may not.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use atom_core::Error;
use jaq_core::load::parse::Def;

use super::analysis::Analysis;
use super::natives;

/// The name of a function and how many arguments it takes.
pub(super) type Signature<'s> = (&'s str, usize);

/// A function written in jq, with the functions it calls.
struct Definition {
    def: Def<&'static str>,
    calls: BTreeSet<Signature<'static>>,
}

/// Everything a program may call.
pub(super) struct Prelude {
    /// In their order: a definition sees itself and those before it.
    definitions: Vec<Definition>,
    natives: BTreeSet<Signature<'static>>,
}

impl Prelude {
    /// The one prelude of the process.
    ///
    /// # Errors
    /// `internal` when it cannot be read, which the tests rule out.
    pub(super) fn get() -> Result<&'static Self, Error> {
        static PRELUDE: OnceLock<Result<Prelude, Error>> = OnceLock::new();
        PRELUDE.get_or_init(Self::read).as_ref().map_err(Error::clone)
    }

    fn read() -> Result<Self, Error> {
        let own = jaq_core::load::parse(include_str!("prelude.jq"), |parser| parser.defs())
            .ok_or_else(|| Error::internal("the prelude of expressions is malformed"))?;
        let signature = |def: &Def<&'static str>| (def.name, def.args.len());
        let mut own: Vec<Option<Def<&'static str>>> = own.into_iter().map(Some).collect();
        let mut defs = Vec::new();
        for theirs in jaq_core::defs().chain(jaq_std::defs()) {
            let same = |own: &&mut Option<Def<&'static str>>| {
                own.as_ref().map(signature) == Some(signature(&theirs))
            };
            // In the place of the one it replaces, where later definitions see it.
            let replacement = own.iter_mut().find(same).and_then(Option::take);
            if replacement.is_some() || !NOT_AVAILABLE.iter().any(|(name, _)| *name == theirs.name) {
                defs.push(replacement.unwrap_or(theirs));
            }
        }
        defs.extend(own.into_iter().flatten());
        let definitions = defs
            .into_iter()
            .filter(|def| !REPLACED_BY_NATIVES.contains(&def.name))
            .map(|mut def| Definition {
                calls: Analysis::of_definition(&mut def).calls,
                def,
            })
            .collect();
        let natives = natives::functions()
            .map(|(name, args, _)| (name, args.len()))
            .collect();
        Ok(Self { definitions, natives })
    }

    /// Whether a program may call `signature`.
    pub(super) fn has(&self, signature: Signature<'_>) -> bool {
        let is_defined =
            |definition: &Definition| (definition.def.name, definition.def.args.len()) == signature;
        self.natives.contains(&signature) || self.definitions.iter().any(is_defined)
    }

    /// The definitions and the names of the native functions that a program with these `calls` needs. Leaving
    /// out the others makes compiled programs small.
    pub(super) fn needed<'s>(
        &self,
        calls: &BTreeSet<Signature<'s>>,
    ) -> (Vec<Def<&'static str>>, BTreeSet<Signature<'s>>) {
        let mut needed = calls.clone();
        let mut defs = Vec::new();
        // Backwards, because a definition calls only those before it.
        for definition in self.definitions.iter().rev() {
            if needed.contains(&(definition.def.name, definition.def.args.len())) {
                needed.extend(definition.calls.iter().copied());
                defs.push(definition.def.clone());
            }
        }
        defs.reverse();
        (defs, needed)
    }
}

/// Definitions of the crates that natives of ours replace.
const REPLACED_BY_NATIVES: [&str; 3] = ["nan", "infinite", "delpaths"];

const TIME: &str = "use $workflow.startedAt or $task.startedAt";
const UTC: &str = "use its UTC counterpart gmtime or strftime";
const INPUT: &str = "the input of an expression is `.`";
const ENVIRONMENT: &str = "pass the value as input or as a secret";
const LOG: &str = "expressions have no side effects";
const RAISE: &str = "use error(message) or a raise task";

/// What jq has and programs may not call, because a replay would not give the same result or because it is
/// an effect; with what to do about it.
pub(super) const NOT_AVAILABLE: [(&str, &str); 17] = [
    ("now", TIME),
    ("localtime", UTC),
    ("strflocaltime", UTC),
    ("input", INPUT),
    ("inputs", INPUT),
    ("input_filename", INPUT),
    ("input_line_number", INPUT),
    ("env", ENVIRONMENT),
    ("$ENV", ENVIRONMENT),
    ("debug", LOG),
    ("stderr", LOG),
    ("halt", RAISE),
    ("halt_error", RAISE),
    ("get_search_list", "modules cannot be loaded"),
    ("jn", "compute it in a function"),
    ("yn", "compute it in a function"),
    ("$__prog_args", "use $input or $workflow.input"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_calls_only_what_is_there() {
        let prelude = Prelude::get().unwrap();
        for definition in &prelude.definitions {
            for call in &definition.calls {
                assert!(prelude.has(*call), "{} calls {call:?}", definition.def.name);
            }
        }
    }

    #[test]
    fn what_is_not_available_cannot_be_called() {
        let prelude = Prelude::get().unwrap();
        for (name, _) in NOT_AVAILABLE {
            for arity in 0..4 {
                assert!(!prelude.has((name, arity)), "{name}/{arity}");
            }
        }
    }
}
