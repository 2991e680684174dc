-- Exits: which profile holds which, what the last check of each found, and over which one a session goes.

-- An exit belongs to one profile at most, and a profile has one at most. It is given back with the profile.
CREATE TABLE exit_reservations (
    exit        TEXT PRIMARY KEY,
    profile_id  TEXT NOT NULL UNIQUE REFERENCES profiles (id) ON DELETE CASCADE,
    -- What the first session saw. Where the configuration expects no address, every later session must see the same.
    address     TEXT,
    reserved_at INTEGER NOT NULL
) STRICT;

CREATE TABLE exit_checks (
    exit        TEXT PRIMARY KEY,
    checked_at  INTEGER NOT NULL,
    -- The address that was observed, if one was.
    address     TEXT,
    -- What is wrong; NULL when nothing is.
    problem     TEXT,
    duration_ms INTEGER NOT NULL
) STRICT;

-- How the way out was chosen: NULL for the direct one. The exit's name, where it is one of the configuration.
ALTER TABLE sessions ADD COLUMN proxy_type TEXT;
ALTER TABLE sessions ADD COLUMN exit TEXT;
ALTER TABLE sessions ADD COLUMN browser_ip TEXT;
-- What went over it: bytes both ways, requests, and the hosts asked for (JSON).
ALTER TABLE sessions ADD COLUMN proxy_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN requests INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN domains TEXT NOT NULL DEFAULT '[]';
