"""Capture, void and restore: what a till does with a certificate that pays."""

import msgspec

from app.domain.certificates.commands import Capture, Restore, VoidHold
from app.domain.certificates.hold_rules import Ask, hold_refusal
from app.domain.certificates.kept_holds import find_hold
from app.domain.certificates.state import Hold, HoldState, Lifecycle
from app.domain.certificates.step import Answer, Outcome, Refusal, Step
from app.domain.certificates.views import is_visible
from app.domain.policy import DAY_MS

_replace = msgspec.structs.replace
_LATE_IN = (Lifecycle.ACTIVE, Lifecycle.EXPIRED)


def _own_hold(step: Step, command: Capture | VoidHold | Restore) -> Hold | None:
    """The hold, unless it is out of the caller's sight."""
    hold = find_hold(step.state, command.hold)
    if hold is None or not is_visible(hold, command.call.client, command.call.stores):
        return None
    return hold


def capture(step: Step, command: Capture) -> Outcome:
    hold = _own_hold(step, command)
    if hold is None:
        return Refusal("AuthorizationUnknown")
    most = hold.approved if hold.state is HoldState.EXPIRED else hold.rest
    amount = most if command.amount is None else command.amount
    code = hold_refusal(Ask.CAPTURE if amount <= most else Ask.CAPTURE_BEYOND, hold)
    if code:
        return hold_refused(step, code)
    if amount <= 0:
        return Refusal("RequestInvalid")
    if hold.state is HoldState.EXPIRED:
        return _capture_late(step, command, hold, amount=amount)
    if any(block.freeze_holds for block in step.state.blocks):
        return Refusal("CertificateBlocked")
    return _capture_held(step, command, hold, amount=amount)


def _capture_held(step: Step, command: Capture, hold: Hold, *, amount: int) -> Outcome:
    rest = hold.rest - amount
    released = rest if command.final else 0
    after = _replace(
        hold,
        captured=hold.captured + amount,
        rest=rest - released,
        last_capture_at=step.t,
    )
    if after.rest == 0:
        after = _replace(after, state=HoldState.CAPTURED, closed_at=step.t, closed_by="Capture")
    step.put_hold(after)
    step.add("captured", amount)
    step.move(
        "Captured",
        amount,
        available=released,
        held=-amount - released,
        hold=hold.n,
        reference=hold.reference,
        released=released,
        receipt_number=command.receipt_number,
    )
    return _hold_answer(step, after)


def _capture_late(step: Step, command: Capture, hold: Hold, *, amount: int) -> Outcome:
    """Once and finally, if the money is still there; the hold itself has ended."""
    state = step.state
    ended = hold.expires_at + step.policy.late_capture_days * DAY_MS
    possible = state.lifecycle in _LATE_IN and state.available >= amount and step.t <= ended
    if not possible:
        return hold_refused(step, "AuthorizationExpired")
    if state.blocks:
        return Refusal("CertificateBlocked")
    after = _replace(
        hold,
        captured=amount,
        state=HoldState.CAPTURED,
        last_capture_at=step.t,
        closed_at=step.t,
        closed_by="LateCapture",
    )
    step.put_hold(after)
    step.add("captured", amount)
    step.move(
        "Captured",
        amount,
        available=-amount,
        hold=hold.n,
        reference=hold.reference,
        receipt_number=command.receipt_number,
        late=True,
    )
    return _hold_answer(step, after, late=True)


def void(step: Step, command: VoidHold) -> Outcome:
    hold = _own_hold(step, command)
    if hold is None:
        return Refusal("AuthorizationUnknown")
    if code := hold_refusal(Ask.VOID, hold):
        return hold_refused(step, code)
    after = free_rest(step, hold, to=HoldState.VOIDED, event="Voided")
    return _hold_answer(step, after)


def free_rest(step: Step, hold: Hold, *, to: HoldState, event: str) -> Hold:
    """End a hold; after something was captured it is Captured, `closed_by` tells how."""
    state = HoldState.CAPTURED if hold.captured else to
    after = _replace(hold, rest=0, state=state, closed_at=step.t, closed_by=event)
    step.put_hold(after)
    step.move(
        event,
        hold.rest,
        available=hold.rest,
        held=-hold.rest,
        hold=hold.n,
        reference=hold.reference,
    )
    return after


def restore(step: Step, command: Restore) -> Outcome:
    hold = _own_hold(step, command)
    if hold is None:
        return Refusal("AuthorizationUnknown")
    state = step.state
    if barred := step.barred():
        return barred
    fits = command.amount <= hold.captured - hold.restored
    if code := hold_refusal(Ask.RESTORE if fits else Ask.RESTORE_BEYOND, hold):
        return hold_refused(step, code)
    if command.amount <= 0:
        return Refusal("RequestInvalid")
    after = _replace(hold, restored=hold.restored + command.amount)
    step.put_hold(after)
    step.add("restored", command.amount)
    step.move(
        "Restored",
        command.amount,
        available=command.amount,
        hold=hold.n,
        reference=hold.reference,
        receipt_number=command.receipt_number,
    )
    if state.lifecycle is Lifecycle.REFUNDED:
        step.become(Lifecycle.ACTIVE)
    return _hold_answer(step, after)


def hold_refused(step: Step, code: str) -> Refusal:
    if code == "AuthorizationExpired":
        return Refusal(code, (step.state.available, step.state.currency))
    return Refusal(code)


def _hold_answer(step: Step, hold: Hold, *, late: bool = False) -> Answer:
    values = (
        hold.n,
        hold.state.value,
        hold.captured,
        hold.restored,
        hold.rest,
        step.available,
        step.state.currency,
    )
    return Answer(200, "late" if late else "hold", values)
