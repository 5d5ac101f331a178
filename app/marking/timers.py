"""Everything the half does by the clock: one table of jobs, each alone with its faults."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from app.domain.marking.order import OrderStatus
from app.marking.database import Row
from app.marking.desk import Desk
from app.marking.due_polls import publish_due_polls
from app.marking.escalations import escalate, remind_signers, warn_of_expiry
from app.marking.metrics import CALLS_OPEN, CLOCK_SKEW, CODES_MISSING, HOLDS, ORDERS
from app.marking.queue import Produce, publish_outbox, sweep
from app.marking.renewals import renew_tokens
from app.marking.retention import Retention, clean, make_audit_partitions
from app.marking.rotation import seal_anew

log = logging.getLogger(__name__)
FOLLOWER_TICK_S = 5.0
FIVE_YEARS = Retention()


class Timer(msgspec.Struct, frozen=True):
    """`every_s` on the leader, `follower_s` on others; `None`: the leader alone runs it."""

    name: str
    every_s: float
    job: Callable[[], Awaitable[object]]
    follower_s: float | None = FOLLOWER_TICK_S


def timers(desk: Desk, produce: Produce, keep: Retention = FIVE_YEARS) -> tuple[Timer, ...]:
    """Jobs that are safe to run on every worker at once."""
    scale = desk.terms.scaled_s
    return (
        Timer("polls", scale(1), lambda: publish_due_polls(desk), scale(FOLLOWER_TICK_S)),
        Timer("sweeper", scale(5), lambda: sweep(desk), scale(FOLLOWER_TICK_S)),
        Timer("outbox", 1, lambda: publish_outbox(desk, produce)),
        Timer("renewals", scale(30), lambda: renew_tokens(desk), scale(30)),
        Timer("escalations", scale(30), lambda: escalate(desk), None),
        Timer("reminders", scale(60), lambda: remind_signers(desk), None),
        Timer("expiry", 3_600, lambda: warn_of_expiry(desk), None),
        Timer("gauges", 15, lambda: measure(desk), 15),
        Timer("nightly", 3_600, lambda: nightly(desk, keep), None),
    )


async def nightly(desk: Desk, keep: Retention) -> None:
    """Partitions, retention, rotation, and a fresh comparison with every station in use."""
    await make_audit_partitions(desk.database)
    await clean(desk.database, keep)
    await seal_anew(desk.database, desk.sealer)
    await ask_for_comparisons(desk)


async def ask_for_comparisons(desk: Desk) -> int:
    """A list poll per participant with live orders finds orphans and doubles."""
    return await desk.database.execute(
        """insert into marking.polls (id, kind, participant_id, subject_id, due_at, interval_s)
           select gen_random_uuid(), 'suz_list', p.id, p.id::text, clock_timestamp(), 30
           from marking.participants p where p.active and exists (
               select 1 from marking.orders o where o.participant_id = p.id
                   and o.status in ('EMITTING', 'COLLECTING', 'READY_TO_CLOSE', 'CLOSING'))
           on conflict (kind, subject_id) do nothing"""
    )


async def measure(desk: Desk) -> None:
    """Gauges from the database, so that every worker tells the same."""
    rows = await desk.database.rows(
        """select status, profile, hold, count(*) as n from marking.orders
           where status not in ('COMPLETED', 'CANCELLED') group by status, profile, hold"""
    )
    ORDERS.clear()
    HOLDS.clear()
    for row in rows:
        ORDERS.labels(OrderStatus(row["status"]), row["profile"]).inc(row["n"])
        if row["hold"] is not None:
            HOLDS.labels(row["hold"]).inc(row["n"])
    calls = await desk.database.rows(
        """select state, count(*) as n from marking.calls
           where state in ('PLANNED', 'CLAIMED', 'UNKNOWN') group by state"""
    )
    CALLS_OPEN.clear()
    for row in calls:
        CALLS_OPEN.labels(row["state"]).set(row["n"])
    skews = await desk.database.rows(
        """select upstream, max(abs(extract(epoch from remote_date - remote_seen_at)))::float8
                  as skew from marking.upstream_limits
           where remote_seen_at > clock_timestamp() - interval '1 hour' group by upstream"""
    )
    for row in skews:
        CLOCK_SKEW.labels(row["upstream"]).set(row["skew"])
    lost: Row | None = await desk.database.one(
        """select coalesce(sum(b.lost), 0) as lost from marking.buffers b
           where b.status = 'FETCHING'"""
    )
    CODES_MISSING.set(0 if lost is None else lost["lost"])


async def run_timer(timer: Timer, *, leads: Callable[[], bool]) -> None:
    """Until cancelled; a failed round is told and the next one comes."""
    while True:
        every = timer.every_s if leads() else timer.follower_s
        if every is None:
            await asyncio.sleep(FOLLOWER_TICK_S)
            continue
        try:
            await timer.job()
        except Exception:
            log.exception("timer %s failed", timer.name)
        await asyncio.sleep(every)
