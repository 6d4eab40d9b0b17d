-- Outbound webhooks (storage/write/outbox.py, docs/webhooks.md). An older program would write messages without their
-- events, so it may not go on. Secrets are sealed with the key outside the database.

-- Bits of the event types that any endpoint wants (core/webhooks.py): writers see from the row that they take anyway
-- whether there is anything to put into the outbox.
ALTER TABLE heads ADD COLUMN hooks BIGINT NOT NULL DEFAULT 0;

CREATE TABLE webhooks (
    org BIGINT NOT NULL,
    webhook TEXT NOT NULL,
    name TEXT,
    url TEXT NOT NULL,
    format TEXT NOT NULL,
    types TEXT NOT NULL,
    subscriptions TEXT,
    phones TEXT,
    imports BIGINT NOT NULL,
    enabled BIGINT NOT NULL,
    secret BLOB NOT NULL,
    previous_secret BLOB,
    previous_until BIGINT,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    position BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    failing_since BIGINT,
    retry_at BIGINT NOT NULL,
    last_success_at BIGINT,
    last_failure_at BIGINT,
    last_error TEXT,
    PRIMARY KEY (org, webhook)
) WITHOUT ROWID;

-- Events in the order in which they happened, written in the transaction that they tell of. No text of a message is in
-- here. id is what receivers know an event by.
CREATE TABLE outbox (
    org BIGINT NOT NULL,
    event BIGINT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    at BIGINT NOT NULL,
    phone BIGINT NOT NULL,
    chat BIGINT NOT NULL,
    message BIGINT NOT NULL,
    ref TEXT,
    imported BIGINT NOT NULL,
    PRIMARY KEY (org, event)
) WITHOUT ROWID;
CREATE INDEX outbox_id ON outbox (org, id);

-- What becomes of each event at each endpoint. state: 0 waiting, 1 delivered, 2 parked, 3 dropped.
CREATE TABLE deliveries (
    org BIGINT NOT NULL,
    webhook TEXT NOT NULL,
    event BIGINT NOT NULL,
    phone BIGINT NOT NULL,
    chat BIGINT NOT NULL,
    state BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    queued_at BIGINT NOT NULL,
    first_at BIGINT,
    last_at BIGINT,
    status BIGINT,
    error TEXT,
    PRIMARY KEY (org, webhook, event)
) WITHOUT ROWID;
CREATE INDEX deliveries_waiting ON deliveries (org, webhook, phone, chat, event) WHERE state = 0;
CREATE INDEX deliveries_state ON deliveries (org, webhook, state, event);

-- A chat of which events wait for an endpoint, and when the first of them may be sent: the order of a chat is kept.
CREATE TABLE webhook_lanes (
    org BIGINT NOT NULL,
    webhook TEXT NOT NULL,
    phone BIGINT NOT NULL,
    chat BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    PRIMARY KEY (org, webhook, phone, chat)
) WITHOUT ROWID;
CREATE INDEX webhook_lanes_due ON webhook_lanes (org, webhook, next_at);
