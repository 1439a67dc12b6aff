//! Copies of whole stores, from one database to another.

mod row;
pub(super) mod tables;
#[cfg(test)]
mod tests;

pub(super) use row::{Row, Value};

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use atom_core::{Error, ErrorCode, Result, Scope};
use futures::TryStreamExt;
use futures::stream::BoxStream;

use super::blobs::{Blobs, hashes};
use super::postgres::PostgresConfig;
use super::postgres::copy::PostgresTables;
use super::rows::Decoded;
use super::sqlite::backup::RootKeyCopy;
use super::sqlite::blocking;
use super::sqlite::copy::{Draft, SqliteTables};
use crate::vault::{WrappedKey, check_file};
use row::RowDigest;
use tables::{BLOB_USES, TABLES, Table, VIEWERS};

/// How many rows are written at once at most, and how many bytes of them, about.
const ROWS_AT_ONCE: usize = 500;
const BYTES_AT_ONCE: usize = 4 * 1024 * 1024;

/// Where a store is, with the key of its vault.
#[derive(Clone, Debug)]
pub enum StorePlace {
    /// A data directory, which holds the key, too.
    Directory(PathBuf),
    /// A PostgreSQL database.
    Postgres {
        /// The database.
        config: Box<PostgresConfig>,
        /// The directory that holds the file `root.key`, if there is one.
        key_directory: Option<PathBuf>,
    },
}

impl StorePlace {
    fn key_directory(&self) -> Option<&Path> {
        match self {
            Self::Directory(directory) => Some(directory),
            Self::Postgres { key_directory, .. } => key_directory.as_deref(),
        }
    }
}

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreCopy {
    /// The tables, which hold the same in both places.
    pub tables: Vec<CopiedTable>,
    /// Whether the file `root.key` of the vault is beside the copy: it is not when it was nowhere, or when the copy has no place
    /// for it.
    pub has_root_key: bool,
}

/// A table that was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedTable {
    /// Its name.
    pub name: &'static str,
    /// How many rows it has.
    pub rows: u64,
    /// The SHA-256 of its rows, in hexadecimal. It is that of any store with these rows, in either database.
    pub sha256: String,
}

/// Copies everything that a store keeps into another place, which is made or has nothing yet: workflows, runs that are under
/// way with their journals, approvals, events, schedules, statistics, alert rules, templates and secrets, which stay encrypted
/// with the same root key. The file of the key is copied, too, where both places have a directory for it.
///
/// No engine works on the source meanwhile: one that does keeps it from being copied, and none comes in before the copy is done. What was copied is read again and compared before it counts.
///
/// Runs that were under way go on from there when an engine opens the copy. Open one of the two only: runs that go on in both
/// places do everything twice.
///
/// # Errors
/// `not_found` when there is no store to copy, `locked` when an engine is at work on one of the places, `already_exists` when the other place has one, `invalid_data` when what was written
/// is not what was read or the root key does not open the vault, and those of opening a store. The other place keeps nothing then.
///
/// # Cancel safety
/// Dropping the future leaves the other place without a store.
pub async fn copy(from: &StorePlace, to: &StorePlace) -> Result<StoreCopy> {
    let mut source: Box<dyn Tables> = match from {
        StorePlace::Directory(directory) => Box::new(SqliteTables::hold(directory).await?),
        StorePlace::Postgres { config, .. } => Box::new(PostgresTables::hold(config).await?),
    };
    if let Some(directory) = from.key_directory().map(Path::to_owned) {
        let key = source.key().await.map_err(|error| source.error(error))?;
        blocking("copying the store", move || check_file(&directory, key.as_ref())).await?;
    }
    let keys = [from, to].map(|place| place.key_directory().map(Path::to_owned));
    let key = blocking("copying the store", move || match keys {
        [Some(from), Some(to)] => RootKeyCopy::prepare(&from, &to).map(Some),
        _ => Ok(None),
    });
    let key = key.await?;
    let place_key = async || match key {
        Some(key) => blocking("copying the store", move || key.place()).await,
        None => Ok(false),
    };
    match to {
        StorePlace::Directory(directory) => {
            let (draft, mut target) = Draft::create(directory).await?;
            let tables = copy_tables(&mut *source, &mut target).await?;
            target.finish().await?;
            // The database comes last: where it stands, the copy is whole.
            let has_root_key = place_key().await?;
            draft.place().await?;
            Ok(StoreCopy { tables, has_root_key })
        }
        StorePlace::Postgres { config, .. } => {
            let mut target = PostgresTables::create(config).await?;
            let tables = copy_tables(&mut *source, &mut target).await?;
            let has_root_key = place_key().await?;
            target.finish().await?;
            Ok(StoreCopy { tables, has_root_key })
        }
    }
}

