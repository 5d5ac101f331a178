"""The steps of the refund saga (certificates.md §6.2)."""

import pytest

from app.domain.certificates.commands import ReadRefund
from app.domain.certificates.events import RefundAsked
from app.domain.certificates.ids import refund_request_id
from app.domain.certificates.state import Lifecycle, RefundStatus
from tests.domain.certificates.certificate_desk import (
    BOX,
    DAY,
    KEY,
    NOMINAL,
    REFUND,
    active,
    in_lifecycle,
    moves,
)
from tests.domain.certificates.refund_desk import (
    SECOND_REFUND,
    asked,
    notices,
    requested,
    waiting,
)


def test_a_request_takes_the_whole_remainder() -> None:
    desk = active()
    reply = desk.refund(NOMINAL)
    assert reply.status == 202
    assert reply.fields == {
        "refundRequestId": REFUND,
        "status": "Requested",
        "amount": NOMINAL,
        "currency": "RUB",
        "dueAt": "2026-09-10T09:00:00.000Z",
    }
    assert (desk.certificate.available, desk.certificate.refund_held) == (0, NOMINAL)
    (event,) = [one for one in desk.last.events if isinstance(one, RefundAsked)]
    assert (event.action, event.attempt, event.details) == ("Refund", 1, BOX)
    assert (event.order_id, event.order_line_id) == ("SO-1", "1")


def test_requests_are_refused_in_order() -> None:
    desk = active()
    desk.authorize(500, reference="r")
    desk.block()
    assert desk.refund(1).code == "CertificateBlocked"
    desk.unblock()
    reply = desk.refund(1)
    assert (reply.code, reply.fields) == (
        "HoldsOpen",
        {
            "holds": ["au_5r2k9mz0c7w3fq8t1xvhd4ynbe_1"],
            "lastExpiresAt": "2026-08-31T09:30:00.000Z",
        },
    )
    desk.capture(500)
    changed = desk.refund(NOMINAL)
    assert (changed.code, changed.fields["available"]) == ("RefundableAmountChanged", 2_500)
    desk.authorize(2_500, reference="s")
    desk.capture(hold=2)
    assert desk.refund().code == "NothingToRefund"


def test_while_a_refund_is_open_a_second_names_it() -> None:
    desk = requested()
    for reply in (desk.refund(), desk.authorize(1, reference="x"), desk.extend(desk.now + DAY)):
        assert (reply.code, reply.fields) == ("RefundInProgress", {"refundRequestId": REFUND})


def test_the_straight_way_ends_in_refunded() -> None:
    desk = requested()
    desk.hear("RefundInitiated", version=1)
    assert desk.certificate.refund is not None
    assert desk.certificate.refund.status is RefundStatus.INITIATED
    desk.hear("RefundSettled", version=2, amount=2_000, provider_reference="RRN-7731")
    assert moves(desk.last.events) == ["Refund"]
    state = desk.certificate
    assert (state.status, state.refunded, state.balance) == ("Refunded", 2_000, 0)
    assert state.refunds[0].provider_reference == "RRN-7731"
    assert state.refunds[0].details is None
    assert state.refunds[0].contact is None
    assert notices(desk) == [f"{REFUND}:refund_settled:0"]


def test_other_details_make_another_attempt() -> None:
    desk = waiting()
    assert notices(desk) == [f"{REFUND}:refund_details_required:0"]
    desk.wait(2 * DAY)
    key = desk.call("details", "k")
    reply = desk.details(call=key)
    assert (reply.status, reply.fields["status"], reply.fields["attempt"]) == (202, "Requested", 2)
    assert reply.fields["waitedMs"] == 2 * DAY
    assert asked(desk) == [("Refund", 2)]
    assert desk.details(call=key).replayed
    assert desk.details().code == "RefundDetailsNotAsked"
    desk.hear("RefundSettled", attempt=2, version=1)
    assert desk.certificate.lifecycle is Lifecycle.REFUNDED


