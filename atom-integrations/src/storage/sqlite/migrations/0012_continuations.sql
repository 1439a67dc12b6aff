-- Where the journal of a run begins that has continued, and whether what came before is gone: it goes a few rows at a time.
ALTER TABLE runs ADD COLUMN journal_start INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN is_trimmed INTEGER NOT NULL DEFAULT 1 CHECK (is_trimmed IN (0, 1));

CREATE INDEX runs_to_trim ON runs (tenant, user, id) WHERE is_trimmed = 0;
