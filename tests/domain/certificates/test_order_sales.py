"""Sale messages that come late, twice, corrected: certificates.md §5.6, row by row."""

import pytest

from app.domain.certificates.commands import ApplySalesOrder, SaleLine
from app.domain.certificates.events import DeadLettered
from tests.domain.certificates.order_town import (
    DAY,
    HOUR,
    START,
    Town,
    entries,
    payment,
    sale,
    sold,
)

A, B = "gc_AAAA", "gc_BBBB"
PAID = payment(of=entries(l1=3_000), settled=True)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.issue(A, B)
    return town


def test_a_sale_allocates_its_lines(town: Town) -> None:
    town.tell(sale(1, sold("1", A), sold("2", B)))
    assert (town.shown("1"), town.shown("2")) == ("Allocated", "Allocated")
    assert town.certificate(A).status == "Allocated"


def test_a_settled_payment_activates_and_asks_for_one_message(town: Town) -> None:
    town.tell(sale(1, sold("1", A)), PAID)
    assert town.history() == ["Pending", "Allocated", "Activating", "Activated"]
    assert town.certificate(A).available == 3_000
    (message,) = town.messages()
    assert message.id == "SO-1:1:activated:1"
    assert message.valid_until == town.certificate(A).valid_until


def test_payment_first_and_sale_later_end_the_same(town: Town) -> None:
    town.tell(PAID, sale(1, sold("1", A)))
    assert town.shown() == "Activated"
    assert town.certificate(A).available == 3_000


def test_a_payment_without_section_is_a_stub_until_the_sale_comes(town: Town) -> None:
    town.tell(payment(settled=True))
    assert town.order.is_stub
    assert not town.events
    town.tell(sale(1, sold("1", A)))
    assert town.shown() == "Activated"
    assert town.order.settlement_mismatch


def test_a_sale_that_overtakes_its_batch_is_asked_again_until_it_works() -> None:
    town = Town()
    town.tell(sale(1, sold("1", A)), PAID)
    assert town.shown() == "Refused CertificateUnknown"
    town.issue(A)
    town.wait(61_000)
    assert town.shown() == "Activated"


def test_a_newer_version_with_the_same_code_asks_at_once() -> None:
    town = Town()
    town.tell(sale(1, sold("1", A)), PAID)
    town.issue(A)
    town.tell(sale(2, sold("1", A)))
    assert town.shown() == "Activated"
    assert town.line().attempt == 2


def test_asking_again_ends_after_the_schedule_and_alerts_after_an_hour() -> None:
    town = Town()
    town.tell(sale(1, sold("1", A)))
    town.wait(HOUR)
    assert "Unanswered" not in town.notes()
    town.wait(HOUR)
    assert town.notes().count("Unanswered") == 1
    town.wait(60 * DAY)
    assert town.line().ask_at is None
    assert town.sent.count(("AllocateCertificate", A)) == 1 + len(town.policy.saga_retry_s)


def test_the_same_message_again_changes_nothing(town: Town) -> None:
    town.tell(sale(1, sold("1", A)), PAID)
    before, events = town.order, len(town.events)
    town.tell(sale(1, sold("1", A)), PAID)
    assert town.order is before
    assert len(town.events) == events


def test_an_older_version_is_ignored_and_named(town: Town) -> None:
    town.tell(sale(2, sold("1", B)))
    reply = town.tell(sale(1, sold("1", A)))
    assert reply is not None
    assert reply.code == "StaleVersion"
    assert town.line().certificate_id == B


def test_the_same_version_with_other_content_is_a_dead_letter_and_the_first_stays(
    town: Town,
) -> None:
    town.tell(sale(1, sold("1", A)))
    reply = town.tell(sale(1, sold("1", B)))
    assert reply is not None
    assert reply.code == "VersionConflict"
    assert [one.code for one in town.events if isinstance(one, DeadLettered)] == ["VersionConflict"]
    assert town.line().certificate_id == A


def test_another_code_before_activation_gives_the_old_one_back(town: Town) -> None:
    town.tell(sale(1, sold("1", A)), sale(2, sold("1", B)))
    assert (town.certificate(A).status, town.certificate(B).status) == ("Issued", "Allocated")
    assert town.line().attempt == 2
    assert town.order.asks == ()


def test_codes_may_change_places_in_one_version(town: Town) -> None:
    town.tell(sale(1, sold("1", A), sold("2", B)), sale(2, sold("1", B), sold("2", A)))
    assert (town.shown("1"), town.shown("2")) == ("Allocated", "Allocated")
    orders = town.certificate(A).order, town.certificate(B).order
    assert [one and one.order_line_id for one in orders] == ["2", "1"]


def test_a_refused_line_with_a_free_code_needs_no_other_payment(town: Town) -> None:
    town.tell(sale(1, sold("1", A), sold("2", A)), payment(of=entries(pool=6_000), settled=True))
    assert (town.shown("1"), town.shown("2")) == ("Activated", "Refused CodeAlreadySold")
    town.tell(sale(3, sold("1", A), sold("2", B)))
    assert town.shown("2") == "Activated"


def test_another_price_spreads_the_money_anew(town: Town) -> None:
    town.tell(sale(1, sold("1", A)), payment(of=entries(l1=2_000)))
    assert town.shown() == "PartiallyPaid"
    town.tell(sale(2, sold("1", A, price=2_000)))
    assert (town.shown(), town.line().paid) == ("Paid", 2_000)


