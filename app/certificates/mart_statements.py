"""One statement per table of the mart: rows come as JSON, repetitions change nothing.

Every statement takes its rows in the order of their keys, so that workers which write the
same rows at once wait for each other instead of deadlocking.
"""

CERTIFICATES = """
INSERT INTO mart.certificate AS t (
    certificate_id, sequence, last4, status, lifecycle, blocks, currency, nominal,
    available, held, refund_held, balance, loaded, captured, restored, refunded,
    written_off, shortfall, open_holds, valid_until, order_id, order_line_id, batch_id,
    product_id, refund_request_id, last_operation_at
)
SELECT d."certificateId", r.sequence, d.last4, d.status, d.lifecycle, d.blocks, d.currency,
    d.nominal, d.available, d.held, d."refundHeld", d.balance, d.loaded, d.captured,
    d.restored, d.refunded, d."writtenOff", d.shortfall, d."openHolds", d."validUntil",
    d."orderId", d."orderLineId", d."batchId", d."productId", d."refundRequestId", r.at
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(sequence bigint, at timestamptz, data jsonb),
    jsonb_to_record(r.data) AS d(
        "certificateId" text, last4 text, status text, lifecycle text, blocks text[],
        currency text, nominal bigint, available bigint, held bigint, "refundHeld" bigint,
        balance bigint, loaded bigint, captured bigint, restored bigint, refunded bigint,
        "writtenOff" bigint, shortfall bigint, "openHolds" integer, "validUntil" timestamptz,
        "orderId" text, "orderLineId" text, "batchId" text, "productId" text,
        "refundRequestId" text
    )
ORDER BY 1
ON CONFLICT (certificate_id) DO UPDATE SET
    sequence = excluded.sequence, last4 = excluded.last4, status = excluded.status,
    lifecycle = excluded.lifecycle, blocks = excluded.blocks, currency = excluded.currency,
    nominal = excluded.nominal, available = excluded.available, held = excluded.held,
    refund_held = excluded.refund_held, balance = excluded.balance, loaded = excluded.loaded,
    captured = excluded.captured, restored = excluded.restored,
    refunded = excluded.refunded, written_off = excluded.written_off,
    shortfall = excluded.shortfall, open_holds = excluded.open_holds,
    valid_until = excluded.valid_until, order_id = excluded.order_id,
    order_line_id = excluded.order_line_id, batch_id = excluded.batch_id,
    product_id = excluded.product_id, refund_request_id = excluded.refund_request_id,
    last_operation_at = excluded.last_operation_at
WHERE excluded.sequence > t.sequence
"""

# What only the first operations tell of a certificate; they may come before its first state.
FIRSTS = """
INSERT INTO mart.certificate AS t (certificate_id, metadata, issued_at, activated_at)
SELECT d."certificateId",
    (array_agg(d.metadata) FILTER (WHERE d."transactionType" = 'Issued'))[1],
    min(r.at) FILTER (WHERE d."transactionType" = 'Issued'),
    min(r.at) FILTER (WHERE d."transactionType" = 'Activated')
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(at timestamptz, data jsonb),
    jsonb_to_record(r.data) AS d(
        "certificateId" text, "transactionType" text, metadata jsonb
    )
GROUP BY 1
ORDER BY 1
ON CONFLICT (certificate_id) DO UPDATE SET
    metadata = coalesce(t.metadata, excluded.metadata),
    issued_at = coalesce(t.issued_at, excluded.issued_at),
    activated_at = coalesce(t.activated_at, excluded.activated_at)
"""

