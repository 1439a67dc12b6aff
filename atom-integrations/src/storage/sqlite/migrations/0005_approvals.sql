-- What runs ask people.
CREATE TABLE approvals (
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    run BLOB NOT NULL,
    action INTEGER NOT NULL,
    task TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    hash TEXT NOT NULL,
    title TEXT NOT NULL,
    message TEXT,
    assignees TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    deadline INTEGER,
    on_deadline TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'approved', 'rejected', 'expired', 'withdrawn')),
    decision TEXT,
    closed_at INTEGER,
    -- These can be large, so they stand last.
    form TEXT,
    data TEXT NOT NULL,
    input TEXT,
    PRIMARY KEY (tenant, user, id),
    FOREIGN KEY (tenant, user, run) REFERENCES runs (tenant, user, id)
) STRICT;

-- Who sees an approval: 'owner:' and the owner of the run, 'user:' and who may decide it, 'role:' and whose role may.
-- The tenant comes first as everywhere, because nothing is shown across tenants; the owner of the approval does not,
-- because it is looked up by those who decide for others.
CREATE TABLE approval_viewers (
    tenant TEXT NOT NULL,
    viewer TEXT NOT NULL,
    id BLOB NOT NULL,
    user TEXT NOT NULL,
    PRIMARY KEY (tenant, viewer, id, user),
    FOREIGN KEY (tenant, user, id) REFERENCES approvals (tenant, user, id)
) STRICT, WITHOUT ROWID;
