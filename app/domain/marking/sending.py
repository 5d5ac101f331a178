"""How frozen bytes get signed and sent once: the same ladder for every subject."""

from collections.abc import Iterable

from app.domain.marking.order import Hold
from app.domain.marking.steps import Doubt, Intent, Lookup, Pause, Plan, Send, Sign, Step, Wait
from app.domain.marking.view import (
    MAX_ABSENT_RESENDS,
    Call,
    CallState,
    OrderView,
    Subject,
)


def carry(subject: Subject, view: OrderView, now: int, *, plan: bool = True) -> Step | None:
    """The next step towards sending; None: sent, or (without `plan`) signed and idle."""
    if subject.sent:
        return None
    if subject.call is not None:
        return open_call_step(subject.call, now)
    if not subject.signed:
        automatic = view.automatic_signer
        return Sign(subject.id, subject.operation) if automatic else Wait()
    if subject.absent > MAX_ABSENT_RESENDS:
        return Pause(Hold.ATTENTION, "never-arrives")
    return Plan(Intent(subject.operation, subject.id)) if plan else None


def open_call_step(call: Call, now: int) -> Step:
    """The runner holds the lease, so a claimed call belongs to a worker that is gone."""
    if call.state is CallState.CLAIMED:
        return Doubt(call.id)
    if call.due is not None and call.due > now:
        return Wait(call.due)
    if call.state is CallState.PLANNED:
        return Send(call.id, call.operation)
    assert call.state is CallState.UNKNOWN, "only open calls are shown"
    return Lookup(call.id, call.operation)


def first(steps: Iterable[Step | None]) -> Step | None:
    """The first step that does something, else the shortest wait, else None."""
    waits: list[int] = []
    waiting = False
    for step in steps:
        if step is None:
            continue
        if not isinstance(step, Wait):
            return step
        waiting = True
        waits += [] if step.until is None else [step.until]
    if not waiting:
        return None
    return Wait(min(waits) if waits else None)