OPERATIONS = """
INSERT INTO mart.operation (
    event_id, certificate_id, sequence, n, occurred_at, transaction_type, amount, released,
    currency, d_available, d_held, d_refund_held, available_after, held_after,
    refund_held_after, balance_after, authorization_id, reference, refund_request_id,
    order_id, order_line_id, receipt_number, reason, late, bounced, store_id, terminal_id,
    channel, client, actor
)
SELECT r.id, d."certificateId", r.sequence, r.n, r.at, d."transactionType", d.amount,
    d.released, d.currency, (d.delta->>'available')::bigint, (d.delta->>'held')::bigint,
    (d.delta->>'refundHeld')::bigint, (d.after->>'available')::bigint,
    (d.after->>'held')::bigint, (d.after->>'refundHeld')::bigint,
    (d.after->>'balance')::bigint, d."authorizationId", d.reference, d."refundRequestId",
    d."orderId", d."orderLineId", d."receiptNumber", d.reason, coalesce(d.late, false),
    coalesce(d.bounced, false), d."storeId", d."terminalId", d.channel, d.client, d.actor
FROM jsonb_to_recordset(%(rows)s::jsonb)
        AS r(id text, sequence bigint, n integer, at timestamptz, data jsonb),
    jsonb_to_record(r.data) AS d(
        "certificateId" text, "transactionType" text, amount bigint, released bigint,
        currency text, delta jsonb, after jsonb, "authorizationId" text, reference text,
        "refundRequestId" text, "orderId" text, "orderLineId" text, "receiptNumber" text,
        reason text, late boolean, bounced boolean, "storeId" text, "terminalId" text,
        channel text, client text, actor text
    )
ORDER BY 1
ON CONFLICT (event_id) DO NOTHING
"""

ORDERS = """
INSERT INTO mart.sale_order AS t (
    order_id, sequence, sale_version, order_status, awaiting_sale, settled,
    outstanding_amount, unapplied, settlement_mismatch, paid_after_cancel, changed_at
)
SELECT d."orderId", r.sequence, d."saleVersion", d."orderStatus", d."awaitingSale",
    d.settled, d."outstandingAmount", d.unapplied, d."settlementMismatch",
    d."paidAfterCancel", r.at
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(sequence bigint, at timestamptz, data jsonb),
    jsonb_to_record(r.data) AS d(
        "orderId" text, "saleVersion" bigint, "orderStatus" text, "awaitingSale" boolean,
        settled boolean, "outstandingAmount" bigint, unapplied bigint,
        "settlementMismatch" boolean, "paidAfterCancel" boolean
    )
ORDER BY 1
ON CONFLICT (order_id) DO UPDATE SET
    sequence = excluded.sequence, sale_version = excluded.sale_version,
    order_status = excluded.order_status, awaiting_sale = excluded.awaiting_sale,
    settled = excluded.settled, outstanding_amount = excluded.outstanding_amount,
    unapplied = excluded.unapplied, settlement_mismatch = excluded.settlement_mismatch,
    paid_after_cancel = excluded.paid_after_cancel, changed_at = excluded.changed_at
WHERE excluded.sequence > t.sequence
"""

LINES = """
INSERT INTO mart.order_certificate_allocation AS t (
    order_id, order_line_id, sequence, certificate_id, last4, nominal, price, paid, currency,
    allocation_status, refusal, settled, notification, changed_at
)
SELECT d."orderId", d."orderLineId", r.sequence, d."certificateId", d.last4, d.nominal,
    d.price, d.paid, d.currency, d."allocationStatus", d.refusal, d.settled, d.notification,
    r.at
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(sequence bigint, at timestamptz, data jsonb),
    jsonb_to_record(r.data) AS d(
        "orderId" text, "orderLineId" text, "certificateId" text, last4 text,
        nominal bigint, price bigint, paid bigint, currency text, "allocationStatus" text,
        refusal text, settled boolean, notification text
    )
ORDER BY 1, 2
ON CONFLICT (order_id, order_line_id) DO UPDATE SET
    sequence = excluded.sequence, certificate_id = excluded.certificate_id,
    last4 = excluded.last4, nominal = excluded.nominal, price = excluded.price,
    paid = excluded.paid, currency = excluded.currency,
    allocation_status = excluded.allocation_status, refusal = excluded.refusal,
    settled = excluded.settled, notification = excluded.notification,
    changed_at = excluded.changed_at
WHERE excluded.sequence > t.sequence
"""

