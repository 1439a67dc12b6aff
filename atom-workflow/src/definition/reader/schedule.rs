//! The schedule of a workflow, and `document.metadata.atom.schedule`.

use std::time::Duration;

use atom_core::Result;
use atom_core::storage::MissedRuns;

use super::cursor::{Cursor, Object, shortened};
use super::{Reader, events};
use crate::definition::Cron;
use crate::definition::types::{
    AttributeFilter, DurationSpec, EventFilter, EventSchedule, EventStrategy, Schedule, Until,
};
use crate::expression::Expression;

/// What starts runs.
const TRIGGERS: [&str; 4] = ["every", "cron", "after", "on"];

impl<'t> Reader<'t> {
    /// The schedule of a document; `None` when the engine does not carry it out.
    pub(super) fn schedule(&mut self, root: &Object<'t>) -> Result<Option<Schedule>> {
        let settings = settings(root)?;
        let Some(cursor) = root.get("schedule") else {
            return match settings {
                None => Ok(None),
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
        let before = self.unsupported.len();
        let mut found = Vec::new();
        for key in TRIGGERS {
            if let Some(trigger) = schedule.get(key) {
                found.extend(self.trigger(key, &trigger, &schedule, settings.as_ref())?);
            }
        }
        match TRIGGERS.iter().filter(|key| schedule.has(key)).count() {
            0 => return Err(cursor.error("the schedule is empty; say 'every', 'cron', 'after' or 'on'")),
            1 => {}
            _ => self.lacks(&cursor, "schedule: more than one of every, cron, after and on")?,
        }
        let is_supported = self.unsupported.len() == before;
        Ok(found.into_iter().next().filter(|_| is_supported))
    }

    fn trigger(
        &mut self,
        key: &'static str,
        cursor: &Cursor<'t>,
        schedule: &Object<'t>,
        settings: Option<&Object<'t>>,
    ) -> Result<Option<Schedule>> {
        let setting = |name| settings.and_then(|settings| settings.get(name));
        let (zone, missed) = (setting("timeZone"), setting("missed"));
        if let Some(zone) = zone.as_ref().filter(|_| key != "cron") {
            return Err(zone.error(format!("a time zone belongs to 'cron', not to '{key}'")));
        }
        if let Some(missed) = missed.as_ref().filter(|_| key == "after" || key == "on") {
            return Err(missed.error(format!("nothing is missed with '{key}'; leave this out")));
        }
        let missed = missed.as_ref().map(missed_runs).transpose()?.unwrap_or_default();
        Ok(match key {
            "every" => self
                .interval(cursor)?
                .map(|interval| Schedule::Every { interval, missed }),
            "after" => self.interval(cursor)?.map(|delay| Schedule::After { delay }),
            "cron" => {
                let expression = cursor.text()?;
                // Which of the two is wrong decides where the problem stands.
                let cron = Cron::parse(expression, "UTC").map_err(|error| cursor.error(error.message()))?;
                let cron = match zone {
                    None => cron,
                    Some(zone) => {
                        Cron::parse(expression, zone.text()?).map_err(|error| zone.error(error.message()))?
                    }
                };
                Some(Schedule::Cron { cron, missed })
            }
            _ => {
                let on = self.strategy(cursor, true)?;
                self.check_events(cursor, &on)?;
                let read = schedule.get("read").map(|read| events::read_as(&read));
                let read = read.transpose()?.unwrap_or_default();
                Some(Schedule::Events(EventSchedule { on, read }))
            }
        })
    }

    /// A length of time between runs.
    fn interval(&mut self, cursor: &Cursor<'t>) -> Result<Option<Duration>> {
        match self.duration(cursor)? {
            DurationSpec::Expression(_) => {
                self.lacks(cursor, "schedule: a duration that is an expression")?;
            }
            DurationSpec::Fixed(length) if length < Duration::from_secs(1) => {
                self.lacks(cursor, "schedule: a duration below a second")?;
            }
            DurationSpec::Fixed(length) if length.subsec_nanos() % 1_000_000 != 0 => {
                self.lacks(cursor, "schedule: a fraction of a millisecond")?;
            }
            DurationSpec::Fixed(length) => return Ok(Some(length)),
        }
        Ok(None)
    }

    /// Before there is a run, an expression sees nothing but the event.
    fn check_events(&mut self, cursor: &Cursor<'t>, on: &EventStrategy) -> Result<()> {
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
        for filter in filters {
            expressions.extend(filter.attributes.iter().filter_map(|(_, filter)| match filter {
                AttributeFilter::Expression(expression) => Some(expression),
                _ => None,
            }));
            for (_, correlation) in &filter.correlations {
                expressions.push(&correlation.from);
                if correlation
                    .expect
                    .as_ref()
                    .is_some_and(|expect| !expect.is_literal())
                {
                    self.lacks(cursor, "schedule.on: an expectation that is an expression")?;
                }
            }
        }
        if let Some(variable) = expressions
            .iter()
            .find_map(|expression| expression.variables().next())
        {
            let feature = format!("schedule.on: an expression with ${}", shortened(variable));
            self.lacks(cursor, feature)?;
        }
        Ok(())
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
