-- Who did what, on what, from where, and how it came out. Never what anything holds.

CREATE TABLE audit (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    -- NULL where it concerns no project: a wrong key, the root key.
    project_id TEXT,
    key_id     TEXT,
    key_name   TEXT,
    -- An IP address, or 'cli', or 'server'.
    origin     TEXT NOT NULL,
    action     TEXT NOT NULL,
    outcome    TEXT NOT NULL CHECK (outcome IN ('ok', 'failed', 'started')),
    session_id TEXT,
    profile_id TEXT,
    profile    TEXT,
    revision   INTEGER,
    -- What else it was done to, by id or name: a key, an exit, a token.
    subject    TEXT,
    detail     TEXT
) STRICT;

CREATE INDEX audit_by_project ON audit (project_id, id);
CREATE INDEX audit_by_session ON audit (session_id) WHERE session_id IS NOT NULL;

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- Replacing a row deletes the old one without its delete trigger.
CREATE TRIGGER audit_is_never_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- Retention never asks for less than 30 days, so nothing may remove what is younger.
CREATE TRIGGER audit_is_kept_a_month BEFORE DELETE ON audit
WHEN OLD.at > (unixepoch() - 30 * 86400) * 1000
BEGIN
    SELECT RAISE(ABORT, 'the audit log is kept for at least 30 days');
END;
