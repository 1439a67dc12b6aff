//! Records as they stand in rows, whatever database has them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use atom_core::storage::{
    Admission, AdmissionState, ApprovalRecord, ApprovalStatus, OnDeadline, ParentStep, RunLabels, RunRecord,
    RunStatus, WorkflowKey, WorkflowVersion,
};
use atom_core::{ApprovalId, Principal, RunId, Scope, WorkerId};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::error::UnexpectedNullError;

use super::blobs::{Blobs, hashes};
use super::rows::{Decoded, decode_error, moment, unsigned, value};
use super::viewers::named;

/// A row, read by the names of its columns.
pub(super) trait StoredRow {
    /// A text that may hold any character.
    fn optional_text(&self, column: &str) -> Decoded<Option<Cow<'_, str>>>;

    /// A text as it stands in the row, such as JSON.
    fn optional_plain(&self, column: &str) -> Decoded<Option<&str>>;

    fn optional_integer(&self, column: &str) -> Decoded<Option<i64>>;

    fn optional_id(&self, column: &str) -> Decoded<Option<[u8; 16]>>;

    fn flag(&self, column: &str) -> Decoded<bool>;

    fn text(&self, column: &str) -> Decoded<String> {
        required(column, self.optional_text(column)?).map(Cow::into_owned)
    }

    fn plain(&self, column: &str) -> Decoded<&str> {
        required(column, self.optional_plain(column)?)
    }

    fn integer(&self, column: &str) -> Decoded<i64> {
        required(column, self.optional_integer(column)?)
    }

    fn id(&self, column: &str) -> Decoded<[u8; 16]> {
        required(column, self.optional_id(column)?)
    }

    fn moment(&self, column: &str) -> Decoded<Timestamp> {
        moment(self.integer(column)?)
    }

    fn optional_moment(&self, column: &str) -> Decoded<Option<Timestamp>> {
        self.optional_integer(column)?.map(moment).transpose()
    }

    fn json<T: DeserializeOwned>(&self, column: &str) -> Decoded<T> {
        value(self.plain(column)?)
    }

    fn optional_json<T: DeserializeOwned>(&self, column: &str) -> Decoded<Option<T>> {
        self.optional_plain(column)?.map(value).transpose()
    }
}

fn required<T>(column: &str, value: Option<T>) -> Decoded<T> {
    value.ok_or_else(|| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: Box::new(UnexpectedNullError),
    })
}

/// A text of a row as it was before it was cut.
pub(super) fn whole<'r>(
    row: &'r impl StoredRow,
    blobs: &Blobs,
    column: &str,
    parts: &str,
) -> Decoded<Option<Cow<'r, str>>> {
    let Some(text) = row.optional_text(column)? else {
        return Ok(None);
    };
    let parts = row.optional_plain(parts)?;
    let whole = match text {
        Cow::Borrowed(text) => blobs.join(text, parts)?,
        Cow::Owned(text) => Cow::Owned(blobs.join(&text, parts)?.into_owned()),
    };
    Ok(Some(whole))
}

/// The hashes of the blobs that columns of rows refer to.
pub(super) fn needed(rows: &[impl StoredRow], columns: &[&str]) -> Decoded<Vec<String>> {
    let mut needed = Vec::new();
    for row in rows {
        for column in columns {
            if let Some(parts) = row.optional_plain(column)? {
                needed.extend(hashes(parts)?);
            }
        }
    }
    Ok(needed)
}

