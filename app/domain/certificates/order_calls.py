"""What people ask of an order by HTTP: read it, supply a contact, send the message again."""

from collections.abc import Callable
from typing import Any

from app.domain.certificates.commands import Call, ResendNotification, SupplyContact
from app.domain.certificates.events import Audit, Declined, Noted
from app.domain.certificates.order_notices import NO_DELIVERY, notify
from app.domain.certificates.order_results import is_full, replayed, stored
from app.domain.certificates.order_settlement import settle
from app.domain.certificates.order_state import Line, LineStatus, Order
from app.domain.certificates.order_turn import Turn
from app.domain.certificates.problems import is_stored, problem
from app.domain.decision import Reply

Asked = SupplyContact | ResendNotification
ORDER_UNKNOWN = "OrderUnknown"


def unknown(instance: str) -> Reply:
    return Reply(404, ORDER_UNKNOWN, instance, {})


def read(order_id: str, order: Order | None, instance: str) -> Reply:
    if order is None or order.is_stub:
        return unknown(instance)
    return Reply(200, None, instance, shown(order_id, order))


def answer(turn: Turn, command: Asked) -> Reply:
    """Decides a mutating request once; the same key is answered from memory."""
    call, order = command.call, turn.order
    again = replayed(order.requests, call)
    if again is not None:
        return again
    if is_full(order.requests, turn.t, turn.policy):
        return Reply(429, "TooManyOperations", call.instance, {})
    act: Callable[[Turn, Any], str | dict[str, Any]] = (
        _supply if isinstance(command, SupplyContact) else _resend
    )
    outcome = act(turn, command)
    if isinstance(outcome, str):
        reply = Reply(problem(outcome).status, outcome, call.instance, {})
        if is_stored(outcome):
            turn.events.append(Declined(turn.t, _audit(command, outcome)))
    else:
        reply = Reply(202, None, call.instance, outcome)
    turn.set(requests=stored(order.requests, call, reply, t=turn.t, policy=turn.policy))
    return reply


def shown(order_id: str, order: Order) -> dict[str, Any]:
    """The members of `GiftCertificateOrderState` and of the order's GET."""
    by_position = sorted(order.lines.items(), key=lambda item: item[1].position)
    return {
        "orderId": order_id,
        "saleVersion": order.sale.version if order.sale else None,
        "orderStatus": order.sale.order_status if order.sale else None,
        "awaitingSale": order.sale is None,
        "settled": order.settled,
        "outstandingAmount": order.settlement.outstanding_amount if order.settlement else None,
        "unapplied": order.unapplied,
        "settlementMismatch": order.settlement_mismatch,
        "paidAfterCancel": order.paid_after_cancel,
        "lines": [shown_line(line_id, line) for line_id, line in by_position],
    }


def shown_line(line_id: str, line: Line) -> dict[str, Any]:
    return {
        "orderLineId": line_id,
        "certificateId": line.certificate_id,
        "last4": line.last4,
        "nominal": line.nominal,
        "price": line.price,
        "paid": line.paid,
        "currency": line.currency,
        "allocationStatus": line.status.value,
        "refusal": line.refusal,
        "blocks": list(line.blocks),
        "notification": line.notification.state if line.notification else None,
    }


def _supply(turn: Turn, command: SupplyContact) -> str | dict[str, Any]:
    line = turn.order.lines.get(command.order_line_id)
    if line is None:
        return "LineUnknown"
    if line.status is not LineStatus.AWAITING_CONTACT:
        return "ContactNotAsked"
    delivery = NO_DELIVERY if command.contact is None else line.delivery
    turn.move(
        command.order_line_id, LineStatus.ALLOCATED, sealed=command.contact, delivery=delivery
    )
    _note(turn, "ContactSupplied", command, reason=command.reason)
    settle(turn)
    return shown_line(command.order_line_id, turn.order.lines[command.order_line_id])


def _resend(turn: Turn, command: ResendNotification) -> str | dict[str, Any]:
    line = turn.order.lines.get(command.order_line_id)
    if line is None:
        return "LineUnknown"
    if line.status is not LineStatus.ACTIVATED or line.sealed is None:
        return "NotificationGone"
    notify(turn, command.order_line_id)
    _note(turn, "NotificationResent", command, reason=None)
    return shown_line(command.order_line_id, turn.order.lines[command.order_line_id])


def _note(turn: Turn, name: str, command: Asked, *, reason: str | None) -> None:
    audit = _audit(command, None)
    turn.events.append(Noted(turn.t, name, command.order_line_id, audit, reason))


def _audit(command: Asked, code: str | None) -> Audit:
    call: Call = command.call
    return Audit(
        type(command).__name__,
        "ok" if code is None else "refused",
        code,
        call.client,
        call.actor,
        call.channel,
        call.store_id,
        call.terminal_id,
        call.key_hash.hex(),
    )
