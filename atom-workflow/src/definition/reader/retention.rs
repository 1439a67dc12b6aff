//! `document.metadata.atom.retention`: how long runs are kept once they have ended.

use std::time::Duration;

use atom_core::Result;

use super::Reader;
use super::cursor::Cursor;
use crate::definition::types::{DurationSpec, MINIMUM_RETENTION, Retention};

impl<'t> Reader<'t> {
    /// One duration for all runs, or one for those that completed and one for the others.
    pub(super) fn retention(&mut self, cursor: &Cursor<'t>) -> Result<Retention> {
        let is_divided = cursor.is_object()
            && ["completed", "failed"]
                .iter()
                .any(|key| cursor.any_object().is_ok_and(|object| object.has(key)));
        if !is_divided {
            let length = self.retention_time(cursor)?;
            return Ok(Retention {
                completed: Some(length),
                failed: Some(length),
            });
        }
        let retention = cursor.object(&["completed", "failed"])?;
        let mut length = |key| {
            let cursor = retention.get(key);
            cursor.map(|cursor| self.retention_time(&cursor)).transpose()
        };
        Ok(Retention {
            completed: length("completed")?,
            failed: length("failed")?,
        })
    }

    fn retention_time(&mut self, cursor: &Cursor<'t>) -> Result<Duration> {
        let DurationSpec::Fixed(length) = self.duration(cursor)? else {
            return Err(cursor.error("expected a duration that is written out, not an expression"));
        };
        let length = length
            .fixed()
            .ok_or_else(|| cursor.error("years and months vary in length; count days instead"))?;
        if length < MINIMUM_RETENTION {
            return Err(
                cursor.error("expected a minute or more, so that whoever waits for the run can see its end")
            );
        }
        Ok(length)
    }
}
