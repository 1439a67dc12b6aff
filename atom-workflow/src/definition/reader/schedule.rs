//! The schedule of a workflow, and `document.metadata.atom.schedule`.
//!
//! Its expressions are computed before there is a run. Nothing they can see changes then, so what is wrong with them is
//! found here.

use std::time::Duration;

use atom_core::Result;
use atom_core::storage::MissedRuns;
use serde_json::{Value, json};

use super::cursor::{Cursor, Object, shortened};
use super::{Reader, events};
use crate::definition::types::{DurationSpec, EventFilter, EventStrategy, EventTrigger, Trigger, Until};
use crate::definition::{CalendarDuration, Cron};
use crate::expression::{Expression, Variables, runtime_descriptor};

/// What starts runs.
const TRIGGERS: [&str; 4] = ["every", "cron", "after", "on"];

/// The shortest time between runs, in milliseconds: each of them takes a few commits.
const SHORTEST_INTERVAL: u64 = 100;

impl<'t> Reader<'t> {
    /// The schedule of a document; nothing when the engine does not carry it out.
    pub(super) fn schedule(&mut self, root: &Object<'t>) -> Result<Vec<Trigger>> {
        let settings = settings(root)?;
        let Some(cursor) = root.get("schedule") else {
            return match settings {
                None => Ok(Vec::new()),
                Some(settings) => {
                    let message = "there is no schedule that this belongs to; add 'schedule' to the document";
                    Err(settings.cursor.error(message))
                }
            };
        };
        let schedule = cursor.object(&["every", "cron", "after", "on", "read"])?;
        if schedule.has("read") && !schedule.has("on") {
            return Err(cursor.error("'read' needs 'on' beside it: it says how the events of 'on' are read"));
        }
        if !TRIGGERS.iter().any(|key| schedule.has(key)) {
            return Err(cursor.error("the schedule is empty; say 'every', 'cron', 'after' or 'on'"));
        }
        let setting = |name, keys: &[&str]| {
            let setting = settings.as_ref().and_then(|settings| settings.get(name))?;
            let is_apt = keys.iter().any(|key| schedule.has(key));
            Some(if is_apt {
                Ok(setting)
            } else {
                let message = format!(
                    "this belongs to '{}', which the schedule does not have",
                    keys.join("' or '")
                );
                Err(setting.error(message))
            })
        };
        let zone = setting("timeZone", &["cron"]).transpose()?;
        let missed = setting("missed", &["every", "cron"]).transpose()?;
        let missed = missed.as_ref().map(missed_runs).transpose()?.unwrap_or_default();
        let before = self.unsupported.len();
        let mut triggers = Vec::new();
        if let Some(every) = schedule.get("every") {
            let interval = self.interval(&every, root)?;
            triggers.extend(interval.map(|interval| Trigger::Every { interval, missed }));
        }
        if let Some(cron) = schedule.get("cron") {
            let cron = calendar(&cron, zone.as_ref())?;
            triggers.push(Trigger::Cron { cron, missed });
        }
        if let Some(after) = schedule.get("after") {
            let delay = self.interval(&after, root)?;
            triggers.extend(delay.map(|delay| Trigger::After { delay }));
        }
        if let Some(on) = schedule.get("on") {
            let read = schedule.get("read").map(|read| events::read_as(&read));
            let strategy = self.strategy(&on, true)?;
            let variables = self.check_events(&on, &strategy, root)?;
            triggers.push(Trigger::Events(EventTrigger {
                on: strategy,
                read: read.transpose()?.unwrap_or_default(),
                variables,
            }));
        }
        let is_supported = self.unsupported.len() == before;
        Ok(if is_supported { triggers } else { Vec::new() })
    }

    /// A length of time between runs.
    fn interval(&mut self, cursor: &Cursor<'t>, root: &Object<'t>) -> Result<Option<CalendarDuration>> {
        let length = match self.duration(cursor)? {
            DurationSpec::Fixed(length) => length,
            DurationSpec::Expression(expression) => {
                let Some(variables) = self.given_before_runs(cursor, &[&expression], root)? else {
                    return Ok(None);
                };
                let length = expression.evaluate(&Value::Null, &variables);
                let length = length.and_then(|length| CalendarDuration::parse(&length));
                length.map_err(|error| {
                    let message = format!(
                        "before there is a run, this gives no duration: {}",
                        error.message()
                    );
                    cursor.error(message)
                })?
            }
        };
        if length.months() == 0 && length.rest() < Duration::from_millis(SHORTEST_INTERVAL) {
            let feature = format!("schedule: a duration below {SHORTEST_INTERVAL} milliseconds");
            self.lacks(cursor, feature)?;
            return Ok(None);
        }
        if length.rest().subsec_nanos() % 1_000_000 != 0 {
            self.lacks(cursor, "schedule: a fraction of a millisecond")?;
            return Ok(None);
        }
        Ok(Some(length))
    }

