"""What time alone does: holds, reservations and terms end, open refunds are watched."""

import msgspec

from app.domain.certificates.allocation import give_back
from app.domain.certificates.events import CertificateEvent
from app.domain.certificates.holds import free_rest
from app.domain.certificates.ids import refund_request_id
from app.domain.certificates.refund import cancel_open
from app.domain.certificates.refund_moves import asked_again, notify
from app.domain.certificates.state import (
    Certificate,
    HoldState,
    Lifecycle,
    RefundRequest,
    RefundStatus,
)
from app.domain.certificates.step import Step
from app.domain.decision import Context
from app.domain.policy import DAY_MS

_replace = msgspec.structs.replace


def apply_due(
    state: Certificate, context: Context, *, t: int
) -> tuple[Certificate, tuple[CertificateEvent, ...]]:
    """The certificate as it stands at `t`, and what had to happen before."""
    step = Step(state, "Due", context, t=t)
    for hold in state.holds:
        if hold.expires_at <= t:
            free_rest(step, hold, to=HoldState.EXPIRED, event="HoldExpired")
    if state.lifecycle is Lifecycle.ACTIVE:
        # Named again, so that a term that is over ends it.
        step.changes["lifecycle"] = Lifecycle.ACTIVE
    if state.order is not None and _is_over(state.order.reserved_until, t):
        give_back(step)
    if state.refund is not None:
        _watch_refund(step, state.refund)
    return step.settled(), tuple(step.events)


def _is_over(at: int | None, t: int) -> bool:
    return at is not None and at <= t


def _watch_refund(step: Step, request: RefundRequest) -> None:
    if request.status is RefundStatus.DETAILS_REQUIRED:
        _watch_details(step, request)
        return
    if not request.overdue and request.deadline(step.policy) <= step.t:
        step.move(
            "RefundOverdue",
            request.amount,
            refund_request_id=refund_request_id(step.key, request.n),
        )
        request = _replace(request, overdue=True)
    if _is_over(request.ask_at, step.t):
        request = asked_again(step, request, asks=request.asks + 1)
    step.changes["refund"] = request


def _watch_details(step: Step, request: RefundRequest) -> None:
    assert request.waiting_since is not None
    policy = step.policy
    waited_ms = step.t - request.waiting_since
    if waited_ms >= policy.refund_details_cancel_days * DAY_MS:
        cancel_open(step, request, reason="no details came in time")
        return
    passed = sum(waited_ms >= days * DAY_MS for days in policy.refund_details_remind_days)
    if passed > request.reminders:
        request = _replace(notify(step, request), reminders=passed)
    step.changes["refund"] = request
