//! Large texts in rows.

use atom_core::Scope;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row, Sqlite};

use super::Database;
use super::rows::Decoded;
use super::script::{Argument, Rows, Table};
use crate::storage::blobs::{self, Blob, Blobs, Cut, damaged};
use crate::storage::record::needed;

/// How many blobs one statement reads.
const LOOKUPS: usize = 32;

pub(super) const BLOBS: Table = Table(
    "INSERT OR IGNORE INTO blobs (tenant, user, hash, parts, text) VALUES ",
    "(?,?,?,?,?)",
);

/// The text of a row and its parts as arguments. The blobs that it needs are added to those to insert before it.
pub(super) fn cut(text: String, owner: &Scope, blobs: &mut Vec<(Scope, Blob)>) -> [Argument; 2] {
    let mut needed = Vec::new();
    let cut = blobs::cut(text, &mut needed);
    blobs.extend(needed.into_iter().map(|blob| (owner.clone(), blob)));
    arguments(cut)
}

fn arguments(Cut { text, parts }: Cut) -> [Argument; 2] {
    [Argument::Text(text), parts.map_or(Argument::Null, Argument::Text)]
}

/// The rows of blobs.
pub(super) fn blob_rows(blobs: Vec<(Scope, Blob)>) -> Rows {
    let mut rows = Rows::default();
    for (owner, Blob { hash, cut }) in blobs {
        let [text, parts] = arguments(cut);
        rows.push([
            Argument::text(&owner.tenant),
            Argument::text(&owner.user),
            Argument::Text(hash),
            parts,
            text,
        ]);
    }
    rows
}

/// Reads blobs, and those that they need themselves.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    owner: &Scope,
    mut wanted: Vec<String>,
) -> Decoded<Blobs> {
    let mut blobs = Blobs::default();
    loop {
        wanted = blobs.missing(wanted);
        if wanted.is_empty() {
            return Ok(blobs);
        }
        let mut next = Vec::new();
        for chunk in wanted.chunks(LOOKUPS) {
            let places = vec!["?"; chunk.len()].join(",");
            let sql = format!(
                "SELECT hash, parts, text FROM blobs WHERE tenant = ? AND user = ? AND hash IN ({places})"
            );
            let mut query = sqlx::query(AssertSqlSafe(sql))
                .bind(&owner.tenant)
                .bind(&owner.user);
            for hash in chunk {
                query = query.bind(hash);
            }
            let rows = query.fetch_all(&mut *connection).await?;
            if rows.len() < chunk.len() {
                return Err(damaged());
            }
            for row in rows {
                next.extend(blobs.insert(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)?);
            }
        }
        wanted = next;
    }
}

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

impl Database {
    /// Reads rows of one owner, with the blobs that the given columns refer to.
    pub(super) async fn rows_with_blobs<'q>(
        &self,
        owner: &Scope,
        columns: &[&str],
        query: impl Fn() -> Query<'q>,
    ) -> Decoded<(Vec<SqliteRow>, Blobs)> {
        let rows = query().fetch_all(&self.readers).await?;
        if needed(&rows, columns)?.is_empty() {
            return Ok((rows, Blobs::default()));
        }
        // What refers to a blob and the blob are read from one state of the database, as both may be removed meanwhile.
        let mut reader = self.readers.begin().await?;
        let rows = query().fetch_all(&mut *reader).await?;
        let wanted = needed(&rows, columns)?;
        let blobs = load(&mut reader, owner, wanted).await?;
        reader.commit().await?;
        Ok((rows, blobs))
    }
}
