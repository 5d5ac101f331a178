-- The mart: current rows (newest sequence wins), facts (never changed), audit (append-only).
CREATE SCHEMA mart;

-- Money in minor units. `sequence` 0: an operation came before the first state.
CREATE TABLE mart.certificate (
    certificate_id text PRIMARY KEY,
    sequence bigint NOT NULL DEFAULT 0,
    last4 text,
    status text,
    lifecycle text,
    blocks text[],
    currency text,
    nominal bigint,
    available bigint,
    held bigint,
    refund_held bigint,
    balance bigint,
    loaded bigint,
    captured bigint,
    restored bigint,
    refunded bigint,
    written_off bigint,
    shortfall bigint,
    open_holds integer,
    valid_until timestamptz,
    order_id text,
    order_line_id text,
    batch_id text,
    product_id text,
    refund_request_id text,
    metadata jsonb,
    issued_at timestamptz,
    activated_at timestamptz,
    last_operation_at timestamptz
);

CREATE INDEX certificate_by_batch ON mart.certificate (batch_id);
CREATE INDEX certificate_by_order ON mart.certificate (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX certificate_by_last4 ON mart.certificate (last4);
CREATE INDEX certificate_expired ON mart.certificate (valid_until) WHERE lifecycle = 'Expired';

-- `event_id`: of the GiftCertificateTransaction event, or `<certificateId>:opening`.
CREATE TABLE mart.operation (
    event_id text PRIMARY KEY,
    certificate_id text NOT NULL,
    sequence bigint NOT NULL,
    n integer NOT NULL,
    occurred_at timestamptz NOT NULL,
    transaction_type text NOT NULL,
    amount bigint NOT NULL,
    released bigint,
    currency text NOT NULL,
    d_available bigint NOT NULL,
    d_held bigint NOT NULL,
    d_refund_held bigint NOT NULL,
    available_after bigint NOT NULL,
    held_after bigint NOT NULL,
    refund_held_after bigint NOT NULL,
    balance_after bigint NOT NULL,
    authorization_id text,
    reference text,
    refund_request_id text,
    order_id text,
    order_line_id text,
    receipt_number text,
    reason text,
    late boolean NOT NULL DEFAULT false,
    bounced boolean NOT NULL DEFAULT false,
    store_id text,
    terminal_id text,
    channel text,
    client text,
    actor text
);

CREATE INDEX operation_of_certificate ON mart.operation (certificate_id, sequence, n);
CREATE INDEX operation_by_time ON mart.operation (occurred_at);

CREATE TABLE mart.sale_order (
    order_id text PRIMARY KEY,
    sequence bigint NOT NULL,
    sale_version bigint,
    order_status text,
    awaiting_sale boolean NOT NULL,
    settled boolean NOT NULL,
    outstanding_amount bigint,
    unapplied bigint NOT NULL,
    settlement_mismatch boolean NOT NULL,
    paid_after_cancel boolean NOT NULL,
    changed_at timestamptz NOT NULL
);

CREATE TABLE mart.order_certificate_allocation (
    order_id text NOT NULL,
    order_line_id text NOT NULL,
    sequence bigint NOT NULL,
    certificate_id text,
    last4 text,
    nominal bigint NOT NULL,
    price bigint NOT NULL,
    paid bigint NOT NULL,
    currency text NOT NULL,
    allocation_status text NOT NULL,
    refusal text,
    settled boolean NOT NULL,
    notification text,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, order_line_id)
);

CREATE TABLE mart.refund_request (
    refund_request_id text PRIMARY KEY,
    sequence bigint NOT NULL,
    certificate_id text NOT NULL,
    order_id text,
    order_line_id text,
    amount bigint NOT NULL,
    currency text NOT NULL,
    channel text NOT NULL,
    method text NOT NULL,
    status text NOT NULL,
    attempt integer NOT NULL,
    requested_at timestamptz NOT NULL,
    initiated_at timestamptz,
    closed_at timestamptz,
    waited_ms bigint NOT NULL,
    due_at timestamptz,
    shortfall bigint NOT NULL,
    reason text,
    provider_reference text
);

-- `event_id`: of the GiftCertificateBI event that told it.
CREATE TABLE mart.audit (
    event_id text NOT NULL,
    occurred_at timestamptz NOT NULL,
    client text,
    actor text,
    channel text,
    store_id text,
    terminal_id text,
    command text,
    certificate_id text,
    order_id text,
    outcome text,
    code text,
    reason text,
    key_hash text,
    PRIMARY KEY (event_id, occurred_at)
) PARTITION BY RANGE (occurred_at);

CREATE INDEX audit_of_certificate ON mart.audit (certificate_id, occurred_at);

CREATE FUNCTION mart.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'mart.audit is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON mart.audit
    FOR EACH ROW EXECUTE FUNCTION mart.refuse_change();
CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON mart.audit
    FOR EACH STATEMENT EXECUTE FUNCTION mart.refuse_change();

-- Makes the partition of the month that begins on that day, if there is none.
CREATE FUNCTION mart.ensure_audit_month(first_day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := 'audit_' || to_char(first_day, 'YYYY_MM');
    next_month timestamp := first_day + interval '1 month';
BEGIN
    IF to_regclass('mart.' || name) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('mart.audit'));
    IF to_regclass('mart.' || name) IS NULL THEN
        EXECUTE format(
            'CREATE TABLE mart.%I PARTITION OF mart.audit FOR VALUES FROM (%L) TO (%L)',
            name, first_day || ' 00:00:00+00', next_month || '+00'
        );
    END IF;
END
$$;

-- Drops whole months that ended before the day; returns how many.
CREATE FUNCTION mart.forget_audit_before(day date) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    old record;
    dropped integer := 0;
BEGIN
    FOR old IN
        SELECT child.relname FROM pg_inherits
        JOIN pg_class child ON child.oid = inhrelid
        WHERE inhparent = 'mart.audit'::regclass
          AND to_date(right(child.relname, 7), 'YYYY_MM') + interval '1 month' <= day
    LOOP
        EXECUTE format('DROP TABLE mart.%I', old.relname);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

CREATE TABLE mart.liability_daily (
    day date NOT NULL,
    currency text NOT NULL,
    product_id text NOT NULL,
    balance bigint NOT NULL,
    certificates bigint NOT NULL,
    PRIMARY KEY (day, currency, product_id)
);

CREATE TABLE mart.recon_run (
    run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    certificates bigint NOT NULL,
    behind bigint NOT NULL,
    differences bigint NOT NULL,
    totals jsonb NOT NULL
);

CREATE TABLE mart.recon_difference (
    run_id bigint NOT NULL REFERENCES mart.recon_run,
    certificate_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('late', 'missing', 'different', 'delta', 'unknown', 'law')),
    journal text,
    mart text,
    PRIMARY KEY (run_id, certificate_id, kind)
);
