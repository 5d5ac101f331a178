"""What a journal record of an order says in public: its state and, for the mart, its lines."""

from collections.abc import Iterable

from app.certificates.emission import Emission
from app.certificates.publishing_internal import (
    SealDeadLetter,
    audit_part,
    publish_dead_letter,
    publish_notification,
)
from app.contracts.messages import (
    GiftCertificateBI,
    GiftCertificateOrderState,
    LinePart,
    OrderLine,
)
from app.contracts.topics import BI, ORDER_STATE
from app.domain.certificates.events import (
    ORDER_STATE_CHANGED,
    DeadLettered,
    Declined,
    LineChanged,
    Noted,
    NotificationAsked,
    OrderEvent,
)
from app.domain.certificates.order_state import Line, Order


def publish_order(
    emission: Emission, order: Order, events: Iterable[OrderEvent], *, seal: SealDeadLetter
) -> None:
    """The law notes what readers can see; status changes alone are for metrics."""
    visible = [event.at for event in events if _changes_state(event)]
    if visible:
        emission.state(ORDER_STATE, visible[-1], order_state(emission.entity, order))
        _lines(emission, order, visible[-1])
    for event in events:
        match event:
            case LineChanged() | Noted():
                _audited(emission, order, event)
                if isinstance(event, Noted) and _concerns_people(event):
                    emission.notes.append(event.name)
            case Declined(at, audit):
                emission.event(BI, at, GiftCertificateBI("Declined", audit=audit_part(audit)))
            case NotificationAsked():
                publish_notification(emission, event)
            case DeadLettered():
                publish_dead_letter(emission, event, seal)


def order_state(order_id: str, order: Order) -> GiftCertificateOrderState:
    sale, settlement = order.sale, order.settlement
    lines = sorted(order.lines.items(), key=lambda entry: entry[1].position)
    return GiftCertificateOrderState(
        order_id,
        None if sale is None else sale.version,
        None if sale is None else sale.order_status,
        sale is None,
        order.settled,
        None if settlement is None else settlement.outstanding_amount,
        order.unapplied,
        order.settlement_mismatch,
        order.paid_after_cancel,
        tuple(_line(line_id, line) for line_id, line in lines),
    )


def _changes_state(event: OrderEvent) -> bool:
    return isinstance(event, Noted) and event.name == ORDER_STATE_CHANGED


def _concerns_people(event: Noted) -> bool:
    """What an operator did himself is no news to operators."""
    return event.name != ORDER_STATE_CHANGED and event.audit is None


def _lines(emission: Emission, order: Order, at: int) -> None:
    """All of them: settlement and distribution concern lines whose status stays."""
    for line_id in order.lines:
        part = _line_part(line_id, order, order_id=emission.entity)
        emission.event(BI, at, GiftCertificateBI("OrderLine", line=part))


def _audited(emission: Emission, order: Order, event: LineChanged | Noted) -> None:
    if event.audit is None:
        return
    line_id = event.order_line_id
    part = None
    if line_id is not None and line_id in order.lines:
        part = _line_part(line_id, order, order_id=emission.entity)
    reason = event.reason if isinstance(event, Noted) else None
    audit = audit_part(event.audit, reason)
    emission.event(BI, event.at, GiftCertificateBI("OrderLine", audit=audit, line=part))


def _line(line_id: str, line: Line) -> OrderLine:
    return OrderLine(
        line_id,
        line.certificate_id,
        line.last4,
        line.nominal,
        line.price,
        line.paid,
        line.currency,
        line.status,
        line.refusal,
        line.blocks,
        _notification(line),
    )


def _line_part(line_id: str, order: Order, *, order_id: str) -> LinePart:
    line = order.lines[line_id]
    return LinePart(
        order_id,
        line_id,
        line.nominal,
        line.price,
        line.paid,
        line.currency,
        line.status,
        order.settled,
        line.blocks,
        line.certificate_id,
        line.last4,
        line.refusal,
        _notification(line),
    )


def _notification(line: Line) -> str | None:
    return None if line.notification is None else line.notification.state
