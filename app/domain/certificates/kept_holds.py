"""The holds that a certificate keeps: open ones at hand, closed ones packed (certificates.md §3.4).

A popular certificate keeps dozens of closed holds and is written with every command, so each
stays packed as it was when it closed, under the client's operation number. They stand in the
order in which they were last captured, else closed.
"""

from collections.abc import Iterator
from itertools import islice
from operator import attrgetter

import msgspec

from app.domain.certificates.state import Certificate, ClosedHold, ClosedHolds, Hold, HoldState
from app.domain.policy import DAY_MS, HOUR_MS, Policy

_reference = attrgetter("reference")
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(ClosedHold).decode


class _Head(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The first fields of a ClosedHold."""

    n: int
    at: int


_head = msgspec.msgpack.Decoder(_Head).decode


def find_hold(state: Certificate, n: int) -> Hold | None:
    for hold in state.holds:
        if hold.n == n:
            return hold
    for packed in reversed(state.closed.values()):
        if _head(packed).n == n:
            return _unpack(packed).hold
    return None


def find_reference(state: Certificate, client: str, reference: str) -> Hold | None:
    """The hold that the client made under its own operation number."""
    packed = state.closed.get(_name(client, reference))
    if packed is not None:
        return _unpack(packed).hold
    if reference in map(_reference, state.holds):
        for hold in state.holds:
            if hold.reference == reference and hold.client == client:
                return hold
    return None


def all_holds(state: Certificate) -> list[Hold]:
    """In the order in which they were made."""
    return sorted((*state.holds, *closed_holds(state)), key=attrgetter("n"))


def closed_holds(state: Certificate) -> Iterator[Hold]:
    return (_unpack(packed).hold for packed in state.closed.values())


def with_closed(kept: ClosedHolds, hold: Hold) -> ClosedHolds:
    """One more, or one of them changed."""
    after, name, at = kept.copy(), _name(hold.client, hold.reference), touched_at(hold)
    before = after.get(name)
    if before is None or _head(before).at != at:
        after.pop(name, None)
        in_order = not after or _head(next(reversed(after.values()))).at <= at
    else:
        in_order = True
    after[name] = _pack(ClosedHold(hold.n, at, hold))
    return after if in_order else dict(sorted(after.items(), key=_age))


def with_room(state: Certificate, t: int, policy: Policy) -> ClosedHolds | None:
    """The closed holds that stay when one more is opened, or None if there is no room for it.

    They leave when their time is over; if there are still too many, the oldest, but none
    younger than the horizon within which it may be reversed.
    """
    if len(state.holds) >= policy.holds_open_max:
        return None
    kept = state.closed
    if kept and _head(next(iter(kept.values()))).at + _least_days(policy) * DAY_MS < t:
        kept = {name: one for name, one in kept.items() if not _is_over(one, t, policy)}
    surplus = len(state.holds) + len(kept) + 1 - policy.holds_kept_max
    if surplus <= 0:
        return kept
    horizon = t - policy.reversal_horizon_h * HOUR_MS
    leaving = list(islice(kept.values(), surplus))
    if len(leaving) < surplus or _head(leaving[-1]).at >= horizon:
        return None
    return dict(islice(kept.items(), surplus, None))


def upgraded(state: Certificate) -> Certificate:
    """Of schema 1, where closed holds stood among the open ones."""
    closed = state.closed
    for hold in state.holds:
        if hold.state is not HoldState.HELD:
            closed = with_closed(closed, hold)
    held = tuple(hold for hold in state.holds if hold.state is HoldState.HELD)
    return msgspec.structs.replace(state, holds=held, closed=closed)


def touched_at(hold: Hold) -> int:
    """When the hold was last captured, else closed."""
    if hold.last_capture_at is not None:
        return hold.last_capture_at
    return hold.created_at if hold.closed_at is None else hold.closed_at


def _age(item: tuple[str, bytes]) -> int:
    return _head(item[1]).at


def _name(client: str, reference: str) -> str:
    return f"{client}\0{reference}"


def _least_days(policy: Policy) -> int:
    return min(policy.hold_kept_days, policy.return_days)


def _is_over(packed: bytes, t: int, policy: Policy) -> bool:
    closed = _unpack(packed)
    captured = closed.hold.last_capture_at is not None
    days = policy.return_days if captured else policy.hold_kept_days
    return closed.at + days * DAY_MS < t
