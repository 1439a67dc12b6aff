use std::collections::{BTreeMap, BTreeSet};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row};

use super::tables::{TABLES, in_sqlite};
use crate::storage::postgres::Kind;
use crate::storage::{PostgresStore, SqliteStore};

/// The columns of tables, each with its type.
type Columns = BTreeMap<String, BTreeSet<(String, String)>>;

/// The columns that are described; `of` tells those of a table.
fn described(of: impl Fn(&super::Table) -> BTreeSet<(String, String)>) -> Columns {
    TABLES
        .iter()
        .map(|table| (table.name.to_owned(), of(table)))
        .collect()
}

/// The columns that there are, of rows of table, column and type.
fn found<R: Row>(rows: &[R], left_out: &[&str]) -> Columns
where
    usize: sqlx::ColumnIndex<R>,
    for<'r> String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    let mut columns = Columns::new();
    for row in rows {
        let table: String = row.get(0);
        if !left_out.contains(&table.as_str()) {
            let column = (row.get(1), row.get(2));
            columns.entry(table).or_default().insert(column);
        }
    }
    columns
}

#[tokio::test]
async fn no_column_of_sqlite_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    SqliteStore::open(directory.path())
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
    let options = SqliteConnectOptions::new().filename(directory.path().join("atom.db"));
    let mut connection = options.connect().await.unwrap();
    let query = "SELECT tables.name, columns.name, columns.type FROM sqlite_schema tables, pragma_table_info(tables.name) columns \
         WHERE tables.type = 'table'";
    let rows = sqlx::query(query).fetch_all(&mut connection).await.unwrap();
    let described = described(|table| {
        let shared = table.shared().iter().map(|(name, kind)| {
            let kind = match kind {
                Kind::Integer | Kind::Boolean => "INTEGER",
                Kind::Text => "TEXT",
                Kind::Id | Kind::Bytes => "BLOB",
            };
            (in_sqlite(name).to_owned(), kind.to_owned())
        });
        let own = table.only_in_sqlite.iter();
        shared
            .chain(own.map(|name| ((*name).to_owned(), "TEXT".to_owned())))
            .collect()
    });
    assert_eq!(found(&rows, &["engine", "sqlite_sequence"]), described);
}

#[cfg(unix)]
#[tokio::test]
async fn no_column_of_postgres_is_forgotten() {
    use crate::storage::postgres_testing::TestPostgres;
    let Some(server) = TestPostgres::shared().await.unwrap() else {
        return;
    };
    let database = server.database();
    PostgresStore::open(&database)
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
    let mut connection = server.connect(&database).await.unwrap();
    let query = "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns \
         WHERE table_schema = $1";
    let query = sqlx::query(query).bind(database.schema());
    let rows = query.fetch_all(&mut connection).await.unwrap();
    let described = described(|table| {
        let columns = table.columns.iter().map(|(name, kind)| {
            let kind = match kind {
                Kind::Integer => "bigint",
                Kind::Boolean => "boolean",
                Kind::Text => "text",
                Kind::Id => "uuid",
                Kind::Bytes => "bytea",
            };
            ((*name).to_owned(), kind.to_owned())
        });
        // Who drives a run where it was is nobody where it is copied to.
        let worker = (table.name == "runs").then(|| ("worker".to_owned(), "uuid".to_owned()));
        columns.chain(worker).collect()
    });
    let others = ["event_log", "letters", "migrations", "workers"];
    assert_eq!(found(&rows, &others), described);
}
