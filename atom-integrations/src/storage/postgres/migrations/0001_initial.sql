-- Times are nanoseconds since 1970-01-01T00:00:00Z: a timestamptz keeps microseconds only. JSON stands as text, because
-- jsonb orders keys anew and changes numbers. Texts compare by their bytes (COLLATE "C"), as they do in Rust.
-- Every table of users' data starts its key with who owns it: the tenant, and the user as `owner`, as `user` is a word of SQL.

-- The engines that share the database. Each renews its lease, by the clock of the database; whoever finds that one has run
-- out declares its worker gone, for good, and then takes its runs. A row stays until nobody's runs refer to it.
CREATE TABLE workers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    number bigint GENERATED ALWAYS AS IDENTITY,
    name text COLLATE "C" NOT NULL DEFAULT '',
    takes_runs boolean NOT NULL DEFAULT false,
    -- As JSON.
    functions text COLLATE "C" NOT NULL DEFAULT '[]',
    is_draining boolean NOT NULL DEFAULT false,
    is_gone boolean NOT NULL DEFAULT false,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    renewed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until timestamptz NOT NULL
) WITH (fillfactor = 20);

-- The lock that a transaction of a worker shares with its others, and that whoever declares the worker gone has alone. A lock of a row
-- would be written to disk with every step.
CREATE FUNCTION lock_of(worker uuid) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT hashtextextended(worker::text, 3) $$;

-- Ends a transaction of a worker that does not hold its lease. Whoever declares the worker gone waits for the transaction.
CREATE FUNCTION hold(worker uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(lock_of(worker));
    -- What is read is what is committed by now.
    PERFORM 1 FROM workers WHERE id = worker AND NOT is_gone AND lease_until > clock_timestamp();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the lease is lost' USING ERRCODE = 'AT001';
    END IF;
END
$$;

-- Declares a worker gone, once nothing of it is under way.
CREATE FUNCTION bury(worker uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(lock_of(worker));
    UPDATE workers SET is_gone = true WHERE id = worker;
END
$$;

-- Tells all workers, once the transaction is committed.
CREATE FUNCTION tell(what text) RETURNS void LANGUAGE sql AS $$
    SELECT pg_notify('atom_' || md5(current_schema()), what)
$$;

-- What row-level security lets a statement see and write: the rows of the tenant that its transaction has named, or those
-- of all tenants where it says so.
CREATE FUNCTION is_visible(tenant text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT tenant = current_setting('atom.tenant', true) OR current_setting('atom.all_tenants', true) = 'on'
$$;

CREATE TABLE documents (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL,
    text text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, owner, hash)
);

CREATE TABLE workflows (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL,
    title text COLLATE "C",
    summary text COLLATE "C",
    deployed_at bigint NOT NULL,
    -- Since when a version is withdrawn in favour of a lower one.
    withdrawn_at bigint,
    PRIMARY KEY (tenant, owner, namespace, name, version),
    FOREIGN KEY (tenant, owner, hash) REFERENCES documents (tenant, owner, hash)
);

-- A list of workflows is read page by page in this order.
CREATE INDEX workflows_in_order ON workflows (tenant, owner, namespace, name, deployed_at, version);

-- Templates that owners have imported, whole files.
CREATE TABLE templates (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    title text COLLATE "C" NOT NULL,
    summary text COLLATE "C",
    category text COLLATE "C",
    imported_at bigint,
    text text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, owner, name)
);

-- The schedules of deployed workflows. What the scheduler asks for stands in columns of its own, the whole as JSON.
CREATE TABLE schedules (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    wakes_at bigint,
    listens_after bigint,
    awaits uuid,
    schedule text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, owner, namespace, name)
);

-- Of many schedules only the earliest are looked at.
CREATE INDEX schedules_by_time ON schedules (wakes_at) WHERE wakes_at IS NOT NULL;
-- Events concern the schedules of their owner.
CREATE INDEX schedules_listening ON schedules (tenant, owner) WHERE listens_after IS NOT NULL;
-- An engine that starts asks which runs have ended meanwhile, and what removes runs whether one is awaited.
CREATE INDEX schedules_awaiting ON schedules (awaits) WHERE awaits IS NOT NULL;

-- Alert rules, as JSON.
CREATE TABLE alerts (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    alert text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, owner, name)
);

