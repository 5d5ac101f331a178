"""The auditor's own arithmetic: one certificate refolded from its public events.

Shares nothing with the law it checks: money is followed by the deltas, and separately by
what each type of event means for the totals; both have to agree with every state shown.
"""

from collections.abc import Iterator
from typing import Protocol

from app.contracts.messages import GiftCertificateTransaction

MOVES_OUT = {"Captured": "captured", "Refund": "refunded", "Cancelled": "written_off"}
MOVES_IN = {"Activated": "loaded", "Restored": "restored"}
BALANCES = ("available", "held", "refund_held")
MONEY = (*BALANCES, "loaded", "captured", "restored", "refunded", "written_off")
Fault = tuple[str, str]


class Money(Protocol):
    """Whatever shows the money of a certificate: a fold, a state message, a journal record."""

    @property
    def available(self) -> int: ...

    @property
    def held(self) -> int: ...

    @property
    def refund_held(self) -> int: ...

    @property
    def loaded(self) -> int: ...

    @property
    def captured(self) -> int: ...

    @property
    def restored(self) -> int: ...

    @property
    def refunded(self) -> int: ...

    @property
    def written_off(self) -> int: ...


class CertificateFold:
    """What the events seen so far say of one certificate; `last` is (sequence, n)."""

    __slots__ = (*MONEY, "currency", "last", "moves", "opened_late")

    def __init__(self) -> None:
        self.available = self.held = self.refund_held = 0
        self.loaded = self.captured = self.restored = self.refunded = self.written_off = 0
        self.currency = ""
        self.last = (0, 0)
        self.moves = 0
        self.opened_late = False

    def take(self, position: tuple[int, int], event: GiftCertificateTransaction) -> list[Fault]:
        """Adds the next event; returns what is wrong with it."""
        if self.moves == 0:
            self._open(event)
        self.moves += 1
        self.last = position
        at = f"{position[0]}:{position[1]} {event.transaction_type}"
        wrong = [*self._balances(event), *self._totals(event)]
        return [(kind, f"{at}: {detail}") for kind, detail in wrong]

    def _open(self, event: GiftCertificateTransaction) -> None:
        self.currency = event.currency
        if event.transaction_type == "Issued":
            return
        self.opened_late = True
        self.available = event.after.available - event.delta.available
        self.held = event.after.held - event.delta.held
        self.refund_held = event.after.refund_held - event.delta.refund_held

    def _balances(self, event: GiftCertificateTransaction) -> Iterator[Fault]:
        after = event.after
        for name in BALANCES:
            expected = getattr(self, name) + getattr(event.delta, name)
            found = getattr(after, name)
            if expected != found:
                yield "chain", f"{name} should be {expected}, is {found}"
            if found < 0:
                yield "negative", f"{name} is {found}"
            setattr(self, name, found)
        if after.balance != balance_of(self):
            yield "chain", f"balance {after.balance} is not the sum of its parts"
        if event.currency != self.currency:
            yield "currency", f"{event.currency} after {self.currency}"

    def _totals(self, event: GiftCertificateTransaction) -> Iterator[Fault]:
        delta = event.delta
        moved = delta.available + delta.held + delta.refund_held
        credit = event.amount - (event.released or 0)
        if event.transaction_type == "Reversed":
            self.restored += credit
            expected = self._credited(credit, moved)
        elif event.transaction_type == "RefundFailed" and event.bounced:
            self.refunded -= event.amount
            expected = self._credited(event.amount, moved)
        else:
            expected = self._book(event.transaction_type, event.amount)
        if moved != expected:
            yield "amount", f"amount {event.amount} moves {expected}, the deltas move {moved}"

    def _credited(self, credit: int, moved: int) -> int:
        """Money that comes back to a cancelled certificate is written off at once."""
        if moved == 0:
            self.written_off += credit
            return 0
        return credit

    def _book(self, kind: str, amount: int) -> int:
        """Adds to the total this kind of event speaks of; returns what the balance must do."""
        if kind in MOVES_IN:
            total, sign = MOVES_IN[kind], 1
        elif kind in MOVES_OUT:
            total, sign = MOVES_OUT[kind], -1
        else:
            return 0
        setattr(self, total, getattr(self, total) + amount)
        return sign * amount


def balance_of(money: Money) -> int:
    return money.available + money.held + money.refund_held


def unlike(left: Money, right: Money, names: tuple[str, ...]) -> list[str]:
    """The money fields in which two views of one certificate differ, with both values."""
    return [
        f"{name} {getattr(left, name)} against {getattr(right, name)}"
        for name in names
        if getattr(left, name) != getattr(right, name)
    ]


def unbalanced(money: Money, nominal: int) -> list[str]:
    """What breaks the money equation of the contract."""
    spent = money.captured - money.restored + money.refunded + money.written_off
    found = balance_of(money) + spent
    faults = [f"{name} is {getattr(money, name)}" for name in MONEY if getattr(money, name) < 0]
    if money.loaded != found:
        faults.append(f"loaded {money.loaded}, accounted for {found}")
    if money.loaded not in {0, nominal}:
        faults.append(f"loaded {money.loaded} of nominal {nominal}")
    return faults
