-- What bounds when a run begins, for runs whose document says so; all of it is null for the others, which are in none of
-- the indexes below. The limits stand in `admission` as JSON, and what they are looked up by in columns of their own. A
-- run with limits has not begun while begun_at is null. One that is_unwanted is cancelled to keep or make room for others.
ALTER TABLE runs ADD COLUMN admission TEXT;
ALTER TABLE runs ADD COLUMN concurrency_key TEXT;
ALTER TABLE runs ADD COLUMN rate_key TEXT;
ALTER TABLE runs ADD COLUMN rank INTEGER;
ALTER TABLE runs ADD COLUMN begun_at INTEGER;
ALTER TABLE runs ADD COLUMN is_unwanted INTEGER NOT NULL DEFAULT 0 CHECK (is_unwanted IN (0, 1));

-- The queue of a key, in the order in which its runs begin: the end of a run looks at the first of them.
CREATE INDEX runs_queued_for_place ON runs (tenant, user, namespace, name, concurrency_key, rank, created_at, id)
    WHERE status = 'running' AND begun_at IS NULL AND concurrency_key IS NOT NULL;
CREATE INDEX runs_queued_for_rate ON runs (tenant, user, namespace, name, rate_key, rank, created_at, id)
    WHERE status = 'running' AND begun_at IS NULL AND rate_key IS NOT NULL;
-- The runs of a key that are under way: how many there are, and which are the oldest, to be cancelled for a newer one.
CREATE INDEX runs_under_way ON runs (tenant, user, namespace, name, concurrency_key, is_unwanted, begun_at, id)
    WHERE status = 'running' AND begun_at IS NOT NULL AND concurrency_key IS NOT NULL;
-- When the latest runs of a key have begun, whatever became of them.
CREATE INDEX runs_by_rate ON runs (tenant, user, namespace, name, rate_key, begun_at)
    WHERE begun_at IS NOT NULL AND rate_key IS NOT NULL;