def test_old_words_about_an_older_attempt_are_ignored() -> None:
    desk = waiting()
    desk.details()
    before = desk.state
    desk.hear("RefundFailed", attempt=1, version=9)
    assert desk.state is before
    desk.hear("RefundFailed", attempt=2, version=0)
    assert desk.certificate.lifecycle is Lifecycle.ACTIVE


def test_a_cancel_is_possible_only_while_details_are_awaited() -> None:
    desk = requested()
    assert desk.cancel_refund().code == "RefundAlreadyStarted"
    desk.hear("RefundInitiated", version=1)
    assert desk.cancel_refund().code == "RefundAlreadyStarted"
    desk.hear("AlternateDetailsRequired", version=2)
    reply = desk.cancel_refund()
    assert (reply.status, reply.fields["status"]) == (200, "Cancelled")
    assert moves(desk.last.events) == ["RefundCancelled"]
    assert asked(desk) == [("Cancel", 1)]
    assert desk.certificate.available == 2_000
    assert desk.cancel_refund().code == "RefundNotOpen"


def test_a_failed_refund_frees_the_money_for_a_new_request() -> None:
    desk = requested()
    desk.hear("RefundFailed", version=1)
    assert (desk.certificate.lifecycle, desk.certificate.available) == (Lifecycle.ACTIVE, 2_000)
    assert desk.refund().fields["refundRequestId"] == SECOND_REFUND
    assert notices(desk) == [f"{REFUND}:refund_failed:0"]


def test_money_that_comes_back_after_the_term_is_expired_at_once() -> None:
    desk = in_lifecycle(Lifecycle.EXPIRED)
    desk.refund()
    desk.hear("RefundFailed", version=1)
    assert moves(desk.last.events) == ["RefundFailed", "Expired"]
    assert desk.certificate.lifecycle is Lifecycle.EXPIRED


@pytest.mark.parametrize(
    ("amount", "lifecycle", "available", "shortfall"),
    [
        (2_000, Lifecycle.REFUNDED, 0, 0),
        (1_500, Lifecycle.ACTIVE, 500, 0),
        (2_300, Lifecycle.REFUNDED, 0, 300),
        (None, Lifecycle.REFUNDED, 0, 0),
    ],
)
def test_an_operator_says_what_was_really_paid(
    amount: int | None, lifecycle: Lifecycle, *, available: int, shortfall: int
) -> None:
    desk = requested()
    reply = desk.resolve("Settled", amount)
    state = desk.certificate
    assert (reply.status, reply.fields["status"]) == (200, "Settled")
    assert (state.lifecycle, state.available, state.shortfall) == (lifecycle, available, shortfall)
    assert bool(state.blocks) is (shortfall > 0)
    assert desk.resolve("Settled", amount).code == "RefundNotOpen"
    desk.hear("RefundSettled", version=9)
    assert moves(desk.last.events) == []


def test_an_operator_ends_a_silent_refund() -> None:
    desk = requested()
    reply = desk.resolve("Failed")
    assert reply.fields["status"] == "Failed"
    assert asked(desk) == [("Cancel", 1)]
    assert desk.certificate.available == 2_000


def test_nothing_paid_is_no_settlement() -> None:
    desk = requested()
    assert desk.resolve("Settled", 0).code == "RequestInvalid"
    assert desk.certificate.refund_held == 2_000


def test_only_payments_reads_the_sealed_details() -> None:
    desk = requested()
    shown = desk.tell(ReadRefund(REFUND, with_details=True, instance="i"))
    hidden = desk.tell(ReadRefund(REFUND, with_details=False, instance="i"))
    assert shown.fields["sealedDetails"]["kid"] == "k1"
    assert "sealedDetails" not in hidden.fields
    assert "contact" not in shown.fields


def test_three_closed_requests_are_kept() -> None:
    desk = active()
    for n in range(1, 6):
        desk.refund()
        desk.hear("RefundFailed", id_=refund_request_id(KEY, n), version=1)
    assert [request.n for request in desk.certificate.refunds] == [3, 4, 5]
    assert desk.hear("RefundSettled").code == "RefundUnknown"
