//! Large texts in rows.

use atom_core::Scope;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::database::{Database, Query, Sight, within};
use super::rows::Decoded;
use super::script::{Argument, Columns, Kind};
use super::values::text;
use crate::storage::blobs::{self, Blob, Blobs, Cut, damaged};
use crate::storage::record::needed;

pub(super) const BLOBS: Columns = &[
    ("tenant", Kind::Text),
    ("owner", Kind::Text),
    ("hash", Kind::Text),
    ("parts", Kind::Text),
    ("text", Kind::Text),
];

/// The text of a row and its parts as arguments. The blobs that it needs are added to those to store with it.
pub(super) fn cut(text: String, blobs: &mut Vec<Blob>) -> [Argument; 2] {
    text_and_parts(blobs::cut(text, blobs))
}

/// What is left of a text and its parts as arguments.
pub(super) fn text_and_parts(Cut { text, parts }: Cut) -> [Argument; 2] {
    [
        Argument::text(&text),
        parts.map_or(Argument::Null, Argument::Text),
    ]
}

impl Database {
    /// Reads rows of one owner, with the blobs that the given columns refer to.
    pub(super) async fn rows_with_blobs(
        &self,
        owner: &Scope,
        columns: &[&str],
        query: Query<'_>,
    ) -> Decoded<(Vec<PgRow>, Blobs)> {
        within(self.patience(), async {
            // What refers to a blob and the blob are read from one state of the database, as both may be removed meanwhile.
            let mut reader = self.read(Sight::of(owner)).await?;
            let rows = query.fetch_all(&mut *reader).await?;
            let wanted = needed(&rows, columns)?;
            let blobs = load(&mut reader, owner, wanted).await?;
            Ok((rows, blobs))
        })
        .await
    }
}

/// Reads blobs, and those that they need themselves.
pub(super) async fn load(
    connection: &mut PgConnection,
    owner: &Scope,
    mut wanted: Vec<String>,
) -> Decoded<Blobs> {
    let mut blobs = Blobs::default();
    loop {
        wanted = blobs.missing(wanted);
        if wanted.is_empty() {
            return Ok(blobs);
        }
        let query = "SELECT hash, parts, text FROM blobs WHERE tenant = $1 AND owner = $2 AND hash = ANY($3)";
        let query = sqlx::query(query)
            .bind(super::text::stored(&owner.tenant))
            .bind(super::text::stored(&owner.user));
        let rows = query.bind(&wanted).fetch_all(&mut *connection).await?;
        if rows.len() < wanted.len() {
            return Err(damaged());
        }
        let mut next = Vec::new();
        for row in rows {
            next.extend(blobs.insert(row.try_get(0)?, row.try_get(1)?, text(&row, 2)?)?);
        }
        wanted = next;
    }
}
