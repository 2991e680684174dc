-- Sessions that are asked for now and started when there is room: batches of them, and single ones, which are batches of one.

CREATE TABLE batches (
    id            TEXT PRIMARY KEY,
    project_id    TEXT NOT NULL REFERENCES projects (id),
    -- 'batch', or 'async' for a single session that nobody waited for.
    kind          TEXT NOT NULL CHECK (kind IN ('batch', 'async')),
    -- Who asked: the sessions are started in this name.
    key_id        TEXT NOT NULL REFERENCES api_keys (id),
    key_name      TEXT NOT NULL,
    address       TEXT NOT NULL,
    -- The body of each session's create, without its secrets. JSON.
    configuration TEXT NOT NULL,
    -- The whole body, sealed by the root key, where it has secrets and may still be needed.
    sealed        BLOB,
    metadata      TEXT,
    total         INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    cancelled_at  INTEGER
) STRICT;

CREATE INDEX batches_by_project ON batches (project_id, created_at);

CREATE TABLE batch_items (
    batch_id      TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    number        INTEGER NOT NULL,
    status        TEXT NOT NULL DEFAULT 'pending'
                  CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    -- The session of the latest attempt, from its admission on.
    session_id    TEXT,
    error         TEXT,
    retries       INTEGER NOT NULL DEFAULT 0,
    -- How often it may be tried, with the next or the present attempt.
    attempts_left INTEGER NOT NULL DEFAULT 1,
    started_at    INTEGER,
    completed_at  INTEGER,
    PRIMARY KEY (batch_id, number)
) STRICT;

CREATE INDEX batch_items_by_status ON batch_items (batch_id, status);
CREATE INDEX batch_items_waiting ON batch_items (batch_id) WHERE status = 'pending';
CREATE INDEX batch_items_open ON batch_items (batch_id) WHERE status IN ('pending', 'processing');

-- A batch with its counts, and the one word for it that follows from them.
CREATE VIEW batch_overview AS
SELECT *,
    CASE
        WHEN cancelled_at IS NOT NULL THEN 'cancelled'
        WHEN pending = total AND NOT retried THEN 'pending'
        WHEN pending + processing > 0 THEN 'processing'
        WHEN completed = 0 THEN 'failed'
        ELSE 'completed'
    END AS status
FROM (
    SELECT b.*,
        (SELECT count(*) FROM batch_items WHERE batch_id = b.id AND status = 'pending') AS pending,
        (SELECT count(*) FROM batch_items WHERE batch_id = b.id AND status = 'processing') AS processing,
        (SELECT count(*) FROM batch_items WHERE batch_id = b.id AND status = 'completed') AS completed,
        (SELECT count(*) FROM batch_items WHERE batch_id = b.id AND status = 'failed') AS failed,
        (SELECT count(*) FROM batch_items WHERE batch_id = b.id AND status = 'cancelled') AS cancelled,
        (SELECT max(completed_at) FROM batch_items WHERE batch_id = b.id) AS last_completed_at,
        EXISTS (SELECT 1 FROM batch_items WHERE batch_id = b.id AND retries > 0) AS retried
    FROM batches b
);

-- The batch that a session was started for.
ALTER TABLE sessions ADD COLUMN batch_id TEXT;
CREATE INDEX sessions_by_batch ON sessions (batch_id) WHERE batch_id IS NOT NULL;

-- How many pictures of its screen were taken over the API.
ALTER TABLE sessions ADD COLUMN screenshots INTEGER NOT NULL DEFAULT 0;
