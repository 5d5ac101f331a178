"""One worker per order: lease, look, take one step, write, again; slots bound the whole."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from app.domain.marking.decide import decide
from app.domain.marking.order import Hold, OrderStatus
from app.domain.marking.steps import (
    Check,
    Collect,
    Doubt,
    FreezeClose,
    FreezeDocuments,
    FreezeReport,
    Lookup,
    Move,
    Observe,
    Pause,
    Plan,
    RefreshCodes,
    Resend,
    Send,
    Sign,
    Step,
    Wait,
)
from app.domain.marking.view import Operation
from app.integrations.errors import UpstreamError
from app.logs import fault
from app.marking import calls, leases, store
from app.marking.calls import CallRow
from app.marking.checking import check_goods
from app.marking.circulation import freeze_documents, freeze_reports, refresh_codes
from app.marking.collecting import collect, fetch
from app.marking.database import BROKEN, NOW_MS
from app.marking.desk import AGAIN, Again, Desk, Next, Until, Work
from app.marking.ending import ending
from app.marking.failures import after_failure, after_missing_token, pause
from app.marking.freezing import freeze_close
from app.marking.leases import Lease, StaleLease
from app.marking.messages_ru import hold_text
from app.marking.metrics import SLOTS_REFUSED, SLOTS_USED
from app.marking.moving import move, plan_one, resend
from app.marking.observing import observe
from app.marking.ordering import send_close, send_order
from app.marking.polling import poll
from app.marking.reconciling import doubt, look
from app.marking.signing_steps import sign
from app.marking.submitting import send_document, send_report
from app.marking.tokens import TokenMissing
from app.marking.views import load_work
from app.marking.waiting import wait
from app.marking.work import POLL_TASKS, WorkMessage

log = structlog.get_logger("marking")
MOST_STEPS = 500

SENDERS: dict[Operation, Callable[[Desk, Work, CallRow], Awaitable[Next]]] = {
    Operation.SUBMIT_DOCUMENT: send_document,
    Operation.CREATE_ORDER: send_order,
    Operation.FETCH_CODES: fetch,
    Operation.CLOSE_ORDER: send_close,
    Operation.SEND_REPORT: send_report,
}


async def _send(desk: Desk, work: Work, step: Send) -> Next:
    return await SENDERS[step.operation](desk, work, await _call(desk, step.call_id))


async def _doubt(desk: Desk, work: Work, step: Doubt) -> Next:
    return await doubt(desk, work, await _call(desk, step.call_id))


async def _look(desk: Desk, work: Work, step: Lookup) -> Next:
    return await look(desk, work, await _call(desk, step.call_id))


async def _call(desk: Desk, call_id: str) -> CallRow:
    async with desk.database.transaction() as tx:
        return await calls.load(tx, call_id)


async def _check(desk: Desk, work: Work, _step: Check) -> Next:
    return await check_goods(desk, work)


async def _collect(desk: Desk, work: Work, step: Collect) -> Next:
    return await collect(desk, work, step.gtin)


async def _observe(desk: Desk, work: Work, _step: Observe) -> Next:
    return await observe(desk, work)


async def _refresh(desk: Desk, work: Work, _step: RefreshCodes) -> Next:
    return await refresh_codes(desk, work)


async def _freeze_close(desk: Desk, work: Work, _step: FreezeClose) -> Next:
    async with desk.database.transaction() as tx:
        await freeze_close(tx, desk, work)
    return AGAIN


async def _pause(desk: Desk, work: Work, step: Pause) -> Next:
    text = hold_text(step.code)
    text = f"{text}: {step.reason}" if step.reason else text
    return await pause(desk, work, step.hold, code=step.code, until=step.until, text=text)


EXECUTORS: dict[type[Any], Callable[[Desk, Work, Any], Awaitable[Next]]] = {
    Check: _check,
    Move: move,
    Sign: sign,
    Plan: plan_one,
    Send: _send,
    Doubt: _doubt,
    Lookup: _look,
    Collect: _collect,
    Observe: _observe,
    FreezeClose: _freeze_close,
    FreezeDocuments: freeze_documents,
    FreezeReport: freeze_reports,
    Resend: resend,
    RefreshCodes: _refresh,
    Pause: _pause,
    Wait: wait,
}
OUTGOING = (Check, Send, Lookup, Collect, Observe, RefreshCodes)
CLEARED_BY_SUCCESS = (Hold.UPSTREAM, Hold.SIGN_IN, Hold.SUZ_LIMIT, Hold.SIGNATURE)


async def advance(desk: Desk, order_id: str) -> OrderStatus | None:
    """Take every step that is possible now; the status reached, None if others have the order."""
    for_ms = desk.terms.scaled_ms(desk.terms.marking_lease_s)
    lease = await leases.take_lease(desk.database, order_id, owner=desk.owner, for_ms=for_ms)
    if lease is None:
        return None
    renewal = asyncio.create_task(_renew(desk, lease))
    result = Until(None, failed=True)
    status = None
    try:
        result, work = await _steps(desk, lease)
        status = work.row.status
    finally:
        renewal.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await renewal
        await _release(desk, lease, result=result)
    return status


async def _steps(desk: Desk, lease: Lease) -> tuple[Until, Work]:
    for _ in range(MOST_STEPS):
        work = await load_work(desk, lease)
        if work.row.lease_seq != lease.seq:
            return Until(None), work
        step = decide(work.view, work.now, desk.rules)
        result = await _take(desk, work, step)
        if isinstance(result, Until):
            return result, work
        if ending():
            break
    return Until(work.now), work


async def _take(desk: Desk, work: Work, step: Step) -> Next:
    """One step; failures of the border become holds and pauses, never exceptions."""
    try:
        try:
            result = await EXECUTORS[type(step)](desk, work, step)
        except TokenMissing as missing:
            return await after_missing_token(desk, work, missing)
        except StaleLease:
            return Until()
    except UpstreamError as error:
        return await after_failure(desk, work, error)
    if isinstance(step, OUTGOING) and isinstance(result, Again):
        await _after_success(desk, work)
    return result


async def _after_success(desk: Desk, work: Work) -> None:
    if work.row.hold not in CLEARED_BY_SUCCESS and not work.row.failures:
        return
    async with desk.database.transaction() as tx:
        await store.clear_hold(tx, work.lease, *CLEARED_BY_SUCCESS)
        await store.forget_failures(tx, work.lease)


async def _release(desk: Desk, lease: Lease, *, result: Until) -> None:
    moment = result.moment
    if result.failed and moment is None:
        row = await desk.database.one(
            f"select failures, {NOW_MS} as now from marking.orders where id = %(id)s",  # noqa: S608
            id=lease.order_id,
        )
        assert row is not None, "orders are never deleted"
        moment = row["now"] + desk.terms.backoff_ms(row["failures"])
    await leases.release(desk.database, lease, next_ms=moment, failed=result.failed)


async def _renew(desk: Desk, lease: Lease) -> None:
    """Keep the lease while a slow upstream answers."""
    for_ms = desk.terms.scaled_ms(desk.terms.marking_lease_s)
    while not ending():
        await asyncio.sleep(desk.terms.scaled_s(desk.terms.marking_renew_s))
        try:
            if not await leases.renew_lease(desk.database, lease, for_ms=for_ms):
                return
        except BROKEN as error:
            log.warning("a lease was not renewed", order=lease.order_id, cause=type(error).__name__)


def _named(message: WorkMessage) -> dict[str, str | None]:
    return {"task": message.task, "key": message.order_id, "subject": message.subject_id}


class Runner:
    """Accepts work messages and never waits: without a free slot the sweeper returns the order."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._of_participant: Counter[str] = Counter()
        self._stopping = False

    def accept(self, message: WorkMessage) -> bool:
        """False: no slot, or the same work is under way."""
        terms = self._desk.terms
        is_poll = message.task in POLL_TASKS
        key = f"{message.task}:{message.subject_id}" if is_poll else message.order_id
        share = message.order_id if is_poll else message.subject_id or message.order_id
        full = (
            len(self._tasks) >= terms.marking_worker_slots
            or self._of_participant[share] >= terms.marking_participant_slots
        )
        if self._stopping or full or key in self._tasks:
            SLOTS_REFUSED.inc()
            return False
        self._of_participant[share] += 1
        self._tasks[key] = asyncio.create_task(self._run(message))
        self._tasks[key].add_done_callback(lambda _task: self._done(key, share))
        SLOTS_USED.set(len(self._tasks))
        return True

    def _done(self, key: str, share: str) -> None:
        self._tasks.pop(key, None)
        self._of_participant[share] -= 1
        if self._of_participant[share] <= 0:
            del self._of_participant[share]
        SLOTS_USED.set(len(self._tasks))

    async def _run(self, message: WorkMessage) -> None:
        try:
            if message.task in POLL_TASKS:
                await poll(self._desk, message)
            else:
                await advance(self._desk, message.order_id)
        except BROKEN as error:
            cause = type(error).__name__
            log.warning("work waits for the database", **_named(message), cause=cause)
        except Exception as error:  # noqa: BLE001  the sweeper or the next poll tries again
            log.error("work failed", **_named(message), **fault(error))  # noqa: TRY400

    async def idle(self) -> None:
        """Until nothing accepted is under way."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    async def stop(self) -> None:
        """No new work; what is under way gets its drain time, the rest is left doubtful."""
        self._stopping = True
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=self._desk.terms.marking_drain_s)
        for task in list(self._tasks.values()):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await calls.doubt_all(self._desk.database, owner=self._desk.owner)
        await leases.release_all(self._desk.database, owner=self._desk.owner)
