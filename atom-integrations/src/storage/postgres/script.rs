//! Statements that write the rows of many tables in one round trip.

use std::fmt::Write;

use atom_core::{ApprovalId, Result, RunId, WorkerId};
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, Postgres, Type};
use uuid::Uuid;

use super::rows::Decoded;
use super::text::stored;
use super::values::{uuid_of_approval, uuid_of_run, uuid_of_worker};

/// A value of a row.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    Integer(i64),
    Text(String),
    Id(Uuid),
    Boolean(bool),
    Bytes(Vec<u8>),
    Null,
}

impl Argument {
    /// A text that may hold any character. JSON needs no such care.
    pub(super) fn text(text: &str) -> Self {
        Self::Text(stored(text).into_owned())
    }

    pub(super) fn run(id: RunId) -> Self {
        Self::Id(uuid_of_run(id))
    }

    pub(super) fn approval(id: ApprovalId) -> Self {
        Self::Id(uuid_of_approval(id))
    }

    pub(super) fn worker(id: WorkerId) -> Self {
        Self::Id(uuid_of_worker(id))
    }

    pub(super) fn optional<T>(value: Option<T>, argument: impl FnOnce(T) -> Result<Self>) -> Result<Self> {
        value.map_or(Ok(Self::Null), argument)
    }
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug)]
pub(in crate::storage) enum Kind {
    Integer,
    Text,
    Id,
    Boolean,
    Bytes,
}

/// The columns of rows, in their order.
pub(in crate::storage) type Columns = &'static [(&'static str, Kind)];

/// Rows that are written together.
#[derive(Debug)]
pub(super) struct Rows {
    columns: Columns,
    /// One row after the other.
    arguments: Vec<Argument>,
}

impl Rows {
    pub(super) fn new(columns: Columns) -> Self {
        let arguments = Vec::new();
        Self { columns, arguments }
    }

    pub(super) fn push<const N: usize>(&mut self, row: [Argument; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.arguments.extend(row);
    }

    /// Adds a row of as many values as there are columns.
    pub(super) fn extend(&mut self, row: impl IntoIterator<Item = Argument>) {
        self.arguments.extend(row);
        debug_assert_eq!(self.arguments.len() % self.columns.len(), 0);
    }

    pub(super) fn append(&mut self, other: Self) {
        self.arguments.extend(other.arguments);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.arguments.is_empty()
    }

    /// The names of the columns.
    fn names(&self) -> String {
        let names: Vec<_> = self
            .columns
            .iter()
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        names.join(", ")
    }
}

/// A statement of several parts that are done together, as `WITH` has it: they all see the state before it.
#[derive(Default)]
pub(super) struct Script {
    parts: Vec<String>,
    arguments: PgArguments,
}

impl Script {
    /// Takes rows in; gives what stands for them behind `FROM`, under this name. A column is one argument, an array, so
    /// that the same statement serves however many rows there are.
    pub(super) fn given(&mut self, name: &str, rows: Rows) -> Decoded<String> {
        let columns = rows.columns;
        let names = rows.names();
        let mut arrays: Vec<Vec<Argument>> = columns.iter().map(|_| Vec::new()).collect();
        for (place, argument) in rows.arguments.into_iter().enumerate() {
            if let Some(array) = arrays.get_mut(place % columns.len()) {
                array.push(argument);
            }
        }
        if arrays.iter().all(|array| array.len() == 1) {
            return self.given_one(name, &names, columns, arrays);
        }
        let mut places = Vec::with_capacity(columns.len());
        for ((_, kind), array) in columns.iter().zip(arrays) {
            places.push(self.array(*kind, array)?);
        }
        Ok(format!("unnest({}) AS {name} ({names})", places.join(", ")))
    }

    /// One row, as a step that is alone mostly has: it needs no arrays to be taken apart.
    fn given_one(
        &mut self,
        name: &str,
        names: &str,
        columns: Columns,
        row: Vec<Vec<Argument>>,
    ) -> Decoded<String> {
        let mut places = Vec::with_capacity(columns.len());
        for ((_, kind), value) in columns.iter().zip(row.into_iter().flatten()) {
            places.push(self.scalar(*kind, value)?);
        }
        Ok(format!("(VALUES ({})) AS {name} ({names})", places.join(", ")))
    }

