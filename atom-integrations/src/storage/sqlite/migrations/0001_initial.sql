-- Times are nanoseconds since 1970-01-01T00:00:00Z. Ids of runs are the 16 bytes of a UUID.
-- Every table of users' data starts its key with the owner: tenant and user.

-- The engine that holds the database: whoever opens it raises the epoch, and a writer with another one is out.
CREATE TABLE engine (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL
) STRICT;

INSERT INTO engine (id, epoch) VALUES (1, 0);

CREATE TABLE documents (
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    hash TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (tenant, user, hash)
) STRICT;

CREATE TABLE workflows (
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    hash TEXT NOT NULL,
    title TEXT,
    summary TEXT,
    deployed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, user, namespace, name, version),
    FOREIGN KEY (tenant, user, hash) REFERENCES documents (tenant, user, hash)
) STRICT, WITHOUT ROWID;

-- A list of workflows is read page by page in this order.
CREATE INDEX workflows_in_order ON workflows (tenant, user, namespace, name, deployed_at, version);

-- With a rowid, because a run's input and output can be large. When a run was last written to stands in its
-- journal, so that a commit writes one row.
CREATE TABLE runs (
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    roles TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    hash TEXT NOT NULL,
    parent_run BLOB,
    parent_action INTEGER,
    directory TEXT,
    input TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'completed', 'faulted', 'cancelled')),
    output TEXT,
    error TEXT,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    PRIMARY KEY (tenant, user, id)
) STRICT;

-- A list of runs is read page by page, the newest first.
CREATE INDEX runs_by_age ON runs (tenant, user, created_at, id);
-- What runs now is few among what ever ran: an engine that starts asks for it, and so do lists of running runs.
CREATE INDEX runs_running ON runs (tenant, user, created_at, id) WHERE status = 'running';
-- The runs that a run started.
CREATE INDEX runs_by_parent ON runs (tenant, user, parent_run, created_at, id) WHERE parent_run IS NOT NULL;

CREATE TABLE journal (
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    run BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    payload TEXT NOT NULL,
    event_head INTEGER NOT NULL,
    PRIMARY KEY (tenant, user, run, sequence),
    FOREIGN KEY (tenant, user, run) REFERENCES runs (tenant, user, id)
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT, because an offset must not come back even after its event is gone.
CREATE TABLE events (
    "offset" INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    event TEXT NOT NULL
) STRICT;

-- An event is stored once for each source and id.
CREATE UNIQUE INDEX events_by_id ON events (tenant, user, source, id);
-- An owner's events are read in order of offset.
CREATE INDEX events_by_offset ON events (tenant, user, "offset");

-- The keys of tenants, wrapped by the root key.
CREATE TABLE tenant_keys (
    tenant TEXT NOT NULL,
    version INTEGER NOT NULL,
    wrapped BLOB NOT NULL,
    PRIMARY KEY (tenant, version)
) STRICT;

-- Secrets, sealed by a key derived from the tenant's.
CREATE TABLE secrets (
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, user, name)
) STRICT;

-- How often a secret was set, apart from the secret and kept when it is removed: an old record that is put
-- back does not fit any more.
CREATE TABLE secret_versions (
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    is_removed INTEGER NOT NULL DEFAULT 0 CHECK (is_removed IN (0, 1)),
    PRIMARY KEY (tenant, user, name)
) STRICT, WITHOUT ROWID;
