-- What sessions' browsers showed, as pictures in a file of their own.

ALTER TABLE sessions ADD COLUMN recording INTEGER NOT NULL DEFAULT 0;

CREATE TABLE recordings (
    session_id  TEXT PRIMARY KEY REFERENCES sessions (id),
    id          TEXT NOT NULL UNIQUE,
    state       TEXT NOT NULL CHECK (state IN ('recording', 'paused', 'completed', 'stopped', 'interrupted')),
    -- Why it was stopped.
    detail      TEXT,
    -- While it is being made, these are known from its file alone.
    frames      INTEGER NOT NULL DEFAULT 0,
    size_bytes  INTEGER NOT NULL DEFAULT 0,
    duration_ms INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER NOT NULL
) STRICT;