-- A run is written when it is created and when it ends, and in between only when somebody pauses it, lets it begin, moves it to
-- another version or begins its journal anew: a step writes its journal only.
CREATE TABLE runs (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    roles text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL,
    -- The version that it was started with, if it was moved to another one since.
    started_version text COLLATE "C",
    started_hash text COLLATE "C",
    parent_run uuid,
    parent_action bigint,
    directory text COLLATE "C",
    rerun_of uuid,
    -- What started it by itself, as JSON.
    started_by text COLLATE "C",
    idempotency_key text COLLATE "C",
    -- As JSON, to be read with the run; to be looked for they stand in run_labels.
    tags text COLLATE "C",
    fields text COLLATE "C",
    status text COLLATE "C" NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'completed', 'faulted', 'cancelled')),
    -- What has ended is not paused, whatever this says.
    is_paused boolean NOT NULL DEFAULT false,
    -- What bounds when it begins, as JSON, and what that is looked up by; all of it is null for runs without limits. A run with
    -- limits has not begun while begun_at is null. One that is_unwanted is cancelled to keep or make room for others.
    admission text COLLATE "C",
    concurrency_key text COLLATE "C",
    cancels_oldest boolean,
    rate_key text COLLATE "C",
    rank bigint,
    begun_at bigint,
    is_unwanted boolean NOT NULL DEFAULT false,
    created_at bigint NOT NULL,
    ended_at bigint,
    -- When it may be removed if its document says so, and whether it is being removed: its row goes last, so that a crash leaves
    -- something to go on from.
    expires_at bigint,
    is_removed boolean NOT NULL DEFAULT false,
    -- Where its journal begins if it has continued, and whether what came before is gone: it goes a few rows at a time.
    journal_start bigint NOT NULL DEFAULT 0,
    is_trimmed boolean NOT NULL DEFAULT true,
    error text COLLATE "C",
    -- A column of its own, as an error may hold what the database cannot take out of JSON.
    error_type text COLLATE "C",
    -- Which worker drives it, or has last.
    worker uuid,
    input text COLLATE "C" NOT NULL,
    input_parts text COLLATE "C",
    output text COLLATE "C",
    output_parts text COLLATE "C",
    PRIMARY KEY (tenant, owner, id)
) WITH (fillfactor = 80);

-- A list of runs is read page by page, the newest first.
CREATE INDEX runs_by_age ON runs (tenant, owner, created_at, id);
-- What runs now is few among what ever ran: an engine that starts asks for it, and so do lists of running runs.
CREATE INDEX runs_running ON runs (tenant, owner, created_at, id) WHERE status = 'running';
-- What a worker holds, and what nobody does.
CREATE INDEX runs_by_worker ON runs (worker, tenant, owner, id) WHERE status = 'running';
-- What failed is few among what ever ran, and the most looked for.
CREATE INDEX runs_faulted ON runs (tenant, owner, created_at, id) WHERE status = 'faulted';
-- The runs of one workflow among those of many.
CREATE INDEX runs_by_workflow ON runs (tenant, owner, namespace, name, created_at, id);
-- The runs that a run started.
CREATE INDEX runs_by_parent ON runs (tenant, owner, parent_run, created_at, id) WHERE parent_run IS NOT NULL;
-- Two starts with one key are one run, even if both come at once.
CREATE UNIQUE INDEX runs_by_key ON runs (tenant, owner, namespace, name, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- The queue of a key, in the order in which its runs begin: the end of a run looks at the first of them.
CREATE INDEX runs_queued_for_place ON runs (tenant, owner, namespace, name, concurrency_key, rank, created_at, id)
    WHERE status = 'running' AND begun_at IS NULL AND concurrency_key IS NOT NULL;
CREATE INDEX runs_queued_for_rate ON runs (tenant, owner, namespace, name, rate_key, rank, created_at, id)
    WHERE status = 'running' AND begun_at IS NULL AND rate_key IS NOT NULL;
-- The runs of a key that are under way: how many there are, and which are the oldest, to be cancelled for a newer one.
CREATE INDEX runs_under_way ON runs (tenant, owner, namespace, name, concurrency_key, is_unwanted, begun_at, id)
    WHERE status = 'running' AND begun_at IS NOT NULL AND concurrency_key IS NOT NULL;
-- When the latest runs of a key have begun, whatever became of them.
CREATE INDEX runs_by_rate ON runs (tenant, owner, namespace, name, rate_key, begun_at)
    WHERE begun_at IS NOT NULL AND rate_key IS NOT NULL;
-- The ended runs whose documents say how long they are kept, those whose documents say nothing, and those that go now.
CREATE INDEX runs_expiring ON runs (expires_at) WHERE expires_at IS NOT NULL AND NOT is_removed;
CREATE INDEX runs_ended ON runs (status, ended_at) WHERE ended_at IS NOT NULL AND expires_at IS NULL AND NOT is_removed;
CREATE INDEX runs_removed ON runs (tenant, owner, id) WHERE is_removed;
-- The runs whose journals have entries from before they continued.
CREATE INDEX runs_to_trim ON runs (tenant, owner, id) WHERE NOT is_trimmed;

-- Only ever appended to and, in the end, removed from. There is no foreign key: its check would lock the row of the run with
-- every step, which writes it. The writer checks that there is the run, and the row of a run that is removed goes last.
CREATE TABLE journal (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    run uuid NOT NULL,
    sequence bigint NOT NULL,
    at bigint NOT NULL,
    event_head bigint NOT NULL,
    payload text COLLATE "C" NOT NULL,
    payload_parts text COLLATE "C",
    PRIMARY KEY (tenant, owner, run, sequence)
);

-- A row for each tag and field of a run, in the order of a list: the newest runs with a label are read from here without looking
-- at any other. A field's value is JSON, so that 7 and "7" are two values. No foreign key, as for the journal.
CREATE TABLE run_labels (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('tag', 'field')),
    name text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    run uuid NOT NULL,
    PRIMARY KEY (tenant, owner, kind, name, value, created_at, run)
);

