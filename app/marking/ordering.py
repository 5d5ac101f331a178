"""The order on its way to the station and its closing."""

from collections.abc import Sequence
from typing import Any

import msgspec

from app.domain.marking.field_words import told
from app.domain.marking.order import Hold, OrderStatus
from app.domain.marking.station import RemoteBuffer, RemoteOrder, ready_to_close
from app.domain.marking.view import CallState, Operation
from app.integrations import suz
from app.integrations.answers import Answer
from app.integrations.errors import Refused, SignatureRefused, Upstream
from app.integrations.suz_answers import Buffer, CloseAccepted, OrderAccepted
from app.marking import audit, calls, store
from app.marking.adopting import accept_order
from app.marking.attempts import Attempt, access_to, make
from app.marking.audit import Entry
from app.marking.calls import CallRow, StationFull
from app.marking.comparing import compare_before_order
from app.marking.database import Transaction, raw
from app.marking.declining import decline
from app.marking.desk import AGAIN, Desk, Next, Until, Work
from app.marking.failures import pause
from app.marking.freezing import renew_request, signature_of
from app.marking.observing import look_now, station_row
from app.marking.polls import drop_poll
from app.marking.store import Change
from app.marking.views import load_buffers

S = OrderStatus


async def send_order(desk: Desk, work: Work, call: CallRow) -> Next:
    """POST the frozen order, after the station was compared with what we know."""
    access = await access_to(desk, work, Upstream.SUZ)
    if await compare_before_order(desk, work, access=access, call=call):
        return AGAIN
    async with desk.database.transaction() as tx:
        row = await station_row(tx, work.row.id)
        cms = await signature_of(tx, call.subject_id, purpose="suz_order")

    async def keep(tx: Transaction, answer: Answer[OrderAccepted]) -> None:
        number = answer.value.order_id
        await calls.answered(tx, call.id, answer, remote_id=number, sealer=desk.sealer)
        await accept_order(
            tx,
            desk,
            row_id=row["id"],
            suz_order_id=answer.value.order_id,
            ready_ms=answer.value.ready_after_ms,
        )

    async def refused(refusal: Refused) -> Next:
        return await _order_refused(desk, work, row=row, refusal=refusal)

    attempt = Attempt(
        Operation.CREATE_ORDER,
        call.id,
        send=lambda claim: suz.create_order(
            desk.clients.suz, access, body=raw(row["body"]), signature=cms, claim=claim
        ),
        keep=keep,
        refused=refused,
        subject_id=row["id"],
        purpose="suz_order",
        guard=lambda tx: _require_room(tx, desk, work, call_id=call.id),
        remote_id=lambda accepted: accepted.order_id,
    )
    return await make(desk, work, attempt)


async def _require_room(tx: Transaction, desk: Desk, work: Work, *, call_id: str) -> None:
    """Count queued and active orders of the participant under a lock of its row."""
    participant = work.row.participant_id
    await tx.one(
        "select 1 from marking.participants where id = %(id)s for no key update",
        id=participant,
    )
    row = await tx.one(
        """select count(*) filter (where s.remote_status is null
                      or s.remote_status in ('CREATED', 'PENDING', 'APPROVED')) as queued,
                  count(*) filter (where s.remote_status = 'READY'
                      and exists (select 1 from marking.buffers b where b.suz_order_id = s.id
                                  and b.remote_status in ('ACTIVE', 'PENDING'))) as active,
                  (select count(*) from marking.calls c where c.participant_id = %(id)s
                       and c.operation = 'create_order' and c.state in ('CLAIMED', 'UNKNOWN')
                       and c.id <> %(call)s) as open,
                  (select count(*) from marking.orders w where w.participant_id = %(id)s
                       and w.status = 'SUZ_SENDING' and w.hold = 'suz_limit'
                       and w.id < %(order)s) as older
           from marking.suz_orders s join marking.orders o on o.id = s.order_id
           where o.participant_id = %(id)s and s.suz_order_id is not null
                 and (s.remote_status is null or s.remote_status not in ('DECLINED', 'CLOSED'))""",
        id=participant,
        call=call_id,
        order=work.row.id,
    )
    assert row is not None
    if row["queued"] + row["open"] + row["older"] >= desk.terms.suz_max_queued_orders:
        raise StationFull("as many orders are queued as the station allows")
    if row["active"] >= desk.terms.suz_max_active_orders:
        raise StationFull("as many orders are active as the station allows")


async def _order_refused(desk: Desk, work: Work, *, row: dict[str, Any], refusal: Refused) -> Next:
    if isinstance(refusal, SignatureRefused):
        return await _sign_again(desk, work, row)
    if desk.terms.is_station_limit(refusal.failure.text):
        until = work.now + desk.terms.scaled_ms(desk.terms.limit_wait_s)
        return await pause(desk, work, Hold.SUZ_LIMIT, code="station-full", until=until)
    failure = refusal.failure
    errors = [told(one.field, one.text) for one in failure.fields] or [failure.text]
    async with desk.database.transaction() as tx:
        await decline(tx, work, errors=errors)
    return AGAIN


async def _sign_again(desk: Desk, work: Work, row: dict[str, Any]) -> Next:
    async with desk.database.transaction() as tx:
        await renew_request(
            tx, desk, row=work.row, purpose="suz_order", subject=row["id"], payload=raw(row["body"])
        )
        change = Change(S.SUZ_SIGNING, reason="signature-invalid")
        await store.move(tx, work.lease, change, row=work.row)
    return await pause(desk, work, Hold.ATTENTION, code="signature-invalid")


