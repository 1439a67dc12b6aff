-- Templates that owners have imported, whole files.
CREATE TABLE templates (
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    title TEXT NOT NULL,
    summary TEXT,
    category TEXT,
    imported_at INTEGER,
    text TEXT NOT NULL,
    PRIMARY KEY (tenant, user, name)
) STRICT;
