-- Since when a refund waits for its holder; null: it does not, or the row is older than the column.
ALTER TABLE mart.refund_request ADD COLUMN waiting_since timestamptz;

CREATE OR REPLACE VIEW mart.refund_ageing AS
WITH open AS (
    SELECT status, method, currency, amount, shortfall,
           extract(epoch FROM coalesce(waiting_since, now()) - requested_at) / 86400
               - waited_ms / 86400000.0 AS days
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
