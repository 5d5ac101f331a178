-- How old an allocation without settlement is before somebody has to look; the session names days.
CREATE FUNCTION mart.unsettled_age() RETURNS interval LANGUAGE sql STABLE AS $$
    SELECT make_interval(
        days => coalesce(nullif(current_setting('giftmark.unsettled_days', true), ''), '7')::int
    )
$$;

-- A line changes with every payment: its age is that of the certificate's allocation, if it has
-- come so far.
CREATE OR REPLACE VIEW mart.unsettled AS
WITH waiting AS (
    SELECT a.*, coalesce(o.allocated_at, a.changed_at) AS since
    FROM mart.order_certificate_allocation a
    LEFT JOIN LATERAL (
        SELECT max(occurred_at) AS allocated_at FROM mart.operation
        WHERE certificate_id = a.certificate_id AND transaction_type = 'Allocated'
            AND order_id = a.order_id AND order_line_id = a.order_line_id
    ) o ON true
    WHERE a.allocation_status IN ('Pending', 'Allocated', 'PartiallyPaid', 'Paid')
        AND NOT a.settled
), found AS (
    SELECT 'refused line' AS what, order_id, order_line_id, last4, refusal AS detail, changed_at,
           changed_at AS since
    FROM mart.order_certificate_allocation WHERE allocation_status = 'Refused'
    UNION ALL
    SELECT 'allocated, not settled', order_id, order_line_id, last4, allocation_status, changed_at,
           since
    FROM waiting WHERE since < now() - mart.unsettled_age()
    UNION ALL
    SELECT 'waits for a contact', order_id, order_line_id, last4, allocation_status, changed_at,
           changed_at
    FROM mart.order_certificate_allocation WHERE allocation_status = 'AwaitingContact'
    UNION ALL
    SELECT 'settlement mismatch', order_id, NULL, NULL, 'unapplied ' || unapplied, changed_at,
           changed_at
    FROM mart.sale_order WHERE settlement_mismatch
    UNION ALL
    SELECT 'paid after cancel', order_id, NULL, NULL, order_status, changed_at, changed_at
    FROM mart.sale_order WHERE paid_after_cancel
)
SELECT what, order_id, order_line_id, last4, detail, changed_at,
       extract(day FROM now() - since)::int AS age_days
FROM found;