def test_another_nominal_is_checked_again_and_a_wrong_one_lets_the_certificate_go(
    town: Town,
) -> None:
    town.tell(sale(1, sold("1", A)), sale(2, sold("1", A, nominal=4_000)))
    assert town.shown() == "Refused NominalMismatch"
    assert town.certificate(A).status == "Issued"
    town.tell(sale(3, sold("1", A)))
    assert town.shown() == "Allocated"
    assert town.line().attempt == 3


def test_a_line_that_is_gone_is_released_and_its_money_unapplied(town: Town) -> None:
    town.tell(sale(1, sold("1", A), sold("2", B)), payment(of=entries(l1=1_000)))
    town.tell(sale(2, sold("2", B)))
    assert town.shown("1") == "Released"
    assert town.order.unapplied == 1_000
    assert town.certificate(A).status == "Issued"


def test_an_empty_list_is_a_version_without_lines(town: Town) -> None:
    town.tell(sale(1, sold("1", A)), sale(2))
    assert town.shown() == "Released"


def test_a_cancelled_order_releases_and_never_activates(town: Town) -> None:
    town.tell(sale(1, sold("1", A)), sale(2, sold("1", A), status="Cancelled"), PAID)
    assert town.shown() == "Released"
    assert town.order.paid_after_cancel
    assert town.order.unapplied == 3_000
    assert "PaidAfterCancel" in town.notes()
    assert town.certificate(A).status == "Issued"


def test_a_cancellation_that_comes_first_ends_the_same(town: Town) -> None:
    town.tell(sale(2, sold("1", A), status="Cancelled"), PAID, sale(1, sold("1", A)))
    assert town.shown() == "Released"
    assert town.certificate(A).status == "Issued"


def test_an_order_that_is_confirmed_again_takes_its_certificate_again(town: Town) -> None:
    town.tell(sale(1, sold("1", A)), sale(2, sold("1", A), status="Cancelled"))
    town.tell(sale(3, sold("1", A)), PAID)
    assert town.shown() == "Activated"


@pytest.mark.parametrize(
    "changed",
    [
        sold("1", B),
        sold("1", A, nominal=2_000),
        sold("1", B, certificate_id=None, fault="CodeMalformed"),
    ],
    ids=["code", "nominal", "fault"],
)
def test_an_activated_line_is_not_changed_but_refused(town: Town, changed: SaleLine) -> None:
    town.tell(sale(1, sold("1", A)), PAID, sale(2, changed))
    assert town.shown() == "Activated LineActivated"
    assert town.line().certificate_id == A
    assert town.certificate(B).status == "Issued"
    town.tell(sale(3, sold("1", A)))
    assert town.shown() == "Activated"


@pytest.mark.parametrize(
    "cancelling", [sale(2), sale(2, sold("1", A), status="Cancelled")], ids=["gone", "cancelled"]
)
def test_cancelled_after_activation_blocks(town: Town, cancelling: ApplySalesOrder) -> None:
    town.tell(sale(1, sold("1", A)), PAID, cancelling)
    assert town.shown() == "Activated"
    assert town.line().blocks == ("order-cancelled",)
    assert town.certificate(A).status == "Blocked"
    assert not town.order.paid_after_cancel
    assert (town.line().paid, town.order.unapplied) == (3_000, 0)
    assert town.order.asks == ()
    town.tell(sale(3, sold("1", A)))
    assert town.certificate(A).status == "Active"


@pytest.mark.parametrize("fault", ["CodeMalformed", "AmountInvalid", "CurrencyUnknown"])
def test_a_fault_in_one_line_does_not_hold_up_the_others(town: Town, fault: str) -> None:
    bad = sold("2", "?", certificate_id=None, currency="", nominal=0, price=0, fault=fault)
    town.tell(sale(1, bad, sold("1", A)), PAID)
    assert town.shown("2") == f"Refused {fault}"
    assert town.shown("1") == "Activated"


def test_a_line_of_another_currency_is_refused(town: Town) -> None:
    town.tell(sale(1, sold("1", A), sold("2", B, currency="USD")))
    assert town.shown("2") == "Refused CurrencyMismatch"
    assert town.certificate(B).status == "Issued"


def test_a_code_sold_in_another_order_is_refused(town: Town) -> None:
    town.decide_for_another_order(A)
    town.tell(sale(1, sold("1", A)))
    assert town.shown() == "Refused CodeAlreadySold"
    order = town.certificate(A).order
    assert order is not None
    assert order.order_id == "SO-2"


def test_nothing_settles_for_fourteen_days_and_the_code_is_free_again(town: Town) -> None:
    town.tell(sale(1, sold("1", A)))
    town.wait(14 * DAY - 1)
    assert town.shown() == "Allocated"
    town.wait(1)
    assert town.shown() == "Released"
    assert town.certificate(A).status == "Issued"


def test_settled_after_the_release_takes_the_certificate_again(town: Town) -> None:
    town.tell(sale(1, sold("1", A)))
    town.wait(15 * DAY)
    town.tell(PAID)
    assert town.shown() == "Activated"
    assert town.line().attempt == 2


def test_settled_after_the_code_was_sold_elsewhere_ends_refused(town: Town) -> None:
    town.tell(sale(1, sold("1", A)))
    town.wait(15 * DAY)
    town.decide_for_another_order(A)
    town.tell(PAID)
    assert town.shown() == "Refused CodeAlreadySold"


def test_a_named_certificate_gets_its_last_symbols_from_the_report(town: Town) -> None:
    town.tell(sale(1, sold("1", A, last4=None)))
    assert town.line().last4 == "AAAA"


def test_versions_may_be_times(town: Town) -> None:
    town.tell(sale(START, sold("1", A)))
    reply = town.tell(sale(START - 1, sold("1", B)))
    assert reply is not None
    assert reply.code == "StaleVersion"
