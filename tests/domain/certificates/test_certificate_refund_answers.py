"""What Payments says late, twice, contradictory (certificates.md §6.3)."""

from app.domain.certificates.state import Lifecycle
from tests.domain.certificates.certificate_desk import (
    Desk,
    active,
    moves,
)
from tests.domain.certificates.refund_desk import (
    SECOND_REFUND,
    dead_letters,
    requested,
    waiting,
)


def test_another_amount_moves_nothing_and_goes_to_the_dead_letters() -> None:
    desk = requested()
    reply = desk.hear("RefundSettled", version=2, amount=1_999)
    assert reply.code == "RefundAmountMismatch"
    assert dead_letters(desk) == ["RefundAmountMismatch"]
    assert desk.certificate.refund_held == 2_000
    assert desk.hear("RefundSettled", version=3, amount=2_000).code is None
    assert desk.certificate.lifecycle is Lifecycle.REFUNDED


def test_an_unknown_refund_goes_to_the_dead_letters_even_without_a_certificate() -> None:
    for desk in (Desk(), active()):
        desk.hear("RefundSettled", id_=SECOND_REFUND)
        assert dead_letters(desk) == ["RefundUnknown"]
        assert desk.certificate.refunds == ()


def test_a_message_of_the_same_version_changes_nothing() -> None:
    desk = requested()
    desk.hear("RefundInitiated", version=3)
    before = desk.state
    for kind in ("RefundInitiated", "AlternateDetailsRequired", "RefundFailed"):
        desk.hear(kind, version=3)
        desk.hear(kind, attempt=1, version=2)
    assert desk.state is before


def test_settled_twice_is_settled_once() -> None:
    desk = requested()
    desk.hear("RefundSettled", version=2)
    before = desk.state
    desk.hear("RefundSettled", version=2)
    desk.hear("RefundSettled", version=9)
    assert desk.state is before


def test_a_late_settlement_takes_what_is_there() -> None:
    desk = requested()
    desk.hear("RefundFailed", version=1)
    desk.hear("RefundSettled", version=2)
    event = desk.told[-1]
    assert (event.type, event.amount, event.late) == ("Refund", 2_000, True)
    assert desk.certificate.lifecycle is Lifecycle.REFUNDED
    assert desk.certificate.shortfall == 0


def test_what_a_late_settlement_lacks_is_a_shortfall_and_a_block() -> None:
    desk = requested()
    desk.hear("RefundFailed", version=1)
    desk.authorize(1_500, reference="r")
    desk.capture(hold=2)
    desk.hear("RefundSettled", version=2)
    state = desk.certificate
    assert moves(desk.last.events) == ["Refund", "Blocked"]
    assert (state.shortfall, state.refunded, state.available) == (1_500, 500, 0)
    assert [block.reason for block in state.blocks] == ["refund-conflict"]
    assert state.lifecycle is Lifecycle.REFUNDED


def test_a_late_settlement_of_a_spent_certificate_takes_nothing() -> None:
    desk = requested()
    desk.hear("RefundFailed", version=1)
    desk.authorize(2_000, reference="r")
    desk.capture(hold=2)
    desk.hear("RefundSettled", version=2)
    state = desk.certificate
    assert (state.lifecycle, state.shortfall, state.refunded) == (Lifecycle.ACTIVE, 2_000, 0)


def test_a_late_settlement_leaves_open_holds_alone() -> None:
    desk = requested()
    desk.hear("RefundFailed", version=1)
    desk.authorize(500, reference="r")
    desk.hear("RefundSettled", version=2)
    state = desk.certificate
    assert (state.held, state.refunded, state.shortfall) == (500, 1_500, 500)
    assert state.lifecycle is Lifecycle.ACTIVE


def test_a_bounced_transfer_returns_and_clears_its_shortfall() -> None:
    desk = requested()
    desk.hear("RefundFailed", version=1)
    desk.authorize(1_500, reference="r")
    desk.capture(hold=2)
    desk.hear("RefundSettled", version=2)
    desk.hear("RefundFailed", version=3)
    event = desk.told[-1]
    assert (event.type, event.amount, event.bounced) == ("RefundFailed", 500, True)
    state = desk.certificate
    assert (state.shortfall, state.refunded, state.available) == (0, 0, 500)
    assert state.lifecycle is Lifecycle.ACTIVE
    desk.hear("RefundSettled", version=4)
    assert moves(desk.last.events) == []


def test_a_failure_older_than_the_settlement_changes_nothing() -> None:
    desk = requested()
    desk.hear("RefundSettled", version=5)
    before = desk.state
    desk.hear("RefundFailed", version=4)
    assert desk.state is before


def test_a_settlement_older_than_the_failure_was_paid_and_bounced() -> None:
    desk = requested()
    desk.hear("RefundFailed", version=5)
    desk.hear("RefundSettled", version=4)
    assert moves(desk.last.events) == []
    assert desk.certificate.available == 2_000
    desk.hear("RefundSettled", version=6)
    assert moves(desk.last.events) == []


def test_paid_twice_is_a_shortfall() -> None:
    desk = waiting()
    desk.details()
    desk.hear("RefundSettled", attempt=2, version=1)
    desk.hear("RefundSettled", attempt=1, version=4)
    state = desk.certificate
    assert moves(desk.last.events) == ["Blocked"]
    assert (state.shortfall, state.refunded) == (2_000, 2_000)
    desk.hear("RefundFailed", attempt=2, version=2)
    assert moves(desk.last.events) == ["RefundFailed"]
    assert (desk.certificate.refunded, desk.certificate.available) == (0, 2_000)
    assert desk.certificate.shortfall == 2_000


def test_a_bounce_after_the_end_is_written_off() -> None:
    desk = requested()
    desk.hear("RefundFailed", version=1)
    desk.authorize(1_500, reference="r")
    desk.hear("RefundSettled", version=2)
    desk.void(hold=2)
    desk.cancel()
    desk.hear("RefundFailed", version=3)
    state = desk.certificate
    assert (state.lifecycle, state.available, state.refunded) == (Lifecycle.CANCELLED, 0, 0)
    assert state.written_off == 2_000