-- The labels of one run, to be removed with it.
CREATE INDEX run_labels_by_run ON run_labels (tenant, owner, run);

-- The last offset of the log of events. Its row is locked from when offsets are drawn until their transaction has ended: so
-- offsets become visible in their order. It is rewritten often and never indexed anew.
CREATE TABLE event_log (
    id smallint PRIMARY KEY CHECK (id = 1),
    head bigint NOT NULL
) WITH (fillfactor = 10);

INSERT INTO event_log (id, head) VALUES (1, 0);

CREATE TABLE events (
    "offset" bigint PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    -- The hash of its source and id, which can be longer than an index takes.
    key bytea NOT NULL,
    event text COLLATE "C" NOT NULL,
    event_parts text COLLATE "C"
);

-- An event is stored once for each source and id.
CREATE UNIQUE INDEX events_by_key ON events (tenant, owner, key);
-- An owner's events are read in order of offset.
CREATE INDEX events_by_offset ON events (tenant, owner, "offset");

-- How old events are: at this time the log reached up to this offset.
CREATE TABLE event_ages (
    at bigint PRIMARY KEY,
    "offset" bigint NOT NULL
);

-- What runs ask people.
CREATE TABLE approvals (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    run uuid NOT NULL,
    action bigint NOT NULL,
    task text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL,
    title text COLLATE "C" NOT NULL,
    message text COLLATE "C",
    assignees text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    deadline bigint,
    on_deadline text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'approved', 'rejected', 'expired', 'withdrawn')),
    closed_at bigint,
    -- What lists show of a decision, and the decision as a whole.
    decision text COLLATE "C",
    whole_decision text COLLATE "C",
    form text COLLATE "C",
    data text COLLATE "C" NOT NULL,
    input text COLLATE "C",
    PRIMARY KEY (tenant, owner, id)
);

-- The approvals of one run, to be removed with it.
CREATE INDEX approvals_by_run ON approvals (tenant, owner, run);

-- Who sees an approval: 'owner:' and the owner of the run, 'user:' and who may decide it, 'role:' and whose role may.
-- The tenant comes first as everywhere, because nothing is shown across tenants; the owner of the approval does not,
-- because it is looked up by those who decide for others. A viewer whose name is longer than an index takes stands as '#' and
-- its hash.
CREATE TABLE approval_viewers (
    tenant text COLLATE "C" NOT NULL,
    viewer text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    owner text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, viewer, id, owner)
);

-- The viewers of one approval, to be removed with it.
CREATE INDEX approval_viewers_by_approval ON approval_viewers (tenant, owner, id);

-- What is asked of runs through workers that do not drive them. A letter goes when it is answered, or its answer was read.
CREATE TABLE letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    run uuid NOT NULL,
    -- As JSON; none when something was decided that stands with the run.
    event text COLLATE "C",
    wants_answer boolean NOT NULL,
    -- The worker of the run that has it.
    taken_by uuid,
    -- As JSON: null, or an error.
    answer text COLLATE "C",
    posted_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- Few letters wait at any time: a worker looks through them for those to its runs.
