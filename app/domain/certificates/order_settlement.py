"""What follows from all that an order knows: money on lines, activation, blocks, alerts."""

from app.domain.certificates.distribution import Claim, distribute, is_foreign
from app.domain.certificates.order_payments import CANCELLED, CHARGED_BACK, place
from app.domain.certificates.order_state import (
    SPENT,
    TIED,
    Line,
    LineStatus,
    Order,
    Payment,
)
from app.domain.certificates.order_turn import Turn

ORDER_CANCELLED = "order-cancelled"
_WITHDRAWN = "payment-withdrawn:"
_CHARGED_BACK = "chargeback:"
_GIVEN_BACK = frozenset({LineStatus.RELEASED, LineStatus.RELEASING})


def settle(turn: Turn) -> None:
    """Ends every commit of an order; twice changes nothing more."""
    if _moves_money(turn):
        _spread(turn)
    for line_id, line in turn.lines():
        if line.status in TIED or line.status is LineStatus.AWAITING_CONTACT:
            _follow_money(turn, line_id, line)
        elif line.status in _GIVEN_BACK:
            _take_again(turn, line_id, line)
    for line_id, line in turn.lines():
        _block(turn, line_id, line)
    _raise_flags(turn)


def _moves_money(turn: Turn) -> bool:
    """What a certificate reports changes no share, but that a dropped line keeps its own."""
    order, before = turn.order, turn.before
    if order.sale is not before.sale or order.payments is not before.payments:
        return True
    return order.cancelled or any(line.dropped for line in order.lines.values())


def _spread(turn: Turn) -> None:
    order = turn.order
    by_position = sorted(order.lines.items(), key=lambda item: item[1].position)
    claims = [Claim(line_id, line.price) for line_id, line in by_position if _claims(order, line)]
    money = distribute(claims, order.payments, order.currency)
    for line_id, _ in by_position:
        turn.edit(line_id, paid=money.paid.get(line_id, 0))
    turn.set(unapplied=money.unapplied)


def _claims(order: Order, line: Line) -> bool:
    if line.status in SPENT:
        return True
    return not (line.dropped or order.cancelled) and line.currency == order.currency


def _follow_money(turn: Turn, line_id: str, line: Line) -> None:
    status = _status_of_paid(line)
    if turn.order.settled:
        erased = line.delivery != "NONE" and line.sealed is None
        status = LineStatus.AWAITING_CONTACT if erased else LineStatus.ACTIVATING
    if status is line.status:
        return
    turn.move(line_id, status)
    if status is LineStatus.AWAITING_CONTACT:
        turn.note("ContactErased", line_id)


def _status_of_paid(line: Line) -> LineStatus:
    if line.paid == line.price:
        return LineStatus.PAID
    return LineStatus.PARTIALLY_PAID if line.paid else LineStatus.ALLOCATED


def _take_again(turn: Turn, line_id: str, line: Line) -> None:
    """Released for want of money, and now the money has come after all."""
    if turn.order.settled and not line.dropped and line.nominal and line.certificate_id:
        turn.move(line_id, LineStatus.PENDING, attempt=line.attempt + 1)


def _block(turn: Turn, line_id: str, line: Line) -> None:
    if not line.blocks and line.status not in SPENT:
        return
    reasons = _reasons(turn.order, line_id, line)
    for reason in reasons:
        if reason not in line.blocks:
            turn.block(line_id, reason)
    for reason in line.blocks:
        if reason not in reasons:
            turn.unblock(line_id, reason)
    turn.edit(line_id, blocks=reasons)


def _reasons(order: Order, line_id: str, line: Line) -> tuple[str, ...]:
    """Why the line's certificate must not pay, as far as this order can tell."""
    if line.status not in SPENT:
        return ()
    reasons = [ORDER_CANCELLED] if order.cancelled or line.dropped else []
    for payment_id, payment in sorted(order.payments.items()):
        if _concerns(payment, line_id):
            if payment.status == CHARGED_BACK:
                reasons.append(_CHARGED_BACK + payment_id)
            if _is_withdrawn(order, payment_id, payment):
                reasons.append(_WITHDRAWN + payment_id)
    # A payment that the record has forgotten cannot lift what it caused.
    reasons += [old for old in line.blocks if _is_of_forgotten(order, old)]
    return tuple(reasons)


def _concerns(payment: Payment, line_id: str) -> bool:
    named = {entry.order_line_id for entry in payment.entries or ()} - {None}
    return not named or line_id in named


def _is_withdrawn(order: Order, payment_id: str, payment: Payment) -> bool:
    if payment.status != CANCELLED or not payment.received:
        return False
    flags = order.settlement
    settled_since = flags is not None and place(flags) > (
        payment.occurred_at,
        payment_id,
        payment.version,
    )
    return not (order.flagged_settled and settled_since)


def _is_of_forgotten(order: Order, reason: str) -> bool:
    for prefix in (_CHARGED_BACK, _WITHDRAWN):
        if reason.startswith(prefix):
            return reason.removeprefix(prefix) not in order.payments
    return False


def _raise_flags(turn: Turn) -> None:
    order = turn.order
    foreign = is_foreign(order.payments, order.currency)
    lines = order.lines.values()
    spent = [line for line in lines if line.status in SPENT and not line.dropped]
    unequal = order.settled and any(line.paid != line.price for line in spent)
    mismatch = foreign or (unequal and not order.shrunk)
    unwanted = order.cancelled and order.flagged_settled and bool(lines)
    after_cancel = unwanted and not any(line.status in SPENT for line in lines)
    if mismatch and not order.settlement_mismatch:
        turn.note("SettlementMismatch")
    if after_cancel and not order.paid_after_cancel:
        turn.note("PaidAfterCancel")
    turn.set(settlement_mismatch=mismatch, paid_after_cancel=after_cancel)
