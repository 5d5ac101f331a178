"""After a doubtful call: ask the foreign side whether it happened, adopt it or send again."""

from collections.abc import Awaitable, Callable
from typing import Any

from app.domain.marking.document import DocumentPurpose
from app.domain.marking.order import SENDING, Hold, OrderStatus
from app.domain.marking.station import RemoteOrder, missing
from app.domain.marking.view import CallState, Operation
from app.integrations import suz
from app.integrations.errors import Upstream
from app.integrations.suz_answers import RemoteOrder as ListedOrder
from app.marking import calls, store
from app.marking.adopting import Found, adopt, keep_orphan, set_aside
from app.marking.attempts import access_to
from app.marking.calls import CallRow
from app.marking.collecting import mark_lost, place_of, read_counters, recover_blocks
from app.marking.database import Transaction, ms
from app.marking.desk import AGAIN, Desk, Next, Work
from app.marking.document_lookup import Ours, matching_documents
from app.marking.failures import pause
from app.marking.leases import holds, lock_orders
from app.marking.lookups import looked_in_vain, lookups_with
from app.marking.messages_ru import hold_text
from app.marking.metrics import DOUBLES, RECONCILIATIONS
from app.marking.observing import look_now, station_row
from app.marking.report_lookup import look_for_report
from app.marking.submitting import accept_number
from app.marking.views import load_buffers

HOUR_MS = 3_600_000


async def doubt(desk: Desk, work: Work, call: CallRow) -> Next:
    """A claim of a worker that is gone."""
    detail = {"code": "unknown-outcome", "text": hold_text("unknown-outcome")}
    async with desk.database.transaction() as tx:
        if not await holds(tx, work.lease):
            return AGAIN
        await calls.doubt(tx, call.id, error="the worker is gone", http_status=None)
        await store.set_hold(tx, work.lease, Hold.UNKNOWN_OUTCOME, detail=detail)
    return AGAIN


async def look(desk: Desk, work: Work, call: CallRow) -> Next:
    return await LOOKUPS[call.operation](desk, work, call)


async def vain(desk: Desk, work: Work, call: CallRow, *, may_be_absent: bool = True) -> Next:
    """A complete lookup found nothing; after all of them the call did not happen."""
    lookups = lookups_with(call, desk.terms, at=work.now)
    early = lookups == call.reconcile_step
    absent = may_be_absent and _last(desk, work, call)
    async with desk.database.transaction() as tx:
        if not await holds(tx, work.lease):
            return AGAIN
        if absent:
            await calls.settle(tx, call.id, CallState.ABSENT)
            await store.clear_hold(tx, work.lease, Hold.UNKNOWN_OUTCOME)
        else:
            await looked_in_vain(tx, call.id, lookups=lookups)
    RECONCILIATIONS.labels(call.operation, "absent" if absent else "vain").inc()
    if not (absent or early) and await _waited_too_long(desk, work, call):
        return await pause(desk, work, Hold.ATTENTION, code="sending-too-long")
    return AGAIN


def _last(desk: Desk, work: Work, call: CallRow) -> bool:
    return lookups_with(call, desk.terms, at=work.now) >= desk.terms.lookups


async def _waited_too_long(desk: Desk, work: Work, call: CallRow) -> bool:
    """Only looking in vain counts, not the time in which nobody could look."""
    delays = desk.terms.marking_reconcile_delays_s
    step = min(call.reconcile_step, len(delays) - 1)
    row = await desk.database.one(
        """update marking.orders set waited_s = waited_s + %(delay)s where id = %(id)s
           returning waited_s""",
        delay=round(delays[step]),
        id=work.row.id,
    )
    limit = desk.terms.sending_limit_s
    return work.row.status in SENDING and row is not None and row["waited_s"] >= limit


async def found(desk: Desk, work: Work, call: CallRow, *, several: bool = False) -> Next:
    RECONCILIATIONS.labels(call.operation, "several" if several else "found").inc()
    async with desk.database.transaction() as tx:
        await store.clear_hold(tx, work.lease, Hold.UNKNOWN_OUTCOME)
    if several:
        return await pause(desk, work, Hold.ATTENTION, code="several-found")
    return AGAIN


async def _look_for_order(desk: Desk, work: Work, call: CallRow) -> Next:
    access = await access_to(desk, work, Upstream.SUZ)
    answer = await suz.order_list(desk.clients.suz, access)
    listed = answer.value.order_infos
    async with desk.database.transaction() as tx:
        await lock_orders(tx, [work.row.id])
        ours = await _ours(tx, work, listed)
        several, candidates = False, []
        if ours and work.row.status is OrderStatus.SUZ_SENDING:
            several = await adopt(tx, desk, ours, at=work.now)
        elif ours:
            several = True
            await set_aside(tx, ours)
        else:
            candidates = await _candidates(tx, work, call, listed=listed)
    if ours:
        return await found(desk, work, call, several=several)
    result = await vain(desk, work, call, may_be_absent=not candidates)
    if candidates and _last(desk, work, call):
        shown: dict[str, Any] = {"suz_order_ids": candidates}
        return await pause(desk, work, Hold.ATTENTION, code="foreign-candidate", **shown)
    return result


async def _ours(tx: Transaction, work: Work, listed: list[ListedOrder]) -> list[Found]:
    """Orders of attempts without a number yet; what is known already answers no question."""
    rows = await tx.rows(
        """select id, production_order_id from marking.suz_orders
           where order_id = %(id)s and suz_order_id is null""",
        id=work.row.id,
    )
    by_own = {row["production_order_id"]: row["id"] for row in rows}
    return [
        Found(by_own[one.production_order_id], one)
        for one in listed
        if one.production_order_id in by_own
    ]


