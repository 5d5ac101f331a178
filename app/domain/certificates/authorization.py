"""Authorize: set money aside for one purchase."""

from operator import attrgetter

from app.domain.certificates.commands import Authorize
from app.domain.certificates.holds import hold_refused
from app.domain.certificates.results import has_room
from app.domain.certificates.state import Certificate, Hold, HoldState, Lifecycle
from app.domain.certificates.step import Answer, Outcome, Refusal, Step
from app.domain.policy import DAY_MS, HOUR_MS, SECOND_MS, Policy

_CREATED = 201
_reference, _state = attrgetter("reference"), attrgetter("state")
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
    if state.holds:
        known = find_reference(state, client, reference)
        if known is not None:
            return _known(step, command, known)
    if barred := step.barred():
        return barred
    if code := _refusal(state, command):
        return Refusal(code)
    return _with_room(step, command)


def find_reference(state: Certificate, client: str, reference: str) -> Hold | None:
    """The hold that the client made under its own operation number."""
    if reference not in map(_reference, state.holds):  # almost always, and there are many holds
        return None
    for hold in state.holds:
        if hold.reference == reference and hold.client == client:
            return hold
    return None


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
    kept = kept_holds(state.holds, step.t, policy)
    if kept is None or not has_room(state, step.t, policy):
        return Refusal("TooManyOperations")
    approved = command.amount
    if state.available < approved:
        if not command.partial_approval or state.available <= 0:
            return Refusal("InsufficientBalance", (state.available, state.currency))
        approved = state.available
    hold = _hold(step, command, approved=approved)
    step.changes["holds"] = (*kept, hold)
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


def kept_holds(holds: tuple[Hold, ...], t: int, policy: Policy) -> tuple[Hold, ...] | None:
    """The holds that stay when one more comes, or None if there is no room for it.

    Closed ones leave when their time is over; if there are still too many, the oldest, but
    none younger than the horizon within which it may be reversed.
    """
    most = policy.holds_open_max
    if len(holds) >= most and list(map(_state, holds)).count(HoldState.HELD) >= most:
        return None
    oldest = holds[0].created_at if holds else t  # they stand in the order they were made
    kept = holds
    if oldest + min(policy.hold_kept_days, policy.return_days) * DAY_MS < t:
        kept = tuple(hold for hold in holds if not _is_forgotten(hold, t, policy))
    surplus = len(kept) + 1 - policy.holds_kept_max
    if surplus <= 0:
        return kept
    horizon = t - policy.reversal_horizon_h * HOUR_MS
    if oldest >= horizon:
        return None
    closed = sorted((touched_at(hold), hold.n) for hold in kept if hold.state is not HoldState.HELD)
    leaving = {n for at, n in closed[:surplus] if at < horizon}
    if len(leaving) < surplus:
        return None
    return tuple(hold for hold in kept if hold.n not in leaving)


def _is_forgotten(hold: Hold, t: int, policy: Policy) -> bool:
    if hold.state is HoldState.HELD:
        return False
    days = policy.hold_kept_days if hold.last_capture_at is None else policy.return_days
    return touched_at(hold) + days * DAY_MS < t


def touched_at(hold: Hold) -> int:
    """When the hold was last captured, else closed."""
    if hold.last_capture_at is not None:
        return hold.last_capture_at
    return hold.created_at if hold.closed_at is None else hold.closed_at
