-- Signals that nobody waited for when they came, until somebody does.

CREATE TABLE kept_signals (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name       TEXT NOT NULL,
    -- What it carries, sealed by the root key: codes and the like are handed over this way.
    sealed     BLOB NOT NULL,
    kept_at    INTEGER NOT NULL
) STRICT;

CREATE INDEX kept_signals_by_name ON kept_signals (project_id, name, id);
