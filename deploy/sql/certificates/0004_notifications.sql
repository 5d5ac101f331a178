-- One row per message to a person. `sealed` leaves before the row does; nothing is in clear.
CREATE TABLE certificates.notification (
    notification_id text PRIMARY KEY,
    template text NOT NULL,
    certificate_id text NOT NULL,
    last4 text NOT NULL,
    order_id text,
    order_line_id text,
    amount bigint NOT NULL,
    currency text NOT NULL,
    valid_until timestamptz,
    sealed bytea,
    asked_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL DEFAULT 'ASKED'
        CHECK (state IN ('ASKED', 'SENDING', 'RETRY', 'UNKNOWN', 'SENT', 'FAILED')),
    tries integer NOT NULL DEFAULT 0,
    -- The rule: whatever the program does, a third send is never even begun.
    sends integer NOT NULL DEFAULT 0 CHECK (sends BETWEEN 0 AND 2),
    last_send_at timestamptz,
    next_try_at timestamptz DEFAULT now(),
    claim text,
    gateway_id text,
    error text,
    ended_at timestamptz,
    told boolean NOT NULL DEFAULT false,
    CHECK ((next_try_at IS NULL) = (state IN ('SENT', 'FAILED')))
);

CREATE INDEX notification_due ON certificates.notification (next_try_at)
    WHERE next_try_at IS NOT NULL;
CREATE INDEX notification_untold ON certificates.notification (ended_at)
    WHERE next_try_at IS NULL AND NOT told;
CREATE INDEX notification_sealed ON certificates.notification (created_at)
    WHERE sealed IS NOT NULL;
CREATE INDEX notification_old ON certificates.notification (created_at);
