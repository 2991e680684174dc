-- Who is told of what, and everything that is to be told: rows of the second table come with the change that they tell of.

CREATE TABLE webhooks (
    id                TEXT PRIMARY KEY,
    project_id        TEXT NOT NULL REFERENCES projects (id),
    url               TEXT NOT NULL,
    description       TEXT NOT NULL,
    -- A JSON array of event types.
    subscribed_events TEXT NOT NULL,
    enabled           INTEGER NOT NULL DEFAULT 1,
    -- What deliveries are signed with, sealed.
    secret            BLOB NOT NULL,
    -- The one before it, and until when it signs too.
    old_secret        BLOB,
    old_secret_until  INTEGER,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    -- Its deliveries are shown for as long as they are kept.
    deleted_at        INTEGER
) STRICT;

CREATE INDEX webhooks_by_project ON webhooks (project_id) WHERE deleted_at IS NULL;

CREATE TABLE webhook_deliveries (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    -- What the receiver knows it by.
    id              TEXT NOT NULL UNIQUE,
    webhook_id      TEXT NOT NULL REFERENCES webhooks (id),
    event_id        TEXT NOT NULL,
    event_type      TEXT NOT NULL,
    -- The body, byte for byte as it is signed.
    body            TEXT NOT NULL,
    status          TEXT NOT NULL DEFAULT 'pending'
                    CHECK (status IN ('pending', 'in_flight', 'succeeded', 'failed', 'dead')),
    -- How often it was tried, with the present one.
    attempt         INTEGER NOT NULL DEFAULT 0,
    response_status INTEGER,
    error           TEXT,
    -- When it is tried next, or was last due.
    scheduled_at    INTEGER NOT NULL,
    completed_at    INTEGER
) STRICT;

CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook_id, number);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (scheduled_at) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_in_flight ON webhook_deliveries (webhook_id) WHERE status = 'in_flight';
CREATE INDEX webhook_deliveries_settled ON webhook_deliveries (completed_at) WHERE completed_at IS NOT NULL;
