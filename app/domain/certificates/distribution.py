"""How received money is spread over the lines of an order: exact, from scratch every time."""

from collections.abc import Mapping, Sequence

import msgspec

from app.domain.certificates.order_state import Payment

COUNTED = frozenset({"Received", "ChargebackReversed"})


class Claim(msgspec.Struct, frozen=True):
    """What one line may take; claims stand in the order of their lines."""

    order_line_id: str
    price: int


class Distribution(msgspec.Struct, frozen=True):
    """`paid` names every claim."""

    paid: dict[str, int]
    unapplied: int


def distribute(
    claims: Sequence[Claim], payments: Mapping[str, Payment], currency: str | None
) -> Distribution:
    """`currency` None: the sale is unknown, that of the first payment stands in for it."""
    counted = [one for _, one in sorted(payments.items()) if _counts(one)]
    if currency is None and counted:
        currency = counted[0].currency
    rests = {claim.order_line_id: claim.price for claim in claims}
    pool = unapplied = 0
    for payment in counted:
        if payment.currency == currency:
            pooled, unknown = _pay_named(rests, payment)
            pool += pooled
            unapplied += unknown
    spread = _spread(pool, list(rests.values()))
    paid = {
        claim.order_line_id: claim.price - rests[claim.order_line_id] + share
        for claim, share in zip(claims, spread, strict=True)
    }
    return Distribution(paid, unapplied + pool - sum(spread))


def is_foreign(payments: Mapping[str, Payment], currency: str | None) -> bool:
    """Whether money of another currency came and counted nothing."""
    received = {payment.currency for payment in payments.values() if _counts(payment)}
    return len(received | {currency or min(received, default="")}) > 1


def _counts(payment: Payment) -> bool:
    return payment.status in COUNTED and bool(payment.entries)


def _pay_named(rests: dict[str, int], payment: Payment) -> tuple[int, int]:
    """Takes named entries off `rests`; returns what joins the pool and what names no line."""
    pooled = unknown = 0
    for entry in payment.entries or ():
        if entry.order_line_id is None:
            pooled += entry.amount
        elif entry.order_line_id not in rests:
            unknown += entry.amount
        else:
            taken = min(entry.amount, rests[entry.order_line_id])
            rests[entry.order_line_id] -= taken
            pooled += entry.amount - taken
    return pooled, unknown


def _spread(pool: int, rests: Sequence[int]) -> list[int]:
    """By unpaid rest, largest remainder first, ties by position; never more than the rest."""
    total = sum(rests)
    if pool >= total:
        return list(rests)
    shares = [pool * rest // total for rest in rests]
    left = pool - sum(shares)
    by_remainder = sorted(range(len(rests)), key=lambda place: -(pool * rests[place] % total))
    for place in by_remainder[:left]:
        shares[place] += 1
    return shares
