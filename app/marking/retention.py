"""Old rows leave in small steps; the audit log leaves by whole months."""

from datetime import UTC, datetime, timedelta

import msgspec

from app.marking.database import Database

MOST_A_STEP = 1_000
MOST_STEPS = 50
MONTHS_AHEAD = 3


class Retention(msgspec.Struct, frozen=True):
    """Days; five years for what the law asks for."""

    audit_days: int = 1_827
    answers_days: int = 90
    payload_days: int = 30
    keys_days: int = 7
    notifications_days: int = 90
    outbox_days: int = 30


STEPS: tuple[tuple[str, str], ...] = (
    (
        "answers_days",
        """update marking.calls set answer_enc = null where id in (select id from marking.calls
           where answer_enc is not null and answered_at < now() - %(days)s * interval '1 day'
           limit %(most)s)""",
    ),
    (
        "payload_days",
        """update marking.sign_requests set payload_enc = null where id in (
           select id from marking.sign_requests where payload_enc is not null
           and state in ('USED', 'EXPIRED', 'CANCELLED')
           and created_at < now() - %(days)s * interval '1 day' limit %(most)s)""",
    ),
    (
        "keys_days",
        """delete from marking.idempotency_keys where (caller, key) in (
           select caller, key from marking.idempotency_keys
           where created_at < now() - %(days)s * interval '1 day' limit %(most)s)""",
    ),
    (
        "notifications_days",
        """delete from marking.notifications where id in (select id from marking.notifications
           where read_at < now() - %(days)s * interval '1 day' limit %(most)s)""",
    ),
    (
        "outbox_days",
        """delete from marking.outbox where id in (select id from marking.outbox
           where published_at < now() - %(days)s * interval '1 day' limit %(most)s)""",
    ),
)
EXPIRE_REQUESTS = """
update marking.sign_requests set state = 'EXPIRED'
where state in ('PENDING', 'SIGNED') and expires_at <= clock_timestamp()
"""


async def clean(database: Database, keep: Retention) -> int:
    """How many rows left; bounded, the next night goes on."""
    removed = 0
    for name, sql in STEPS:
        days = getattr(keep, name)
        for _ in range(MOST_STEPS):
            touched = await database.execute(sql, days=days, most=MOST_A_STEP)
            removed += touched
            if touched < MOST_A_STEP:
                break
    await database.execute(EXPIRE_REQUESTS)
    await detach_old_audit(database, keep.audit_days)
    return removed


async def make_audit_partitions(database: Database) -> None:
    """For the present month and the next three; the rest lands in the DEFAULT partition."""
    month = datetime.now(UTC).date().replace(day=1)
    for _ in range(MONTHS_AHEAD + 1):
        await database.execute("select marking.make_audit_partition(%(month)s)", month=month)
        month = (month + timedelta(days=32)).replace(day=1)


async def detach_old_audit(database: Database, days: int) -> int:
    """Whole months older than `days` are detached and dropped."""
    oldest = (datetime.now(UTC).date() - timedelta(days=days)).strftime("%Y%m")
    rows = await database.rows(
        """select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
           where i.inhparent = 'marking.audit_log'::regclass
                 and c.relname ~ '^audit_log_[0-9]{6}$'
                 and right(c.relname, 6) < %(oldest)s""",
        oldest=oldest,
    )
    for row in rows:
        name = row["name"]
        await database.execute(f"alter table marking.audit_log detach partition marking.{name}")
        await database.execute(f"drop table marking.{name}")
    return len(rows)
