//! The `emit` and `listen` tasks.

use atom_core::Result;
use regex::RegexBuilder;

use super::cursor::{Cursor, Object};
use super::data::{expressions, optional};
use super::{Reader, formats};
use crate::definition::data_schema::PATTERN_SIZE;
use crate::definition::types::{
    AttributeFilter, Correlation, EventFilter, EventStrategy, Listen, ReadAs, SubscriptionIterator, TaskKind,
    Until,
};
use crate::expression::is_expression;

impl<'t> Reader<'t> {
    pub(super) fn emit(&mut self, task: &Object<'t>) -> Result<TaskKind> {
        let emit = task.require("emit")?.object(&["event"])?;
        let with = emit.require("event")?.object(&["with"])?.require("with")?;
        attributes(&with)?.require("type")?;
        self.template(&with).map(TaskKind::Emit)
    }

    pub(super) fn listen(&mut self, task: &Object<'t>, depth: usize) -> Result<TaskKind> {
        let listen = task.require("listen")?.object(&["to", "read"])?;
        let before = self.unsupported.len();
        let to = self.strategy(&listen.require("to")?, true)?;
        let read = listen
            .get("read")
            .map(|read| read_as(&read))
            .transpose()?
            .unwrap_or_default();
        let foreach = task
            .get("foreach")
            .map(|foreach| self.iterator(&foreach, depth))
            .transpose()?;
        let is_supported = self.unsupported.len() == before;
        Ok(if is_supported {
            TaskKind::Listen(Listen { to, read, foreach })
        } else {
            TaskKind::Unsupported
        })
    }

    /// What is done with each event or message as it comes.
    pub(super) fn iterator(&mut self, cursor: &Cursor<'t>, depth: usize) -> Result<SubscriptionIterator> {
        let iterator = cursor.object(&["item", "at", "do", "output", "export"])?;
        let (item, at) = self.two_variables(&iterator, "item", "at")?;
        let output = iterator.get("output").map(|output| self.output(&output));
        let export = iterator.get("export").map(|export| self.output(&export));
        Ok(SubscriptionIterator {
            item,
            at,
            output: output.transpose()?.unwrap_or_default(),
            export: export.transpose()?,
            tasks: iterator
                .get("do")
                .map(|tasks| self.task_list(&tasks, depth))
                .transpose()?
                .unwrap_or_default(),
        })
    }

    /// Which events are waited for.
    pub(super) fn strategy(&mut self, cursor: &Cursor<'t>, may_end: bool) -> Result<EventStrategy> {
        let strategy = cursor.object(&["all", "any", "one", "until"])?;
        let (kind, content) = strategy.one_of(&["all", "any", "one"])?;
        let until = strategy.get("until");
        if let Some(until) = until.as_ref().filter(|_| kind != "any" || !may_end) {
            return Err(until.error(if may_end {
                "'until' belongs to 'any'"
            } else {
                "the events of an 'until' cannot have an 'until' of their own"
            }));
        }
        Ok(match kind {
            "one" => EventStrategy::One(self.filter(&content)?),
            "all" => EventStrategy::All(self.filters(&content)?),
            _ => EventStrategy::Any {
                filters: self.filters(&content)?,
                until: until.map(|until| self.until(&until)).transpose()?,
            },
        })
    }

    fn until(&mut self, cursor: &Cursor<'t>) -> Result<Until> {
        if cursor.as_text().is_some() {
            return self.expression(cursor).map(Until::Condition);
        }
        if !cursor.is_object() {
            return Err(cursor.unexpected("a condition as text, or an object with 'all', 'any' or 'one'"));
        }
        Ok(Until::Consumed(Box::new(self.strategy(cursor, false)?)))
    }

    fn filters(&mut self, cursor: &Cursor<'t>) -> Result<Vec<EventFilter>> {
        cursor.items()?.iter().map(|filter| self.filter(filter)).collect()
    }

    fn filter(&mut self, cursor: &Cursor<'t>) -> Result<EventFilter> {
        let filter = cursor.object(&["with", "correlate"])?;
        let with = attributes(&filter.require("with")?)?.filled()?;
        let attributes = with
            .members()
            .map(|(name, value)| Ok((name.to_owned(), self.attribute(&value)?)))
            .collect::<Result<_>>()?;
        let mut correlations = Vec::new();
        if let Some(correlate) = filter.get("correlate") {
            for (name, correlation) in correlate.any_object()?.members() {
                let correlation = correlation.object(&["from", "expect"])?;
                let from = self.expression(&correlation.require("from")?)?;
                let expect = correlation.get("expect").map(|expect| {
                    expect.text()?;
                    self.template(&expect)
                });
                let expect = expect.transpose()?;
                correlations.push((name.to_owned(), Correlation { from, expect }));
            }
        }
        Ok(EventFilter {
            attributes,
            correlations,
        })
    }

    fn attribute(&mut self, cursor: &Cursor<'t>) -> Result<AttributeFilter> {
        let Some(text) = cursor.as_text() else {
            return self.structure(cursor);
        };
        if is_expression(text) {
            return self.expression(cursor).map(AttributeFilter::Expression);
        }
        self.count_patterns(cursor, 1)?;
        let pattern = RegexBuilder::new(&format!("^(?:{text})$"))
            .size_limit(PATTERN_SIZE)
            .build();
        let pattern = match pattern {
            Ok(pattern) => Some(pattern),
            Err(regex::Error::CompiledTooBig(_)) => {
                return Err(cursor.error(format!(
                    "as a regular expression this takes more than {PATTERN_SIZE} bytes; shorten its repetitions"
                )));
            }
            Err(_) => None,
        };
        Ok(AttributeFilter::Text {
            text: text.to_owned(),
            pattern,
        })
    }

    /// What a value that is no text must be, or a value inside it.
    fn structure(&mut self, cursor: &Cursor<'t>) -> Result<AttributeFilter> {
        let value = cursor.json();
        if expressions(&value) == 0 {
            return Ok(AttributeFilter::Value(value));
        }
        if cursor.as_text().is_some() {
            return self.expression(cursor).map(AttributeFilter::Expression);
        }
        if value.is_array() {
            let items = cursor.items()?;
            let items = items
                .iter()
                .map(|item| self.structure(item))
                .collect::<Result<_>>();
            return items.map(AttributeFilter::List);
        }
        let members = cursor.any_object()?;
        let members = members
            .members()
            .map(|(name, member)| Ok((name.to_owned(), self.structure(&member)?)));
        members.collect::<Result<_>>().map(AttributeFilter::Object)
    }
}

/// The attributes of an event, each in its format; others than the standard's may be there.
fn attributes<'t>(cursor: &Cursor<'t>) -> Result<Object<'t>> {
    let event = cursor.any_object()?;
    for key in ["id", "type", "subject", "datacontenttype"] {
        optional(event.get(key), |text| text.text().map(drop))?;
    }
    for key in ["source", "dataschema"] {
        optional(event.get(key), formats::uri_or_expression)?;
    }
    optional(event.get("time"), formats::time_or_expression)?;
    Ok(event)
}

/// What of an event is passed on.
pub(super) fn read_as(cursor: &Cursor<'_>) -> Result<ReadAs> {
    Ok(match cursor.choice(&["data", "envelope", "raw"])? {
        "envelope" => ReadAs::Envelope,
        "raw" => ReadAs::Raw,
        _ => ReadAs::Data,
    })
}