async def _candidates(
    tx: Transaction, work: Work, call: CallRow, *, listed: list[ListedOrder]
) -> list[str]:
    """Orders without a number of ours that look exactly like the one we sent."""
    lines = await tx.rows(
        "select gtin, quantity from marking.order_lines where order_id = %(id)s", id=work.row.id
    )
    wanted = {(line["gtin"], line["quantity"]) for line in lines}
    earliest = (ms(call.claimed_at) or 0) - HOUR_MS
    alike = [
        one
        for one in listed
        if not one.production_order_id
        and {(b.gtin.rjust(14, "0"), b.total) for b in one.buffers} == wanted
        and (one.created_at_ms is None or one.created_at_ms >= earliest)
    ]
    for one in alike:
        await keep_orphan(
            tx,
            one,
            kind="foreign",
            participant_id=work.row.participant_id,
            order_id=work.row.id,
        )
    rows = await tx.rows(
        """select n.number from unnest(%(numbers)s::uuid[]) as n(number)
           where not exists (select 1 from marking.suz_orders s where s.suz_order_id = n.number)
                 and not exists (select 1 from marking.suz_orphans p
                     where p.suz_order_id = n.number and p.resolved_by is not null)""",
        numbers=[one.order_id for one in alike],
    )
    return [row["number"] for row in rows]


async def _look_for_codes(desk: Desk, work: Work, call: CallRow) -> Next:
    gtin = call.subject_id.rsplit(":", 1)[1]
    async with desk.database.transaction() as tx:
        place = await place_of(tx, work, gtin)
    access = await access_to(desk, work, Upstream.SUZ)
    if not await read_counters(desk, work, access=access, place=place):
        return await pause(desk, work, Hold.ATTENTION, code="order-unknown")
    got = await recover_blocks(desk, work, access=access, place=place)
    async with desk.database.transaction() as tx:
        if not await holds(tx, work.lease):
            return AGAIN
        buffers = await load_buffers(tx, place.row_id)
        buffer = next(b for b in buffers if b.gtin == gtin)
        lost = missing(buffer)
        last = got.closed or _last(desk, work, call)
        if got.blocks:
            await calls.settle(tx, call.id, CallState.FOUND)
        elif lost > buffer.lost and last:
            await mark_lost(tx, place, lost)
            await calls.settle(tx, call.id, CallState.FOUND)
    if got.blocks:
        held = await found(desk, work, call)
        code = got.held
        return held if code is None else await pause(desk, work, Hold.ATTENTION, code=code)
    if lost > buffer.lost and last:
        await found(desk, work, call)
        if got.closed:
            return AGAIN
        return await pause(desk, work, Hold.ATTENTION, code="codes-missing", missing=lost)
    return await vain(desk, work, call, may_be_absent=lost <= buffer.lost)


async def _look_for_close(desk: Desk, work: Work, call: CallRow) -> Next:
    """Closed: it happened, or somebody else did it; open: the same bytes once more."""
    if await look_now(desk, work) is None:
        return await pause(desk, work, Hold.ATTENTION, code="order-unknown")
    async with desk.database.transaction() as tx:
        if not await holds(tx, work.lease):
            return AGAIN
        row = await station_row(tx, work.row.id)
        closed = row["remote_status"] == RemoteOrder.CLOSED
        await calls.settle(tx, call.id, CallState.FOUND if closed else CallState.ABSENT)
        await store.clear_hold(tx, work.lease, Hold.UNKNOWN_OUTCOME)
    RECONCILIATIONS.labels(call.operation, "found" if closed else "absent").inc()
    return AGAIN


async def _look_for_document(desk: Desk, work: Work, call: CallRow) -> Next:
    async with desk.database.transaction() as tx:
        row = await tx.one("select * from marking.documents where id = %(id)s", id=call.subject_id)
        assert row is not None, "documents are never deleted"
        codes = await tx.rows(
            "select ki from marking.document_codes where document_id = %(id)s", id=row["id"]
        )
    ours = Ours(
        DocumentPurpose(row["purpose"]), work.row.id, frozenset(code["ki"] for code in codes)
    )
    matches = await matching_documents(desk, work, call, row=row, ours=ours)
    if not matches:
        return await vain(desk, work, call)

    async def keep(tx: Transaction) -> None:
        await lock_orders(tx, [work.row.id])
        number = matches[0].number
        await calls.settle(tx, call.id, CallState.FOUND, remote_id=number)
        await accept_number(tx, desk, document_id=row["id"], number=number)

    await desk.database.until_committed(keep)
    if len(matches) > 1:
        DOUBLES.labels(call.operation).inc()
    return await found(desk, work, call, several=len(matches) > 1)


async def _look_for_report(desk: Desk, work: Work, call: CallRow) -> Next:
    verdict = await look_for_report(desk, work, call)
    if verdict is None:
        return await vain(desk, work, call, may_be_absent=False)
    return verdict


LOOKUPS: dict[Operation, Callable[[Desk, Work, CallRow], Awaitable[Next]]] = {
    Operation.CREATE_ORDER: _look_for_order,
    Operation.FETCH_CODES: _look_for_codes,
    Operation.CLOSE_ORDER: _look_for_close,
    Operation.SUBMIT_DOCUMENT: _look_for_document,
    Operation.SEND_REPORT: _look_for_report,
}
