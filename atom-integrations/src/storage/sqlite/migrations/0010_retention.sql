-- When a run may be removed if its document says so, and whether it is being removed: its row goes last, so that a crash
-- leaves something to go on from.
ALTER TABLE runs ADD COLUMN expires_at INTEGER;
ALTER TABLE runs ADD COLUMN is_removed INTEGER NOT NULL DEFAULT 0 CHECK (is_removed IN (0, 1));

CREATE INDEX runs_expiring ON runs (expires_at) WHERE expires_at IS NOT NULL AND is_removed = 0;
-- The ended runs whose documents say nothing.
CREATE INDEX runs_ended ON runs (status, ended_at) WHERE ended_at IS NOT NULL AND expires_at IS NULL AND is_removed = 0;
CREATE INDEX runs_removed ON runs (tenant, user, id) WHERE is_removed = 1;

-- What refers to a row must be found before the row can be removed.
CREATE INDEX approvals_by_run ON approvals (tenant, user, run);
CREATE INDEX approval_viewers_by_approval ON approval_viewers (tenant, user, id);

-- How old events are: at this time the log reached up to this offset.
CREATE TABLE event_ages (
    at INTEGER PRIMARY KEY,
    "offset" INTEGER NOT NULL
) STRICT;