async def send_close(desk: Desk, work: Work, call: CallRow) -> Next:
    """Close, after the whole condition was read anew from the station."""
    seen = await look_now(desk, work)
    if seen is None:
        return await pause(desk, work, Hold.ATTENTION, code="order-unknown")
    if not await _may_close_now(desk, work, seen):
        return await _leave_open(desk, work, call)
    access = await access_to(desk, work, Upstream.SUZ)
    async with desk.database.transaction() as tx:
        row = await station_row(tx, work.row.id)
        if row["remote_status"] == RemoteOrder.CLOSED:
            await calls.settle(tx, call.id, CallState.REFUSED)
            return AGAIN
        cms = await signature_of(tx, call.subject_id, purpose="suz_close")

    async def keep(tx: Transaction, answer: Answer[CloseAccepted]) -> None:
        await calls.answered(tx, call.id, answer, sealer=desk.sealer)
        entry = Entry("suz.close_sent", "worker", work.row.participant_id, work.row.id)
        await audit.write(tx, msgspec.structs.replace(entry, subject=row["id"], call_id=call.id))

    async def refused(refusal: Refused) -> Next:
        return await _close_refused(desk, work, refusal)

    attempt = Attempt(
        Operation.CLOSE_ORDER,
        call.id,
        send=lambda claim: suz.close_order(
            desk.clients.suz, access, body=raw(row["close_body"]), signature=cms, claim=claim
        ),
        keep=keep,
        refused=refused,
        subject_id=row["id"],
        purpose="suz_close",
    )
    return await make(desk, work, attempt)


async def _may_close_now(desk: Desk, work: Work, seen: Sequence[Buffer]) -> bool:
    """By what the station tells now: while it hides its counters nothing may be annulled."""
    if any(_hides_counters(buffer) for buffer in seen):
        return False
    async with desk.database.transaction() as tx:
        row = await station_row(tx, work.row.id)
        buffers = await load_buffers(tx, row["id"])
        fetching = await tx.one(
            """select 1 from marking.calls where order_id = %(id)s
                   and operation = 'fetch_codes' and state in ('PLANNED', 'CLAIMED', 'UNKNOWN')""",
            id=work.row.id,
        )
    status = row["remote_status"]
    remote = RemoteOrder(status) if status in set(RemoteOrder) else None
    return ready_to_close(remote, buffers, fetching=fetching is not None)


def _hides_counters(buffer: Buffer) -> bool:
    ended = {str(RemoteBuffer.REJECTED), str(RemoteBuffer.CLOSED)}
    return buffer.buffer_status not in ended and buffer.total is None


async def _leave_open(desk: Desk, work: Work, call: CallRow) -> Next:
    """Codes came after all, or nobody can tell: nothing is sent, the order collects again."""
    async with desk.database.transaction() as tx:
        await calls.settle(tx, call.id, CallState.REFUSED)
        change = Change(S.COLLECTING, reason="order-state")
        await store.move(tx, work.lease, change, row=work.row)
    return Until(work.now + desk.rules.suz_poll_ms)


async def _close_refused(desk: Desk, work: Work, refusal: Refused) -> Next:
    if await look_now(desk, work) is None:
        return await pause(desk, work, Hold.ATTENTION, code="order-unknown")
    async with desk.database.transaction() as tx:
        row = await station_row(tx, work.row.id)
    if row["remote_status"] == RemoteOrder.CLOSED:
        return AGAIN
    shown: dict[str, Any] = {"detail": refusal.failure.text}
    return await pause(desk, work, Hold.ATTENTION, code="close-refused", **shown)


async def close_books(tx: Transaction, work: Work) -> None:
    """The station says CLOSED: who closed it, and polling ends."""
    row = await station_row(tx, work.row.id)
    closed_by = await tx.value(
        """select case
               when exists (select 1 from marking.calls c where c.subject_id = %(id)s
                            and c.operation = 'close_order' and c.state in ('ANSWERED', 'FOUND'))
                   then 'API'
               when not exists (select 1 from marking.buffers b where b.suz_order_id = %(id)s::uuid
                                and b.status not in ('COMPLETE', 'SURPLUS', 'REJECTED')
                                and b.passed is distinct from b.total) then 'EXHAUSTED'
               when exists (select 1 from marking.buffers b where b.suz_order_id = %(id)s::uuid
                            and b.expires_at <= marking.remote_now(%(participant)s))
                   then 'EXPIRED'
               else 'OTHER' end""",
        id=row["id"],
        participant=work.row.participant_id,
    )
    await tx.execute(
        """update marking.suz_orders set closed_at = clock_timestamp(), closed_by = %(by)s
           where id = %(id)s and closed_at is null""",
        by=closed_by,
        id=row["id"],
    )
    await tx.execute(
        """update marking.sign_requests set state = 'CANCELLED'
           where subject_id = %(id)s and purpose = 'suz_close'
                 and state in ('PENDING', 'SIGNED')""",
        id=row["id"],
    )
    await drop_poll(tx, kind="suz_status", subject=row["id"])
    entry = Entry("suz.closed", "worker", work.row.participant_id, work.row.id, subject=row["id"])
    buffers = await load_buffers(tx, row["id"])
    counts = {b.gtin: {"stored": b.stored, "total": b.total or b.ordered} for b in buffers}
    await audit.write(
        tx, msgspec.structs.replace(entry, details={"closed_by": closed_by, "buffers": counts})
    )
