"""What operators do to an order: each under a lease of one transaction that fences the runner."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from app.contracts.topics import SUZ_ORDERS
from app.domain.marking.document import DocumentPurpose
from app.domain.marking.draft import (
    DropoutPlan,
    PostprocessPlan,
    Problem,
    WithdrawPlan,
    plan_problems,
    withdrawal_problems,
    write_off_problems,
)
from app.domain.marking.field_words import told
from app.domain.marking.order import SENDING, Cause, Hold, OrderStatus
from app.domain.marking.view import CallState
from app.marking import audit, calls, sign_requests, store
from app.marking.audit import Entry
from app.marking.circulation import freeze_chosen, take_back_introductions
from app.marking.database import NOW_MS, Transaction, as_json
from app.marking.desk import Desk
from app.marking.errors import OrderStateError, ValidationError
from app.marking.leases import Lease
from app.marking.participants import load as load_participant
from app.marking.queue import wake_message
from app.marking.store import Change, OrderRow

S = OrderStatus
BEFORE_POSTPROCESS = frozenset(S) - {S.POSTPROCESSING, S.COMPLETED, S.CANCELLED}
AFTER_CLOSE = frozenset({S.CLOSED, S.COMPLETED})
Change_ = Callable[[Transaction, Lease, OrderRow], Awaitable[None]]


async def operate(
    desk: Desk, order_id: str, *, user_id: str, action: str, change: Change_
) -> OrderRow:
    """Run `change` under an operator's lease, audit it, wake the runner."""
    async with desk.database.transaction() as tx:
        lease, row = await store.operator_lease(tx, order_id, actor=user_id)
        await change(tx, lease, row)
        entry = Entry(f"order.{action}", f"user:{user_id}", row.participant_id, row.id)
        await audit.write(tx, entry)
        after = await store.load(tx, order_id)
        now = int(await tx.value(f"select {NOW_MS}"))
    message = wake_message(after.id, after.participant_id, now, reason="operator")
    await desk.publish(SUZ_ORDERS, message)
    return after


def require_status(row: OrderRow, allowed: frozenset[OrderStatus]) -> None:
    if row.status not in allowed:
        names = ", ".join(sorted(allowed))
        raise OrderStateError(f"{row.status}: можно только в {names}", order_id=row.id)


async def cancel(desk: Desk, order_id: str, *, user_id: str) -> OrderRow:
    """Before anything lives outside. Raises OrderStateError while a call may have happened."""

    async def change(tx: Transaction, lease: Lease, row: OrderRow) -> None:
        await store.refuse_open_calls(tx, row)
        stored = await tx.value(
            "select count(*) from marking.codes where order_id = %(id)s", id=row.id
        )
        if stored:
            raise OrderStateError("Коды уже получены, отменить нельзя.", order_id=row.id)
        target = Change(S.CANCELLED, cause=Cause.OPERATOR, actor=f"user:{user_id}")
        await store.move(tx, lease, target, row=row)
        await sign_requests.cancel_of_order(tx, row.id)
        await tx.execute("delete from marking.serials where order_id = %(id)s", id=row.id)
        await tx.execute(
            """update marking.calls set state = 'REFUSED', error = 'the order was cancelled'
               where order_id = %(id)s and state = 'PLANNED'""",
            id=row.id,
        )
        await tx.execute(
            """update marking.documents set status = 'CANCELLED'
               where order_id = %(id)s and status in ('DRAFT', 'SIGNING')""",
            id=row.id,
        )
        await clear_attention(tx, row.id)

    return await operate(desk, order_id, user_id=user_id, action="cancelled_by", change=change)


async def clear_attention(tx: Transaction, order_id: str) -> None:
    await tx.execute(
        """update marking.orders set hold = null, hold_detail = null, failures = 0,
               version = version + 1 where id = %(id)s and hold is not null""",
        id=order_id,
    )


async def retry(desk: Desk, order_id: str, *, user_id: str) -> OrderRow:
    """Checks and lookups start anew; a doubtful call is looked up, never repeated."""

    async def change(tx: Transaction, _lease: Lease, row: OrderRow) -> None:
        await clear_attention(tx, row.id)
        await tx.execute(
            """update marking.calls set not_before = null, look_now = (state = 'UNKNOWN')
               where order_id = %(id)s and state in ('PLANNED', 'UNKNOWN')""",
            id=row.id,
        )
        if row.status is S.COLLECTING:
            await _ask_for_blocks_again(tx, row.id)
        if row.status in SENDING:
            await tx.execute("update marking.orders set waited_s = 0 where id = %(id)s", id=row.id)

    return await operate(desk, order_id, user_id=user_id, action="retried", change=change)


async def _ask_for_blocks_again(tx: Transaction, order_id: str) -> None:
    """Codes handed out and not here count as lost only after another look for their blocks."""
    await tx.execute(
        """update marking.buffers b set lost = 0 from marking.suz_orders s
           where s.order_id = %(id)s and s.current and b.suz_order_id = s.id and b.lost > 0""",
        id=order_id,
    )


