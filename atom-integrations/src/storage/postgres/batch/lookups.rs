//! What must be known before a group is written.

use std::collections::{HashMap, HashSet};

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::super::rows::{Decoded, unsigned};
use super::super::script::{Argument, Columns, Kind, Rows, Script};
use super::key_arguments;
use crate::storage::change::{RunKey, RunState, StartKey};

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
        "SELECT place, status <> 'running', (SELECT sequence FROM journal WHERE journal.tenant = runs.tenant \
         AND journal.owner = runs.owner AND journal.run = runs.id ORDER BY sequence DESC LIMIT 1) \
         FROM {wanted} JOIN runs USING (tenant, owner, id)"
    );
    for row in script.run(connection, &query).await? {
        let next = row
            .try_get::<Option<i64>, _>(2)?
            .map_or(Ok(0), |last| unsigned(last).map(|last| last + 1))?;
        let has_ended = row.try_get(1)?;
        if let Some(key) = at(keys, row.try_get(0)?) {
            states.insert(key.clone(), RunState { next, has_ended });
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

fn at<T>(keys: &[T], place: i64) -> Option<&T> {
    keys.get(usize::try_from(place).ok()?)
}
