//! Counts the text that the filters and macros of one template handle, and refuses what is over the limit.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use atom_core::ErrorCode;
use minijinja::value::{Kwargs, Rest, Value, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, escape_formatter, filters};

/// What is left of the bytes that one rendering may handle.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<AtomicUsize>);

/// Filters that can make values nest ever deeper, or grow from nothing but a number.
const REMOVED: [&str; 11] = [
    "batch", "chain", "e", "escape", "format", "groupby", "indent", "pprint", "safe", "slice", "zip",
];

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Takes some bytes.
    ///
    /// # Errors
    /// When there are not as many left; there are none left from then on.
    pub(super) fn charge(&self, bytes: usize) -> Result<(), Error> {
        let left = self.0.load(Ordering::Relaxed).saturating_sub(bytes);
        self.0.store(left, Ordering::Relaxed);
        if left > 0 {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::InvalidOperation,
            "the template handles too much text",
        ))
    }

    /// The error for a template that has used everything up.
    pub(super) fn exhausted(&self) -> Option<atom_core::Error> {
        (self.0.load(Ordering::Relaxed) == 0).then(|| {
            atom_core::Error::new(
                ErrorCode::LimitExceeded,
                "the template handles more than 32 MiB of text; render fewer items",
            )
        })
    }

    /// Takes as many bytes as the value has as text, without making that text.
    fn charge_value(&self, value: &Value) -> Result<(), Error> {
        match value.as_str() {
            Some(text) => self.charge(text.len()),
            None => write!(Count(self), "{value}").map_err(|_| self.refusal()),
        }
    }

    fn refusal(&self) -> Error {
        self.charge(usize::MAX)
            .err()
            .unwrap_or_else(|| ErrorKind::InvalidOperation.into())
    }

    /// Sees to it that whatever can make a value larger than those it is made of is counted.
    pub(super) fn count(&self, environment: &mut Environment<'_>) {
        for name in REMOVED {
            environment.remove_filter(name);
        }
        let counted = [
            ("capitalize", Value::from_function(filters::capitalize)),
            ("dictsort", Value::from_function(filters::dictsort)),
            ("items", Value::from_function(filters::items)),
            ("lines", Value::from_function(filters::lines)),
            ("list", Value::from_function(filters::list)),
            ("lower", Value::from_function(filters::lower)),
            ("map", Value::from_function(filters::map)),
            ("max", Value::from_function(filters::max)),
            ("min", Value::from_function(filters::min)),
            ("reject", Value::from_function(filters::reject)),
            ("rejectattr", Value::from_function(filters::rejectattr)),
            ("reverse", Value::from_function(filters::reverse)),
            ("select", Value::from_function(filters::select)),
            ("selectattr", Value::from_function(filters::selectattr)),
            ("sort", Value::from_function(filters::sort)),
            ("split", Value::from_function(filters::split)),
            ("title", Value::from_function(filters::title)),
            ("trim", Value::from_function(filters::trim)),
            ("unique", Value::from_function(filters::unique)),
            ("upper", Value::from_function(filters::upper)),
        ];
        for (name, filter) in counted {
            let budget = self.clone();
            environment.add_filter(
                name,
                move |state: &mut State<'_, '_>, arguments: Rest<ValueOrKwargs>| {
                    let arguments = arguments.into_values();
                    arguments
                        .iter()
                        .try_for_each(|argument| budget.charge_value(argument))?;
                    filter.call(state, &arguments)
                },
            );
        }
        let budget = self.clone();
        environment.add_filter("string", move |value: &Value| match value.as_str() {
            Some(_) => Ok(value.clone()),
            None => {
                let mut text = Text::new(&budget);
                text.push(value)?;
                Ok(Value::from(text.text))
            }
        });
        let budget = self.clone();
        environment.add_filter("join", move |value: &Value, joiner: Option<&str>| {
            let mut text = Text::new(&budget);
            for (place, item) in value.try_iter()?.enumerate() {
                if place > 0 {
                    text.push_str(joiner.unwrap_or_default())?;
                }
                text.push(&item)?;
            }
            Ok::<_, Error>(text.text)
        });
        let budget = self.clone();
        environment.add_filter("replace", move |value: &str, from: &str, to: &str| {
            let (mut text, mut done) = (Text::new(&budget), 0);
            for (at, found) in value.match_indices(from) {
                text.push_str(&value[done..at])?;
                text.push_str(to)?;
                done = at + found.len();
            }
            text.push_str(&value[done..])?;
            Ok::<_, Error>(text.text)
        });
        let (budget, sum) = (self.clone(), Value::from_function(filters::sum));
        environment.add_filter(
            "sum",
            move |state: &mut State<'_, '_>, values: Value, attribute: Option<Value>, named: Kwargs| {
                // It would add texts and lists too if it could start from one, so it starts from 0.
                budget.charge_value(&values)?;
                let attribute = match attribute {
                    Some(attribute) => attribute,
                    None => named
                        .get::<Option<Value>>("attribute")?
                        .unwrap_or(Value::from(())),
                };
                named.assert_all_used()?;
                sum.call(state, &[values, attribute])
            },
        );
        let budget = self.clone();
        environment.set_formatter(move |output, state, value| {
            budget.charge_value(value)?;
            escape_formatter(output, state, value)
        });
    }
}

/// Counts what is written to it.
struct Count<'a>(&'a Budget);

impl Write for Count<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.charge(text.len()).map_err(|_| fmt::Error)
    }
}

/// A text that is counted before it grows.
struct Text<'a> {
    text: String,
    budget: &'a Budget,
}

impl<'a> Text<'a> {
    fn new(budget: &'a Budget) -> Self {
        Self {
            text: String::new(),
            budget,
        }
    }

    fn push_str(&mut self, text: &str) -> Result<(), Error> {
        self.budget.charge(text.len())?;
        self.text.push_str(text);
        Ok(())
    }

    fn push(&mut self, value: &Value) -> Result<(), Error> {
        match value.as_str() {
            Some(text) => self.push_str(text),
            None => write!(self, "{value}").map_err(|_| self.budget.refusal()),
        }
    }
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text).map_err(|_| fmt::Error)
    }
}
