//! Statements that go to the database in one hop.

use atom_core::{Result, RunId};
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, Sqlite, Type};

use super::rows::Decoded;

/// The longest script that is worth keeping prepared, in bytes.
const LONGEST_PREPARED: usize = 8 * 1024;

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

/// Several statements that run in one hop.
#[derive(Default)]
pub(super) struct Script {
    pub(super) sql: String,
    arguments: Vec<Argument>,
}

impl Script {
    pub(super) fn insert(&mut self, table: Table, rows: Rows) {
        self.upsert(table, "", rows);
    }

    /// Inserts rows; `conflict` says what becomes of those that are there already.
    pub(super) fn upsert(&mut self, table: Table, conflict: &str, rows: Rows) {
        let mut left = rows.count;
        while left > 0 {
            // Powers of two, so that few different statements fill the cache of prepared ones.
            let chunk = (1 << left.ilog2()).min(32);
            self.sql.push_str(table.0);
            for place in 0..chunk {
                self.sql.push_str(if place == 0 { "" } else { "," });
                self.sql.push_str(table.1);
            }
            self.sql.push_str(conflict);
            self.sql.push(';');
            left -= chunk;
        }
        self.arguments.extend(rows.arguments);
    }

    pub(super) fn repeat(&mut self, statement: &str, rows: Rows) {
        self.sql.extend(std::iter::repeat_n(statement, rows.count));
        self.arguments.extend(rows.arguments);
    }

    /// Runs the statements and returns the rows of all of them.
    pub(super) async fn run(self, connection: &mut SqliteConnection) -> Decoded<Vec<SqliteRow>> {
        let mut arguments = SqliteArguments::default();
        for argument in self.arguments {
            match argument {
                Argument::Integer(integer) => add(&mut arguments, integer)?,
                Argument::Text(text) => add(&mut arguments, text)?,
                Argument::Bytes(bytes) => add(&mut arguments, bytes)?,
                Argument::Null => add(&mut arguments, None::<i64>)?,
            }
        }
        let is_prepared = self.sql.len() <= LONGEST_PREPARED;
        let query = sqlx::query_with(AssertSqlSafe(self.sql), arguments);
        query.persistent(is_prepared).fetch_all(connection).await
    }
}

fn add<'t, T: Encode<'t, Sqlite> + Type<Sqlite> + 't>(
    arguments: &mut SqliteArguments,
    value: T,
) -> Decoded<()> {
    arguments.add(value).map_err(sqlx::Error::Encode)
}
