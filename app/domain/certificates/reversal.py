"""Reverse: undo by the caller's own operation number when the answer was lost."""

import msgspec

from app.domain.certificates.authorization import has_tombstone
from app.domain.certificates.commands import Reverse
from app.domain.certificates.hold_rules import HOLD_RULES, Ask, HoldCell, standing
from app.domain.certificates.kept_holds import find_reference
from app.domain.certificates.state import Hold, HoldState, Lifecycle, Tombstone
from app.domain.certificates.step import Answer, Outcome, Refusal, Step
from app.domain.policy import DAY_MS, HOUR_MS

_REMEMBERED = Answer(202, "reversal", ("remembered",))
_REVERSED = Answer(200, "reversal", ("reversed",))
_YOUNG_MS = 24 * HOUR_MS


def reverse(step: Step, command: Reverse) -> Outcome:
    if barred := step.barred():
        return barred
    hold = find_reference(step.state, command.call.client, command.reference)
    if hold is None:
        return _remember(step, command)
    cell = HOLD_RULES[Ask.REVERSE][standing(hold)]
    if cell.then is not HoldState.REVERSED:
        return _nothing_to_undo(step, hold, cell)
    if hold.last_capture_at is not None and _is_too_old(step, hold.last_capture_at):
        return Refusal("ReversalTooLate")
    _undo(step, hold)
    return _REVERSED


def _is_too_old(step: Step, at: int) -> bool:
    return step.t - at > step.policy.reversal_horizon_h * HOUR_MS


def _nothing_to_undo(step: Step, hold: Hold, cell: HoldCell) -> Answer:
    if cell.then is HoldState.VOIDED:
        # Closed for good, so that a straggling capture cannot undo the reversal.
        _close(step, hold, to=HoldState.VOIDED)
        step.move("Reversed", hold=hold.n, reference=hold.reference)
    return Answer(200, "reversal", (cell.note,))


def _close(step: Step, hold: Hold, *, to: HoldState, restored: int = 0) -> None:
    after = msgspec.structs.replace(
        hold, rest=0, restored=restored, state=to, closed_at=step.t, closed_by="Reversed"
    )
    step.put_hold(after)


def _undo(step: Step, hold: Hold) -> None:
    """Free the rest, credit what was captured and not restored."""
    credit = hold.captured - hold.restored
    _close(step, hold, to=HoldState.REVERSED, restored=hold.captured)
    lifecycle = step.state.lifecycle
    written_off = credit if lifecycle is Lifecycle.CANCELLED else 0
    if credit:
        step.add("restored", credit)
    if written_off:
        step.add("written_off", written_off)
    step.move(
        "Reversed",
        hold.rest + credit,
        available=hold.rest + credit - written_off,
        held=-hold.rest,
        hold=hold.n,
        reference=hold.reference,
        released=hold.rest,
    )
    if lifecycle is Lifecycle.REFUNDED and credit:
        step.become(Lifecycle.ACTIVE)


def _remember(step: Step, command: Reverse) -> Outcome:
    """Leave a tombstone, so that the original is refused when it arrives."""
    state, t = step.state, step.t
    client = command.call.client
    if has_tombstone(state, client, command.reference):
        return _REMEMBERED
    if _is_too_old(step, min(command.occurred_at, t)):
        return Refusal("ReversalTooLate")
    oldest = t - step.policy.tombstone_days * DAY_MS
    kept = tuple(one for one in state.tombstones if one.at >= oldest)
    if len(kept) >= step.policy.tombstones_max:
        if kept[0].at > t - _YOUNG_MS:
            return Refusal("TooManyOperations")
        kept = kept[1:]
    step.changes["tombstones"] = (*kept, Tombstone(client, command.reference, t))
    return _REMEMBERED
