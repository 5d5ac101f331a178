"""Gauges from the database, so that every worker tells the same."""

from collections.abc import Callable

from prometheus_client import Gauge

from app.marking.database import Row
from app.marking.desk import Desk
from app.marking.metrics import (
    CALLS_OPEN,
    CLOCK_SKEW,
    CODES_EXPIRING,
    CODES_MISSING,
    DOCUMENTS,
    FOREIGN_ORDERS,
    HOLDS,
    ORDERS,
    OUTBOX_AGE,
    RENEWALS_STOPPED,
    SIGN_REQUESTS,
    TOKEN_LEFT,
)

# Gauge, its labels from a row, and the query that gives rows with `n`.
COUNTED: tuple[tuple[Gauge, Callable[[Row], tuple[str, ...]], str], ...] = (
    (
        ORDERS,
        lambda row: (row["status"], row["profile"]),
        """select status, profile, count(*) as n from marking.orders
           where status not in ('COMPLETED', 'CANCELLED') group by status, profile""",
    ),
    (
        HOLDS,
        lambda row: (row["hold"],),
        """select hold, count(*) as n from marking.orders where hold is not null
           and status not in ('COMPLETED', 'CANCELLED') group by hold""",
    ),
    (
        CALLS_OPEN,
        lambda row: (row["state"],),
        """select state, count(*) as n from marking.calls
           where state in ('PLANNED', 'CLAIMED', 'UNKNOWN') group by state""",
    ),
    (
        DOCUMENTS,
        lambda row: (row["status"], row["purpose"]),
        """select status, purpose, count(*) as n from marking.documents
           where status in ('DRAFT', 'SIGNING', 'SENDING', 'UNKNOWN', 'CHECKING')
           group by status, purpose""",
    ),
    (
        SIGN_REQUESTS,
        lambda row: (row["purpose"],),
        """select purpose, count(*) as n from marking.sign_requests
           where state = 'PENDING' group by purpose""",
    ),
    (
        TOKEN_LEFT,
        lambda row: (row["kind"],),
        """select kind, min(extract(epoch from expires_at - clock_timestamp()))::float8 as n
           from marking.tokens where state = 'LIVE' group by kind""",
    ),
    (
        CLOCK_SKEW,
        lambda row: (row["upstream"],),
        """select upstream, max(abs(extract(epoch from remote_date - remote_seen_at)))::float8
                  as n from marking.upstream_limits
           where remote_seen_at > clock_timestamp() - interval '1 hour' group by upstream""",
    ),
    (
        CODES_EXPIRING,
        lambda row: (str(row["days"]),),
        """select d.days, coalesce(sum(b.available), 0) as n
           from unnest(array[1, 7, 14, 30]) as d(days) left join marking.buffers b
                on b.status in ('WAITING', 'FETCHING')
                and b.expires_at <= clock_timestamp() + d.days * interval '1 day'
           group by d.days""",
    ),
)


# Gauges without labels: each query gives one row with `n`.
SINGLE: tuple[tuple[Gauge, str], ...] = (
    (
        CODES_MISSING,
        "select coalesce(sum(lost), 0) as n from marking.buffers where status = 'FETCHING'",
    ),
    (
        OUTBOX_AGE,
        """select coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as n
           from marking.outbox where published_at is null""",
    ),
    (
        RENEWALS_STOPPED,
        """select count(*) as n from marking.tokens t
           join marking.participants p on p.id = t.participant_id
           where t.renewal_stopped and p.active""",
    ),
    (
        FOREIGN_ORDERS,
        """select count(*) as n from marking.suz_orphans
           where kind = 'foreign' and resolved_by is null""",
    ),
)


async def measure(desk: Desk) -> None:
    for gauge, labels, sql in COUNTED:
        rows = await desk.database.rows(sql)
        gauge.clear()
        for row in rows:
            gauge.labels(*labels(row)).set(row["n"])
    for gauge, sql in SINGLE:
        (row,) = await desk.database.rows(sql)
        gauge.set(row["n"])
