"""The life of a hold beside its table: sums, ends, late captures, bounds (§4.3, §3.4)."""

from collections.abc import Callable

import pytest

from app.domain.certificates.kept_holds import all_holds
from app.domain.certificates.state import HoldState
from app.domain.decision import Reply
from app.domain.policy import Policy
from tests.domain.certificates.certificate_desk import (
    DAY,
    HOUR,
    MINUTE,
    NOMINAL,
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


def expired() -> Desk:
    return held().wait(31 * MINUTE)


def test_a_capture_frees_what_it_does_not_take() -> None:
    desk = held()
    reply = desk.capture(1_000)
    assert reply.fields == {
        "authorizationId": "au_5r2k9mz0c7w3fq8t1xvhd4ynbe_1",
        "state": "Captured",
        "captured": 1_000,
        "restored": 0,
        "rest": 0,
        "available": 2_000,
        "currency": "RUB",
    }
    event = desk.told[-1]
    assert (event.type, event.amount, event.released) == ("Captured", 1_000, 200)


def test_several_captures_then_void_add_up() -> None:
    desk = held()
    desk.capture(300, final=False)
    assert desk.hold().state is HoldState.HELD
    desk.capture(200, final=False)
    desk.void()
    assert (desk.hold().captured, desk.hold().closed_by) == (500, "Voided")
    assert desk.certificate.available == NOMINAL - 500
    desk.restore(500)
    assert desk.certificate.available == NOMINAL
    assert desk.restore(1).code == "RestoreExceedsCapture"


def test_the_last_part_closes_the_hold_even_if_not_called_final() -> None:
    desk = held()
    desk.capture(APPROVED, final=False)
    assert desk.hold().state is HoldState.CAPTURED


def test_a_partly_captured_hold_that_runs_out_stays_captured() -> None:
    desk = partly().wait(HOUR)
    assert desk.tick() == ["HoldExpired"]
    assert desk.hold().state is HoldState.CAPTURED
    assert desk.hold().closed_by == "HoldExpired"
    assert desk.certificate.available == NOMINAL - CAPTURED
    assert desk.tick() == []


def test_a_hold_over_gives_its_money_back_without_any_tick() -> None:
    desk = expired()
    assert desk.authorize(NOMINAL, reference="next").fields["available"] == 0
    assert moves(desk.last.events) == ["HoldExpired", "Authorized"]


def test_a_late_capture_happens_once() -> None:
    desk = expired()
    reply = desk.capture()
    assert (reply.status, reply.fields["late"], reply.fields["available"]) == (200, True, 1_800)
    assert desk.told[-1].late
    assert desk.capture().code == "AlreadyCaptured"


def test_a_late_capture_needs_the_money() -> None:
    desk = expired()
    desk.authorize(2_000, reference="other")
    reply = desk.capture()
    assert (reply.code, reply.fields) == (
        "AuthorizationExpired",
        {"available": 1_000, "currency": "RUB"},
    )
    assert desk.capture(1_000).fields["late"]


def test_a_late_capture_is_possible_for_seven_days_after_the_end() -> None:
    ends = held().hold().expires_at
    in_time, too_late = held(), held()
    in_time.now = ends + 7 * DAY
    too_late.now = in_time.now + 1
    assert in_time.capture().status == 200
    assert too_late.capture().code == "AuthorizationExpired"


@pytest.mark.parametrize("close", [lambda desk: desk.void(), lambda desk: desk.reverse(REFERENCE)])
def test_nothing_is_captured_late_after_a_void_or_a_reversal(
    close: Callable[[Desk], Reply],
) -> None:
    desk = expired()
    close(desk)
    assert desk.capture().code == "AlreadyVoided"


def test_a_block_lets_an_approved_capture_pass_unless_it_freezes() -> None:
    calm, frozen, late = held(), held(), expired()
    calm.block()
    assert calm.capture().status == 200
    frozen.block(freeze_holds=True)
    assert frozen.capture().code == "CertificateBlocked"
    assert frozen.void().status == 200
    late.block()
    assert late.capture().code == "CertificateBlocked"


def test_a_block_that_comes_again_may_freeze_what_it_did_not() -> None:
    desk = held()
    desk.block()
    desk.block(freeze_holds=True)
    assert desk.capture().code == "CertificateBlocked"
    assert len(desk.certificate.blocks) == 1


def test_a_hold_outlives_the_term() -> None:
    desk = held()
    desk.extend(desk.now + MINUTE)
    desk.wait(2 * MINUTE)
    assert desk.capture(CAPTURED).status == 200
    assert moves(desk.last.events) == ["Expired", "Captured"]


@pytest.mark.parametrize(
    ("channel", "asked", "seconds"),
    [("POS", None, 1_800), ("WEB", None, 604_800), ("POS", 5, 60), ("WEB", 10**9, 604_800)],
)
def test_a_hold_lives_as_long_as_its_channel_or_its_caller_wants(
    channel: str, asked: int | None, seconds: int
) -> None:
    desk = active()
    desk.authorize(1, hold_s=asked, call=desk.call("authorize", channel=channel))
    assert desk.hold().expires_at == desk.now + seconds * 1_000


def test_a_foreign_hold_is_seen_only_in_the_own_stores() -> None:
    desk = held()
    stranger = desk.call("capture", client="other", stores=("S99",))
    assert desk.capture(call=stranger).code == "AuthorizationUnknown"
    neighbour = desk.call("capture", client="other", stores=("S17",))
    assert desk.capture(call=neighbour).status == 200


@pytest.mark.parametrize("amount", [0, -1])
def test_no_amount_below_one_moves_money(amount: int) -> None:
    desk = partly()
    replies = [
        desk.authorize(amount, reference="new"),
        desk.capture(amount),
        desk.restore(amount),
    ]
    assert [reply.code for reply in replies] == ["RequestInvalid"] * 3


def test_the_seventeenth_open_hold_is_too_many() -> None:
    desk = active()
    for n in range(16):
        assert desk.authorize(1, reference=f"r{n}").status == 201
    assert desk.authorize(1, reference="r17").code == "TooManyOperations"
    desk.void(hold=3)
    assert desk.authorize(1, reference="r17").status == 201


def test_closed_holds_leave_oldest_first_but_none_younger_than_the_horizon() -> None:
    policy = Policy(holds_kept_max=3)
    desk = active(policy)
    for n in range(3):
        desk.authorize(10, reference=f"r{n}")
        desk.capture(10, hold=n + 1)
        desk.wait(HOUR)
    assert desk.authorize(1, reference="r3").code == "TooManyOperations"
    desk.wait(22 * HOUR)
    assert desk.authorize(1, reference="r3").status == 201
    assert [hold.n for hold in all_holds(desk.certificate)] == [2, 3, 4]
    assert desk.certificate.captured == 30


def test_closed_holds_are_forgotten_after_their_time() -> None:
    desk = active()
    desk.authorize(10, reference="captured")
    desk.capture(10)
    desk.authorize(10, reference="voided")
    desk.void(hold=2)
    desk.wait(31 * DAY)
    desk.authorize(10, reference="later")
    assert [hold.n for hold in all_holds(desk.certificate)] == [1, 3]
    desk.wait(150 * DAY)
    desk.authorize(10, reference="last")
    assert [hold.n for hold in all_holds(desk.certificate)] == [3, 4]
