"""What may be asked of a hold in which state: certificates.md §4.3 as data."""

import enum

import msgspec

from app.domain.certificates.state import Hold, HoldState


class Standing(enum.StrEnum):
    """The state of a hold as the table sees it."""

    HELD = "Held"
    PARTLY = "Held, partly captured"
    CAPTURED = "Captured"
    VOIDED = "Voided"
    EXPIRED = "Expired"
    REVERSED = "Reversed"


class Ask(enum.StrEnum):
    CAPTURE = "capture ≤ rest (Expired: ≤ approved)"
    CAPTURE_BEYOND = "capture > rest"
    VOID = "void"
    RESTORE = "restore ≤ captured - restored"
    RESTORE_BEYOND = "restore > that"
    REVERSE = "reverse (by reference)"


class HoldCell(msgspec.Struct, frozen=True):
    """Refused with a code, or done: `then` is the state after it if that is told at once."""

    refusal: str | None = None
    then: HoldState | None = None
    note: str = ""


def _no(code: str, note: str = "") -> HoldCell:
    return HoldCell(refusal=code, note=note)


def _done(then: HoldState | None = None, note: str = "") -> HoldCell:
    return HoldCell(then=then, note=note)


def _row(*cells: HoldCell) -> dict[Standing, HoldCell]:
    return dict(zip(Standing, cells, strict=True))


_CAPTURED = _no("AlreadyCaptured")
_VOIDED = _no("AlreadyVoided")
_EXPIRED = _no("AuthorizationExpired")
_REVERSED = _no("AuthorizationReversed")
_NOT_CAPTURED = _no("NotCaptured")
_BEYOND_REST = _no("CaptureExceedsAuthorization")
_BEYOND_CAPTURE = _no("RestoreExceedsCapture")
_NOTHING = "nothingToReverse"

HOLD_RULES: dict[Ask, dict[Standing, HoldCell]] = {
    Ask.CAPTURE: _row(
        _done(),
        _done(),
        _CAPTURED,
        _VOIDED,
        _done(HoldState.CAPTURED, "late; not possible any more: AuthorizationExpired"),
        _REVERSED,
    ),
    Ask.CAPTURE_BEYOND: _row(_BEYOND_REST, _BEYOND_REST, _CAPTURED, _VOIDED, _EXPIRED, _REVERSED),
    Ask.VOID: _row(
        _done(HoldState.VOIDED),
        _done(HoldState.CAPTURED, "rest freed"),
        _no("AlreadyCaptured", "use restore"),
        _VOIDED,
        _done(HoldState.VOIDED, "nothing to free"),
        _REVERSED,
    ),
    Ask.RESTORE: _row(_NOT_CAPTURED, _done(), _done(), _NOT_CAPTURED, _NOT_CAPTURED, _REVERSED),
    Ask.RESTORE_BEYOND: _row(
        _NOT_CAPTURED, _BEYOND_CAPTURE, _BEYOND_CAPTURE, _NOT_CAPTURED, _NOT_CAPTURED, _REVERSED
    ),
    Ask.REVERSE: _row(
        _done(HoldState.REVERSED, "reversed"),
        _done(HoldState.REVERSED, "reversed, all of it; after the horizon ReversalTooLate"),
        _done(HoldState.REVERSED, "reversed; after the horizon ReversalTooLate"),
        _done(note=_NOTHING),
        _done(HoldState.VOIDED, _NOTHING),
        _done(note="alreadyReversed"),
    ),
}

_STANDINGS: dict[HoldState, Standing] = {
    HoldState.HELD: Standing.HELD,
    HoldState.CAPTURED: Standing.CAPTURED,
    HoldState.VOIDED: Standing.VOIDED,
    HoldState.EXPIRED: Standing.EXPIRED,
    HoldState.REVERSED: Standing.REVERSED,
}


def standing(hold: Hold) -> Standing:
    if hold.state is HoldState.HELD and hold.captured:
        return Standing.PARTLY
    return _STANDINGS[hold.state]


def hold_refusal(ask: Ask, hold: Hold) -> str | None:
    return HOLD_RULES[ask][standing(hold)].refusal
