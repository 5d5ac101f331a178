"""Every question of an order is answered, an old one from the present state."""

from collections.abc import Callable
from typing import Any

from app.domain.certificates.allocation import is_own
from app.domain.certificates.commands import (
    ActivateCertificate,
    AllocateCertificate,
    BlockCertificate,
    LineReport,
    ReleaseCertificate,
    UnblockCertificate,
)
from app.domain.certificates.state import Certificate, Lifecycle, Sender
from app.domain.certificates.step import DONE, Outcome, Refusal, Step
from app.domain.decision import follow_up, sender_position

Rule = Callable[[Step, Any], Outcome]
_Tied = AllocateCertificate | ReleaseCertificate | ActivateCertificate
_Block = BlockCertificate | UnblockCertificate
Question = _Tied | _Block

WHAT: dict[str, str] = {
    "AllocateCertificate": "allocate",
    "ReleaseCertificate": "release",
    "ActivateCertificate": "activate",
    "BlockCertificate": "block",
    "UnblockCertificate": "unblock",
}


def answer_order(step: Step, command: Question, rule: Rule) -> Outcome:
    """Decide and report; a question that is not newer than its sender's last changes nothing."""
    position = sender_position(step.context.id)
    outcome = rule(step, command)
    if position is not None and _is_old(step.state, position):
        if step.touched:
            step.undo()
            _report_present(step, command, sender=position[0])
            return DONE
    elif position is not None:
        step.changes["senders"] = _with_sender(step, Sender(*position))
    sender = None if position is None else position[0]
    code = outcome.code if isinstance(outcome, Refusal) else None
    _report(step, command, sender=sender, what=WHAT[step.kind], code=code)
    return outcome


def _is_old(state: Certificate, position: tuple[str, int, int]) -> bool:
    order_id, sequence, n = position
    for sender in state.senders:
        if sender.order_id == order_id:
            return (sequence, n) <= (sender.sequence, sender.n)
    return False


def _with_sender(step: Step, newest: Sender) -> tuple[Sender, ...]:
    senders = step.state.senders
    if senders:
        senders = tuple(one for one in senders if one.order_id != newest.order_id)
    return (*senders, newest)[-step.policy.senders_max :]


def _report_present(step: Step, command: Question, *, sender: str) -> None:
    """Say how things stand: the question itself is out of date."""
    state = step.state
    if isinstance(command, BlockCertificate | UnblockCertificate):
        is_blocked = any(block.reason == command.reason for block in state.blocks)
        what = "block" if is_blocked else "unblock"
    elif not is_own(state.order, command) or _is_reserved(state):
        what = "release"
    elif state.lifecycle is Lifecycle.ALLOCATED:
        what = "allocate"
    else:
        what = "activate"
    _report(step, command, sender=sender, what=what, code=None)


def _is_reserved(state: Certificate) -> bool:
    """By a till alone: time may end it, so the order must not count on it."""
    return state.order is not None and state.order.reserved_until is not None


def _report(
    step: Step, command: Question, *, sender: str | None, what: str, code: str | None
) -> None:
    order = step.state.order
    reason, valid_until = None, None
    if isinstance(command, BlockCertificate | UnblockCertificate):
        order_id = sender or (None if order is None else order.order_id)
        line_id, attempt = command.order_line_id, 0 if order is None else order.attempt
        reason = command.reason
    else:
        order_id, line_id, attempt = command.order_id, command.order_line_id, command.attempt
        valid_until = step.changes.get("valid_until", step.state.valid_until)
    if order_id is None or line_id is None:
        return
    blocks = step.changes.get("blocks", step.state.blocks)
    reasons = tuple(block.reason for block in blocks) if blocks else ()
    report = LineReport(
        line_id,
        attempt,
        what,
        step.key,
        code,
        reasons,
        reason=reason,
        valid_until=valid_until,
        last4=step.state.last4 or None,
    )
    step.follow_ups.append(follow_up(order_id, report))
