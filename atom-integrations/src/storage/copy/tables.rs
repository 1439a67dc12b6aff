//! What a store consists of: its tables and their columns, in either database.
//!
//! Each column stands under the name that it has in PostgreSQL. What one database has for itself alone, such as a hash that an
//! index needs, follows from the other columns and is computed for it.

use crate::storage::postgres::{Columns, Kind};

use Kind::{Boolean, Bytes, Id, Integer, Text};

/// A table of both databases.
#[derive(Debug)]
pub(in crate::storage) struct Table {
    pub(in crate::storage) name: &'static str,
    /// The columns of both databases, and then those that only PostgreSQL has.
    pub(in crate::storage) columns: Columns,
    /// How many columns both databases have.
    pub(in crate::storage) shared: usize,
    /// The columns that only SQLite has.
    pub(in crate::storage) only_in_sqlite: &'static [&'static str],
    /// The columns that tell a row from all others, and so give rows one order.
    pub(in crate::storage) order: &'static [&'static str],
}

impl Table {
    /// The columns of both databases.
    pub(in crate::storage) fn shared(&self) -> Columns {
        self.columns.get(..self.shared).unwrap_or(self.columns)
    }
}

/// A table with the same columns in both databases.
const fn table(name: &'static str, columns: Columns, order: &'static [&'static str]) -> Table {
    Table {
        name,
        columns,
        shared: columns.len(),
        only_in_sqlite: &[],
        order,
    }
}

/// What a column of this name is called in SQLite.
pub(in crate::storage) fn in_sqlite(name: &'static str) -> &'static str {
    match name {
        "owner" => "user",
        "is_of_tasks" => "counted",
        "whole_decision" => "decision",
        same => same,
    }
}

/// How often blobs are used. Triggers count that while rows are written, for those of finished runs other than when they ended.
pub(in crate::storage) const BLOB_USES: &str = "blob_uses";

/// Who sees an approval follows from the approval.
pub(in crate::storage) const VIEWERS: &str = "approval_viewers";

/// All tables, each after those that it refers to. Not among them: the engines that use a database, and how far its log of
/// events reaches, which is one number and kept in other ways.
pub(in crate::storage) const TABLES: &[Table] = &[
    table(
        "documents",
        &[("tenant", Text), ("owner", Text), ("hash", Text), ("text", Text)],
        &["tenant", "owner", "hash"],
    ),
    table(
        "workflows",
        &[
            ("tenant", Text),
            ("owner", Text),
            ("namespace", Text),
            ("name", Text),
            ("version", Text),
            ("hash", Text),
            ("title", Text),
            ("summary", Text),
            ("deployed_at", Integer),
            ("withdrawn_at", Integer),
        ],
        &["tenant", "owner", "namespace", "name", "version"],
    ),
    table(
        "templates",
        &[
            ("tenant", Text),
            ("owner", Text),
            ("name", Text),
            ("version", Text),
            ("title", Text),
            ("summary", Text),
            ("category", Text),
            ("imported_at", Integer),
            ("text", Text),
        ],
        &["tenant", "owner", "name"],
    ),
    table(
        "schedules",
        &[
            ("tenant", Text),
            ("owner", Text),
            ("namespace", Text),
            ("name", Text),
            ("revision", Integer),
            ("wakes_at", Integer),
            ("listens_after", Integer),
            ("awaits", Id),
            ("schedule", Text),
        ],
        &["tenant", "owner", "namespace", "name"],
    ),
    table(
        "alerts",
        &[
            ("tenant", Text),
            ("owner", Text),
            ("name", Text),
            ("revision", Integer),
            ("alert", Text),
        ],
        &["tenant", "owner", "name"],
    ),
    table(
        "blobs",
        &[
            ("tenant", Text),
            ("owner", Text),
            ("hash", Text),
            ("parts", Text),
            ("text", Text),
        ],
        &["tenant", "owner", "hash"],
    ),
    Table {
        name: "runs",
        columns: &[
            ("tenant", Text),
            ("owner", Text),
            ("id", Id),
            ("roles", Text),
            ("namespace", Text),
            ("name", Text),
            ("version", Text),
            ("hash", Text),
            ("started_version", Text),
            ("started_hash", Text),
            ("parent_run", Id),
            ("parent_action", Integer),
            ("directory", Text),
            ("rerun_of", Id),
            ("started_by", Text),
            ("idempotency_key", Text),
            ("tags", Text),
            ("fields", Text),
            ("status", Text),
            ("is_paused", Boolean),
            ("admission", Text),
            ("concurrency_key", Text),
            ("rate_key", Text),
            ("rank", Integer),
            ("begun_at", Integer),
            ("is_unwanted", Boolean),
            ("created_at", Integer),
            ("ended_at", Integer),
            ("expires_at", Integer),
            ("is_removed", Boolean),
            ("journal_start", Integer),
            ("is_trimmed", Boolean),
            ("error", Text),
            ("input", Text),
            ("input_parts", Text),
            ("output", Text),
            ("output_parts", Text),
            ("cancels_oldest", Boolean),
            ("error_type", Text),
        ],
        shared: 37,
        only_in_sqlite: &[],
        order: &["tenant", "owner", "id"],
    },
    table(
        "journal",
        &[
            ("tenant", Text),
            ("owner", Text),
            ("run", Id),
            ("sequence", Integer),
            ("at", Integer),
            ("event_head", Integer),
            ("payload", Text),
            ("payload_parts", Text),
        ],
        &["tenant", "owner", "run", "sequence"],
    ),
    table(
        "run_labels",
        &[
            ("tenant", Text),
            ("owner", Text),
            ("kind", Text),
            ("name", Text),
            ("value", Text),
            ("created_at", Integer),
            ("run", Id),
        ],
        &["tenant", "owner", "kind", "name", "value", "created_at", "run"],
    ),
    Table {
        name: "events",
        columns: &[
            ("offset", Integer),
            ("tenant", Text),
            ("owner", Text),
            ("event", Text),
            ("event_parts", Text),
            ("key", Bytes),
        ],
        shared: 5,
        only_in_sqlite: &["source", "id"],
        order: &["offset"],
    },
    table("event_ages", &[("at", Integer), ("offset", Integer)], &["at"]),
    Table {
        name: "approvals",
        columns: &[
            ("tenant", Text),
            ("owner", Text),
            ("id", Id),
            ("run", Id),
            ("action", Integer),
            ("task", Text),
            ("namespace", Text),
            ("name", Text),
            ("version", Text),
            ("hash", Text),
            ("title", Text),
            ("message", Text),
            ("assignees", Text),
            ("created_at", Integer),
            ("deadline", Integer),
            ("on_deadline", Text),
            ("status", Text),
            ("closed_at", Integer),
            ("whole_decision", Text),
            ("form", Text),
            ("data", Text),
            ("input", Text),
            ("decision", Text),
        ],
        shared: 22,
        only_in_sqlite: &[],
        order: &["tenant", "owner", "id"],
    },
    Table {
        name: VIEWERS,
        columns: &[("tenant", Text), ("owner", Text), ("id", Id), ("viewer", Text)],
        shared: 3,
        only_in_sqlite: &["viewer"],
        order: &["tenant", "owner", "id"],
    },
    Table {
        name: "statistics",
        columns: &[
            ("tenant", Text),
            ("owner", Text),
            ("is_of_tasks", Boolean),
            ("namespace", Text),
            ("name", Text),
            ("hour", Integer),
            ("task", Text),
            ("version", Text),
            ("bucket", Integer),
            ("started", Integer),
            ("completed", Integer),
            ("faulted", Integer),
            ("cancelled", Integer),
            ("retries", Integer),
            ("durations", Integer),
            ("total_us", Integer),
            ("task_key", Bytes),
        ],
        shared: 16,
        only_in_sqlite: &[],
        order: &[
            "tenant",
            "owner",
            "is_of_tasks",
            "namespace",
            "name",
            "hour",
            "task",
            "version",
            "bucket",
        ],
    },
    table(
        "recent_statistics",
        &[
            ("tenant", Text),
            ("owner", Text),
            ("minute", Integer),
            ("namespace", Text),
            ("name", Text),
            ("bucket", Integer),
            ("started", Integer),
            ("completed", Integer),
            ("faulted", Integer),
            ("cancelled", Integer),
            ("retries", Integer),
            ("durations", Integer),
            ("total_us", Integer),
        ],
        &["tenant", "owner", "minute", "namespace", "name", "bucket"],
    ),
    table(
        "tenant_keys",
        &[("tenant", Text), ("version", Integer), ("wrapped", Bytes)],
        &["tenant", "version"],
    ),
    table(
        "secrets",
        &[
            ("tenant", Text),
            ("owner", Text),
            ("name", Text),
            ("sealed", Bytes),
            ("updated_at", Integer),
        ],
        &["tenant", "owner", "name"],
    ),
    table(
        "secret_versions",
        &[
            ("tenant", Text),
            ("owner", Text),
            ("name", Text),
            ("version", Integer),
            ("is_removed", Boolean),
        ],
        &["tenant", "owner", "name"],
    ),
    table(
        BLOB_USES,
        &[
            ("tenant", Text),
            ("owner", Text),
            ("hash", Text),
            ("uses", Integer),
        ],
        &["tenant", "owner", "hash"],
    ),
];
