"""The table of certificates.md §3.2: every command in every lifecycle, as a sheet."""

from collections.abc import Callable

import pytest

from app.domain.certificates.commands import Due
from app.domain.certificates.outcome_tables import lifecycle_table
from app.domain.certificates.state import Lifecycle
from app.domain.certificates.transitions import TRANSITIONS
from app.domain.decision import Reply
from tests.domain.certificates.certificate_desk import (
    ACTIVATE,
    ALLOCATE,
    DAY,
    ISSUE,
    RELEASE,
    TERM,
    Desk,
    in_lifecycle,
    issue,
    moves,
)

ASKS: dict[str, Callable[[Desk], Reply | list[str]]] = {
    "issue": lambda desk: desk.tell(ISSUE),
    "issue again": lambda desk: desk.tell(issue(attempt=2)),
    "issue changed": lambda desk: desk.tell(issue(nominal=5)),
    "issue elsewhere": lambda desk: desk.tell(issue(batch_id="B2")),
    "allocate": lambda desk: desk.tell(ALLOCATE),
    "allocate other": lambda desk: desk.reserve("SO-2"),
    "release": lambda desk: desk.tell(RELEASE),
    "release other": lambda desk: desk.give_up("SO-2"),
    "activate": lambda desk: desk.tell(ACTIVATE),
    "authorize": lambda desk: desk.authorize(500),
    "capture": lambda desk: desk.capture(),
    "void": lambda desk: desk.void(),
    "restore": lambda desk: desk.restore(400),
    "reverse": lambda desk: desk.reverse("bought"),
    "reverse unknown": lambda desk: desk.reverse("lost"),
    "reverse long ago": lambda desk: desk.reverse("lost", at=desk.now - 2 * DAY),
    "refund": lambda desk: desk.refund(),
    "initiated": lambda desk: desk.hear("RefundInitiated", version=desk.now + 1),
    "ask details": lambda desk: desk.hear("AlternateDetailsRequired", version=desk.now + 1),
    "settled": lambda desk: desk.hear("RefundSettled", attempt=7),
    "failed": lambda desk: desk.hear("RefundFailed", version=desk.now + 1),
    "details": lambda desk: desk.details(),
    "cancel refund": lambda desk: desk.cancel_refund(),
    "resolve paid": lambda desk: desk.resolve("Settled", 1_500),
    "resolve all": lambda desk: desk.resolve("Settled"),
    "resolve failed": lambda desk: desk.resolve("Failed"),
    "block": lambda desk: desk.block(),
    "unblock": lambda desk: desk.unblock(),
    "extend": lambda desk: desk.extend(TERM + DAY),
    "extend back": lambda desk: desk.extend(desk.now),
    "cancel": lambda desk: desk.cancel(),
    "due": lambda desk: desk.tell(Due()),
}

