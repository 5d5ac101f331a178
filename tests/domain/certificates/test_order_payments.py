"""Payments, settlement and chargebacks of an order: certificates.md §5.3, §5.4, §5.6."""

import msgspec
import pytest

from app.domain.certificates.commands import LineReport, RefundNotice
from app.domain.certificates.events import DeadLettered
from app.domain.policy import Policy
from tests.domain.certificates.order_town import (
    DAY,
    HOUR,
    ORDER_ID,
    Town,
    entries,
    payment,
    sale,
    sold,
)

A, B = "gc_AAAA", "gc_BBBB"
BOTH = sale(1, sold("1", A), sold("2", B))
PAID = payment(of=entries(l1=3_000, l2=3_000), settled=True)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.issue(A, B)
    return town


def test_the_pool_is_spread_by_unpaid_rest(town: Town) -> None:
    lines = sold("1", A, price=1_000), sold("2", B, price=2_000)
    town.tell(sale(1, *lines), payment(of=entries(pool=1_000)))
    assert (town.line("1").paid, town.line("2").paid) == (333, 667)
    assert (town.shown("1"), town.shown("2")) == ("PartiallyPaid", "PartiallyPaid")


def test_an_authorized_payment_counts_nothing_yet(town: Town) -> None:
    town.tell(BOTH, payment(of=entries(l1=3_000), status="Authorized"))
    assert town.shown("1") == "Allocated"
    town.tell(payment(version=2, of=entries(l1=3_000)))
    assert town.shown("1") == "Paid"


def test_money_for_no_known_line_is_unapplied(town: Town) -> None:
    town.tell(BOTH, payment(of=entries(l1=3_500, l7=200)))
    assert (town.line("1").paid, town.line("2").paid) == (3_000, 500)
    assert town.order.unapplied == 200


@pytest.mark.parametrize(
    "flags",
    [
        {"settled": True, "outstanding": 1},
        {"settled": False, "outstanding": 0},
        {"is_order_settled": True},
        {"outstanding_amount": 0},
    ],
    ids=["rest", "no", "rest missing", "flag missing"],
)
def test_one_flag_alone_settles_nothing(town: Town, flags: dict[str, int]) -> None:
    town.tell(BOTH, payment(of=entries(l1=3_000, l2=3_000), **flags))  # type: ignore[arg-type]
    assert not town.order.settled
    assert town.shown("1") == "Paid"
    town.tell(payment("P-2", 9, of=(), settled=True))
    assert (town.shown("1"), town.shown("2")) == ("Activated", "Activated")


def test_a_contradiction_is_noted(town: Town) -> None:
    town.tell(BOTH, payment(settled=True, outstanding=5))
    assert "SettlementContradiction" in town.notes()


def test_flags_follow_the_newest_message_however_it_came(town: Town) -> None:
    newest = payment("P-1", 1, settled=False, occurred_at=200)
    oldest = payment("P-2", 1, settled=True, occurred_at=100)
    town.tell(BOTH, newest, oldest)
    assert not town.order.settled
    assert town.shown("1") == "Allocated"


def test_settled_with_another_sum_activates_and_alerts(town: Town) -> None:
    town.tell(BOTH, payment(of=entries(l1=3_000), settled=True))
    assert (town.shown("1"), town.shown("2")) == ("Activated", "Activated")
    assert town.order.settlement_mismatch
    assert town.notes().count("SettlementMismatch") == 1


def test_money_of_another_currency_counts_nothing_and_alerts(town: Town) -> None:
    town.tell(BOTH, payment(of=entries(l1=3_000), currency="USD"))
    assert town.line("1").paid == 0
    assert town.order.settlement_mismatch


def test_goods_added_after_activation_change_nothing(town: Town) -> None:
    town.tell(BOTH, PAID, payment("P-2", 2, settled=False))
    assert town.shown("1") == "Activated"
    assert town.certificate(A).status == "Active"


def test_a_chargeback_blocks_until_it_is_reversed(town: Town) -> None:
    town.tell(BOTH, PAID, payment(version=2, of=entries(l1=3_000), status="ChargedBack"))
    assert town.line("1").blocks == ("chargeback:P-1",)
    assert (town.certificate(A).status, town.certificate(B).status) == ("Blocked", "Active")
    reversed_again = payment(version=3, of=entries(l1=3_000), status="ChargebackReversed")
    town.tell(reversed_again)
    assert town.certificate(A).status == "Active"
    assert town.order.asks == ()


def test_a_block_that_was_lifted_is_not_asked_for_again(town: Town) -> None:
    town.tell(BOTH, PAID)
    town.lost = {"LineReport"}
    town.tell(payment(version=2, of=entries(l1=3_000), status="ChargedBack"))
    town.tell(payment(version=3, of=entries(l1=3_000), status="ChargebackReversed"))
    assert [one.what for one in town.order.asks] == ["unblock"]
    town.lost = set()
    # What an old question, told once more, is answered: it ends the newer one of its kind.
    town.tell(LineReport("1", 1, "unblock", A, None, reason="chargeback:P-1"))
    town.wait(2 * HOUR)
    assert town.certificate(A).status == "Active"


def test_a_chargeback_without_lines_blocks_all(town: Town) -> None:
    town.tell(BOTH, PAID, payment(version=2, status="ChargedBack"))
    assert (town.certificate(A).status, town.certificate(B).status) == ("Blocked", "Blocked")