/// A run. Its owner stands in `tenant` and `owner`.
pub(super) fn run(row: &impl StoredRow, blobs: &Blobs) -> Decoded<RunRecord> {
    let data = |column: &str, parts: &str| {
        let text = whole(row, blobs, column, parts)?;
        text.map(|text| value(&text)).transpose()
    };
    let parent = match (
        row.optional_id("parent_run")?,
        row.optional_integer("parent_action")?,
    ) {
        (Some(run), Some(action)) => Some(ParentStep {
            run: RunId::from_bytes(run),
            action: unsigned(action)?,
        }),
        _ => None,
    };
    Ok(RunRecord {
        id: RunId::from_bytes(row.id("id")?),
        principal: Principal {
            tenant: row.text("tenant")?,
            user: row.text("owner")?,
            roles: row.json("roles")?,
        },
        workflow: workflow(row)?,
        started_with: started_with(row)?,
        parent,
        directory: row
            .optional_text("directory")?
            .map(|directory| directory.into_owned().into()),
        rerun_of: row.optional_id("rerun_of")?.map(RunId::from_bytes),
        trigger: row.optional_json("started_by")?,
        labels: RunLabels {
            tags: labels(row, "tags")?,
            fields: labels(row, "fields")?,
        },
        idempotency_key: row.optional_text("idempotency_key")?.map(Cow::into_owned),
        admission: admission(row)?,
        input: data("input", "input_parts")?.unwrap_or_default(),
        status: status(row.plain("status")?)?,
        output: data("output", "output_parts")?,
        error: row.optional_json("error")?,
        journal_start: unsigned(row.integer("journal_start")?)?,
        worker: row.optional_id("worker")?.map(WorkerId::from_bytes),
        created_at: row.moment("created_at")?,
        updated_at: row.moment("updated_at")?,
        ended_at: row.optional_moment("ended_at")?,
    })
}

fn workflow(row: &impl StoredRow) -> Decoded<WorkflowKey> {
    Ok(WorkflowKey {
        namespace: row.text("namespace")?,
        name: row.text("name")?,
        version: row.text("version")?,
        hash: row.text("hash")?,
    })
}

fn started_with(row: &impl StoredRow) -> Decoded<Option<WorkflowVersion>> {
    let version = row.optional_text("started_version")?.map(Cow::into_owned);
    let hash = row.optional_text("started_hash")?.map(Cow::into_owned);
    Ok(version
        .zip(hash)
        .map(|(version, hash)| WorkflowVersion { version, hash }))
}

fn labels<T: DeserializeOwned>(row: &impl StoredRow, column: &str) -> Decoded<BTreeMap<String, T>> {
    Ok(row.optional_json(column)?.unwrap_or_default())
}

fn status(text: &str) -> Decoded<RunStatus> {
    [
        RunStatus::Running,
        RunStatus::Queued,
        RunStatus::Paused,
        RunStatus::Completed,
        RunStatus::Faulted,
        RunStatus::Cancelled,
    ]
    .into_iter()
    .find(|status| status.as_str() == text)
    .ok_or_else(|| decode_error(std::io::Error::other("the status of a run is unknown")))
}

/// How a run came to begin or waits to, if it has limits.
fn admission(row: &impl StoredRow) -> Decoded<Option<Admission>> {
    let Some(limits) = row.optional_plain("admission")? else {
        return Ok(None);
    };
    let begun_at = row.optional_moment("begun_at")?;
    let state = match (begun_at.is_some(), row.flag("is_unwanted")?) {
        (false, false) => AdmissionState::Queued,
        (false, true) => AdmissionState::Refused,
        (true, false) => AdmissionState::Begun,
        (true, true) => AdmissionState::Superseded,
    };
    Ok(Some(Admission {
        limits: value(limits)?,
        state,
        begun_at,
    }))
}

/// An approval. The owner of its run stands in `tenant` and `owner`.
pub(super) fn approval(row: &impl StoredRow) -> Decoded<ApprovalRecord> {
    Ok(ApprovalRecord {
        id: ApprovalId::from_bytes(row.id("id")?),
        owner: Scope {
            tenant: row.text("tenant")?,
            user: row.text("owner")?,
        },
        run: RunId::from_bytes(row.id("run")?),
        action: unsigned(row.integer("action")?)?,
        task: row.text("task")?,
        workflow: workflow(row)?,
        title: row.text("title")?,
        message: row.optional_text("message")?.map(Cow::into_owned),
        data: row.json("data")?,
        input: row.optional_json("input")?,
        form: row.optional_json("form")?,
        assignees: row.json("assignees")?,
        created_at: row.moment("created_at")?,
        deadline: row.optional_moment("deadline")?,
        on_deadline: named(row.plain("on_deadline")?, &OnDeadline::ALL, OnDeadline::as_str)?,
        status: named(row.plain("status")?, &ApprovalStatus::ALL, ApprovalStatus::as_str)?,
        decision: row.optional_json("decision")?,
        closed_at: row.optional_moment("closed_at")?,
    })
}