REFUNDS = """
INSERT INTO mart.refund_request AS t (
    refund_request_id, sequence, certificate_id, order_id, order_line_id, amount, currency,
    channel, method, status, attempt, requested_at, initiated_at, closed_at, waited_ms,
    due_at, shortfall, reason, provider_reference, waiting_since
)
SELECT d."refundRequestId", r.sequence, d."certificateId", d."orderId", d."orderLineId",
    d.amount, d.currency, d.channel, d.method, d.status, d.attempt, d."requestedAt",
    d."initiatedAt", d."closedAt", d."waitedMs", d."dueAt", d.shortfall, d.reason,
    d."providerReference", d."waitingSince"
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(sequence bigint, data jsonb),
    jsonb_to_record(r.data) AS d(
        "refundRequestId" text, "certificateId" text, "orderId" text, "orderLineId" text,
        amount bigint, currency text, channel text, method text, status text,
        attempt integer, "requestedAt" timestamptz, "initiatedAt" timestamptz,
        "closedAt" timestamptz, "waitedMs" bigint, "dueAt" timestamptz, shortfall bigint,
        reason text, "providerReference" text, "waitingSince" timestamptz
    )
ORDER BY 1
ON CONFLICT (refund_request_id) DO UPDATE SET
    sequence = excluded.sequence, amount = excluded.amount, channel = excluded.channel,
    method = excluded.method, status = excluded.status, attempt = excluded.attempt,
    initiated_at = excluded.initiated_at, closed_at = excluded.closed_at,
    waited_ms = excluded.waited_ms, due_at = excluded.due_at,
    shortfall = excluded.shortfall, reason = excluded.reason,
    provider_reference = excluded.provider_reference, waiting_since = excluded.waiting_since
WHERE excluded.sequence > t.sequence
"""

AUDIT_MONTHS = "SELECT mart.ensure_audit_month(day::date) FROM unnest(%(days)s::text[]) AS day"

AUDIT = """
INSERT INTO mart.audit (
    event_id, occurred_at, client, actor, channel, store_id, terminal_id, command,
    certificate_id, order_id, outcome, code, reason, key_hash
)
SELECT r.id, r.at, d.client, d.actor, d.channel, d."storeId", d."terminalId", d.command,
    r."certificateId", r."orderId", d.outcome, d.code, d.reason, d."keyHash"
FROM jsonb_to_recordset(%(rows)s::jsonb)
        AS r(id text, at timestamptz, "certificateId" text, "orderId" text, data jsonb),
    jsonb_to_record(r.data) AS d(
        client text, actor text, channel text, "storeId" text, "terminalId" text,
        command text, outcome text, code text, reason text, "keyHash" text
    )
ORDER BY 1
ON CONFLICT (event_id, occurred_at) DO NOTHING
"""

# Rows that came by topic are known from here only: their batch too.
BATCHES = """
INSERT INTO certificates.batch (batch_id, source)
SELECT r.id, 'TOPIC' FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(id text)
ORDER BY 1
ON CONFLICT (batch_id) DO NOTHING
"""

BATCH_ROWS = """
INSERT INTO certificates.batch_row AS t (
    batch_id, row_no, chunk, attempt, certificate_id, last4, outcome, code, at
)
SELECT DISTINCT ON (d."batchId", d.row) d."batchId", d.row, d.chunk, d.attempt,
    d."certificateId", d.last4, d.outcome, d.code, r.at
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(at timestamptz, data jsonb, place integer),
    jsonb_to_record(r.data) AS d(
        "batchId" text, row integer, chunk integer, attempt integer, "certificateId" text,
        last4 text, outcome text, code text
    )
ORDER BY d."batchId", d.row, d.attempt DESC, r.place
ON CONFLICT (batch_id, row_no) DO UPDATE SET
    chunk = excluded.chunk, attempt = excluded.attempt,
    certificate_id = excluded.certificate_id, last4 = excluded.last4,
    outcome = excluded.outcome, code = excluded.code, at = excluded.at
WHERE excluded.attempt > t.attempt OR (excluded.attempt = t.attempt AND t.outcome = 'queued')
"""
