-- Times are milliseconds since 1970-01-01 UTC. Ids are UUIDs as text. Lists and objects are JSON.

CREATE TABLE projects (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

-- A key is stored as its SHA-256 in two halves: one to find the row by, one to prove it with.
CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name       TEXT NOT NULL,
    hint       TEXT NOT NULL,
    lookup     TEXT NOT NULL UNIQUE,
    proof      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE sessions (
    id                 TEXT PRIMARY KEY,
    project_id         TEXT NOT NULL REFERENCES projects (id),
    status             TEXT NOT NULL,
    reason             TEXT,
    detail             TEXT,
    configuration      TEXT NOT NULL,
    tags               TEXT NOT NULL,
    headless           INTEGER NOT NULL,
    profile_name       TEXT,
    profile_revision   INTEGER,
    profile_persist    INTEGER NOT NULL,
    api_key_name       TEXT NOT NULL,
    browser_version    TEXT,
    -- The browser's process, to find a survivor after this server's death: pid and start time in clock ticks since boot.
    browser_pid        INTEGER,
    browser_start_time INTEGER,
    created_at         INTEGER NOT NULL,
    ended_at           INTEGER
) STRICT;

CREATE INDEX sessions_by_project ON sessions (project_id, created_at);
CREATE INDEX sessions_live ON sessions (status) WHERE status IN ('starting', 'running', 'stopping');

CREATE TABLE profiles (
    id            TEXT PRIMARY KEY,
    project_id    TEXT NOT NULL REFERENCES projects (id),
    name          TEXT NOT NULL,
    description   TEXT,
    session_id    TEXT,
    status        TEXT NOT NULL,
    status_reason TEXT,
    head          INTEGER,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    UNIQUE (project_id, name)
) STRICT;

-- A row here means that the snapshot's bytes are complete and durable.
CREATE TABLE revisions (
    profile_id      TEXT NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    number          INTEGER NOT NULL,
    parent          INTEGER,
    session_id      TEXT NOT NULL,
    saved_at        INTEGER NOT NULL,
    digest          TEXT NOT NULL,
    size_bytes      INTEGER NOT NULL,
    added_bytes     INTEGER NOT NULL,
    files           INTEGER NOT NULL,
    cookies         TEXT NOT NULL,
    browser_version TEXT,
    cause           TEXT NOT NULL,
    PRIMARY KEY (profile_id, number)
) STRICT;

-- A profile that a session will be saved into when it ends. The name outlives the profile, for the receipt.
CREATE TABLE sinks (
    session_id   TEXT NOT NULL REFERENCES sessions (id),
    profile_id   TEXT NOT NULL,
    profile_name TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('pending', 'saved', 'failed', 'dropped')),
    receipt      TEXT,
    PRIMARY KEY (session_id, profile_id)
) STRICT;

CREATE INDEX sinks_by_profile ON sinks (profile_id) WHERE state IN ('pending', 'failed');

-- Repositories of deleted profiles whose bytes may still be in the vault.
CREATE TABLE doomed_repositories (
    profile_id TEXT PRIMARY KEY
) STRICT;
