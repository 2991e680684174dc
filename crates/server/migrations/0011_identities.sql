-- Applications that people have identities in, how one logs in to them, and the identities, their credentials sealed.

CREATE TABLE applications (
    id          TEXT PRIMARY KEY,
    project_id  TEXT NOT NULL REFERENCES projects (id),
    name        TEXT NOT NULL,
    url         TEXT NOT NULL,
    -- The URL's host: identities find their application by it.
    host        TEXT NOT NULL,
    description TEXT,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX applications_by_project ON applications (project_id, host);

CREATE TABLE auth_flows (
    id             TEXT PRIMARY KEY,
    application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    name           TEXT NOT NULL,
    description    TEXT,
    is_recommended INTEGER NOT NULL,
    -- JSON arrays: of words, and of {"name": …}.
    methods        TEXT NOT NULL,
    custom_fields  TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
) STRICT;

CREATE INDEX auth_flows_by_application ON auth_flows (application_id);

CREATE TABLE identities (
    id             TEXT PRIMARY KEY,
    application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    name           TEXT NOT NULL,
    source         TEXT NOT NULL,
    -- A JSON object.
    metadata       TEXT NOT NULL,
    -- A JSON array, sealed.
    credentials    BLOB NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
) STRICT;

CREATE INDEX identities_by_application ON identities (application_id);
