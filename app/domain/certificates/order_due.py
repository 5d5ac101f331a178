"""What falls due in an order: repeated questions, releases, erasure, shrinking."""

from collections.abc import Iterator

import msgspec

from app.domain.certificates.order_notices import SENT
from app.domain.certificates.order_state import TIED, Line, LineStatus, Order
from app.domain.certificates.order_turn import Turn
from app.domain.policy import DAY_MS, HOUR_MS, Policy

_SALE_MISSED_MS = DAY_MS


def next_due_of(order: Order, policy: Policy) -> int | None:
    return min(_dues(order, policy), default=None)


def apply_due(turn: Turn) -> None:
    due = turn.order.next_due
    if due is None or due > turn.t:
        return
    if _shrink_at(turn.order, turn.policy) <= turn.t:
        _shrink(turn)
        return
    for line_id, line in turn.lines():
        _apply_line(turn, line_id, line)
    for ask in turn.order.asks:
        if ask.ask_at is not None and ask.ask_at <= turn.t:
            turn.repeat(ask)
    _wait_for_sale(turn)


def _dues(order: Order, policy: Policy) -> Iterator[int]:
    for line in order.lines.values():
        if line.ask_at is not None:
            yield line.ask_at
        if line.status in TIED and not order.settled:
            yield _release_at(line, policy)
        if line.sealed is not None:
            yield _erase_at(line, policy)
    yield from (ask.ask_at for ask in order.asks if ask.ask_at is not None)
    if order.sale is not None:
        if not order.shrunk:
            yield _shrink_at(order, policy)
    elif order.payments:
        if not (order.is_stub or order.sale_missed):
            yield order.since + _SALE_MISSED_MS
        yield _forget_at(order, policy)


def _apply_line(turn: Turn, line_id: str, line: Line) -> None:
    t, policy = turn.t, turn.policy
    if line.sealed is not None and _erase_at(line, policy) <= t:
        turn.edit(line_id, sealed=None)
    if line.status in TIED and not turn.order.settled and _release_at(line, policy) <= t:
        turn.move(line_id, LineStatus.RELEASING)
    elif line.ask_at is not None and line.ask_at <= t:
        turn.ask_due(line_id)


def _wait_for_sale(turn: Turn) -> None:
    order = turn.order
    if order.sale is not None or not order.payments:
        return
    if _forget_at(order, turn.policy) <= turn.t:
        turn.set(payments={})
    elif not order.is_stub and not order.sale_missed and order.since + _SALE_MISSED_MS <= turn.t:
        turn.set(sale_missed=True)
        turn.note("SaleMissing")


def _release_at(line: Line, policy: Policy) -> int:
    return line.since + policy.allocation_days * DAY_MS


def _erase_at(line: Line, policy: Policy) -> int:
    notice = line.notification
    if notice is not None and notice.state == SENT:
        return notice.at + policy.contact_after_sent_days * DAY_MS
    return line.since + policy.contact_after_activation_days * DAY_MS


def _forget_at(order: Order, policy: Policy) -> int:
    if order.is_stub:
        return order.since + policy.order_stub_hours * HOUR_MS
    return order.since + policy.payment_kept_days * DAY_MS


def _shrink_at(order: Order, policy: Policy) -> int:
    if order.sale is None or order.shrunk:
        return order.clock + (1 << 62)
    return order.clock + policy.order_kept_days * DAY_MS


def _shrink(turn: Turn) -> None:
    """What stays answers a straggler; settlement, too: a line may wait for a contact for ever."""
    order = turn.order
    assert order.sale is not None
    lines = {
        line_id: Line(
            position=line.position,
            certificate_id=line.certificate_id,
            last4=None,
            nominal=0,
            price=0,
            currency="",
            attempt=line.attempt,
            status=line.status,
            since=line.since,
            blocks=line.blocks,
            delivery=line.delivery,
            dropped=line.dropped,
        )
        for line_id, line in order.lines.items()
    }
    sale = msgspec.structs.replace(
        order.sale, occurred_at=0, body_hash=b"", store_id=None, channel=None
    )
    turn.order = Order(
        order.clock,
        None,
        order.since,
        sale=sale,
        lines=lines,
        settlement=order.settlement,
        paid_after_cancel=order.paid_after_cancel,
    )
