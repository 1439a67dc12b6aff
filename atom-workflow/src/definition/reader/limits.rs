//! How many runs go on at once: `concurrency`, `priority` and `rateLimit` of `document.metadata.atom`.

use std::time::Duration;

use atom_core::Result;
use atom_core::storage::{MAX_RUNS_OF_LIMIT, OnLimit};

use super::Reader;
use super::cursor::{Cursor, Object};
use crate::definition::{ConcurrencySpec, LimitSpec, PrioritySpec, RateLimitSpec, parse_duration};

/// The keys of `document.metadata.atom` that are read here.
pub(super) const KEYS: [&str; 3] = ["concurrency", "priority", "rateLimit"];

impl<'t> Reader<'t> {
    pub(super) fn limits(&mut self, atom: &Object<'t>) -> Result<Option<LimitSpec>> {
        let concurrency = atom.get("concurrency").map(|cursor| self.concurrency(&cursor));
        let rate_limit = atom.get("rateLimit").map(|cursor| self.rate_limit(&cursor));
        let (concurrency, rate_limit) = (concurrency.transpose()?, rate_limit.transpose()?);
        let priority = match atom.get("priority") {
            Some(cursor) if concurrency.is_none() && rate_limit.is_none() => {
                let message =
                    "no run of this workflow ever waits for its turn; add 'concurrency' or 'rateLimit'";
                return Err(cursor.error(message));
            }
            Some(cursor) => self.priority(&cursor)?,
            None => PrioritySpec::Fixed(0),
        };
        let is_limited = concurrency.is_some() || rate_limit.is_some();
        Ok(is_limited.then_some(LimitSpec {
            priority,
            concurrency,
            rate_limit,
        }))
    }

    fn concurrency(&mut self, cursor: &Cursor<'t>) -> Result<ConcurrencySpec> {
        let settings = cursor.object(&["key", "limit", "onLimit"])?;
        let on_limit = settings.get("onLimit").map(|cursor| on_limit(&cursor));
        Ok(ConcurrencySpec {
            key: settings.get("key").map(|key| self.expression(&key)).transpose()?,
            limit: limit(&settings.require("limit")?)?,
            on_limit: on_limit.transpose()?.unwrap_or_default(),
        })
    }

    fn rate_limit(&mut self, cursor: &Cursor<'t>) -> Result<RateLimitSpec> {
        let settings = cursor.object(&["key", "limit", "per"])?;
        Ok(RateLimitSpec {
            key: settings.get("key").map(|key| self.expression(&key)).transpose()?,
            limit: limit(&settings.require("limit")?)?,
            per: per(&settings.require("per")?)?,
        })
    }

    fn priority(&mut self, cursor: &Cursor<'t>) -> Result<PrioritySpec> {
        if cursor.as_text().is_some() {
            return self.expression(cursor).map(PrioritySpec::Expression);
        }
        let priority = i32::try_from(cursor.integer()?);
        priority
            .map(PrioritySpec::Fixed)
            .map_err(|_| cursor.error(format!("expected {} to {}", i32::MIN, i32::MAX)))
    }
}

fn limit(cursor: &Cursor<'_>) -> Result<u32> {
    let limit = u32::try_from(cursor.integer()?).ok();
    limit
        .filter(|limit| (1..=MAX_RUNS_OF_LIMIT).contains(limit))
        .ok_or_else(|| cursor.error(format!("expected 1 to {MAX_RUNS_OF_LIMIT}")))
}

fn on_limit(cursor: &Cursor<'_>) -> Result<OnLimit> {
    Ok(match cursor.choice(&["queue", "cancelNewest", "cancelOldest"])? {
        "cancelNewest" => OnLimit::CancelNewest,
        "cancelOldest" => OnLimit::CancelOldest,
        _ => OnLimit::Queue,
    })
}

/// A length of time in whole milliseconds. It must be the same for all runs, so it is no expression.
fn per(cursor: &Cursor<'_>) -> Result<Duration> {
    let per = parse_duration(&cursor.json()).map_err(|error| cursor.error(error.message()))?;
    if per.is_zero() || per.subsec_nanos() % 1_000_000 != 0 {
        return Err(cursor.error("expected whole milliseconds, at least one"));
    }
    Ok(per)
}
