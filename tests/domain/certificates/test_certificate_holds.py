"""The table of certificates.md §4.3, cell by cell."""

from collections.abc import Callable

import pytest

from app.domain.certificates.hold_rules import HOLD_RULES, Ask, Standing, standing
from app.domain.certificates.outcome_tables import hold_table
from app.domain.decision import Reply
from tests.domain.certificates.certificate_desk import (
    HOUR,
    MINUTE,
    Desk,
    active,
    moves,
)

APPROVED = 1_200
CAPTURED = 500
REFERENCE = "S17-T2-000481"


def held() -> Desk:
    desk = active()
    assert desk.authorize(APPROVED, reference=REFERENCE).status == 201
    return desk


def partly() -> Desk:
    desk = held()
    desk.capture(CAPTURED, final=False)
    return desk


def captured() -> Desk:
    desk = held()
    desk.capture(CAPTURED)
    return desk


def voided() -> Desk:
    desk = held()
    desk.void()
    return desk


def expired() -> Desk:
    return held().wait(31 * MINUTE)


def reversed_() -> Desk:
    desk = held()
    desk.reverse(REFERENCE)
    return desk


STANDINGS: dict[Standing, Callable[[], Desk]] = {
    Standing.HELD: held,
    Standing.PARTLY: partly,
    Standing.CAPTURED: captured,
    Standing.VOIDED: voided,
    Standing.EXPIRED: expired,
    Standing.REVERSED: reversed_,
}
ASKS: dict[Ask, Callable[[Desk], Reply]] = {
    Ask.CAPTURE: lambda desk: desk.capture(CAPTURED),
    Ask.CAPTURE_BEYOND: lambda desk: desk.capture(APPROVED + 1),
    Ask.VOID: lambda desk: desk.void(),
    Ask.RESTORE: lambda desk: desk.restore(CAPTURED),
    Ask.RESTORE_BEYOND: lambda desk: desk.restore(CAPTURED + 1),
    Ask.REVERSE: lambda desk: desk.reverse(REFERENCE),
}
# Columns: Held | partly captured | Captured | Voided | Expired | Reversed; the state after it.
SHEET: dict[Ask, str] = {
    Ask.CAPTURE: "200 Captured | 200 Captured | 409 AlreadyCaptured | 409 AlreadyVoided "
    "| 200 Captured late | 409 AuthorizationReversed",
    Ask.CAPTURE_BEYOND: "422 CaptureExceedsAuthorization | 422 CaptureExceedsAuthorization "
    "| 409 AlreadyCaptured | 409 AlreadyVoided | 409 AuthorizationExpired "
    "| 409 AuthorizationReversed",
    Ask.VOID: "200 Voided | 200 Captured | 409 AlreadyCaptured | 409 AlreadyVoided | 200 Voided "
    "| 409 AuthorizationReversed",
    Ask.RESTORE: "409 NotCaptured | 200 Held | 200 Captured | 409 NotCaptured | 409 NotCaptured "
    "| 409 AuthorizationReversed",
    Ask.RESTORE_BEYOND: "409 NotCaptured | 422 RestoreExceedsCapture | 422 RestoreExceedsCapture "
    "| 409 NotCaptured | 409 NotCaptured | 409 AuthorizationReversed",
    Ask.REVERSE: "200 Reversed reversed | 200 Reversed reversed | 200 Reversed reversed "
    "| 200 Voided nothingToReverse | 200 Voided nothingToReverse | 200 Reversed alreadyReversed",
}
CELLS = [
    (ask, at, cell.strip())
    for ask, row in SHEET.items()
    for at, cell in zip(Standing, row.split("|"), strict=True)
]


@pytest.mark.parametrize(("ask", "at", "expected"), CELLS)
def test_a_hold_answers_as_the_table_says(ask: Ask, at: Standing, expected: str) -> None:
    desk = STANDINGS[at]()
    reply = ASKS[ask](desk)
    status, outcome, *told = expected.split()
    assert reply.status == int(status)
    if reply.status == 200:
        assert reply.code is None
        assert desk.hold().state.value == outcome
        assert reply.fields.get("late", False) is (told == ["late"])
        assert ask is not Ask.REVERSE or reply.fields == {"outcome": told[0]}
    else:
        assert reply.code == outcome
        assert moves(desk.last.events) in ([], ["HoldExpired"])


@pytest.mark.parametrize(("ask", "at"), [(ask, at) for ask in Ask for at in Standing])
def test_the_same_key_replays_the_first_answer_in_every_cell(ask: Ask, at: Standing) -> None:
    desk = STANDINGS[at]()
    key = desk.call("any", "the-key")
    asks: dict[Ask, Callable[[], Reply]] = {
        Ask.CAPTURE: lambda: desk.capture(CAPTURED, call=key),
        Ask.CAPTURE_BEYOND: lambda: desk.capture(APPROVED + 1, call=key),
        Ask.VOID: lambda: desk.void(call=key),
        Ask.RESTORE: lambda: desk.restore(CAPTURED, call=key),
        Ask.RESTORE_BEYOND: lambda: desk.restore(CAPTURED + 1, call=key),
        Ask.REVERSE: lambda: desk.reverse(REFERENCE, call=key),
    }
    first = asks[ask]()
    before = desk.state
    desk.wait(HOUR)
    again = asks[ask]()
    assert again.replayed
    assert (again.status, again.code, again.fields, again.instance) == (
        first.status,
        first.code,
        first.fields,
        first.instance,
    )
    assert desk.state is before or moves(desk.last.events) == ["HoldExpired"]


@pytest.mark.parametrize(("ask", "at"), [(ask, at) for ask in Ask for at in Standing])
def test_the_printed_table_tells_what_happens(ask: Ask, at: Standing) -> None:
    desk = STANDINGS[at]()
    desk.tick()
    assert standing(desk.hold()) is at
    cell = HOLD_RULES[ask][at]
    assert ASKS[ask](desk).code == cell.refusal
    if cell.then is not None:
        assert desk.hold().state is cell.then
    assert hold_table().count("\n") == len(HOLD_RULES) + 2