def test_a_withdrawn_payment_blocks_until_a_newer_message_settles(town: Town) -> None:
    town.tell(BOTH, PAID, payment(version=2, of=entries(l1=3_000), status="Cancelled"))
    assert town.line("1").blocks == ("payment-withdrawn:P-1",)
    town.tell(payment("P-2", 3, of=entries(l1=3_000), settled=True))
    assert town.line("1").blocks == ()
    assert town.certificate(A).status == "Active"


def test_a_withdrawn_payment_that_is_received_again_blocks_no_more(town: Town) -> None:
    town.tell(BOTH, PAID, payment(version=2, status="Cancelled"))
    town.tell(payment(version=3, of=entries(l1=3_000, l2=3_000)))
    assert town.certificate(A).status == "Active"


def test_a_cancelled_authorization_blocks_nothing(town: Town) -> None:
    town.tell(BOTH, payment("P-0", 1, status="Authorized"), PAID)
    town.tell(payment("P-0", 2, status="Cancelled"))
    assert town.line("1").blocks == ()


def test_a_cancellation_that_overtook_its_receipt_blocks_all_the_same(town: Town) -> None:
    town.tell(BOTH, payment(version=2, of=entries(l1=3_000), status="Cancelled"), PAID)
    assert town.shown("1") == "Activated"
    assert town.line("1").blocks == ("payment-withdrawn:P-1",)


@pytest.mark.parametrize("status", ["Cancelled", "ChargedBack"])
def test_a_withdrawn_payment_before_activation_only_counts_no_more(town: Town, status: str) -> None:
    town.tell(BOTH, payment(of=entries(l1=3_000)), payment(version=2, status=status))
    assert town.shown("1") == "Allocated"
    assert town.line("1").blocks == ()


def test_a_payment_that_is_not_ours_leaves_no_trace() -> None:
    town = Town()
    reply = town.tell(payment())
    assert reply is not None
    assert reply.code == "NotOurs"
    assert town.states.get(("order", ORDER_ID)) is None


def test_without_stubs_even_a_settling_payment_is_not_ours() -> None:
    town = Town(policy=Policy(order_stub_hours=0))
    reply = town.tell(payment(settled=True))
    assert reply is not None
    assert reply.code == "NotOurs"


def test_a_stub_shrinks_to_its_settlement_and_still_settles_a_late_sale(town: Town) -> None:
    town.tell(payment(settled=True))
    town.wait(48 * HOUR)
    assert town.order.payments == {}
    assert town.order.next_due is None
    town.tell(sale(1, sold("1", A)))
    assert town.shown() == "Activated"


def test_a_payment_waits_thirty_days_for_its_sale_and_alerts_after_one(town: Town) -> None:
    town.tell(payment(of=entries(l1=3_000), settled=True))
    assert town.order.unapplied == 3_000
    town.wait(DAY - 1)
    assert "SaleMissing" not in town.notes()
    town.wait(29 * DAY)
    assert town.notes().count("SaleMissing") == 1
    assert town.order.payments
    town.wait(DAY)
    assert town.order.payments == {}


def test_the_same_version_of_a_payment_with_other_content_is_a_dead_letter(town: Town) -> None:
    town.tell(BOTH, payment(of=entries(l1=1_000)), payment(of=entries(l1=2_000)))
    (dead,) = [one for one in town.events if isinstance(one, DeadLettered)]
    assert (dead.code, dead.kind) == ("VersionConflict", "ApplyPayment")
    assert town.line("1").paid == 1_000


def test_the_hundred_and_first_payment_is_a_dead_letter(town: Town) -> None:
    town.tell(BOTH, *(payment(f"P-{n}", of=entries(l1=1)) for n in range(101)))
    assert len(town.order.payments) == 100
    assert [one.code for one in town.events if isinstance(one, DeadLettered)] == ["TooManyPayments"]


def notice(line_id: str, kind: str, version: int) -> RefundNotice:
    return RefundNotice(line_id, 1, kind, version, 5, 3_000, None, "RRN-1")


def test_a_refund_message_of_a_line_goes_to_its_certificate(town: Town) -> None:
    town.tell(BOTH, PAID, notice("1", "RefundInitiated", 1))
    assert ("RefundUpdate", A) in town.sent


@pytest.mark.parametrize("line_id", ["7", "2"])
def test_a_refund_message_of_an_unknown_line_is_not_ours(town: Town, line_id: str) -> None:
    town.tell(sale(1, sold("1", A), sold("2", B, certificate_id=None, fault="CodeMalformed")))
    before = town.order
    reply = town.tell(notice(line_id, "RefundSettled", 1))
    assert reply is not None
    assert reply.code == "LineUnknown"
    assert town.order is before


def test_a_refund_message_of_an_unknown_order_is_not_ours() -> None:
    reply = Town().tell(notice("1", "RefundSettled", 1))
    assert reply is not None
    assert reply.code == "OrderUnknown"


def test_a_repeated_question_about_a_block_ends_when_the_answer_comes(town: Town) -> None:
    town.lost = {"LineReport"}
    town.tell(BOTH)
    town.lost = set()
    town.wait(61_000)
    town.tell(PAID)
    town.lost = {"BlockCertificate"}
    town.tell(payment(version=2, status="ChargedBack"))
    assert len(town.order.asks) == 2
    assert town.certificate(A).status == "Active"
    town.lost = set()
    town.wait(61_000)
    assert not town.order.asks
    assert town.certificate(A).status == "Blocked"


def test_only_visible_changes_are_told(town: Town) -> None:
    town.tell(BOTH, PAID)
    told = town.notes().count("OrderStateChanged")
    town.tell(payment("P-3", 1, status="Authorized"))
    assert town.notes().count("OrderStateChanged") == told
    assert msgspec.structs.replace(town.order, clock=0).payments.keys() == {"P-1", "P-3"}
