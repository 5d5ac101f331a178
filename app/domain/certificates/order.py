"""The law of sale orders: one decision from state and command, all entries and exits of it."""

import msgspec

from app.domain.certificates.commands import (
    ApplyPayment,
    ApplySalesOrder,
    Command,
    Due,
    LineReport,
    NotificationResult,
    ReadOrder,
    RefundNotice,
    ResendNotification,
    SupplyContact,
)
from app.domain.certificates.events import ORDER_STATE_CHANGED
from app.domain.certificates.order_calls import ORDER_UNKNOWN, answer, read, unknown
from app.domain.certificates.order_due import apply_due, next_due_of
from app.domain.certificates.order_notices import apply_result
from app.domain.certificates.order_payments import apply_payment, is_ours, route_refund
from app.domain.certificates.order_reports import apply_report
from app.domain.certificates.order_sales import apply_sales_order
from app.domain.certificates.order_settlement import settle
from app.domain.certificates.order_state import Line, Order
from app.domain.certificates.order_turn import Turn
from app.domain.decision import Context, Decision, Reply

NOT_OURS = "NotOurs"


def decide(order: Order | None, command: Command, context: Context) -> Decision[Order | None]:
    """A `reply` to a message (no HTTP request) names what was ignored, for the counters."""
    if order is None:
        nothing = _unknown(command, context)
        if nothing is not None:
            return Decision(None, reply=nothing)
    turn = Turn(order or Order(clock=0, next_due=None, since=context.now), context)
    apply_due(turn)
    reply = _apply(turn, command)
    if turn.order is not turn.before:
        settle(turn)
    if isinstance(command, ReadOrder):
        reply = read(turn.order_id, turn.order, command.instance)
    return _finished(turn, order, reply=reply)


def next_due(order: Order) -> int | None:
    return order.next_due


def _unknown(command: Command, context: Context) -> Reply | None:
    """The answer where there is no order, unless the command may begin one."""
    match command:
        case ApplySalesOrder():
            return None
        case ApplyPayment():
            ours = is_ours(command, stub_hours=context.policy.order_stub_hours)
            return None if ours else _ignored(NOT_OURS)
        case SupplyContact() | ResendNotification():
            return unknown(command.call.instance)
        case ReadOrder():
            return unknown(command.instance)
        case _:
            return _ignored(ORDER_UNKNOWN)


def _apply(turn: Turn, command: Command) -> Reply | None:
    match command:
        case ApplySalesOrder():
            return _ignored(apply_sales_order(turn, command))
        case ApplyPayment():
            return _ignored(apply_payment(turn, command))
        case RefundNotice():
            return _ignored(route_refund(turn, command))
        case LineReport():
            apply_report(turn, command)
        case NotificationResult():
            apply_result(turn, command)
        case SupplyContact() | ResendNotification():
            return answer(turn, command)
        case ReadOrder() | Due():
            pass
        case _:
            raise TypeError(f"{type(command).__name__} is no command of an order")
    return None


def _ignored(code: str | None) -> Reply | None:
    return None if code is None else Reply(409, code, "", {})


def _finished(turn: Turn, known: Order | None, *, reply: Reply | None) -> Decision[Order | None]:
    if _is_visibly_changed(turn.before, turn.order):
        turn.note(ORDER_STATE_CHANGED)
    follow_ups = turn.follow_ups
    if turn.order is turn.before and not turn.events and not follow_ups:
        return Decision(known, reply=reply)
    clocked = msgspec.structs.replace(turn.order, clock=turn.t)
    order = msgspec.structs.replace(clocked, next_due=next_due_of(clocked, turn.policy))
    return Decision(order, tuple(turn.events), follow_ups, reply)


def _is_visibly_changed(before: Order, after: Order) -> bool:
    if after is before or after.is_stub or after.shrunk:
        return False
    if before.is_stub or _head(before) != _head(after):
        return True
    if before.lines.keys() != after.lines.keys():
        return True
    return any(
        line is not before.lines[line_id] and _visible(line) != _visible(before.lines[line_id])
        for line_id, line in after.lines.items()
    )


def _head(order: Order) -> tuple[object, ...]:
    flags = order.settlement
    return (
        order.sale and (order.sale.version, order.sale.order_status),
        flags and (flags.is_order_settled, flags.outstanding_amount),
        order.unapplied,
        order.settlement_mismatch,
        order.paid_after_cancel,
    )


def _visible(line: Line) -> tuple[object, ...]:
    return (
        line.certificate_id,
        line.nominal,
        line.price,
        line.paid,
        line.currency,
        line.status,
        line.refusal,
        line.blocks,
        line.notification and line.notification.state,
        line.position,
    )
