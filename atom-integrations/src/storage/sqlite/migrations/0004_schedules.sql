-- What started a run by itself, as JSON.
ALTER TABLE runs ADD COLUMN started_by TEXT;

-- The schedules of deployed workflows. What the scheduler asks for stands in columns of its own, the whole as JSON.
CREATE TABLE schedules (
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    wakes_at INTEGER,
    listens_after INTEGER,
    awaits BLOB,
    schedule TEXT NOT NULL,
    PRIMARY KEY (tenant, user, namespace, name)
) STRICT;

-- Of many schedules only the earliest are looked at.
CREATE INDEX schedules_by_time ON schedules (wakes_at) WHERE wakes_at IS NOT NULL;
-- Events concern the schedules of their owner.
CREATE INDEX schedules_listening ON schedules (tenant, user) WHERE listens_after IS NOT NULL;
-- An engine that starts asks which runs have ended meanwhile.
CREATE INDEX schedules_awaiting ON schedules (awaits) WHERE awaits IS NOT NULL;
