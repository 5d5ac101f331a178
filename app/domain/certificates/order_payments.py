"""What a payment message changes in an order: received sums, flags of settlement."""

import msgspec

from app.domain.certificates.commands import ApplyPayment, RefundNotice, RefundUpdate
from app.domain.certificates.distribution import COUNTED
from app.domain.certificates.events import SETTLEMENT_CONTRADICTION
from app.domain.certificates.order_state import Payment, Settlement
from app.domain.certificates.order_turn import Turn

CHARGED_BACK = "ChargedBack"
CANCELLED = "Cancelled"
_BROUGHT_MONEY = COUNTED | {CHARGED_BACK}


def is_ours(command: ApplyPayment, *, stub_hours: int) -> bool:
    """Whether a payment of an order that nobody knows may concern certificates."""
    if command.entries is not None:
        return True
    flags = (command.is_order_settled, command.outstanding_amount)
    return stub_hours > 0 and None not in flags


def apply_payment(turn: Turn, command: ApplyPayment) -> str | None:
    """The code of what was ignored, or None."""
    payments = turn.order.payments
    known = payments.get(command.payment_id)
    if known is None and len(payments) >= turn.policy.payments_max:
        reason = f"an order keeps at most {turn.policy.payments_max} payments"
        turn.dead_letter(command, "TooManyPayments", reason)
        return "TooManyPayments"
    if known is not None and command.version == known.version:
        return _repeated(turn, command, known)
    # Flags and receipts of an overtaken message count: any order of arrival ends the same.
    _follow_flags(turn, command)
    if known is not None and command.version < known.version:
        if command.payment_status in _BROUGHT_MONEY and not known.received:
            _keep(turn, command.payment_id, msgspec.structs.replace(known, received=True))
        return "StaleVersion"
    received = command.payment_status in _BROUGHT_MONEY or (known is not None and known.received)
    payment = Payment(
        command.version,
        command.occurred_at,
        command.body_hash,
        command.payment_status,
        command.amount,
        command.currency,
        command.entries,
        received,
    )
    _keep(turn, command.payment_id, payment)
    return None


def route_refund(turn: Turn, notice: RefundNotice) -> str | None:
    """A refund message that names only the order line goes to the line's certificate."""
    line = turn.order.lines.get(notice.order_line_id)
    if line is None or line.certificate_id is None:
        return "LineUnknown"
    update = RefundUpdate(
        "",
        notice.attempt,
        notice.kind,
        notice.version,
        notice.occurred_at,
        notice.amount,
        notice.reason,
        notice.provider_reference,
        notice.origin,
    )
    turn.send(line.certificate_id, update)
    return None


def _repeated(turn: Turn, command: ApplyPayment, known: Payment) -> str | None:
    if command.body_hash == known.body_hash:
        return None
    reason = f"version {command.version} of this payment has come with other content"
    turn.dead_letter(command, "VersionConflict", reason)
    return "VersionConflict"


def _keep(turn: Turn, payment_id: str, payment: Payment) -> None:
    order = turn.order
    if order.sale is None and not order.payments:
        turn.set(since=turn.t, sale_missed=False)
    turn.set(payments=order.payments | {payment_id: payment})


def _follow_flags(turn: Turn, command: ApplyPayment) -> None:
    settled, outstanding = command.is_order_settled, command.outstanding_amount
    if (settled is None) != (outstanding is None) or (settled and outstanding):
        turn.note(SETTLEMENT_CONTRADICTION)
    if settled is None or outstanding is None:
        return
    flags = Settlement(
        command.occurred_at, command.payment_id, command.version, settled, outstanding
    )
    known = turn.order.settlement
    if known is None or newer(flags, known):
        turn.set(settlement=flags)


def newer(one: Settlement, other: Settlement) -> bool:
    return place(one) > place(other)


def place(flags: Settlement) -> tuple[int, str, int]:
    return flags.occurred_at, flags.payment_id, flags.version
