"""Answers that cross newer questions on their way."""

import pytest

from app.domain.certificates.commands import LineReport
from app.domain.certificates.entities import ORDER
from tests.domain.certificates.order_town import ORDER_ID, Town, entries, payment, sale, sold

A, B = "gc_AAAA", "gc_BBBB"
PAID = payment(of=entries(l1=3_000), settled=True)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.issue(A, B)
    return town


def test_an_answer_that_was_under_way_does_not_revive_a_line_that_the_sale_refused(
    town: Town,
) -> None:
    town.decide(ORDER, ORDER_ID, sale(1, sold("1", A), sold("2", B)))
    town.tell(sale(2, sold("1", A), sold("2", B, currency="USD")))
    assert town.shown("2") == "Refused CurrencyMismatch"
    assert town.certificate(B).status == "Issued"
    town.tell(sale(3, sold("1", A), sold("2", B)), PAID)
    assert town.shown("2") == "Activated"


def test_a_yes_that_comes_behind_a_no_does_not_keep_what_is_being_given_back(town: Town) -> None:
    town.tell(sale(1, sold("1", A)))
    town.decide(ORDER, ORDER_ID, sale(2, sold("1", A, nominal=4_000)))
    for code in ("NominalMismatch", None):
        town.decide(ORDER, ORDER_ID, LineReport("1", 2, "allocate", A, code))
    assert town.shown() == "Refused NominalMismatch"
    town.deliver()
    assert town.shown() == "Refused NominalMismatch"
    assert town.certificate(A).status == "Issued"