CREATE INDEX letters_waiting ON letters (id) WHERE answer IS NULL;

-- How many runs there were, how they ended and what they took, added up as they come: a row for each bucket of
-- durations (see atom-core) within an hour. What has no duration stands in the row of the first bucket, or of -1 when
-- there is none. Of runs (is_of_tasks = false) the task is ''. A list reads the numbers of one workflow, or of all, in order.
-- Numbers that grow stand in no index, and pages have room for the next version of a row.
CREATE TABLE statistics (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    is_of_tasks boolean NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    hour bigint NOT NULL,
    task text COLLATE "C" NOT NULL,
    -- The hash of the task, which can be longer than an index takes.
    task_key bytea NOT NULL,
    version text COLLATE "C" NOT NULL,
    bucket bigint NOT NULL,
    started bigint NOT NULL,
    completed bigint NOT NULL,
    faulted bigint NOT NULL,
    cancelled bigint NOT NULL,
    retries bigint NOT NULL,
    durations bigint NOT NULL,
    total_us bigint NOT NULL,
    PRIMARY KEY (tenant, owner, is_of_tasks, namespace, name, hour, task_key, version, bucket)
) WITH (fillfactor = 50);

-- What is old is forgotten.
CREATE INDEX statistics_by_age ON statistics (hour);

-- The same of runs by the minute, for about a day: what alert rules look at. They look at the latest, of one workflow
-- or of all.
CREATE TABLE recent_statistics (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    minute bigint NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    bucket bigint NOT NULL,
    started bigint NOT NULL,
    completed bigint NOT NULL,
    faulted bigint NOT NULL,
    cancelled bigint NOT NULL,
    retries bigint NOT NULL,
    durations bigint NOT NULL,
    total_us bigint NOT NULL,
    PRIMARY KEY (tenant, owner, minute, namespace, name, bucket)
) WITH (fillfactor = 50);

CREATE INDEX recent_statistics_by_age ON recent_statistics (minute);

-- Texts of more than 64 KiB, and parts of texts, by the hash of what they hold: an owner's equal contents are kept once.
-- A row that a large text belongs to has what is left of it, and in a column beside it where which blob belongs, as JSON:
-- [[byte, hash], …]. A blob can have parts in the same way.
CREATE TABLE blobs (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL,
    parts text COLLATE "C",
    text text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, owner, hash)
);

-- How many rows refer to a blob. It stands apart, because a change of it must not write the text again. Triggers count,
-- so that no way of writing or removing a row can forget to; what is used no more is removed later, a little at a time.
CREATE TABLE blob_uses (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL,
    uses bigint NOT NULL CHECK (uses >= 0),
    PRIMARY KEY (tenant, owner, hash)
);

CREATE INDEX blobs_unused ON blob_uses (tenant, owner, hash) WHERE uses = 0;