    /// Checks which events start runs; gives what the expressions see beside the event.
    fn check_events(
        &mut self,
        cursor: &Cursor<'t>,
        on: &EventStrategy,
        root: &Object<'t>,
    ) -> Result<Variables> {
        let mut filters: Vec<&EventFilter> = Vec::new();
        let mut expressions: Vec<&Expression> = Vec::new();
        let mut strategies = vec![on];
        while let Some(strategy) = strategies.pop() {
            match strategy {
                EventStrategy::One(filter) => filters.push(filter),
                EventStrategy::All(all) if all.is_empty() => {
                    self.lacks(cursor, "schedule.on: all of no events")?;
                }
                EventStrategy::All(all) => filters.extend(all),
                EventStrategy::Any { filters: any, until } => {
                    filters.extend(any);
                    match until {
                        Some(Until::Condition(condition)) => expressions.push(condition),
                        Some(Until::Consumed(until)) => strategies.push(until),
                        None => {}
                    }
                }
            }
        }
        let correlations = || filters.iter().flat_map(|filter| &filter.correlations);
        for filter in &filters {
            for (_, attribute) in &filter.attributes {
                attribute.expressions(&mut expressions);
            }
        }
        for (_, correlation) in correlations() {
            expressions.push(&correlation.from);
            let expect = correlation.expect.iter();
            expressions.extend(
                expect
                    .flat_map(|expect| expect.expressions())
                    .map(|(_, inner)| inner),
            );
        }
        let Some(variables) = self.given_before_runs(cursor, &expressions, root)? else {
            return Ok(Variables::new());
        };
        for (name, correlation) in correlations() {
            let Some(expect) = &correlation.expect else {
                continue;
            };
            let value = expect.evaluate(&Value::Null, &variables);
            let problem = match &value {
                Ok(Value::Null) => "it gives null, which no event has",
                Ok(_) => continue,
                Err(error) => error.message(),
            };
            return Err(cursor.error(format!(
                "what the correlation '{}' expects is computed before there is a run, and without an input: {problem}",
                shortened(name)
            )));
        }
        Ok(variables)
    }

    /// What expressions see before there is a run, as far as these read it: `$runtime`, and of `$workflow` the `definition`.
    /// `None` when one reads anything else.
    fn given_before_runs(
        &mut self,
        cursor: &Cursor<'t>,
        expressions: &[&Expression],
        root: &Object<'t>,
    ) -> Result<Option<Variables>> {
        let mut given = Variables::new();
        for name in expressions.iter().flat_map(|expression| expression.variables()) {
            match name {
                "runtime" => given.insert(name, runtime_descriptor(env!("CARGO_PKG_VERSION"))),
                "workflow" if given.get(name).is_some() => {}
                "workflow" => given.insert(name, json!({ "definition": root.cursor.json() })),
                other => {
                    let feature = format!("schedule: an expression with ${}", shortened(other));
                    self.lacks(cursor, feature)?;
                    return Ok(None);
                }
            }
        }
        Ok(Some(given))
    }
}

/// The times of a cron expression.
fn calendar(cursor: &Cursor<'_>, zone: Option<&Cursor<'_>>) -> Result<Cron> {
    let expression = cursor.text()?;
    // Which of the two is wrong decides where the problem stands.
    let cron = Cron::parse(expression, "UTC").map_err(|error| cursor.error(error.message()))?;
    match zone {
        None => Ok(cron),
        Some(zone) => Cron::parse(expression, zone.text()?).map_err(|error| zone.error(error.message())),
    }
}

fn missed_runs(cursor: &Cursor<'_>) -> Result<MissedRuns> {
    Ok(match cursor.choice(&["skip", "latest", "all"])? {
        "skip" => MissedRuns::Skip,
        "all" => MissedRuns::All,
        _ => MissedRuns::Latest,
    })
}

/// What the document says about its schedule beyond the standard.
fn settings<'t>(root: &Object<'t>) -> Result<Option<Object<'t>>> {
    let mut place = root.require("document")?;
    for key in ["metadata", "atom", "schedule"] {
        match place.any_object()?.get(key) {
            Some(inner) => place = inner,
            None => return Ok(None),
        }
    }
    place.object(&["timeZone", "missed"]).map(Some)
}
