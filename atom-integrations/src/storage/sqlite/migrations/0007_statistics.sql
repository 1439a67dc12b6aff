-- How many runs there were, how they ended and what they took, added up as they come: a row for each bucket of
-- durations (see atom-core) within an hour. What has no duration stands in the row of the first bucket, or of -1 when
-- there is none. Of runs (counted = 0) the task is ''. A list reads the numbers of one workflow, or of all, in order.
CREATE TABLE statistics (
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    counted INTEGER NOT NULL CHECK (counted IN (0, 1)),
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    hour INTEGER NOT NULL,
    task TEXT NOT NULL,
    version TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    started INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    faulted INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    durations INTEGER NOT NULL,
    total_us INTEGER NOT NULL,
    PRIMARY KEY (tenant, user, counted, namespace, name, hour, task, version, bucket)
) STRICT, WITHOUT ROWID;

-- What is old is forgotten.
CREATE INDEX statistics_by_age ON statistics (hour);

-- The same of runs by the minute, for about a day: what alert rules look at. They look at the latest, of one workflow
-- or of all.
CREATE TABLE recent_statistics (
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    minute INTEGER NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    started INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    faulted INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    durations INTEGER NOT NULL,
    total_us INTEGER NOT NULL,
    PRIMARY KEY (tenant, user, minute, namespace, name, bucket)
) STRICT, WITHOUT ROWID;

CREATE INDEX recent_statistics_by_age ON recent_statistics (minute);

-- Alert rules, as JSON.
CREATE TABLE alerts (
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    alert TEXT NOT NULL,
    PRIMARY KEY (tenant, user, name)
) STRICT;