    fn scalar(&mut self, kind: Kind, value: Argument) -> Decoded<String> {
        let arguments = &mut self.arguments;
        let (added, name) = match (kind, value) {
            (Kind::Integer, Argument::Integer(integer)) => (arguments.add(integer), "bigint"),
            (Kind::Integer, Argument::Null) => (arguments.add(None::<i64>), "bigint"),
            (Kind::Text, Argument::Text(text)) => (arguments.add(text), "text"),
            (Kind::Text, Argument::Null) => (arguments.add(None::<String>), "text"),
            (Kind::Id, Argument::Id(id)) => (arguments.add(id), "uuid"),
            (Kind::Id, Argument::Null) => (arguments.add(None::<Uuid>), "uuid"),
            (Kind::Boolean, Argument::Boolean(boolean)) => (arguments.add(boolean), "boolean"),
            (Kind::Boolean, Argument::Null) => (arguments.add(None::<bool>), "boolean"),
            (Kind::Bytes, Argument::Bytes(bytes)) => (arguments.add(bytes), "bytea"),
            (Kind::Bytes, Argument::Null) => (arguments.add(None::<Vec<u8>>), "bytea"),
            (kind, _) => {
                let message = format!("a value of a column of the kind {kind:?} has another type");
                return Err(sqlx::Error::Encode(message.into()));
            }
        };
        added.map_err(sqlx::Error::Encode)?;
        Ok(format!("${}::{name}", self.arguments.len()))
    }

    /// Inserts rows; `conflict` says what becomes of those that are there already.
    pub(super) fn insert(&mut self, table: &str, rows: Rows, conflict: &str) -> Decoded<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let names = rows.names();
        let given = self.given("given", rows)?;
        self.part(
            &format!("new_{table}"),
            &format!("INSERT INTO {table} ({names}) SELECT {names} FROM {given} {conflict}"),
        );
        Ok(())
    }

    /// Adds a part under a name.
    pub(super) fn part(&mut self, name: &str, statement: &str) {
        self.parts.push(format!("{name} AS ({statement})"));
    }

    /// Does all parts, and reads the rows of a query that may name them.
    pub(super) async fn run(self, connection: &mut PgConnection, query: &str) -> Decoded<Vec<PgRow>> {
        let mut sql = String::new();
        if !self.parts.is_empty() {
            let _ = write!(sql, "WITH {} ", self.parts.join(", "));
        }
        sql.push_str(query);
        sqlx::query_with(AssertSqlSafe(sql), self.arguments)
            .fetch_all(connection)
            .await
    }

    fn array(&mut self, kind: Kind, values: Vec<Argument>) -> Decoded<String> {
        match kind {
            Kind::Integer => self.typed("bigint", values, |value| match value {
                Argument::Integer(integer) => Some(integer),
                _ => None,
            }),
            Kind::Text => self.typed("text", values, |value| match value {
                Argument::Text(text) => Some(text),
                _ => None,
            }),
            Kind::Id => self.typed("uuid", values, |value| match value {
                Argument::Id(id) => Some(id),
                _ => None,
            }),
            Kind::Boolean => self.typed("boolean", values, |value| match value {
                Argument::Boolean(boolean) => Some(boolean),
                _ => None,
            }),
            Kind::Bytes => self.typed("bytea", values, |value| match value {
                Argument::Bytes(bytes) => Some(bytes),
                _ => None,
            }),
        }
    }

    fn typed<T>(
        &mut self,
        name: &str,
        values: Vec<Argument>,
        take: impl Fn(Argument) -> Option<T>,
    ) -> Decoded<String>
    where
        Vec<Option<T>>: for<'q> Encode<'q, Postgres> + Type<Postgres>,
    {
        let values = values.into_iter().map(|value| match value {
            Argument::Null => Ok(None),
            value => take(value).map(Some).ok_or_else(|| {
                let message = format!("a value of a column of the type {name} has another type");
                sqlx::Error::Encode(message.into())
            }),
        });
        let values = values.collect::<Decoded<Vec<Option<T>>>>()?;
        self.arguments.add(values).map_err(sqlx::Error::Encode)?;
        Ok(format!("${}::{name}[]", self.arguments.len()))
    }
}
