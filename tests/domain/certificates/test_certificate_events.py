"""What every event says of the money: the table of certificates.md §3.3, row by row."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from app.domain.certificates.events import CertificateEvent, Moved
from app.domain.certificates.state import Certificate
from tests.domain.certificates.certificate_desk import (
    ACTIVATE,
    ALLOCATE,
    DAY,
    HOUR,
    ISSUE,
    NOMINAL,
    RELEASE,
    TERM,
    Desk,
    active,
)

TOTALS = ("loaded", "captured", "restored", "refunded", "written_off")


def held(*then: Callable[[Desk], Any]) -> Desk:
    return _after(active(), lambda desk: desk.authorize(1_200, reference="r"), *then)


def pending(*then: Callable[[Desk], Any]) -> Desk:
    return _after(active(), lambda desk: desk.refund(), *then)


def _after(desk: Desk, *then: Callable[[Desk], Any]) -> Desk:
    for step in then:
        step(desk)
    return desk


def _capture_all(desk: Desk) -> None:
    desk.capture()


def _fail(desk: Desk) -> None:
    desk.hear("RefundFailed", version=1)


def _ask_details(desk: Desk) -> None:
    desk.hear("AlternateDetailsRequired", version=1)


def _refunded_then_spent(desk: Desk) -> None:
    desk.authorize(1_000, reference="late")
    desk.capture()


# Situation, what is done, event, amount, deltas of available, held, refundHeld, other totals.
SHEET: list[
    tuple[Callable[[], Desk], Callable[[Desk], Any], str, int, tuple[int, int, int], dict[str, int]]
] = [
    (Desk, lambda d: d.tell(ISSUE), "Issued", 0, (0, 0, 0), {}),
    (lambda: Desk(ISSUE), lambda d: d.tell(ALLOCATE), "Allocated", 0, (0, 0, 0), {}),
    (lambda: Desk(ISSUE, ALLOCATE), lambda d: d.tell(RELEASE), "Released", 0, (0, 0, 0), {}),
    (
        lambda: Desk(ISSUE, ALLOCATE),
        lambda d: d.tell(ACTIVATE),
        "Activated",
        NOMINAL,
        (NOMINAL, 0, 0),
        {"loaded": NOMINAL},
    ),
    (active, lambda d: d.block(), "Blocked", 0, (0, 0, 0), {}),
    (lambda: _after(active(), Desk.block), Desk.unblock, "Unblocked", 0, (0, 0, 0), {}),
    (active, lambda d: d.extend(TERM + DAY), "Extended", 0, (0, 0, 0), {}),
    (lambda: active().wait(500 * DAY), Desk.tick, "Expired", 0, (0, 0, 0), {}),
    (active, lambda d: d.authorize(1_200), "Authorized", 1_200, (-1_200, 1_200, 0), {}),
    (held, lambda d: d.capture(1_000), "Captured", 1_000, (200, -1_200, 0), {"captured": 1_000}),
    (
        held,
        lambda d: d.capture(1_000, final=False),
        "Captured",
        1_000,
        (0, -1_000, 0),
        {"captured": 1_000},
    ),
    (
        lambda: held(Desk.tick).wait(HOUR),
        lambda d: (d.tick(), d.capture(1_000)),
        "Captured",
        1_000,
        (-1_000, 0, 0),
        {"captured": 1_000},
    ),
    (held, lambda d: d.void(), "Voided", 1_200, (1_200, -1_200, 0), {}),
    (lambda: held().wait(HOUR), Desk.tick, "HoldExpired", 1_200, (1_200, -1_200, 0), {}),
    (
        lambda: held(lambda d: d.capture(500, final=False)),
        lambda d: d.reverse("r"),
        "Reversed",
        1_200,
        (1_200, -700, 0),
        {"restored": 500},
    ),
    (
        lambda: held(_capture_all, Desk.cancel),
        lambda d: d.reverse("r"),
        "Reversed",
        1_200,
        (0, 0, 0),
        {"restored": 1_200, "written_off": 1_200},
    ),
    (
        lambda: held(_capture_all),
        lambda d: d.restore(300),
        "Restored",
        300,
        (300, 0, 0),
        {"restored": 300},
    ),
    (active, lambda d: d.refund(), "RefundRequested", NOMINAL, (-NOMINAL, 0, NOMINAL), {}),
    (
        pending,
        lambda d: d.hear("RefundInitiated", version=1),
        "RefundInitiated",
        NOMINAL,
        (0, 0, 0),
        {},
    ),
    (pending, _ask_details, "AlternateDetailsRequired", NOMINAL, (0, 0, 0), {}),
    (
        lambda: pending(_ask_details),
        lambda d: d.details(),
        "RefundDetailsProvided",
        NOMINAL,
        (0, 0, 0),
        {},
    ),
    (lambda: pending().wait(10 * DAY), Desk.tick, "RefundOverdue", NOMINAL, (0, 0, 0), {}),
    (pending, _fail, "RefundFailed", NOMINAL, (NOMINAL, 0, -NOMINAL), {}),
    (
        lambda: pending(_ask_details),
        lambda d: d.cancel_refund(),
        "RefundCancelled",
        NOMINAL,
        (NOMINAL, 0, -NOMINAL),
        {},
    ),
    (
        pending,
        lambda d: d.hear("RefundSettled"),
        "Refund",
        NOMINAL,
        (0, 0, -NOMINAL),
        {"refunded": NOMINAL},
    ),
    (
        pending,
        lambda d: d.resolve("Settled", 2_500),
        "Refund",
        2_500,
        (500, 0, -NOMINAL),
        {"refunded": 2_500},
    ),
    (
        lambda: pending(_fail, _refunded_then_spent),
        lambda d: d.hear("RefundSettled", version=2),
        "Refund",
        2_000,
        (-2_000, 0, 0),
        {"refunded": 2_000},
    ),
    (
        lambda: pending(lambda d: d.hear("RefundSettled", version=1)),
        lambda d: d.hear("RefundFailed", version=2),
        "RefundFailed",
        NOMINAL,
        (NOMINAL, 0, 0),
        {"refunded": -NOMINAL},
    ),
    (active, Desk.cancel, "Cancelled", NOMINAL, (-NOMINAL, 0, 0), {"written_off": NOMINAL}),
]


@pytest.mark.parametrize(
    ("make", "act", "type_", "amount", "deltas", "totals"),
    SHEET,
    ids=[f"{row[2]}-{i}" for i, row in enumerate(SHEET)],
)
def test_an_event_moves_what_the_table_says(
    make: Callable[[], Desk],
    act: Callable[[Desk], Any],
    type_: str,
    *,
    amount: int,
    deltas: tuple[int, int, int],
    totals: dict[str, int],
) -> None:
    desk = make()
    before = desk.state or Certificate()
    told = len(desk.told)
    act(desk)
    event = next(e for e in desk.told[told:] if isinstance(e, Moved) and e.type == type_)
    assert event.amount == amount
    assert (event.d_available, event.d_held, event.d_refund_held) == deltas
    after = desk.certificate
    changed = {
        name: getattr(after, name) - getattr(before, name)
        for name in TOTALS
        if getattr(after, name) != getattr(before, name)
    }
    assert changed == totals


def test_every_type_of_the_table_is_in_the_sheet() -> None:
    lone = {
        "Issued Allocated Released Blocked Unblocked Expired Extended RefundInitiated",
        "AlternateDetailsRequired RefundDetailsProvided RefundOverdue Activated Authorized",
        "Captured Voided HoldExpired Reversed Restored RefundRequested RefundFailed",
        "RefundCancelled Refund Cancelled",
    }
    assert {row[2] for row in SHEET} == {name for line in lone for name in line.split()}


def test_an_event_names_hold_order_and_who_asked() -> None:
    desk = active()
    desk.authorize(1_200, reference="r")
    desk.capture(1_000)
    event = desk.told[-1]
    assert (event.order_id, event.order_line_id) == ("SO-1", "1")
    assert (event.hold, event.reference, event.receipt_number) == (1, "r", "4711")
    audit = event.audit
    assert (audit.command, audit.client, audit.store_id) == ("Capture", "till", "S17")
    assert (audit.terminal_id, audit.channel, audit.actor) == ("T2", "POS", "cashier-5")


def test_events_come_back_from_the_journal_as_they_were() -> None:
    desk = pending(_ask_details, lambda d: d.details(), _fail)
    desk.authorize(9_999)
    desk.hear("RefundSettled", id_="rf_unknown_1")
    encoded = msgspec.msgpack.encode(desk.told)
    assert msgspec.msgpack.decode(encoded, type=list[CertificateEvent]) == desk.told
    assert len({type(event) for event in desk.told}) == 6
