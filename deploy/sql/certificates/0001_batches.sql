-- Batch issue: what was sent, in which chunks, and what became of every row. No code in clear.
CREATE SCHEMA certificates;

CREATE TABLE certificates.batch (
    batch_id text PRIMARY KEY,
    rows_total integer,
    source text NOT NULL CHECK (source IN ('HTTP', 'TOPIC')),
    created_by text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE certificates.batch_chunk (
    batch_id text NOT NULL REFERENCES certificates.batch,
    chunk integer NOT NULL,
    attempt integer NOT NULL,
    key_hash bytea NOT NULL,
    body_hash bytea NOT NULL,
    state text NOT NULL DEFAULT 'OPEN'
        CHECK (state IN ('OPEN', 'QUEUED', 'CANCELLED')),
    generated boolean NOT NULL DEFAULT false,
    first_row integer NOT NULL,
    rows integer NOT NULL,
    rejected integer NOT NULL DEFAULT 0,
    cancel_key_hash bytea,
    cancel_body_hash bytea,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (batch_id, chunk, attempt),
    UNIQUE (batch_id, key_hash)
);

-- One row of a batch: the outcome of its highest attempt counts.
CREATE TABLE certificates.batch_row (
    batch_id text NOT NULL REFERENCES certificates.batch,
    row_no integer NOT NULL,
    chunk integer NOT NULL,
    attempt integer NOT NULL,
    certificate_id text,
    last4 text,
    fields jsonb,
    outcome text NOT NULL
        CHECK (outcome IN ('queued', 'issued', 'duplicate', 'rejected', 'cancelled')),
    code text,
    reason text,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (batch_id, row_no)
);

CREATE INDEX batch_row_of_chunk ON certificates.batch_row (batch_id, chunk, attempt);
CREATE INDEX batch_row_by_outcome ON certificates.batch_row (batch_id, outcome, row_no);
