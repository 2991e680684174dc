-- Revisions get a history: what they hold, where they diverged, whether they were held back, whether they are pinned.

-- A number is never used twice: a receipt may have named it, even if its revision is gone.
ALTER TABLE profiles ADD COLUMN last_revision INTEGER NOT NULL DEFAULT 0;
UPDATE profiles SET last_revision = coalesce((SELECT max(number) FROM revisions WHERE profile_id = profiles.id), 0);
-- How often the right to write alone was given away. A save with an older number does not become the head.
ALTER TABLE profiles ADD COLUMN writer_generation INTEGER NOT NULL DEFAULT 0;

-- Rebuilt, since a revision may come from no session.
CREATE TABLE revisions_with_history (
    profile_id      TEXT NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    number          INTEGER NOT NULL,
    parent          INTEGER,
    session_id      TEXT,
    saved_at        INTEGER NOT NULL,
    digest          TEXT NOT NULL,
    size_bytes      INTEGER NOT NULL,
    added_bytes     INTEGER NOT NULL,
    files           INTEGER NOT NULL,
    captured        TEXT NOT NULL,
    browser_version TEXT,
    cause           TEXT NOT NULL,
    diverged_from   INTEGER,
    held_back       TEXT,
    pinned          INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (profile_id, number)
) STRICT;
INSERT INTO revisions_with_history
    (profile_id, number, parent, session_id, saved_at, digest, size_bytes, added_bytes, files, captured,
     browser_version, cause)
SELECT profile_id, number, parent, session_id, saved_at, digest, size_bytes, added_bytes, files,
       json_object('cookies', json(cookies)), browser_version, cause
FROM revisions;
DROP TABLE revisions;
ALTER TABLE revisions_with_history RENAME TO revisions;

-- The profile behind `profile_name`, which may belong to another one by now; and what came back of it.
ALTER TABLE sessions ADD COLUMN profile_id TEXT;
ALTER TABLE sessions ADD COLUMN restore TEXT;
UPDATE sessions SET profile_id =
    (SELECT p.id FROM profiles p WHERE p.project_id = sessions.project_id AND p.name = sessions.profile_name);
CREATE INDEX sessions_by_profile ON sessions (profile_id) WHERE status IN ('starting', 'running', 'stopping');

-- The revision that the session's state comes from: what it loaded, then its own checkpoints.
ALTER TABLE sinks ADD COLUMN parent INTEGER;
-- The head that its state includes. Another head at the time of a save means that the two diverged.
ALTER TABLE sinks ADD COLUMN base INTEGER;
ALTER TABLE sinks ADD COLUMN exclusive INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sinks ADD COLUMN writer_generation INTEGER NOT NULL DEFAULT 0;
-- What the session asked of its save: the cookies that it must hold, and whether caches are left out. JSON.
ALTER TABLE sinks ADD COLUMN options TEXT NOT NULL DEFAULT '{}';
UPDATE sinks SET
    parent = (SELECT s.profile_revision FROM sessions s WHERE s.id = sinks.session_id AND s.profile_id = sinks.profile_id),
    base = (SELECT s.profile_revision FROM sessions s WHERE s.id = sinks.session_id AND s.profile_id = sinks.profile_id);

-- Receipts of saves that were made while their session ran.
CREATE TABLE checkpoints (
    session_id TEXT NOT NULL REFERENCES sessions (id),
    profile_id TEXT NOT NULL,
    number     INTEGER NOT NULL,
    receipt    TEXT NOT NULL,
    PRIMARY KEY (session_id, profile_id, number)
) STRICT;
