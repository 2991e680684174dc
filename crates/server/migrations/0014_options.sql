-- What projects upload once, and their sessions name.

-- A row means that the ZIP file is there as a whole.
CREATE TABLE extensions (
    id          TEXT PRIMARY KEY,
    project_id  TEXT NOT NULL REFERENCES projects (id),
    name        TEXT NOT NULL,
    -- The id that Chromium knows it by.
    chromium_id TEXT NOT NULL,
    -- As it was uploaded (JSON).
    manifest    TEXT NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX extensions_by_project ON extensions (project_id, created_at, id);

CREATE TABLE certificates (
    id          TEXT PRIMARY KEY,
    project_id  TEXT NOT NULL REFERENCES projects (id),
    name        TEXT NOT NULL,
    description TEXT,
    -- Public, so not sealed.
    der         BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    UNIQUE (project_id, name)
) STRICT;
