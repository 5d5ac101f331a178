"""Authorize: set money aside for one purchase."""

from app.domain.certificates.commands import Authorize
from app.domain.certificates.holds import hold_refused
from app.domain.certificates.kept_holds import find_reference, with_room
from app.domain.certificates.results import has_room
from app.domain.certificates.state import Certificate, Hold, HoldState, Lifecycle
from app.domain.certificates.step import Answer, Outcome, Refusal, Step
from app.domain.policy import SECOND_MS, Policy

_CREATED = 201
_KNOWN_REFUSALS: dict[HoldState, str] = {
    HoldState.CAPTURED: "AlreadyCaptured",
    HoldState.VOIDED: "AlreadyVoided",
    HoldState.EXPIRED: "AuthorizationExpired",
    HoldState.REVERSED: "AuthorizationReversed",
}


def authorize(step: Step, command: Authorize) -> Outcome:
    state = step.state
    if state.lifecycle is Lifecycle.ABSENT:
        return Refusal("CertificateUnknown")
    client, reference = command.call.client, command.reference
    if state.tombstones and has_tombstone(state, client, reference):
        return Refusal("ReversedBeforeArrival")
    known = find_reference(state, client, reference)
    if known is not None:
        return _known(step, command, known)
    if barred := step.barred():
        return barred
    if code := _refusal(state, command):
        return Refusal(code)
    return _with_room(step, command)


def has_tombstone(state: Certificate, client: str, reference: str) -> bool:
    return any(one.reference == reference and one.client == client for one in state.tombstones)


def _known(step: Step, command: Authorize, hold: Hold) -> Outcome:
    if command.amount != hold.requested or command.currency != step.state.currency:
        return Refusal("ReferenceReused")
    if hold.state is HoldState.HELD:
        return _answer(step, hold)
    return hold_refused(step, _KNOWN_REFUSALS[hold.state])


def _refusal(state: Certificate, command: Authorize) -> str | None:
    if state.blocks:
        return "CertificateBlocked"
    if command.currency != state.currency:
        return "CurrencyMismatch"
    if command.amount <= 0:
        return "RequestInvalid"
    return None


def _with_room(step: Step, command: Authorize) -> Outcome:
    state, policy = step.state, step.policy
    closed = with_room(state, step.t, policy)
    if closed is None or not has_room(state, step.t, policy):
        return Refusal("TooManyOperations")
    approved = command.amount
    if state.available < approved:
        if not command.partial_approval or state.available <= 0:
            return Refusal("InsufficientBalance", (state.available, state.currency))
        approved = state.available
    hold = _hold(step, command, approved=approved)
    step.changes["holds"] = (*state.holds, hold)
    if closed is not state.closed:
        step.changes["closed"] = closed
    step.changes["next_hold"] = hold.n + 1
    step.move(
        "Authorized",
        approved,
        available=-approved,
        held=approved,
        hold=hold.n,
        reference=hold.reference,
    )
    return _answer(step, hold)


def _hold(step: Step, command: Authorize, *, approved: int) -> Hold:
    call = command.call
    seconds = hold_seconds(command.hold_s, call.channel, step.policy)
    return Hold(
        step.state.next_hold,
        command.reference,
        call.client,
        call.store_id,
        call.terminal_id,
        call.channel,
        command.amount,
        approved,
        approved,
        step.t,
        step.t + seconds * SECOND_MS,
    )


def hold_seconds(asked: int | None, channel: str, policy: Policy) -> int:
    """Life of a hold: what was asked within the bounds, else the channel's default."""
    if asked is None:
        return policy.hold_default_web_s if channel == "WEB" else policy.hold_default_pos_s
    return min(max(asked, policy.hold_min_s), policy.hold_max_s)


def _answer(step: Step, hold: Hold) -> Answer:
    values = (
        hold.n,
        hold.approved,
        hold.approved < hold.requested,
        step.available,
        step.state.currency,
        hold.expires_at,
    )
    return Answer(_CREATED, "authorized", values)
