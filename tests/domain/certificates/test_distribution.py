"""Money on lines: exact to the kopeck, whatever the order of arrival."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.certificates.commands import PaymentEntry
from app.domain.certificates.distribution import COUNTED, Claim, distribute, is_foreign
from app.domain.certificates.order_state import Payment

STATUSES = ("Received", "ChargebackReversed", "Authorized", "Cancelled", "ChargedBack")
LINES = ("1", "2", "3", "4")


def paying(*entries: tuple[str | None, int], status: str = "Received", in_: str = "RUB") -> Payment:
    told = tuple(PaymentEntry(line_id, amount) for line_id, amount in entries)
    return Payment(1, 1, b"", status, 0, in_, told, received=True)


def claims(*prices: int) -> list[Claim]:
    return [Claim(str(n + 1), price) for n, price in enumerate(prices)]


@pytest.mark.parametrize(
    ("prices", "entries", "paid", "unapplied"),
    [
        ((1_000, 2_000), [(None, 1_000)], [333, 667], 0),
        ((100_000, 200_000), [(None, 100_000)], [33_333, 66_667], 0),
        ((1_000, 1_000, 1_000), [(None, 1_000)], [334, 333, 333], 0),
        ((1_000, 1_000), [("1", 1_500)], [1_000, 500], 0),
        ((1_000, 1_000), [("1", 2_500)], [1_000, 1_000], 500),
        ((1_000,), [("9", 300)], [0], 300),
        ((1_000,), [("9", 300), (None, 5)], [5], 300),
        ((0, 1_000), [(None, 7)], [0, 7], 0),
        ((), [(None, 7)], [], 7),
        ((1_000,), [], [0], 0),
        ((1,) * 3, [(None, 2)], [1, 1, 0], 0),
    ],
)
def test_known_sums(
    *,
    prices: tuple[int, ...],
    entries: list[tuple[str | None, int]],
    paid: list[int],
    unapplied: int,
) -> None:
    money = distribute(claims(*prices), {"P": paying(*entries)}, "RUB")
    assert list(money.paid.values()) == paid
    assert money.unapplied == unapplied


def test_other_currencies_count_nothing() -> None:
    payments = {"P": paying(("1", 5), in_="USD"), "Q": paying(("1", 7))}
    assert distribute(claims(1_000), payments, "RUB").paid == {"1": 7}
    assert is_foreign(payments, "RUB")
    assert is_foreign(payments, None)


@pytest.mark.parametrize("currency", ["RUB", None])
def test_what_counts_nothing_is_foreign_to_nobody(currency: str | None) -> None:
    asked = {"P": paying(("1", 5), in_="USD", status="Authorized"), "Q": paying(("1", 7))}
    assert not is_foreign(asked, currency)
    assert not is_foreign({}, currency)


entry = st.tuples(st.sampled_from([None, *LINES, "gone"]), st.integers(0, 10**7))
payment = st.builds(
    lambda told, status: paying(*told, status=status),
    st.lists(entry, max_size=6),
    st.sampled_from(STATUSES),
)
payments_of_an_order = st.dictionaries(st.text("PQ1", min_size=1, max_size=3), payment, max_size=6)
prices_of_an_order = st.lists(st.integers(0, 10**7), max_size=4)


@given(prices_of_an_order, payments_of_an_order, st.randoms())
def test_every_kopeck_is_on_a_line_or_unapplied(
    prices: list[int], payments: dict[str, Payment], mixed: random.Random
) -> None:
    lines = claims(*prices)
    money = distribute(lines, payments, "RUB")
    received = sum(
        entry.amount
        for one in payments.values()
        if one.status in COUNTED
        for entry in one.entries or ()
    )
    assert sum(money.paid.values()) + money.unapplied == received
    assert all(0 <= money.paid[line.order_line_id] <= line.price for line in lines)
    shuffled = list(payments.items())
    mixed.shuffle(shuffled)
    assert distribute(lines, dict(shuffled), "RUB") == money


@given(prices_of_an_order, payments_of_an_order)
def test_nothing_is_unapplied_by_pool_while_a_line_lacks_it(
    prices: list[int], payments: dict[str, Payment]
) -> None:
    money = distribute(claims(*prices), payments, "RUB")
    gone = {"gone", *LINES[len(prices) :]}
    named_gone = sum(
        entry.amount
        for one in payments.values()
        if one.status in COUNTED
        for entry in one.entries or ()
        if entry.order_line_id in gone
    )
    full = all(money.paid[str(n + 1)] == price for n, price in enumerate(prices))
    assert full or money.unapplied == named_gone