async def finish_without_introduction(desk: Desk, order_id: str, *, user_id: str) -> OrderRow:
    async def change(tx: Transaction, lease: Lease, row: OrderRow) -> None:
        require_status(row, frozenset({S.CLOSED, S.DOC_REJECTED}))
        await store.refuse_open_calls(tx, row)
        target = Change(
            S.POSTPROCESSING,
            cause=Cause.OPERATOR,
            actor=f"user:{user_id}",
            reason="without-introduction",
        )
        await store.move(tx, lease, target, row=row)
        await take_back_introductions(tx, row.id)
        await clear_attention(tx, row.id)

    return await operate(desk, order_id, user_id=user_id, action="finished", change=change)


async def set_postprocess(
    desk: Desk, order_id: str, plan: PostprocessPlan, *, user_id: str
) -> OrderRow:
    """The plan may be changed until its operations have begun."""
    as_specified = desk.terms.marking_suz_reports == "as_specified"
    _require_sound(plan_problems(plan, reports_allowed=as_specified), order_id)

    async def change(tx: Transaction, _lease: Lease, row: OrderRow) -> None:
        begun = await tx.value(
            "select count(*) from marking.suz_reports where order_id = %(id)s", id=row.id
        )
        unneeded = (row.hold_detail or {}).get("code") == "report-unneeded"
        if row.status not in BEFORE_POSTPROCESS and not (begun and unneeded):
            raise OrderStateError(f"{row.status}: план уже выполняется", order_id=row.id)
        await tx.execute(
            "update marking.orders set postprocess = %(plan)s where id = %(id)s",
            plan=as_json(plan),
            id=row.id,
        )
        await clear_attention(tx, row.id)

    return await operate(desk, order_id, user_id=user_id, action="postprocess_set", change=change)


def _require_sound(wrong: Sequence[Problem], order_id: str) -> None:
    if wrong:
        text = told(wrong[0].pointer, wrong[0].text)
        raise ValidationError(text, errors=wrong, order_id=order_id)


async def withdraw(desk: Desk, order_id: str, plan: WithdrawPlan, *, user_id: str) -> OrderRow:
    """A withdrawal of listed codes, or of all; later documents do not move the order."""
    _require_sound(withdrawal_problems(plan), order_id)
    postprocess = PostprocessPlan(withdraw=plan)
    return await _later_document(
        desk, order_id, plan=postprocess, purpose=DocumentPurpose.WITHDRAW, user_id=user_id
    )


async def write_off(desk: Desk, order_id: str, plan: DropoutPlan, *, user_id: str) -> OrderRow:
    """A write-off of listed codes, or of all; always a document, so it needs its paper."""
    _require_sound(write_off_problems(plan), order_id)
    postprocess = PostprocessPlan(dropout=plan)
    return await _later_document(
        desk, order_id, plan=postprocess, purpose=DocumentPurpose.WRITE_OFF, user_id=user_id
    )


async def _later_document(
    desk: Desk,
    order_id: str,
    *,
    plan: PostprocessPlan,
    purpose: DocumentPurpose,
    user_id: str,
) -> OrderRow:
    async def change(tx: Transaction, _lease: Lease, row: OrderRow) -> None:
        require_status(row, AFTER_CLOSE)
        participant = await load_participant(tx, row.participant_id, sealer=desk.sealer)
        assert participant is not None, "orders refer to their participant"
        changed = msgspec.structs.replace(row, postprocess=plan)
        made = await freeze_chosen(tx, desk, row=changed, inn=participant.inn, purpose=purpose)
        if not made:
            raise ValidationError("Подходящих кодов нет.", order_id=row.id)

    return await operate(desk, order_id, user_id=user_id, action=f"{purpose}_asked", change=change)


async def decide_report(
    desk: Desk, order_id: str, report: str, *, sent: bool, user_id: str
) -> OrderRow:
    """After a lost answer: «Считать отправленным» or «Отправить заново»."""

    async def change(tx: Transaction, _lease: Lease, row: OrderRow) -> None:
        if row.hold is not Hold.ATTENTION:
            raise OrderStateError("Решение не требуется.", order_id=row.id)
        call_id = await tx.value(
            """select id from marking.calls where order_id = %(order)s and subject_id = %(id)s
                   and operation = 'send_report' and state = 'UNKNOWN'""",
            order=row.id,
            id=report,
        )
        if call_id is None:
            raise OrderStateError("Ответ на этот отчёт не ждут.", order_id=row.id)
        await calls.settle(tx, call_id, CallState.FOUND if sent else CallState.ABSENT)
        if sent:
            await tx.execute(
                """update marking.suz_reports set status = 'SUCCESS',
                       final_at = clock_timestamp()
                   where id = %(id)s and order_id = %(order)s""",
                order=row.id,
                id=report,
            )
        await clear_attention(tx, row.id)

    action = "report_counted" if sent else "report_again"
    return await operate(desk, order_id, user_id=user_id, action=action, change=change)
