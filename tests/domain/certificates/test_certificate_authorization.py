"""Authorize and reverse: amounts, references, tombstones (certificates.md §4.2, §4.4)."""

from collections.abc import Callable
from typing import Any

import pytest

from app.domain.certificates.state import HoldState, Lifecycle
from app.domain.policy import Policy
from tests.domain.certificates.certificate_desk import (
    DAY,
    HOUR,
    MINUTE,
    NOMINAL,
    Desk,
    active,
    in_lifecycle,
)


def test_an_authorization_sets_money_aside() -> None:
    desk = active()
    assert desk.authorize(1_200).fields == {
        "authorizationId": "au_5r2k9mz0c7w3fq8t1xvhd4ynbe_1",
        "certificateId": "gc_5r2k9mz0c7w3fq8t1xvhd4ynbe",
        "approved": 1_200,
        "partial": False,
        "available": 1_800,
        "currency": "RUB",
        "expiresAt": "2026-08-31T09:30:00.000Z",
    }
    assert (desk.certificate.available, desk.certificate.held) == (1_800, 1_200)


def test_more_than_there_is_needs_the_word_partial() -> None:
    desk = active()
    refused = desk.authorize(3_500)
    assert (refused.code, refused.fields) == (
        "InsufficientBalance",
        {"available": NOMINAL, "currency": "RUB"},
    )
    partial = desk.authorize(3_500, partial_approval=True)
    assert (partial.fields["approved"], partial.fields["partial"]) == (NOMINAL, True)
    empty = desk.authorize(1, partial_approval=True)
    assert empty.code == "InsufficientBalance"


def test_ten_of_two_hundred_get_their_share() -> None:
    desk = active()
    replies = [desk.authorize(300, reference=f"r{n}") for n in range(200)]
    codes = [reply.code for reply in replies]
    assert codes.count(None) == 10
    assert codes.count("InsufficientBalance") == 190
    assert desk.certificate.available == 0


def test_the_same_reference_under_a_new_key_finds_its_hold() -> None:
    desk = active()
    first = desk.authorize(100, reference="r")
    again = desk.authorize(100, reference="r")
    assert (again.status, again.replayed, again.fields) == (201, False, first.fields)
    assert desk.certificate.held == 100
    assert desk.authorize(101, reference="r").code == "ReferenceReused"
    assert desk.authorize(100, reference="r", currency="EUR").code == "ReferenceReused"
    stranger = desk.call("authorize", client="other")
    assert desk.authorize(100, reference="r", call=stranger).fields["available"] == 2_800


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda desk: desk.capture(), "AlreadyCaptured"),
        (lambda desk: desk.void(), "AlreadyVoided"),
        (lambda desk: desk.wait(HOUR), "AuthorizationExpired"),
        (lambda desk: desk.reverse("r"), "AuthorizationReversed"),
    ],
)
def test_a_reference_whose_hold_has_ended_says_how(end: Callable[[Desk], Any], code: str) -> None:
    desk = active()
    desk.authorize(100, reference="r")
    end(desk)
    assert desk.authorize(100, reference="r").code == code


def test_a_known_reference_answers_before_the_lifecycle() -> None:
    desk = in_lifecycle(Lifecycle.CANCELLED)
    assert desk.authorize(1_000, reference="bought").code == "AlreadyCaptured"
    assert desk.authorize(1_000, reference="new").code == "CertificateCancelled"


def test_a_blocked_certificate_says_so_before_anything_about_money() -> None:
    desk = active()
    desk.block()
    assert desk.authorize(9_000, currency="EUR").code == "CertificateBlocked"
    desk.unblock()
    assert desk.authorize(9_000, currency="EUR").code == "CurrencyMismatch"
    assert desk.authorize(9_000).code == "InsufficientBalance"


def test_too_many_operations_come_before_a_lack_of_money() -> None:
    desk = active(Policy(holds_open_max=1))
    desk.authorize(NOMINAL)
    assert desk.authorize(1).code == "TooManyOperations"


