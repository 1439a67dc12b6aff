//! Rows as they are in both databases, and what one of them computes from a row.

use atom_core::storage::{Assignees, Decision, OnLimit, RunLimits};
use atom_core::{Result, Scope};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use sqlx::error::UnexpectedNullError;

use super::tables::Table;
use crate::storage::postgres::event_key;
use crate::storage::rows::{self, Decoded, json, value};
use crate::storage::viewers::viewers_among;

/// A value of a row, whatever database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::storage) enum Value {
    /// A number, or a flag as 0 or 1.
    Integer(i64),
    Text(String),
    /// Bytes, or an id as its 16 bytes.
    Bytes(Vec<u8>),
    Null,
}

impl Value {
    fn optional_text(text: Option<String>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

/// A row of the columns that both databases have.
#[derive(Debug)]
pub(in crate::storage) struct Row {
    pub(in crate::storage) table: &'static Table,
    pub(in crate::storage) values: Vec<Value>,
}

impl Row {
    fn value(&self, column: &'static str) -> Decoded<&Value> {
        let place = self.table.shared().iter().position(|(name, _)| *name == column);
        place
            .and_then(|place| self.values.get(place))
            .ok_or_else(|| sqlx::Error::ColumnNotFound(column.to_owned()))
    }

    /// How many bytes it has, about.
    pub(super) fn size(&self) -> usize {
        let sizes = self.values.iter().map(|value| match value {
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::Integer(_) | Value::Null => 8,
        });
        sizes.sum()
    }

    /// A text of the row.
    pub(in crate::storage) fn optional_text(&self, column: &'static str) -> Decoded<Option<&str>> {
        match self.value(column)? {
            Value::Text(text) => Ok(Some(text)),
            _ => Ok(None),
        }
    }

    /// A text that there is in every row.
    pub(in crate::storage) fn text(&self, column: &'static str) -> Decoded<&str> {
        self.optional_text(column)?
            .ok_or_else(|| sqlx::Error::ColumnDecode {
                index: column.to_owned(),
                source: Box::new(UnexpectedNullError),
            })
    }

    /// Whose row it is.
    pub(in crate::storage) fn owner(&self) -> Decoded<Scope> {
        Ok(Scope {
            tenant: self.text("tenant")?.to_owned(),
            user: self.text("owner")?.to_owned(),
        })
    }

    /// What only PostgreSQL has of the row. Events need the whole text of the event.
    pub(in crate::storage) fn only_in_postgres(&self, event: Option<&str>) -> Decoded<Vec<Value>> {
        Ok(match (self.table.name, event) {
            ("runs", _) => vec![self.cancels_oldest()?, self.error_type()?],
            ("approvals", _) => vec![self.listed_decision()?],
            ("statistics", _) => vec![Value::Bytes(Sha256::digest(self.text("task")?).to_vec())],
            ("events", Some(event)) => {
                let Identity { source, id } = value(event)?;
                vec![Value::Bytes(event_key(&source, &id))]
            }
            _ => Vec::new(),
        })
    }

    /// What only SQLite has of the row. Events need the whole text of the event.
    pub(in crate::storage) fn only_in_sqlite(&self, event: Option<&str>) -> Decoded<Vec<Value>> {
        Ok(match (self.table.name, event) {
            ("events", Some(event)) => {
                let Identity { source, id } = value(event)?;
                vec![Value::Text(source), Value::Text(id)]
            }
            _ => Vec::new(),
        })
    }

    /// Who sees the approval, if this is one: what names it in their rows, and each of them.
    pub(in crate::storage) fn viewer_rows(&self) -> Decoded<Vec<([Value; 3], String)>> {
        if self.table.name != "approvals" {
            return Ok(Vec::new());
        }
        let assignees: Assignees = rows::value(self.text("assignees")?)?;
        let value = |column| self.value(column).cloned();
        let approval = [value("tenant")?, value("owner")?, value("id")?];
        let viewers = viewers_among(self.text("owner")?, &assignees).into_iter();
        Ok(viewers.map(|viewer| (approval.clone(), viewer)).collect())
    }

    fn cancels_oldest(&self) -> Decoded<Value> {
        let Some(admission) = self.optional_text("admission")? else {
            return Ok(Value::Null);
        };
        let limits: RunLimits = value(admission)?;
        Ok(limits.concurrency.map_or(Value::Null, |limit| {
            Value::Integer(i64::from(limit.on_limit == OnLimit::CancelOldest))
        }))
    }

    fn error_type(&self) -> Decoded<Value> {
        let Some(error) = self.optional_text("error")? else {
            return Ok(Value::Null);
        };
        let error: serde_json::Value = value(error)?;
        let kind = error.get("type").and_then(|kind| kind.as_str());
        Ok(Value::optional_text(kind.map(str::to_owned)))
    }

    fn listed_decision(&self) -> Decoded<Value> {
        let Some(decision) = self.optional_text("whole_decision")? else {
            return Ok(Value::Null);
        };
        let listed = Decision {
            form: None,
            input: None,
            ..value(decision)?
        };
        encoded(json(&listed)).map(Value::Text)
    }
}

/// What tells an event from all others of its owner.
#[derive(Deserialize)]
struct Identity {
    source: String,
    id: String,
}

fn encoded<T>(result: Result<T>) -> Decoded<T> {
    result.map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

/// Adds rows up, in their order.
#[derive(Default)]
pub(super) struct RowDigest {
    pub(super) rows: u64,
    digest: Sha256,
}

impl RowDigest {
    pub(super) fn add(&mut self, row: &Row) {
        self.rows += 1;
        for value in &row.values {
            // The kind and the length tell where a value ends.
            match value {
                Value::Null => self.digest.update([0]),
                Value::Integer(integer) => {
                    self.digest.update([1]);
                    self.digest.update(integer.to_be_bytes());
                }
                Value::Text(text) => self.bytes(2, text.as_bytes()),
                Value::Bytes(bytes) => self.bytes(3, bytes),
            }
        }
    }

    fn bytes(&mut self, kind: u8, bytes: &[u8]) {
        self.digest.update([kind]);
        self.digest.update((bytes.len() as u64).to_be_bytes());
        self.digest.update(bytes);
    }

    /// The sum, in hexadecimal.
    pub(super) fn sum(self) -> String {
        let sum = self.digest.finalize();
        sum.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
