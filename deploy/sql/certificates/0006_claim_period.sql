-- For how long a holder may claim what expired; the session names the months.
CREATE FUNCTION mart.claim_period() RETURNS interval LANGUAGE sql STABLE AS $$
    SELECT make_interval(
        months => coalesce(nullif(current_setting('giftmark.claim_months', true), ''), '36')::int
    )
$$;

CREATE OR REPLACE VIEW mart.breakage AS
SELECT to_char(valid_until AT TIME ZONE mart.zone(), 'YYYY-MM') AS month_of_expiry, currency,
       (extract(year FROM age(now(), last_operation_at)) * 12
        + extract(month FROM age(now(), last_operation_at)))::int AS idle_months,
       now() > valid_until + mart.claim_period() AS claim_period_over,
       count(*) AS certificates, sum(balance)::bigint AS balance
FROM mart.certificate
WHERE lifecycle = 'Expired' AND balance > 0
GROUP BY 1, 2, 3, 4;
