"""Everything the half does by the clock: one table of jobs, each alone with its faults."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from app.logs import fault
from app.marking.code_states import refresh_open_orders
from app.marking.desk import Desk
from app.marking.ending import ending
from app.marking.escalations import escalate, remind_signers, warn_of_expiry
from app.marking.flow import OrderFlow
from app.marking.gauges import measure
from app.marking.issue_files import forget_old_files
from app.marking.queue import Produce, publish_outbox, sweep
from app.marking.renewals import renew_tokens
from app.marking.retention import Retention, clean, make_audit_partitions
from app.marking.rotation import seal_anew

log = structlog.get_logger("marking")
FOLLOWER_TICK_S = 5.0
GATHER_S = 0.05
FIVE_YEARS = Retention()


class Timer(msgspec.Struct, frozen=True):
    """`every_s` on the leader, `follower_s` on others; `None`: the leader alone runs it.

    `asked`: the leader runs it at once when this is set.
    """

    name: str
    every_s: float
    job: Callable[[], Awaitable[object]]
    follower_s: float | None = FOLLOWER_TICK_S
    asked: asyncio.Event | None = None


def timers(
    desk: Desk, produce: Produce, *, due: asyncio.Event, keep: Retention = FIVE_YEARS
) -> tuple[Timer, ...]:
    """Jobs that are safe to run on every worker at once; `due`: an order waits for the sweeper."""
    scale = desk.terms.scaled_s
    return (
        Timer("polls", scale(1), OrderFlow(desk).poll_statuses_task, scale(FOLLOWER_TICK_S)),
        Timer("sweeper", scale(5), lambda: sweep(desk), scale(FOLLOWER_TICK_S), due),
        Timer("outbox", 1, lambda: publish_outbox(desk, produce)),
        Timer("renewals", scale(30), lambda: renew_tokens(desk), scale(30)),
        Timer("escalations", scale(30), lambda: escalate(desk), None),
        Timer("reminders", scale(60), lambda: remind_signers(desk), None),
        Timer("expiry", scale(60), lambda: warn_of_expiry(desk), None),
        Timer("gauges", 15, lambda: measure(desk), 15),
        Timer("housekeeping", 3_600, lambda: keep_house(desk, keep), None),
        Timer("nightly", 86_400, lambda: nightly(desk), None),
    )


async def keep_house(desk: Desk, keep: Retention) -> None:
    """Partitions, retention, rotation."""
    await make_audit_partitions(desk.database)
    await clean(desk.database, keep)
    await forget_old_files(desk.database)
    await seal_anew(desk.database, desk.sealer)


async def nightly(desk: Desk) -> None:
    """A fresh look at every station and at stored codes."""
    await ask_for_comparisons(desk)
    await refresh_open_orders(desk)


async def ask_for_comparisons(desk: Desk) -> int:
    """A list poll per participant finds orphans and doubles.

    A restored database may know of no live order at all, so a live session is enough.
    """
    return await desk.database.execute(
        """insert into marking.polls (id, kind, participant_id, subject_id, due_at, interval_s)
           select gen_random_uuid(), 'suz_list', p.id, p.id::text, clock_timestamp(), 30
           from marking.participants p where p.active and (exists (
               select 1 from marking.orders o where o.participant_id = p.id
                   and o.status in ('EMITTING', 'COLLECTING', 'READY_TO_CLOSE', 'CLOSING'))
               or exists (select 1 from marking.tokens t where t.participant_id = p.id
                   and t.kind = 'suz' and t.state = 'LIVE'
                   and t.expires_at > clock_timestamp()))
           on conflict (kind, subject_id) do nothing"""
    )


async def run_timer(timer: Timer, *, leads: Callable[[], bool]) -> None:
    """Until cancelled; a failed round is told and the next one comes."""
    while not ending():
        every = timer.every_s if leads() else timer.follower_s
        if every is None:
            await asyncio.sleep(FOLLOWER_TICK_S)
            continue
        try:
            await timer.job()
        except Exception as error:  # noqa: BLE001  the next round comes
            log.error("a timer failed", timer=timer.name, **fault(error))  # noqa: TRY400
        if ending():
            return
        await _wait(every, timer.asked if leads() else None)


async def _wait(every_s: float, asked: asyncio.Event | None) -> None:
    """Until the next round; those who ask within a moment are served by one."""
    if asked is None:
        await asyncio.sleep(every_s)
        return
    try:
        await asyncio.wait_for(asked.wait(), every_s)
    except TimeoutError:
        return
    await asyncio.sleep(GATHER_S)
    asked.clear()
