-- The key under which a run is started once, what it can be found by, and whether it is paused. Tags and fields stand
-- here as JSON to be read with the run, and in run_labels to be looked for; what has ended is not paused, whatever
-- is_paused says.
ALTER TABLE runs ADD COLUMN idempotency_key TEXT;
ALTER TABLE runs ADD COLUMN tags TEXT;
ALTER TABLE runs ADD COLUMN fields TEXT;
ALTER TABLE runs ADD COLUMN is_paused INTEGER NOT NULL DEFAULT 0 CHECK (is_paused IN (0, 1));

-- Two starts with one key are one run, even if both come at once.
CREATE UNIQUE INDEX runs_by_key ON runs (tenant, user, namespace, name, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
-- The runs of one workflow among those of many.
CREATE INDEX runs_by_workflow ON runs (tenant, user, namespace, name, created_at, id);
-- What failed is few among what ever ran, and the most looked for. An index of every state would cost each run that
-- ends a second write for lists that runs_by_age serves well.
CREATE INDEX runs_faulted ON runs (tenant, user, created_at, id) WHERE status = 'faulted';

-- A row for each tag and field of a run, in the order of a list: the newest runs with a label are read from here
-- without looking at any other. A field's value is JSON, so that 7 and "7" are two values.
CREATE TABLE run_labels (
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('tag', 'field')),
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    run BLOB NOT NULL,
    PRIMARY KEY (tenant, user, kind, name, value, created_at, run),
    FOREIGN KEY (tenant, user, run) REFERENCES runs (tenant, user, id)
) STRICT, WITHOUT ROWID;

-- The labels of one run: what refers to it must be found before it can be removed.
CREATE INDEX run_labels_by_run ON run_labels (tenant, user, run);