# One row per command; cells by lifecycle from Absent to Cancelled. `=`: nothing changes.
# A small `<` repeats the cell to the left; `Name [Event]`: the lifecycle after it.
SHEET = """
issue            | Issued [Issued] | = | < | < | < | < | < | <
issue again      | Issued [Issued] | = | < | < | < | < | < | <
issue changed    | Issued [Issued] | RowChanged | < | < | < | < | < | <
issue elsewhere  | Issued [Issued] | CodeAlreadyExists | < | < | < | < | < | <
allocate         | CertificateUnknown | Allocated [Allocated] | = | < | < | < | < | \
CertificateCancelled
allocate other   | CertificateUnknown | Allocated [Allocated] | CodeAlreadySold | < | < | < | < | \
CertificateCancelled
release          | = | = | Issued [Released] | AlreadyActivated | < | < | < | =
release other    | = | = | = | = | = | = | = | =
activate         | CertificateUnknown | NotAllocated | Active [Activated] | = | < | < | < | \
CertificateCancelled
authorize        | CertificateUnknown | CertificateNotActive | < | Active [Authorized] | \
CertificateExpired | RefundInProgress | CertificateRefunded | CertificateCancelled
capture          | AuthorizationUnknown | < | < | AlreadyCaptured | < | < | < | <
void             | AuthorizationUnknown | < | < | AlreadyCaptured | < | < | < | <
restore          | AuthorizationUnknown | < | < | Active [Restored] | Expired [Restored] | \
RefundInProgress | Active [Restored] | CertificateCancelled
reverse          | CertificateUnknown | = | = | Active [Reversed] | Expired [Reversed] | \
RefundPending [Reversed] | Active [Reversed] | Cancelled [Reversed]
reverse unknown  | CertificateUnknown | = | < | < | < | < | < | <
reverse long ago | CertificateUnknown | ReversalTooLate | < | < | < | < | < | <
refund           | CertificateUnknown | CertificateNotActive | < | RefundPending [RefundRequested] \
| < | RefundInProgress | CertificateRefunded | CertificateCancelled
initiated        | RefundUnknown | < | < | < | < | RefundPending [RefundInitiated] | = | \
RefundUnknown
ask details      | RefundUnknown | < | < | < | < | RefundPending [AlternateDetailsRequired] | = | \
RefundUnknown
settled          | RefundUnknown | < | < | < | < | Refunded [Refund] | Refunded [Blocked] | \
RefundUnknown
failed           | RefundUnknown | < | < | < | < | Active [RefundFailed] | Active [RefundFailed] | \
RefundUnknown
details          | RefundUnknown | < | < | < | < | RefundDetailsNotAsked | RefundNotOpen | \
RefundUnknown
cancel refund    | RefundUnknown | < | < | < | < | RefundAlreadyStarted | RefundNotOpen | \
RefundUnknown
resolve paid     | RefundUnknown | < | < | < | < | Active [Refund] | RefundNotOpen | RefundUnknown
resolve all      | RefundUnknown | < | < | < | < | Refunded [Refund] | RefundNotOpen | \
RefundUnknown
resolve failed   | RefundUnknown | < | < | < | < | Active [RefundFailed] | RefundNotOpen | \
RefundUnknown
block            | CertificateUnknown | Issued [Blocked] | Allocated [Blocked] | \
Active [Blocked] | \
Expired [Blocked] | RefundPending [Blocked] | Refunded [Blocked] | =
unblock          | CertificateUnknown | = | < | < | < | < | < | <
extend           | CertificateUnknown | Issued [Extended] | Allocated [Extended] | \
Active [Extended] | Active [Extended] | RefundInProgress | CertificateRefunded | \
CertificateCancelled
extend back      | CertificateUnknown | ValidityInvalid | < | < | < | RefundInProgress | \
CertificateRefunded | CertificateCancelled
cancel           | CertificateUnknown | Cancelled [Cancelled] | CertificateAllocated | \
Cancelled [Cancelled] | < | RefundInProgress | CertificateRefunded | =
due              | = | = | = | = | = | = | = | =
"""


def rows() -> list[tuple[str, Lifecycle, str]]:
    found: list[tuple[str, Lifecycle, str]] = []
    for line in SHEET.strip().splitlines():
        ask, *cells = (part.strip() for part in line.split("|"))
        assert len(cells) == len(Lifecycle), ask
        for i, cell in enumerate(cells):
            cells[i] = cells[i - 1] if cell == "<" else cell
        found.extend((ask, at, cell) for at, cell in zip(Lifecycle, cells, strict=True))
    return found


@pytest.mark.parametrize(("ask", "lifecycle", "expected"), rows())
def test_a_command_does_what_the_table_says(ask: str, lifecycle: Lifecycle, expected: str) -> None:
    desk = in_lifecycle(lifecycle)
    before = desk.state
    ASKS[ask](desk)
    reply = desk.last.reply
    code = None if reply is None else reply.code
    after = Lifecycle.ABSENT if desk.state is None else desk.state.lifecycle
    changed = moves(desk.last.events)
    if expected == "=":
        assert (code, after, changed) == (None, lifecycle, [])
    elif "[" in expected:
        name, event = expected.rstrip("]").split(" [")
        assert (code, after.value, changed) == (None, name, [event])
    else:
        assert (code, after, changed) == (expected, lifecycle, [])
        assert before is None or desk.certificate.balance == before.balance


def test_the_sheet_asks_every_command_of_the_table() -> None:
    assert {ask for ask, _, _ in rows()} == set(ASKS)
    told: set[str] = set()
    for ask in ASKS.values():
        desk = in_lifecycle(Lifecycle.ACTIVE)
        ask(desk)
        told |= desk.kinds
    assert told == set(TRANSITIONS)


@pytest.mark.parametrize("lifecycle", [*Lifecycle][1:])
def test_blocked_is_removed_by_its_reason(lifecycle: Lifecycle) -> None:
    desk = in_lifecycle(lifecycle)
    desk.block()
    desk.unblock("something else")
    assert moves(desk.last.events) == []
    desk.unblock()
    expected = [] if lifecycle is Lifecycle.CANCELLED else ["Unblocked"]
    assert moves(desk.last.events) == expected
    assert desk.certificate.blocks == ()


def test_the_printed_table_has_a_row_for_every_command() -> None:
    lines = lifecycle_table().splitlines()
    assert len(lines) == len(TRANSITIONS) + 2
    assert all(line.count(" | ") == len(Lifecycle) for line in lines)


def test_nothing_follows_a_cancelled_certificate() -> None:
    assert all(row[Lifecycle.CANCELLED].to == () for row in TRANSITIONS.values())
