-- What sessions' browsers downloaded. A row of a completed one means that its file is there as a whole.

CREATE TABLE downloads (
    session_id     TEXT NOT NULL REFERENCES sessions (id),
    id             TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('completed', 'canceled', 'stopped', 'interrupted')),
    -- Why there is no file.
    detail         TEXT,
    url            TEXT NOT NULL,
    -- The page that it was found on, where that is known.
    origin_url     TEXT,
    suggested_name TEXT NOT NULL,
    original_name  TEXT NOT NULL,
    size_bytes     INTEGER NOT NULL,
    duration_ms    INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (session_id, id)
) STRICT;