/// The tables of one store, in one transaction.
#[async_trait]
pub(super) trait Tables: Send {
    /// The rows of a table, in its order.
    fn rows<'c>(&'c mut self, table: &'static Table) -> BoxStream<'c, Decoded<Row>>;

    /// Writes rows of one table, with what this database computes from them.
    async fn write(&mut self, rows: Vec<Row>) -> Decoded<()>;

    /// Removes what triggers have counted.
    async fn forget_uses(&mut self) -> Decoded<()>;

    /// The last offset of the log of events that was given out.
    async fn head(&mut self) -> Decoded<i64>;

    /// Sets the last offset that was given out.
    async fn set_head(&mut self, head: i64) -> Decoded<()>;

    /// A key that the root key of the vault wraps, if there is one.
    async fn key(&mut self) -> Decoded<Option<WrappedKey>>;

    /// What a failure of the database means to a user.
    fn error(&self, error: sqlx::Error) -> Error;

    /// The blobs of an owner with these hashes, and those that they refer to.
    async fn blobs(&mut self, owner: &Scope, wanted: Vec<String>) -> Decoded<Blobs>;

    /// The whole text of an event, whose large parts are here already; nothing for rows of other tables.
    async fn event(&mut self, row: &Row) -> Decoded<Option<String>> {
        if row.table.name != "events" {
            return Ok(None);
        }
        let (text, parts) = (row.text("event")?, row.optional_text("event_parts")?);
        let wanted = parts.map(hashes).transpose()?.into_iter().flatten().collect();
        let blobs = self.blobs(&row.owner()?, wanted).await?;
        Ok(Some(blobs.join(text, parts)?.into_owned()))
    }
}

async fn copy_tables(from: &mut dyn Tables, to: &mut dyn Tables) -> Result<Vec<CopiedTable>> {
    let mut copied = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        if table.name == BLOB_USES {
            let forgotten = to.forget_uses().await;
            forgotten.map_err(|error| to.error(error))?;
        }
        copied.push(copy_table(table, from, to).await?);
    }
    let head = from.head().await.map_err(|error| from.error(error))?;
    let set = to.set_head(head).await;
    set.map_err(|error| to.error(error))?;

    let mut written = Vec::with_capacity(copied.len());
    for table in TABLES {
        written.push(summed_up(table, to).await?);
    }
    let written_head = to.head().await.map_err(|error| to.error(error))?;
    if written == copied && written_head == head {
        return Ok(copied);
    }
    let differing = copied
        .iter()
        .zip(&written)
        .find(|(copied, written)| copied != written);
    let message = "what was written is not what was read; nothing was copied. Check the disks and memory of both machines";
    Err(Error::new(ErrorCode::InvalidData, message)
        .with_context("table", differing.map_or("event_log", |(table, _)| table.name)))
}

/// Copies a table, and sums it up as it was read.
async fn copy_table(
    table: &'static Table,
    from: &mut dyn Tables,
    to: &mut dyn Tables,
) -> Result<CopiedTable> {
    if table.name == VIEWERS {
        return summed_up(table, from).await;
    }
    let mut digest = RowDigest::default();
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let mut failure = None;
    {
        let mut rows = from.rows(table);
        loop {
            let row = match rows.try_next().await {
                Ok(row) => row,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            };
            let is_last = row.is_none();
            if let Some(row) = row {
                digest.add(&row);
                bytes += row.size();
                batch.push(row);
            }
            if is_last || batch.len() == ROWS_AT_ONCE || bytes > BYTES_AT_ONCE {
                let written = to.write(std::mem::take(&mut batch)).await;
                written.map_err(|error| to.error(error))?;
                bytes = 0;
            }
            if is_last {
                break;
            }
        }
    }
    match failure {
        Some(error) => Err(from.error(error)),
        None => Ok(copied(table, digest)),
    }
}

/// Sums a table up.
async fn summed_up(table: &'static Table, tables: &mut dyn Tables) -> Result<CopiedTable> {
    let add = async |mut digest: RowDigest, row: Row| {
        digest.add(&row);
        Ok(digest)
    };
    let summed = tables.rows(table).try_fold(RowDigest::default(), add).await;
    summed
        .map(|digest| copied(table, digest))
        .map_err(|error| tables.error(error))
}

fn copied(table: &Table, digest: RowDigest) -> CopiedTable {
    CopiedTable {
        name: table.name,
        rows: digest.rows,
        sha256: digest.sum(),
    }
}
