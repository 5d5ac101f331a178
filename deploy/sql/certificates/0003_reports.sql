-- The reports; days are those of the zone of business, which the session names.
CREATE FUNCTION mart.zone() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(nullif(current_setting('giftmark.tz', true), ''), 'Europe/Moscow')
$$;

CREATE FUNCTION mart.local_day(moment timestamptz) RETURNS date LANGUAGE sql STABLE AS $$
    SELECT (moment AT TIME ZONE mart.zone())::date
$$;

-- Owed at the end of each day since the first operation: the running sum of all deltas.
CREATE VIEW mart.liability AS
WITH moved AS (
    SELECT mart.local_day(o.occurred_at) AS day, o.currency,
           coalesce(c.product_id, '') AS product_id,
           sum(o.d_available + o.d_held + o.d_refund_held) AS change,
           sum((o.balance_after > 0)::int
               - (o.balance_after - o.d_available - o.d_held - o.d_refund_held > 0)::int
           ) AS certificates
    FROM mart.operation o LEFT JOIN mart.certificate c USING (certificate_id)
    GROUP BY 1, 2, 3
), days AS (
    SELECT day::date, currency, product_id
    FROM (SELECT DISTINCT currency, product_id FROM moved) kinds,
         generate_series((SELECT min(day) FROM moved), mart.local_day(now()), '1 day') AS day
)
SELECT day, currency, product_id,
       (sum(coalesce(change, 0)) OVER running)::bigint AS balance,
       (sum(coalesce(certificates, 0)) OVER running)::bigint AS certificates
FROM days LEFT JOIN moved USING (day, currency, product_id)
WINDOW running AS (PARTITION BY currency, product_id ORDER BY day);

-- Balance that nobody may spend any more and somebody may still claim; booked by nobody here.
CREATE VIEW mart.breakage AS
SELECT to_char(valid_until AT TIME ZONE mart.zone(), 'YYYY-MM') AS month_of_expiry, currency,
       (extract(year FROM age(now(), last_operation_at)) * 12
        + extract(month FROM age(now(), last_operation_at)))::int AS idle_months,
       now() > valid_until + interval '36 months' AS claim_period_over,
       count(*) AS certificates, sum(balance)::bigint AS balance
FROM mart.certificate
WHERE lifecycle = 'Expired' AND balance > 0
GROUP BY 1, 2, 3, 4;

CREATE VIEW mart.redemption AS
WITH moved AS (
    SELECT mart.local_day(occurred_at) AS day, coalesce(store_id, '') AS store_id, currency,
           CASE WHEN transaction_type = 'Captured' THEN amount ELSE 0 END AS captured,
           CASE WHEN transaction_type = 'Reversed' THEN amount - coalesce(released, 0) ELSE 0 END
               AS reversed,
           CASE WHEN transaction_type = 'Restored' THEN amount ELSE 0 END AS restored
    FROM mart.operation
    WHERE transaction_type IN ('Captured', 'Reversed', 'Restored')
)
SELECT day, store_id, currency, sum(captured)::bigint AS captured,
       sum(reversed)::bigint AS reversed, sum(restored)::bigint AS restored,
       sum(captured - reversed - restored)::bigint AS net, count(*) AS operations
FROM moved
GROUP BY 1, 2, 3;

-- Open refunds by the days that count towards the deadline.
CREATE VIEW mart.refund_ageing AS
WITH open AS (
    SELECT status, method, currency, amount, shortfall,
           extract(epoch FROM now() - requested_at) / 86400 - waited_ms / 86400000.0 AS days
    FROM mart.refund_request
    WHERE status IN ('Requested', 'Initiated', 'AlternateDetailsRequired')
)
SELECT CASE WHEN days < 4 THEN '0-3' WHEN days < 8 THEN '4-7'
            WHEN days <= 10 THEN '8-10' ELSE 'over 10' END AS days,
       status, method, currency, count(*) AS refunds, sum(amount)::bigint AS amount,
       sum(shortfall)::bigint AS shortfall
FROM open
GROUP BY 1, 2, 3, 4
UNION ALL
SELECT 'shortfall', status, method, currency, count(*), sum(amount)::bigint,
       sum(shortfall)::bigint
FROM mart.refund_request
WHERE shortfall > 0 AND status NOT IN ('Requested', 'Initiated', 'AlternateDetailsRequired')
GROUP BY 2, 3, 4;

CREATE VIEW mart.batches AS
SELECT b.batch_id, b.source, b.created_by, b.created_at, b.rows_total,
       count(c.certificate_id) AS issued,
       count(*) FILTER (WHERE c.order_id IS NOT NULL) AS sold,
       count(*) FILTER (WHERE c.lifecycle = 'Active') AS active,
       count(*) FILTER (WHERE c.lifecycle = 'Cancelled') AS cancelled,
       (coalesce(sum(c.balance), 0))::bigint AS balance
FROM certificates.batch b LEFT JOIN mart.certificate c USING (batch_id)
GROUP BY b.batch_id;

-- What somebody has to look at, one line each, with its age.
CREATE VIEW mart.unsettled AS
SELECT 'refused line' AS what, order_id, order_line_id, last4, refusal AS detail, changed_at
FROM mart.order_certificate_allocation WHERE allocation_status = 'Refused'
UNION ALL
SELECT 'allocated, not settled', order_id, order_line_id, last4, allocation_status, changed_at
FROM mart.order_certificate_allocation
WHERE allocation_status IN ('Pending', 'Allocated', 'PartiallyPaid', 'Paid') AND NOT settled
UNION ALL
SELECT 'waits for a contact', order_id, order_line_id, last4, allocation_status, changed_at
FROM mart.order_certificate_allocation WHERE allocation_status = 'AwaitingContact'
UNION ALL
SELECT 'settlement mismatch', order_id, NULL, NULL, 'unapplied ' || unapplied, changed_at
FROM mart.sale_order WHERE settlement_mismatch
UNION ALL
SELECT 'paid after cancel', order_id, NULL, NULL, order_status, changed_at
FROM mart.sale_order WHERE paid_after_cancel;
