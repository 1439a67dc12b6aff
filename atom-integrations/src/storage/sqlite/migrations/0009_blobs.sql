-- Texts of more than 64 KiB, and parts of texts, by the hash of what they hold: an owner's equal contents are kept once.
-- A row that a large text belongs to has what is left of it, and in a column beside it where which blob belongs, as JSON:
-- [[byte, hash], …]. A blob can have parts in the same way.
CREATE TABLE blobs (
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    hash TEXT NOT NULL,
    parts TEXT,
    text TEXT NOT NULL,
    PRIMARY KEY (tenant, user, hash)
) STRICT;

-- How many rows refer to a blob. It stands apart, because a change of it must not write the text again. Triggers count,
-- so that no way of writing or removing a row can forget to; what is used no more is removed later, a little at a time.
CREATE TABLE blob_uses (
    tenant TEXT NOT NULL,
    user TEXT NOT NULL,
    hash TEXT NOT NULL,
    uses INTEGER NOT NULL CHECK (uses >= 0),
    PRIMARY KEY (tenant, user, hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX blobs_unused ON blob_uses (tenant, user, hash) WHERE uses = 0;

ALTER TABLE runs ADD COLUMN input_parts TEXT;
ALTER TABLE runs ADD COLUMN output_parts TEXT;
ALTER TABLE journal ADD COLUMN payload_parts TEXT;
ALTER TABLE events ADD COLUMN event_parts TEXT;

CREATE TRIGGER blob_added AFTER INSERT ON blobs BEGIN
    INSERT INTO blob_uses (tenant, user, hash, uses) VALUES (NEW.tenant, NEW.user, NEW.hash, 0);
    UPDATE blob_uses SET uses = uses + 1 WHERE tenant = NEW.tenant AND user = NEW.user
        AND hash IN (SELECT json_extract(value, '$[1]') FROM json_each(NEW.parts));
END;
CREATE TRIGGER blob_removed AFTER DELETE ON blobs BEGIN
    DELETE FROM blob_uses WHERE tenant = OLD.tenant AND user = OLD.user AND hash = OLD.hash;
    UPDATE blob_uses SET uses = uses - 1 WHERE tenant = OLD.tenant AND user = OLD.user
        AND hash IN (SELECT json_extract(value, '$[1]') FROM json_each(OLD.parts));
END;

CREATE TRIGGER input_added AFTER INSERT ON runs WHEN NEW.input_parts IS NOT NULL BEGIN
    UPDATE blob_uses SET uses = uses + 1 WHERE tenant = NEW.tenant AND user = NEW.user
        AND hash IN (SELECT json_extract(value, '$[1]') FROM json_each(NEW.input_parts));
END;
CREATE TRIGGER input_removed AFTER DELETE ON runs WHEN OLD.input_parts IS NOT NULL BEGIN
    UPDATE blob_uses SET uses = uses - 1 WHERE tenant = OLD.tenant AND user = OLD.user
        AND hash IN (SELECT json_extract(value, '$[1]') FROM json_each(OLD.input_parts));
END;
-- A run ends once, so no output takes the place of another.
CREATE TRIGGER output_added AFTER UPDATE OF output_parts ON runs WHEN NEW.output_parts IS NOT NULL BEGIN
    UPDATE blob_uses SET uses = uses + 1 WHERE tenant = NEW.tenant AND user = NEW.user
        AND hash IN (SELECT json_extract(value, '$[1]') FROM json_each(NEW.output_parts));
END;
CREATE TRIGGER output_removed AFTER DELETE ON runs WHEN OLD.output_parts IS NOT NULL BEGIN
    UPDATE blob_uses SET uses = uses - 1 WHERE tenant = OLD.tenant AND user = OLD.user
        AND hash IN (SELECT json_extract(value, '$[1]') FROM json_each(OLD.output_parts));
END;
CREATE TRIGGER payload_added AFTER INSERT ON journal WHEN NEW.payload_parts IS NOT NULL BEGIN
    UPDATE blob_uses SET uses = uses + 1 WHERE tenant = NEW.tenant AND user = NEW.user
        AND hash IN (SELECT json_extract(value, '$[1]') FROM json_each(NEW.payload_parts));
END;
CREATE TRIGGER payload_removed AFTER DELETE ON journal WHEN OLD.payload_parts IS NOT NULL BEGIN
    UPDATE blob_uses SET uses = uses - 1 WHERE tenant = OLD.tenant AND user = OLD.user
        AND hash IN (SELECT json_extract(value, '$[1]') FROM json_each(OLD.payload_parts));
END;
CREATE TRIGGER event_added AFTER INSERT ON events WHEN NEW.event_parts IS NOT NULL BEGIN
    UPDATE blob_uses SET uses = uses + 1 WHERE tenant = NEW.tenant AND user = NEW.user
        AND hash IN (SELECT json_extract(value, '$[1]') FROM json_each(NEW.event_parts));
END;
CREATE TRIGGER event_removed AFTER DELETE ON events WHEN OLD.event_parts IS NOT NULL BEGIN
    UPDATE blob_uses SET uses = uses - 1 WHERE tenant = OLD.tenant AND user = OLD.user
        AND hash IN (SELECT json_extract(value, '$[1]') FROM json_each(OLD.event_parts));
END;
