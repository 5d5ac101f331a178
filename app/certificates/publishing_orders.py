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
    visible = [event.at for event in events if _changes_state(event)]
    if visible and not order.is_stub:
        emission.state(ORDER_STATE, visible[-1], order_state(emission.entity, order))
    told: set[str] = set()
    for event in events:
        match event:
            case LineChanged() | Noted():
                _lines(emission, order, event, told=told)
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
    if isinstance(event, Noted):
        return event.name == ORDER_STATE_CHANGED
    return isinstance(event, LineChanged)


def _lines(emission: Emission, order: Order, event: LineChanged | Noted, *, told: set[str]) -> None:
    """Each line the event speaks of, once and as it is in the end; no audit goes untold."""
    audit = None if event.audit is None else audit_part(event.audit)
    if audit is None and not _changes_state(event):
        return
    named = order.lines if event.order_line_id is None else (event.order_line_id,)
    fresh = [line_id for line_id in named if line_id in order.lines and line_id not in told]
    told.update(fresh)
    for line_id in fresh:
        part = _line_part(line_id, order, order_id=emission.entity)
        emission.event(BI, event.at, GiftCertificateBI("OrderLine", audit=audit, line=part))
    if audit is not None and not fresh:
        emission.event(BI, event.at, GiftCertificateBI("OrderLine", audit=audit))


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
