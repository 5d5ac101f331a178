"""The only moves that the money of a refund request makes, and what is said of them."""

import msgspec

from app.domain.certificates.blocks import REFUND_CONFLICT, put_block
from app.domain.certificates.events import NotificationAsked, RefundAsked
from app.domain.certificates.ids import refund_request_id
from app.domain.certificates.state import Lifecycle, RefundRequest, RefundStatus, Settlement
from app.domain.certificates.step import Step
from app.domain.policy import SECOND_MS

_replace = msgspec.structs.replace
ATTEMPTS_KEPT = 32
_TEMPLATES = {
    RefundStatus.DETAILS_REQUIRED: "refund_details_required",
    RefundStatus.SETTLED: "refund_settled",
    RefundStatus.FAILED: "refund_failed",
}


def ask_payments(step: Step, request: RefundRequest, *, action: str) -> None:
    order = step.state.order
    step.events.append(
        RefundAsked(
            step.t,
            action,
            refund_request_id(step.key, request.n),
            request.attempt,
            None if order is None else order.order_id,
            None if order is None else order.order_line_id,
            request.amount,
            step.state.currency,
            request.channel,
            request.method,
            request.details if action == "Refund" else None,
            request.deadline(step.policy),
        )
    )


def asked_again(step: Step, request: RefundRequest, *, asks: int) -> RefundRequest:
    """Publish the request to Payments; without an answer once more after a while."""
    ask_payments(step, request, action="Refund")
    waits = step.policy.refund_retry_s
    ask_at = step.t + waits[min(asks, len(waits) - 1)] * SECOND_MS
    return _replace(request, asks=asks, ask_at=ask_at)


def notify(step: Step, request: RefundRequest) -> RefundRequest:
    """Ask for a message to the holder, if a contact was given and the status has a text."""
    template = _TEMPLATES.get(request.status)
    if request.contact is None or template is None:
        return request
    request_id = refund_request_id(step.key, request.n)
    order = step.state.order
    step.events.append(
        NotificationAsked(
            step.t,
            f"{request_id}:{template}:{request.notices}",
            template,
            request.contact,
            step.key,
            step.state.last4,
            request.amount,
            step.state.currency,
            None,
            None if order is None else order.order_id,
            None if order is None else order.order_line_id,
        )
    )
    return _replace(request, notices=request.notices + 1)


def give_back(step: Step, request: RefundRequest, *, event: str, reason: str | None) -> None:
    """Held → back: the whole sum is free again."""
    step.move(
        event,
        request.amount,
        available=request.amount,
        refund_held=-request.amount,
        refund_request_id=refund_request_id(step.key, request.n),
        reason=reason,
    )
    step.become(Lifecycle.ACTIVE)


def pay(step: Step, request: RefundRequest, *, amount: int, reason: str | None) -> int:
    """Held → paid: a rest that was not paid is free again; returns what we could not cover."""
    paid = min(amount, request.amount)
    step.move(
        "Refund",
        paid,
        available=request.amount - paid,
        refund_held=-request.amount,
        refund_request_id=refund_request_id(step.key, request.n),
        reason=reason,
    )
    step.add("refunded", paid)
    step.become(Lifecycle.ACTIVE if step.available else Lifecycle.REFUNDED)
    short = amount - paid
    if short:
        conflict(step, request, short=short)
    return short


def take_late(step: Step, request: RefundRequest, *, amount: int) -> Settlement:
    """Back → paid: Payments paid after all; what is there is taken, the rest is short."""
    taken = min(step.available, amount)
    step.move(
        "Refund",
        taken,
        available=-taken,
        refund_request_id=refund_request_id(step.key, request.n),
        late=True,
    )
    step.add("refunded", taken)
    balance = step.available + step.held + step.refund_held
    if taken and balance == 0:
        step.become(Lifecycle.REFUNDED)
    if taken < amount:
        conflict(step, request, short=amount - taken)
    return Settlement(request.attempt, taken, amount - taken)


def take_back(
    step: Step, request: RefundRequest, settlement: Settlement, *, reason: str | None
) -> None:
    """Paid → back: the transfer bounced, what it took returns, its shortfall is cleared."""
    taken = settlement.taken
    lifecycle = step.state.lifecycle
    written_off = taken if lifecycle is Lifecycle.CANCELLED else 0
    if written_off:
        step.add("written_off", written_off)
    step.add("refunded", -taken)
    step.move(
        "RefundFailed",
        taken,
        available=taken - written_off,
        refund_request_id=refund_request_id(step.key, request.n),
        reason=reason,
        bounced=True,
    )
    if settlement.short:
        step.add("shortfall", -settlement.short)
    if lifecycle is Lifecycle.REFUNDED and taken:
        step.become(Lifecycle.ACTIVE)


def conflict(step: Step, request: RefundRequest, *, short: int) -> None:
    """More was paid out than we hold: visible, and nothing is spent until someone has looked."""
    step.add("shortfall", short)
    put_block(step, REFUND_CONFLICT, by=None)
    step.move(
        "Blocked",
        short,
        refund_request_id=refund_request_id(step.key, request.n),
        reason=REFUND_CONFLICT,
    )


def with_settlement(request: RefundRequest, settlement: Settlement) -> RefundRequest:
    others = (one for one in request.settlements if one.attempt != settlement.attempt)
    return _replace(request, settlements=(*others, settlement)[-ATTEMPTS_KEPT:])


def close_paid(step: Step, request: RefundRequest, settlement: Settlement) -> RefundRequest:
    return close(step, with_settlement(request, settlement), RefundStatus.SETTLED)


def close(step: Step, request: RefundRequest, status: RefundStatus) -> RefundRequest:
    """End the open request; what was sealed leaves the state."""
    request = notify(step, _replace(request, status=status))
    request = _replace(request, closed_at=step.t, ask_at=None, details=None, contact=None)
    kept = (*step.state.refunds, request)[-step.policy.refunds_kept :]
    step.changes["refund"] = None
    step.changes["refunds"] = kept
    return request


def keep(step: Step, request: RefundRequest) -> None:
    """Put a request that has changed back to where it was, open or closed."""
    state = step.state
    if state.refund is not None and state.refund.n == request.n:
        step.changes["refund"] = request
    else:
        step.changes["refunds"] = tuple(
            request if one.n == request.n else one for one in state.refunds
        )
