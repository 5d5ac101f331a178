"""The certificate law: one pure function from a state and a command to a decision.

Theory of operation. A command meets the certificate at `t`, which never runs backwards. What
time alone has done by then (a hold over, a reservation, a term, a clock of a refund) is applied
first, so no answer depends on whether the owner's tick came. A request that was answered before
is answered again from its stored result. Else one rule of `RULES` looks at the frozen state and
either refuses, in the order of certificates.md §4.1, or acts through `Step`: there balances move
only together with the event that tells of it, and a lifecycle follows another only if
`TRANSITIONS` has it. Refusals of requests are stored and told to the audit; questions of an order
are always answered, so that no saga hangs.
"""

from typing import Any

from app.domain.certificates.allocation import activate, allocate, release
from app.domain.certificates.authorization import authorize
from app.domain.certificates.blocks import block, unblock
from app.domain.certificates.commands import (
    ActivateCertificate,
    AllocateCertificate,
    Authorize,
    BlockCertificate,
    Call,
    CancelCertificate,
    CancelRefund,
    Capture,
    Command,
    Due,
    ExtendValidity,
    IssueCertificate,
    ProvideRefundDetails,
    ReadCertificate,
    ReadHold,
    ReadRefund,
    RefundUpdate,
    ReleaseCertificate,
    RequestRefund,
    ResolveRefund,
    Restore,
    Reverse,
    UnblockCertificate,
    VoidHold,
)
from app.domain.certificates.due import apply_due
from app.domain.certificates.events import CertificateEvent
from app.domain.certificates.holds import capture, restore, void
from app.domain.certificates.issue import cancel, extend, issue
from app.domain.certificates.problems import is_stored, problem
from app.domain.certificates.reading import read
from app.domain.certificates.refund import (
    cancel_refund,
    provide_details,
    request_refund,
    resolve,
)
from app.domain.certificates.refund_updates import refund_update
from app.domain.certificates.replies import STATE_SHAPE, answer_members, refusal_members, replayed
from app.domain.certificates.reporting import WHAT, Rule, answer_order
from app.domain.certificates.results import find, has_room, with_refusal, with_success
from app.domain.certificates.reversal import reverse
from app.domain.certificates.state import ABSENT, Certificate, Lifecycle, StoredResult
from app.domain.certificates.step import Answer, Outcome, Refusal, Step
from app.domain.certificates.views import state_view
from app.domain.decision import Context, Decision, Reply

_READS = (ReadCertificate, ReadHold, ReadRefund)
_State = Certificate | None

RULES: dict[type[Command], Rule] = {
    IssueCertificate: issue,
    AllocateCertificate: allocate,
    ReleaseCertificate: release,
    ActivateCertificate: activate,
    Authorize: authorize,
    Capture: capture,
    VoidHold: void,
    Restore: restore,
    Reverse: reverse,
    RequestRefund: request_refund,
    RefundUpdate: refund_update,
    ProvideRefundDetails: provide_details,
    CancelRefund: cancel_refund,
    ResolveRefund: resolve,
    BlockCertificate: block,
    UnblockCertificate: unblock,
    ExtendValidity: extend,
    CancelCertificate: cancel,
}


def next_due(state: Certificate) -> int | None:
    """When time alone changes the certificate next; UTC ms."""
    return state.next_due


def decide(state: _State, command: Command, context: Context) -> Decision[_State]:
    before = ABSENT if state is None else state
    t = max(context.now, before.clock)
    present: _State = state
    events: tuple[CertificateEvent, ...] = ()
    if before.next_due is not None and before.next_due <= t:
        present, events = apply_due(before, context, t=t)
    standing = ABSENT if present is None else present
    if isinstance(command, Due):
        return Decision(present, events)
    if isinstance(command, _READS):
        return Decision(present, events, (), read(standing, command, context))
    call: Call | None = getattr(command, "call", None)
    step = Step(standing, type(command).__name__, context, t=t, call=call)
    if call is None:
        outcome = _decided(step, command)
    else:
        stored = find(standing, call, context)
        if stored is None:
            outcome = _requested(step, command)
        elif stored.body_hash == call.body_hash:
            return Decision(present, events, (), replayed(stored, context.key))
        else:
            outcome = Refusal("IdempotencyKeyReused")
    if isinstance(outcome, Refusal):
        reply = _refused(step, outcome)
        after = step.settled() if step.touched else present
    else:
        after, reply = _done(step, outcome, present)
    return Decision(after, (*events, *step.events), tuple(step.follow_ups), reply, step.pages)


def _decided(step: Step, command: Any) -> Outcome:
    rule = RULES[type(command)]
    return answer_order(step, command, rule) if step.kind in WHAT else rule(step, command)


def _requested(step: Step, command: Any) -> Outcome:
    outcome = RULES[type(command)](step, command)
    if isinstance(outcome, Answer) and not has_room(step.state, step.t, step.policy):
        step.undo()
        return Refusal("TooManyOperations")
    return outcome


def _refused(step: Step, refusal: Refusal) -> Reply:
    code, call, state = refusal.code, step.call, step.state
    status = problem(code).status
    fields = refusal_members(code, step.key, refusal.values)
    if state.lifecycle is Lifecycle.ABSENT:
        return Reply(status, code, "" if call is None else call.instance, fields)
    if not step.events:
        step.decline(code)
    if call is None:
        return Reply(status, code, "", fields)
    if is_stored(code):
        result = _result(step, call, status, code=code, values=refusal.values)
        step.changes["refusals"] = with_refusal(state.refusals, call, result, policy=step.policy)
    return Reply(status, code, call.instance, fields)


def _done(step: Step, answer: Answer, present: _State) -> tuple[_State, Reply]:
    """The state after it and the answer, which is kept if a request asked."""
    call = step.call
    if call is None:
        after = step.settled() if step.touched else present
        return after, Reply(answer.status, None, "", {})
    shape, values = answer.shape, answer.values
    if shape == STATE_SHAPE:
        values = tuple(state_view(step.key, step.settled()).values())
    fields = answer_members(shape, step.key, values)
    if step.state.lifecycle is not Lifecycle.ABSENT:
        result = _result(step, call, answer.status, shape=shape, values=values)
        _keep(step, call, result)
    after = step.settled() if step.touched else present
    return after, Reply(answer.status, None, call.instance, fields)


def _keep(step: Step, call: Call, result: StoredResult) -> None:
    kept = with_success(step.state, call, result, policy=step.policy)
    step.changes["results"] = kept.results
    step.changes["pages"], step.changes["marks"] = kept.pages, kept.marks
    step.pages = kept.written


def _result(
    step: Step,
    call: Call,
    status: int,
    *,
    values: tuple[Any, ...],
    code: str | None = None,
    shape: str = "",
) -> StoredResult:
    return StoredResult(call.body_hash, step.t, status, code, call.instance, shape, values)