def test_a_reversal_that_comes_first_is_remembered() -> None:
    desk = active()
    reply = desk.reverse("r")
    assert (reply.status, reply.fields) == (202, {"outcome": "remembered"})
    assert desk.authorize(100, reference="r").code == "ReversedBeforeArrival"
    assert desk.reverse("r").status == 202
    assert desk.certificate.available == NOMINAL
    assert len(desk.certificate.tombstones) == 1
    stranger = desk.call("authorize", client="other")
    assert desk.authorize(100, reference="r", call=stranger).status == 201


def test_a_reversal_credits_what_was_captured_and_not_restored() -> None:
    desk = active()
    desk.authorize(1_000, reference="r")
    desk.capture(600, final=False)
    desk.restore(100)
    assert desk.reverse("r").fields == {"outcome": "reversed"}
    event = desk.told[-1]
    assert (event.amount, event.d_available, event.d_held) == (900, 900, -400)
    assert (desk.certificate.available, desk.certificate.restored) == (NOMINAL, 600)
    assert desk.reverse("r").fields == {"outcome": "alreadyReversed"}


def test_a_capture_can_be_reversed_for_a_day() -> None:
    for late, code in ((0, None), (1, "ReversalTooLate")):
        desk = active()
        desk.authorize(1_000, reference="r")
        desk.capture()
        desk.wait(DAY + late)
        assert desk.reverse("r").code == code


def test_an_open_hold_is_reversed_at_any_age() -> None:
    desk = active()
    desk.authorize(1_000, reference="r", hold_s=604_800)
    desk.wait(6 * DAY)
    assert desk.reverse("r").fields == {"outcome": "reversed"}


def test_an_unknown_original_is_refused_only_for_its_age() -> None:
    desk = active()
    assert desk.reverse("r", at=desk.now - DAY - 1).code == "ReversalTooLate"
    assert desk.reverse("r", at=desk.now - DAY).status == 202
    assert desk.reverse("r", at=desk.now - DAY - 1).status == 202
    assert desk.reverse("future", at=desk.now + DAY).status == 202


def test_a_reversed_overdue_hold_is_closed_for_good() -> None:
    desk = active()
    desk.authorize(1_000, reference="r")
    desk.wait(HOUR)
    assert desk.reverse("r").fields == {"outcome": "nothingToReverse"}
    assert desk.hold().state is HoldState.VOIDED


def test_tombstones_are_bounded_and_young_ones_stay() -> None:
    desk = active()
    for n in range(16):
        assert desk.reverse(f"r{n}").status == 202
        desk.wait(MINUTE)
    assert desk.reverse("r16").code == "TooManyOperations"
    assert desk.reverse("r3").status == 202
    desk.wait(DAY)
    assert desk.reverse("r16").status == 202
    kept = [one.reference for one in desk.certificate.tombstones]
    assert kept == [f"r{n}" for n in range(1, 17)]
    desk.wait(31 * DAY)
    desk.reverse("new")
    assert [one.reference for one in desk.certificate.tombstones] == ["new"]


def _spent_and(lifecycle: Lifecycle) -> Desk:
    desk = in_lifecycle(lifecycle)
    desk.reverse("bought")
    return desk


def test_a_credit_waits_beside_an_open_refund_and_survives_its_payout() -> None:
    desk = _spent_and(Lifecycle.REFUND_PENDING)
    assert (desk.certificate.available, desk.certificate.refund_held) == (1_000, 2_000)
    desk.hear("RefundSettled")
    assert desk.certificate.lifecycle is Lifecycle.ACTIVE
    assert desk.certificate.available == 1_000


def test_a_credit_to_a_cancelled_certificate_is_written_off_at_once() -> None:
    desk = _spent_and(Lifecycle.CANCELLED)
    assert desk.certificate.available == 0
    assert desk.certificate.written_off == NOMINAL
    event = desk.told[-1]
    assert (event.amount, event.d_available) == (1_000, 0)


def test_a_refunded_certificate_lives_again_with_what_comes_back() -> None:
    desk = _spent_and(Lifecycle.REFUNDED)
    assert desk.certificate.status == "Active"
    assert desk.authorize(1_000, reference="again").status == 201
