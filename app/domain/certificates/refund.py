"""The remainder goes back in money: request, details, cancel and resolve (certificates.md §6.2)."""

import msgspec

from app.domain.certificates.commands import (
    CancelRefund,
    ProvideRefundDetails,
    RequestRefund,
    ResolveRefund,
)
from app.domain.certificates.ids import refund_request_id
from app.domain.certificates.issue import holds_open
from app.domain.certificates.refund_moves import (
    ask_payments,
    asked_again,
    close,
    close_paid,
    give_back,
    pay,
)
from app.domain.certificates.state import (
    Certificate,
    Lifecycle,
    RefundRequest,
    RefundStatus,
    Settlement,
)
from app.domain.certificates.step import Answer, Outcome, Refusal, Step
from app.domain.certificates.views import refund_view

_replace = msgspec.structs.replace
_ACCEPTED = 202


def find_request(state: Certificate, key: str, request_id: str) -> RefundRequest | None:
    """The open request or one of the closed ones that are kept; no id means the newest."""
    requests = state.refunds if state.refund is None else (*state.refunds, state.refund)
    if not request_id:
        return requests[-1] if requests else None
    for request in requests:
        if refund_request_id(key, request.n) == request_id:
            return request
    return None


def request_refund(step: Step, command: RequestRefund) -> Outcome:
    state = step.state
    if barred := step.barred():
        return barred
    if refused := _refusal(state, command):
        return refused
    request = RefundRequest(
        state.next_refund,
        state.available,
        command.channel,
        command.method,
        step.t,
        details=command.details,
        contact=command.contact,
        reason=command.reason,
    )
    step.changes["next_refund"] = request.n + 1
    step.move(
        "RefundRequested",
        request.amount,
        available=-request.amount,
        refund_held=request.amount,
        refund_request_id=refund_request_id(step.key, request.n),
        reason=command.reason,
    )
    step.become(Lifecycle.REFUND_PENDING)
    step.changes["refund"] = asked_again(step, request, asks=0)
    due_at = request.deadline(step.policy)
    values = (request.n, request.status.value, request.amount, state.currency, due_at)
    return Answer(_ACCEPTED, "refund", values)


def _refusal(state: Certificate, command: RequestRefund) -> Refusal | None:
    if state.blocks:
        return Refusal("CertificateBlocked")
    if state.held:
        return holds_open(state)
    if state.available == 0:
        return Refusal("NothingToRefund")
    if command.expected_amount is not None and command.expected_amount != state.available:
        return Refusal("RefundableAmountChanged", (state.available, state.currency))
    return None


def _open_request(step: Step, request_id: str) -> RefundRequest | Refusal:
    request = find_request(step.state, step.key, request_id)
    if request is None:
        return Refusal("RefundUnknown")
    return request if request is step.state.refund else Refusal("RefundNotOpen")


def _shown(step: Step, request: RefundRequest, status: int = 200) -> Answer:
    view = refund_view(step.key, step.state, request, policy=step.policy)
    return Answer(status, "", (view,))


def provide_details(step: Step, command: ProvideRefundDetails) -> Outcome:
    request = _open_request(step, command.refund_request_id)
    if isinstance(request, Refusal):
        return request
    if request.status is not RefundStatus.DETAILS_REQUIRED:
        return Refusal("RefundDetailsNotAsked")
    # A new attempt is a new payment: its messages count their versions from the start.
    request = _replace(
        waited(request, step.t),
        status=RefundStatus.REQUESTED,
        attempt=request.attempt + 1,
        version=-1,
        method=command.method,
        details=command.details,
    )
    step.move("RefundDetailsProvided", request.amount, refund_request_id=command.refund_request_id)
    request = asked_again(step, request, asks=0)
    step.changes["refund"] = request
    return _shown(step, request, _ACCEPTED)


def waited(request: RefundRequest, t: int) -> RefundRequest:
    """The waiting for the holder is over; its time does not count for the legal term."""
    if request.waiting_since is None:
        return request
    waited_ms = request.waited_ms + t - request.waiting_since
    return _replace(request, waiting_since=None, waited_ms=waited_ms, reminders=0)


def cancel_refund(step: Step, command: CancelRefund) -> Outcome:
    request = _open_request(step, command.refund_request_id)
    if isinstance(request, Refusal):
        return request
    if request.status is not RefundStatus.DETAILS_REQUIRED:
        return Refusal("RefundAlreadyStarted")
    return _shown(step, cancel_open(step, request, reason=command.reason))


def cancel_open(step: Step, request: RefundRequest, *, reason: str | None) -> RefundRequest:
    """Details never came: Payments moves no money in this status, so all of it returns."""
    request = waited(request, step.t)
    give_back(step, request, event="RefundCancelled", reason=reason)
    ask_payments(step, request, action="Cancel")
    return close(step, request, RefundStatus.CANCELLED)


def resolve(step: Step, command: ResolveRefund) -> Outcome:
    """An operator ends an open request, whatever Payments says or does not say."""
    request = _open_request(step, command.refund_request_id)
    if isinstance(request, Refusal):
        return request
    request = waited(request, step.t)
    if command.outcome == "Failed":
        give_back(step, request, event="RefundFailed", reason=command.reason)
        ask_payments(step, request, action="Cancel")
        return _shown(step, close(step, request, RefundStatus.FAILED))
    amount = request.amount if command.amount is None else command.amount
    if amount <= 0:
        return Refusal("RequestInvalid")
    short = pay(step, request, amount=amount, reason=command.reason)
    settlement = Settlement(request.attempt, min(amount, request.amount), short)
    return _shown(step, close_paid(step, request, settlement))