-- Counts one more row that refers to these blobs. The row may be counted before its blobs are, as one statement writes both. In
-- one order, so that two transactions do not wait for each other.
CREATE FUNCTION count_uses(of_tenant text, of_owner text, parts text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO blob_uses (tenant, owner, hash, uses)
        SELECT DISTINCT of_tenant, of_owner, part ->> 1, 1 FROM jsonb_array_elements(parts::jsonb) AS part ORDER BY 3
        ON CONFLICT (tenant, owner, hash) DO UPDATE SET uses = blob_uses.uses + 1
$$;

CREATE FUNCTION count_no_uses(of_tenant text, of_owner text, parts text) RETURNS void LANGUAGE sql AS $$
    UPDATE blob_uses SET uses = uses - 1 WHERE tenant = of_tenant AND owner = of_owner
        AND hash IN (SELECT part ->> 1 FROM jsonb_array_elements(parts::jsonb) AS part)
$$;

CREATE FUNCTION blob_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO blob_uses (tenant, owner, hash, uses) VALUES (NEW.tenant, NEW.owner, NEW.hash, 0) ON CONFLICT DO NOTHING;
    IF NEW.parts IS NOT NULL THEN
        PERFORM count_uses(NEW.tenant, NEW.owner, NEW.parts);
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION blob_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM blob_uses WHERE tenant = OLD.tenant AND owner = OLD.owner AND hash = OLD.hash;
    IF OLD.parts IS NOT NULL THEN
        PERFORM count_no_uses(OLD.tenant, OLD.owner, OLD.parts);
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION input_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM count_uses(NEW.tenant, NEW.owner, NEW.input_parts); RETURN NULL; END $$;
CREATE FUNCTION input_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM count_no_uses(OLD.tenant, OLD.owner, OLD.input_parts); RETURN NULL; END $$;
CREATE FUNCTION output_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM count_uses(NEW.tenant, NEW.owner, NEW.output_parts); RETURN NULL; END $$;
CREATE FUNCTION output_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM count_no_uses(OLD.tenant, OLD.owner, OLD.output_parts); RETURN NULL; END $$;
CREATE FUNCTION payload_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM count_uses(NEW.tenant, NEW.owner, NEW.payload_parts); RETURN NULL; END $$;
CREATE FUNCTION payload_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM count_no_uses(OLD.tenant, OLD.owner, OLD.payload_parts); RETURN NULL; END $$;
CREATE FUNCTION event_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM count_uses(NEW.tenant, NEW.owner, NEW.event_parts); RETURN NULL; END $$;
CREATE FUNCTION event_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM count_no_uses(OLD.tenant, OLD.owner, OLD.event_parts); RETURN NULL; END $$;

CREATE TRIGGER blob_added AFTER INSERT ON blobs FOR EACH ROW EXECUTE FUNCTION blob_added();
CREATE TRIGGER blob_removed AFTER DELETE ON blobs FOR EACH ROW EXECUTE FUNCTION blob_removed();
CREATE TRIGGER input_added AFTER INSERT ON runs FOR EACH ROW WHEN (NEW.input_parts IS NOT NULL)
    EXECUTE FUNCTION input_added();
CREATE TRIGGER input_removed AFTER DELETE ON runs FOR EACH ROW WHEN (OLD.input_parts IS NOT NULL)
    EXECUTE FUNCTION input_removed();
-- A run ends once, so no output takes the place of another.
CREATE TRIGGER output_added AFTER UPDATE ON runs FOR EACH ROW
    WHEN (NEW.output_parts IS NOT NULL AND OLD.output_parts IS NULL) EXECUTE FUNCTION output_added();
CREATE TRIGGER output_removed AFTER DELETE ON runs FOR EACH ROW WHEN (OLD.output_parts IS NOT NULL)
    EXECUTE FUNCTION output_removed();
CREATE TRIGGER payload_added AFTER INSERT ON journal FOR EACH ROW WHEN (NEW.payload_parts IS NOT NULL)
    EXECUTE FUNCTION payload_added();
CREATE TRIGGER payload_removed AFTER DELETE ON journal FOR EACH ROW WHEN (OLD.payload_parts IS NOT NULL)
    EXECUTE FUNCTION payload_removed();
CREATE TRIGGER event_added AFTER INSERT ON events FOR EACH ROW WHEN (NEW.event_parts IS NOT NULL)
    EXECUTE FUNCTION event_added();
CREATE TRIGGER event_removed AFTER DELETE ON events FOR EACH ROW WHEN (OLD.event_parts IS NOT NULL)
    EXECUTE FUNCTION event_removed();

-- The keys of tenants, wrapped by the root key.
CREATE TABLE tenant_keys (
    tenant text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    wrapped bytea NOT NULL,
    PRIMARY KEY (tenant, version)
);

-- Secrets, sealed by a key derived from the tenant's.
CREATE TABLE secrets (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    sealed bytea NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (tenant, owner, name)
);

-- How often a secret was set, apart from the secret and kept when it is removed: an old record that is put
-- back does not fit any more.
CREATE TABLE secret_versions (
    tenant text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    is_removed boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant, owner, name)
);

-- A second wall behind the scope that every statement names. It holds for the owner of the tables, too.
DO $$
DECLARE
    of_users text;
BEGIN
    FOREACH of_users IN ARRAY ARRAY[
        'documents', 'workflows', 'templates', 'schedules', 'alerts', 'runs', 'journal', 'run_labels', 'events', 'approvals',
        'approval_viewers', 'letters', 'statistics', 'recent_statistics', 'blobs', 'blob_uses', 'tenant_keys', 'secrets', 'secret_versions'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', of_users);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', of_users);
        EXECUTE format('CREATE POLICY of_tenant ON %I USING (is_visible(tenant)) WITH CHECK (is_visible(tenant))', of_users);
    END LOOP;
END
$$;
