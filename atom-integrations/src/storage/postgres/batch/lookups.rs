//! What must be known before a group is written.

use std::collections::{HashMap, HashSet};

use atom_core::storage::{JournalEntry, RunEnd};
use atom_core::{Offset, WorkerId};
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::super::rows::{Decoded, nanoseconds, unsigned};
use super::super::script::{Argument, Columns, Kind, Rows, Script};
use super::super::text::stored;
use super::super::values::uuid_of_run;
use super::key_arguments;
use crate::storage::blobs::{Cut, cut};
use crate::storage::change::{Change, RunKey, RunState, StartKey, named_run};

const RUN_KEYS: Columns = &[
    ("tenant", Kind::Text),
    ("owner", Kind::Text),
    ("id", Kind::Id),
    ("place", Kind::Integer),
];
const START_KEYS: Columns = &[
    ("tenant", Kind::Text),
    ("owner", Kind::Text),
    ("namespace", Kind::Text),
    ("name", Kind::Text),
    ("idempotency_key", Kind::Text),
    ("place", Kind::Integer),
];

/// Adds the states of those of the runs that exist.
pub(super) async fn load_states(
    connection: &mut PgConnection,
    worker: WorkerId,
    states: &mut HashMap<RunKey, RunState>,
    keys: &[RunKey],
) -> Decoded<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut wanted = Rows::new(RUN_KEYS);
    for (place, key) in (0..).zip(keys) {
        let [tenant, owner, id] = key_arguments(key);
        wanted.push([tenant, owner, id, Argument::Integer(place)]);
    }
    let mut script = Script::default();
    let wanted = script.given("wanted", wanted)?;
    let query = format!(
        "SELECT place, status <> 'running', worker IS NOT DISTINCT FROM '{worker}', (SELECT sequence FROM journal WHERE journal.tenant = runs.tenant \
         AND journal.owner = runs.owner AND journal.run = runs.id ORDER BY sequence DESC LIMIT 1) \
         FROM {wanted} JOIN runs USING (tenant, owner, id)"
    );
    for row in script.run(connection, &query).await? {
        let next = row
            .try_get::<Option<i64>, _>(3)?
            .map_or(Ok(0), |last| unsigned(last).map(|last| last + 1))?;
        let (has_ended, is_held) = (row.try_get(1)?, row.try_get(2)?);
        if let Some(key) = at(keys, row.try_get(0)?) {
            let state = RunState {
                next,
                has_ended,
                is_held,
            };
            states.insert(key.clone(), state);
        }
    }
    Ok(())
}

/// Those of the idempotency keys that are taken.
pub(super) async fn load_keys(
    connection: &mut PgConnection,
    keys: &[StartKey],
) -> Decoded<HashSet<StartKey>> {
    let mut taken = HashSet::new();
    if keys.is_empty() {
        return Ok(taken);
    }
    let mut wanted = Rows::new(START_KEYS);
    for (place, (scope, namespace, name, key)) in (0..).zip(keys) {
        let [tenant, owner, namespace, name, key] =
            [&scope.tenant, &scope.user, namespace, name, key].map(|text| Argument::text(text));
        wanted.push([tenant, owner, namespace, name, key, Argument::Integer(place)]);
    }
    let mut script = Script::default();
    let wanted = script.given("wanted", wanted)?;
    let query = format!(
        "SELECT place FROM {wanted} JOIN runs USING (tenant, owner, namespace, name, idempotency_key)"
    );
    for row in script.run(connection, &query).await? {
        taken.extend(at(keys, row.try_get(0)?).cloned());
    }
    Ok(taken)
}

/// The head after those of the changes that were written before: the changes of these runs whose first journal entry, or
/// else whose end, is there already as it is here. Only this worker writes, and it writes a change as a whole or not at all.
pub(in super::super) async fn written_before_by_us(
    connection: &mut PgConnection,
    uncertain: &HashSet<RunKey>,
    changes: &[Change],
) -> Decoded<Vec<Option<Offset>>> {
    let mut heads = Vec::with_capacity(changes.len());
    for change in changes {
        let Some(key) = named_run(change).filter(|key| uncertain.contains(key)) else {
            heads.push(None);
            continue;
        };
        heads.push(match change {
            Change::Create(run) => head_of(connection, &key, &run.first_entry, &run.first_entry).await?,
            Change::Commit(commit) => match (commit.entries.first(), commit.entries.last(), &commit.end) {
                (Some(first), Some(last), _) => head_of(connection, &key, first, last).await?,
                (_, _, Some(end)) => head_of_end(connection, &key, end).await?,
                // Writing it again makes no difference.
                _ => None,
            },
            // An event is appended once.
            Change::Append(..) => None,
        });
    }
    Ok(heads)
}

async fn head_of_end(
    connection: &mut PgConnection,
    (owner, run): &RunKey,
    end: &RunEnd,
) -> Decoded<Option<Offset>> {
    let query = "SELECT head FROM runs, event_log WHERE tenant = $1 AND owner = $2 AND runs.id = $3 \
         AND status = $4 AND ended_at = $5";
    let query = sqlx::query(query)
        .bind(stored(&owner.tenant))
        .bind(stored(&owner.user))
        .bind(uuid_of_run(*run))
        .bind(end.status.as_str())
        .bind(nanoseconds(end.at).ok());
    let row = query.fetch_optional(connection).await?;
    row.map(|row| unsigned(row.try_get(0)?)).transpose()
}

async fn head_of(
    connection: &mut PgConnection,
    (owner, run): &RunKey,
    first: &JournalEntry,
    last: &JournalEntry,
) -> Decoded<Option<Offset>> {
    let Cut { text, parts } = cut(first.payload.clone(), &mut Vec::new());
    let query = "SELECT last.event_head FROM journal AS first JOIN journal AS last USING (tenant, owner, run) \
         WHERE tenant = $1 AND owner = $2 AND run = $3 AND first.sequence = $4 AND last.sequence = $5 \
         AND first.at = $6 AND first.payload = $7 AND first.payload_parts IS NOT DISTINCT FROM $8";
    let sequence = |entry: &JournalEntry| i64::try_from(entry.sequence).ok();
    let query = sqlx::query(query)
        .bind(stored(&owner.tenant))
        .bind(stored(&owner.user))
        .bind(uuid_of_run(*run))
        .bind(sequence(first))
        .bind(sequence(last))
        .bind(nanoseconds(first.at).ok())
        .bind(stored(&text))
        .bind(parts);
    let row = query.fetch_optional(connection).await?;
    row.map(|row| unsigned(row.try_get(0)?)).transpose()
}

fn at<T>(keys: &[T], place: i64) -> Option<&T> {
    keys.get(usize::try_from(place).ok()?)
}
