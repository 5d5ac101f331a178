"""A certificate as one careful clerk would keep it by hand: the model that answers are held to.

It follows the specification and shares no code with the ledger. Time plays no part: the load
asks for holds that outlive the run. What comes by topics is three calls without an answer.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from deploy.proving.history import Operation

OPEN_HOLDS_MAX = 16
HOLDS_MAX = 64
TOMBSTONES_MAX = 16
BY_TOPIC = ("issue", "allocate", "activate")


class Hold(NamedTuple):
    reference: str
    approved: int
    rest: int
    captured: int = 0
    restored: int = 0
    state: str = "Held"

    def shown(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("state", "captured", "restored", "rest")}


class Card(NamedTuple):
    """`refund`: money that waits for Payments; `refunds`: how often that was asked for."""

    lifecycle: str = "Absent"
    nominal: int = 0
    available: int = 0
    holds: tuple[Hold, ...] = ()
    tombstones: frozenset[str] = frozenset()
    refund: int = 0
    refunds: int = 0

    @property
    def held(self) -> int:
        return sum(hold.rest for hold in self.holds)

    def with_hold(self, number: int, hold: Hold, *, freed: int = 0) -> "Card":
        at = number - 1
        holds = (*self.holds[:at], hold, *self.holds[at + 1 :])
        return self._replace(holds=holds, available=self.available + freed)


ABSENT = Card()
Asked = dict[str, Any]
Done = tuple[Card, int, dict[str, Any]]
_CLOSED = {
    "Captured": "AlreadyCaptured",
    "Voided": "AlreadyVoided",
    "Reversed": "AuthorizationReversed",
}
_UNUSABLE = {
    "Absent": "CertificateUnknown",
    "Issued": "CertificateNotActive",
    "Allocated": "CertificateNotActive",
    "RefundPending": "RefundInProgress",
    "Refunded": "CertificateRefunded",
}
_NOT_FOUND = frozenset({"CertificateUnknown", "AuthorizationUnknown", "RefundUnknown"})
_UNFITTING = frozenset({"CaptureExceedsAuthorization", "RestoreExceedsCapture"})


def apply(card: Card, call: Operation) -> Card | None:
    """The card after the call; None if the clerk would have answered otherwise."""
    after, status, members = RULES[call.kind](card, call.asked)
    if not call.is_answered:
        return None if after == card else after
    heard = call.answer
    if status != call.status or any(heard.get(name) != value for name, value in members.items()):
        return None
    return after


def _no(card: Card, code: str, **members: Any) -> Done:
    status = 429 if code == "TooManyOperations" else 409
    status = 404 if code in _NOT_FOUND else 422 if code in _UNFITTING else status
    return card, status, {"code": code, **members}


def _issue(card: Card, asked: Asked) -> Done:
    if card.lifecycle != "Absent":
        return card, 200, {}
    return card._replace(lifecycle="Issued", nominal=asked["nominal"]), 200, {}


def _allocate(card: Card, _asked: Asked) -> Done:
    return (card._replace(lifecycle="Allocated") if card.lifecycle == "Issued" else card), 200, {}


def _activate(card: Card, _asked: Asked) -> Done:
    if card.lifecycle != "Allocated":
        return card, 200, {}
    return card._replace(lifecycle="Active", available=card.nominal), 200, {}


def _lookup(card: Card, _asked: Asked) -> Done:
    if card.lifecycle == "Absent":
        return _no(card, "CertificateUnknown")
    empty = card.lifecycle == "Active" and not (card.available or card.held or card.refund)
    holds = {n: hold.rest for n, hold in enumerate(card.holds, 1) if hold.state == "Held"}
    told = {
        "status": "Exhausted" if empty else card.lifecycle,
        "nominal": card.nominal,
        "available": card.available,
        "held": card.held,
        "holds": holds,
    }
    return card, 200, told


def _authorize(card: Card, asked: Asked) -> Done:
    if card.lifecycle != "Absent" and asked["reference"] in card.tombstones:
        return _no(card, "ReversedBeforeArrival")
    if card.lifecycle in _UNUSABLE:
        return _no(card, _UNUSABLE[card.lifecycle])
    opened = sum(hold.state == "Held" for hold in card.holds)
    if opened >= OPEN_HOLDS_MAX or len(card.holds) >= HOLDS_MAX:
        return _no(card, "TooManyOperations")
    approved = min(asked["amount"], card.available) if asked["partial"] else asked["amount"]
    if approved > card.available or not approved:
        return _no(card, "InsufficientBalance", available=card.available)
    hold = Hold(asked["reference"], approved, approved)
    left = card.available - approved
    told = {"hold": len(card.holds) + 1, "approved": approved, "available": left}
    return card._replace(holds=(*card.holds, hold), available=left), 201, told


def _hold(card: Card, asked: Asked) -> Hold | None:
    return card.holds[asked["hold"] - 1] if asked["hold"] <= len(card.holds) else None


def _capture(card: Card, asked: Asked) -> Done:
    hold = _hold(card, asked)
    if hold is None:
        return _no(card, "AuthorizationUnknown")
    if hold.state in _CLOSED:
        return _no(card, _CLOSED[hold.state])
    amount = asked.get("amount", hold.rest)
    if amount > hold.rest:
        return _no(card, "CaptureExceedsAuthorization")
    freed = hold.rest - amount if asked["final"] else 0
    rest = hold.rest - amount - freed
    state = "Held" if rest else "Captured"
    after = hold._replace(captured=hold.captured + amount, rest=rest, state=state)
    return _changed(card.with_hold(asked["hold"], after, freed=freed), after)


def _void(card: Card, asked: Asked) -> Done:
    hold = _hold(card, asked)
    if hold is None:
        return _no(card, "AuthorizationUnknown")
    if hold.state in _CLOSED:
        return _no(card, _CLOSED[hold.state])
    after = hold._replace(rest=0, state="Captured" if hold.captured else "Voided")
    return _changed(card.with_hold(asked["hold"], after, freed=hold.rest), after)


def _restore(card: Card, asked: Asked) -> Done:
    hold = _hold(card, asked)
    if hold is None:
        return _no(card, "AuthorizationUnknown")
    if card.lifecycle == "RefundPending":
        return _no(card, "RefundInProgress")
    if hold.state == "Reversed":
        return _no(card, "AuthorizationReversed")
    if not hold.captured:
        return _no(card, "NotCaptured")
    if asked["amount"] > hold.captured - hold.restored:
        return _no(card, "RestoreExceedsCapture")
    after = hold._replace(restored=hold.restored + asked["amount"])
    card = card.with_hold(asked["hold"], after, freed=asked["amount"])
    return _changed(_alive(card), after)


def _changed(card: Card, hold: Hold) -> Done:
    return card, 200, {**hold.shown(), "available": card.available}


def _alive(card: Card) -> Card:
    """Money came back to a certificate that was paid out."""
    return card._replace(lifecycle="Active") if card.lifecycle == "Refunded" else card


def _reverse(card: Card, asked: Asked) -> Done:
    if card.lifecycle == "Absent":
        return _no(card, "CertificateUnknown")
    reference = asked["reference"]
    number = next((n for n, one in enumerate(card.holds, 1) if one.reference == reference), 0)
    if not number:
        return _remembered(card, reference)
    hold = card.holds[number - 1]
    if hold.state in ("Voided", "Reversed"):
        told = "nothingToReverse" if hold.state == "Voided" else "alreadyReversed"
        return card, 200, {"outcome": told}
    freed = hold.rest + hold.captured - hold.restored
    after = hold._replace(rest=0, restored=hold.captured, state="Reversed")
    card = card.with_hold(number, after, freed=freed)
    return (_alive(card) if freed > hold.rest else card), 200, {"outcome": "reversed"}


def _remembered(card: Card, reference: str) -> Done:
    if reference not in card.tombstones:
        if len(card.tombstones) >= TOMBSTONES_MAX:
            return _no(card, "TooManyOperations")
        card = card._replace(tombstones=card.tombstones | {reference})
    return card, 202, {"outcome": "remembered"}


def _refund(card: Card, _asked: Asked) -> Done:
    if card.lifecycle in _UNUSABLE:
        return _no(card, _UNUSABLE[card.lifecycle])
    if card.held:
        return _no(card, "HoldsOpen")
    if not card.available:
        return _no(card, "NothingToRefund")
    told = {"refund": card.refunds + 1, "status": "Requested", "amount": card.available}
    after = card._replace(
        lifecycle="RefundPending",
        available=0,
        refund=card.available,
        refunds=card.refunds + 1,
    )
    return after, 202, told


def _resolve(card: Card, asked: Asked) -> Done:
    """Payments paid it out, or did not: then the money comes back."""
    if asked["refund"] > card.refunds:
        return _no(card, "RefundUnknown")
    if card.lifecycle != "RefundPending" or asked["refund"] != card.refunds:
        return _no(card, "RefundNotOpen")
    available = card.available + (0 if asked["outcome"] == "Settled" else card.refund)
    lifecycle = "Active" if available else "Refunded"
    return card._replace(lifecycle=lifecycle, available=available, refund=0), 200, {}


RULES: dict[str, Callable[[Card, Asked], Done]] = {
    "issue": _issue,
    "allocate": _allocate,
    "activate": _activate,
    "lookup": _lookup,
    "authorize": _authorize,
    "capture": _capture,
    "void": _void,
    "restore": _restore,
    "reverse": _reverse,
    "refund": _refund,
    "resolve": _resolve,
}
