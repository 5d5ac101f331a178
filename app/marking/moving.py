"""Moves of an order and what belongs into the same transaction."""

from collections.abc import Awaitable, Callable

import msgspec

from app.domain.marking.document import DocumentStatus
from app.domain.marking.order import OrderStatus
from app.domain.marking.steps import Intent, Move, Plan, Resend
from app.domain.marking.view import Operation
from app.marking import audit, calls, store
from app.marking.audit import Entry, Event
from app.marking.calls import NewCall
from app.marking.database import Row, Transaction, raw
from app.marking.declining import decline_observed
from app.marking.desk import AGAIN, Desk, Next, Work
from app.marking.ids import new_id
from app.marking.notices import tell_move
from app.marking.observing import refresh_status, station_row
from app.marking.ordering import close_books
from app.marking.store import Change
from app.marking.views import load_buffers

S = OrderStatus


async def move(desk: Desk, work: Work, step: Move) -> Next:
    """The status and everything that must stand or fall with it."""
    if step.target is S.DECLINED:
        return await _decline(desk, work)
    async with desk.database.transaction() as tx:
        change = Change(step.target, cause=step.cause, reason=step.reason)
        moved = await store.move(tx, work.lease, change, row=work.row)
        if moved is None:
            return AGAIN
        for intent in step.plan:
            await plan(tx, work, intent)
        effect = EFFECTS.get(step.target)
        if effect is not None:
            await effect(tx, work)
        await tell_move(tx, work.row, step.target)
    for intent in step.plan:
        desk.crash.passed(intent.operation, "planned")
    desk.crash.passed("order", step.target.lower())
    return AGAIN


async def _decline(desk: Desk, work: Work) -> Next:
    async with desk.database.transaction() as tx:
        await decline_observed(tx, work)
    desk.crash.passed("order", "declined")
    return AGAIN


async def plan(tx: Transaction, work: Work, intent: Intent) -> None:
    new = NewCall(work.row.participant_id, work.row.id, intent.operation, intent.subject_id)
    await calls.plan(tx, new)
    if intent.operation is Operation.SUBMIT_DOCUMENT:
        await tx.execute(
            """update marking.documents d set status = 'SENDING', signature = r.signature
               from marking.sign_requests r
               where d.id = %(id)s and d.status = 'SIGNING' and r.subject_id = d.id::text
                     and r.purpose = 'document' and r.state in ('SIGNED', 'USED')""",
            id=intent.subject_id,
        )


async def plan_one(desk: Desk, work: Work, step: Plan) -> Next:
    async with desk.database.transaction() as tx:
        await plan(tx, work, step.intent)
    desk.crash.passed(step.intent.operation, "planned")
    return AGAIN


async def resend(desk: Desk, work: Work, step: Resend) -> Next:
    """The same bytes and the same signature as a new attempt of the document."""
    async with desk.database.transaction() as tx:
        old = await tx.one("select * from marking.documents where id = %(id)s", id=step.document_id)
        assert old is not None, "documents are never deleted"
        await _copy(tx, work, old)
        if work.row.status is S.DOC_CHECKING:
            await store.move(
                tx, work.lease, Change(S.DOC_SENDING, reason="processing-error"), row=work.row
            )
    return AGAIN


async def _copy(tx: Transaction, work: Work, old: Row) -> None:
    new = new_id()
    await tx.execute(
        """insert into marking.documents (id, order_id, purpose, part, attempt, type, body,
               body_sha256, signature, status)
           select %(new)s, order_id, purpose, part, attempt + 1, type, body, body_sha256,
                  signature, 'SENDING' from marking.documents where id = %(old)s
           on conflict (order_id, purpose, part, attempt) do nothing""",
        new=new,
        old=old["id"],
    )
    await tx.execute(
        """update marking.document_codes set live = false where document_id = %(old)s""",
        old=old["id"],
    )
    await tx.execute(
        """insert into marking.document_codes (document_id, ki, purpose, live)
           select %(new)s, ki, purpose, true from marking.document_codes
           where document_id = %(old)s""",
        new=new,
        old=old["id"],
    )
    await tx.execute(
        """insert into marking.sign_requests (id, participant_id, purpose, order_id, subject_id,
               context, payload_sha256, detached, state, signature, signer_subject, thumbprint,
               signed_by)
           select %(id)s, participant_id, purpose, order_id, %(new)s, context, payload_sha256,
                  detached, 'USED', signature, signer_subject, thumbprint, signed_by
           from marking.sign_requests where subject_id = %(old)s and purpose = 'document'
                and state = 'USED' order by created_at desc limit 1""",
        id=new_id(),
        new=new,
        old=old["id"],
    )
    assert raw(old["body"]), "a sent document has a body"
    await plan(tx, work, Intent(Operation.SUBMIT_DOCUMENT, new))


async def _on_closed(tx: Transaction, work: Work) -> None:
    row = await station_row(tx, work.row.id)
    for buffer in await load_buffers(tx, row["id"]):
        await refresh_status(tx, row["id"], gtin=buffer.gtin, closed=True)
    await close_books(tx, work)


async def _on_completed(tx: Transaction, work: Work) -> None:
    rows = await tx.rows(
        """select gtin, count(*) as received,
                  count(*) filter (where status = 'WRITTEN_OFF' or spoiled) as dropped
           from marking.codes where order_id = %(id)s group by gtin order by gtin""",
        id=work.row.id,
    )
    goods = [{"gtin": r["gtin"], "received": r["received"], "dropped": r["dropped"]} for r in rows]
    event = Event("marking.stock_changed", work.row.id, work.row.version, {"goods": goods})
    await audit.announce(tx, event)
    entry = Entry("order.completed", "worker", work.row.participant_id, work.row.id)
    await audit.write(tx, msgspec.structs.replace(entry, details={"goods": goods}))


async def _on_rejected(tx: Transaction, work: Work) -> None:
    """Codes of a refused document may go into another one."""
    await tx.execute(
        """update marking.document_codes set live = false where document_id in
               (select id from marking.documents where order_id = %(id)s
                    and status in (%(rejected)s, %(failed)s))""",
        id=work.row.id,
        rejected=DocumentStatus.REJECTED,
        failed=DocumentStatus.TECH_ERROR,
    )


EFFECTS: dict[OrderStatus, Callable[[Transaction, Work], Awaitable[None]]] = {
    S.CLOSED: _on_closed,
    S.COMPLETED: _on_completed,
    S.DOC_REJECTED: _on_rejected,
}
