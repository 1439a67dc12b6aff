//! Secrets that a program reads: by a name that stands in it, or by one that it computes.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::Term;
use jaq_core::native::{Fun, bome, v};
use jaq_core::path::{Opt, Part};
use jaq_core::{Native, ValR, ValT as _};

use super::natives::Language;
use super::operators::Failure;
use super::value::Val;

/// The variable.
pub(super) const SECRETS: &str = "$secrets";

/// The function that gives the secret of a computed name. Its own name cannot be written in a program.
const SECRET: &str = "!secret";

/// See [`SECRET`].
pub(super) fn secret() -> Fun<Language> {
    let native = Native::<Language>::new(|mut cv| {
        let (name, secrets) = (cv.0.pop_var(), cv.0.pop_var());
        bome(get(secrets, &name))
    });
    (SECRET, v(2), native)
}

fn get(secrets: Val, name: &Val) -> ValR<Val> {
    match secrets.index(name)? {
        Val::Null => Err(Failure::str("there is no secret of the computed name here")),
        secret => Ok(secret),
    }
}

/// The name in `$secrets.name` and `$secrets["name"]`.
pub(super) fn named<'s>(term: &Term<&'s str>) -> Option<&'s str> {
    let Term::Path(head, path) = term else { return None };
    match (&**head, path.0.first()?) {
        (Term::Var(SECRETS), (Part::Index(Term::Str(None, name)), _)) => match name.as_slice() {
            [StrPart::Str(name)] => Some(name),
            _ => None,
        },
        _ => None,
    }
}

/// Makes a program fail where it reads a secret by a computed name, as in `$secrets[.name]`, and there is none: it would go
/// on with null in its place. `$secrets[.name]?` asks for null.
pub(super) fn check_computed(term: &mut Term<&str>) {
    let Term::Path(head, path) = term else { return };
    if let (Term::Var(SECRETS), Some((Part::Index(_), Opt::Essential))) = (&**head, path.0.first())
        && let (Part::Index(name), _) = path.0.remove(0)
    {
        let secrets = std::mem::take(&mut **head);
        **head = Term::Call(SECRET, vec![secrets, name]);
    }
}
