//! Statements that go to the database together.

use atom_core::{Result, RunId};
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, Sqlite, Type};

use super::rows::Decoded;

/// The longest script that goes in one hop, in bytes.
const LONGEST_HOP: usize = 1024;
/// The most rows of one statement.
const MOST_ROWS: usize = 32;

/// The arguments of rows of one table.
#[derive(Debug, Default)]
pub(super) struct Rows {
    count: usize,
    arguments: Vec<Argument>,
}

impl Rows {
    pub(super) fn one<const N: usize>(row: [Argument; N]) -> Self {
        let mut rows = Self::default();
        rows.push(row);
        rows
    }

    pub(super) fn append(&mut self, other: Self) {
        self.count += other.count;
        self.arguments.extend(other.arguments);
    }

    pub(super) fn push<const N: usize>(&mut self, row: [Argument; N]) {
        self.count += 1;
        self.arguments.extend(row);
    }
}

/// A value of a row.
#[derive(Debug)]
pub(super) enum Argument {
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
    Null,
}

impl Argument {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(super) fn id(id: RunId) -> Self {
        Self::Bytes(id.as_bytes().to_vec())
    }

    pub(super) fn optional<T>(value: Option<T>, argument: impl FnOnce(T) -> Result<Self>) -> Result<Self> {
        value.map_or(Ok(Self::Null), argument)
    }
}

/// The head and the row of an insertion.
pub(super) struct Table(pub(super) &'static str, pub(super) &'static str);

/// Several statements, in order.
#[derive(Default)]
pub(super) struct Script {
    parts: Vec<Part>,
}

/// Statements that are prepared together, and what fills their places.
struct Part {
    sql: String,
    arguments: Vec<Argument>,
}

impl Script {
    /// Adds statements that have no places to fill.
    pub(super) fn push(&mut self, sql: &str) {
        if !sql.is_empty() {
            self.parts.push(Part {
                sql: sql.to_owned(),
                arguments: Vec::new(),
            });
        }
    }

    pub(super) fn insert(&mut self, table: Table, rows: Rows) {
        self.upsert(table, "", rows);
    }

    /// Inserts rows; `conflict` says what becomes of those that are there already.
    pub(super) fn upsert(&mut self, table: Table, conflict: &str, rows: Rows) {
        self.extend(rows, |count| {
            let places = vec![table.1; count].join(",");
            format!("{}{places}{conflict};", table.0)
        });
    }

    /// Runs a statement for each row.
    pub(super) fn repeat(&mut self, statement: &str, rows: Rows) {
        self.extend(rows, |count| statement.repeat(count));
    }

    /// Adds what is done with rows, by the number of rows that it is done with at once.
    fn extend(&mut self, rows: Rows, sql: impl Fn(usize) -> String) {
        let Rows { count, arguments } = rows;
        let width = arguments.len().checked_div(count).unwrap_or_default();
        let mut arguments = arguments.into_iter();
        let mut left = count;
        while left > 0 {
            // Powers of two, so that few different statements fill the cache of prepared ones.
            let count = (1 << left.ilog2()).min(MOST_ROWS);
            self.parts.push(Part {
                sql: sql(count),
                arguments: arguments.by_ref().take(count * width).collect(),
            });
            left -= count;
        }
    }

    /// Runs the statements and returns the rows of all of them.
    ///
    /// Each hop to the thread of the connection costs time, and so does preparing a text that was not seen lately. So a
    /// short script, of which there are few, goes in one hop; a long one, which is hardly ever the same twice, part by
    /// part.
    pub(super) async fn run(self, connection: &mut SqliteConnection) -> Decoded<Vec<SqliteRow>> {
        let length: usize = self.parts.iter().map(|part| part.sql.len()).sum();
        if length <= LONGEST_HOP {
            let mut whole = Part {
                sql: String::with_capacity(length),
                arguments: Vec::new(),
            };
            for part in self.parts {
                whole.sql.push_str(&part.sql);
                whole.arguments.extend(part.arguments);
            }
            return whole.run(connection).await;
        }
        let mut rows = Vec::new();
        for part in self.parts {
            rows.extend(part.run(connection).await?);
        }
        Ok(rows)
    }
}

impl Part {
    async fn run(self, connection: &mut SqliteConnection) -> Decoded<Vec<SqliteRow>> {
        let mut arguments = SqliteArguments::default();
        for argument in self.arguments {
            match argument {
                Argument::Integer(integer) => add(&mut arguments, integer)?,
                Argument::Text(text) => add(&mut arguments, text)?,
                Argument::Bytes(bytes) => add(&mut arguments, bytes)?,
                Argument::Null => add(&mut arguments, None::<i64>)?,
            }
        }
        let query = sqlx::query_with(AssertSqlSafe(self.sql), arguments);
        query.fetch_all(connection).await
    }
}

fn add<'t, T: Encode<'t, Sqlite> + Type<Sqlite> + 't>(
    arguments: &mut SqliteArguments,
    value: T,
) -> Decoded<()> {
    arguments.add(value).map_err(sqlx::Error::Encode)
}
