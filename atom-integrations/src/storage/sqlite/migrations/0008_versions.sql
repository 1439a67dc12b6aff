-- Since when a version is withdrawn in favour of a lower one.
ALTER TABLE workflows ADD COLUMN withdrawn_at INTEGER;
-- The version that a run was started with, if it was moved to another one since.
ALTER TABLE runs ADD COLUMN started_version TEXT;
ALTER TABLE runs ADD COLUMN started_hash TEXT;
