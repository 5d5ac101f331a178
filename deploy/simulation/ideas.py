"""What tills and operators may think of next; the dice weigh the ideas."""

import hashlib
import random
from collections.abc import Callable
from typing import Any

import msgspec

from app.domain.certificates.commands import (
    AllocateCertificate,
    Authorize,
    BlockCertificate,
    Call,
    CancelCertificate,
    CancelRefund,
    Capture,
    ExtendValidity,
    ProvideRefundDetails,
    ReadCertificate,
    ReleaseCertificate,
    RequestRefund,
    ResendNotification,
    ResolveRefund,
    Restore,
    Reverse,
    Sealed,
    SupplyContact,
    UnblockCertificate,
    VoidHold,
)
from app.domain.certificates.ids import refund_request_id
from app.domain.policy import DAY_MS
from deploy.simulation.people import NOMINAL, ORDERS, Gift
from deploy.simulation.post import Public

BOX = Sealed("k", b"n", b"b")
REASONS = ("lost", "fraud", "refund-conflict", "order-cancelled")
Idea = tuple[str, msgspec.Struct]


class Ideas:
    """`now` is set by the caller; holds and references are those that answers named."""

    def __init__(self, dice: random.Random, stock: list[Gift], public: Public) -> None:
        self.now = 0
        self.holds: list[tuple[str, int]] = []
        self.references: list[tuple[str, str]] = []
        self._dice = dice
        self._stock = stock
        self._public = public
        self._count = 0
        weighed: list[tuple[Callable[[], Idea], int]] = [
            (self._authorize, 14),
            (self._capture, 12),
            (self._void, 5),
            (self._restore, 6),
            (self._reverse, 6),
            (self._request_refund, 7),
            (self._details, 5),
            (self._cancel_refund, 2),
            (self._block, 2),
            (self._unblock, 4),
            (self._extend, 2),
            (self._read, 2),
            (self._cancel, 1),
            (self._contact, 2),
            (self._resend, 2),
            (self._check, 3),
            (self._release, 2),
        ]
        self._ways = [way for way, weight in weighed for _ in range(weight)]

    def next(self) -> Idea:
        return self._dice.choice(self._ways)()

    def resolve(self, refund: str, paid: int) -> msgspec.Struct:
        """The operator reads the letters of the bank: so much was paid, or nothing."""
        outcome, amount = ("Settled", paid) if paid else ("Failed", None)
        return ResolveRefund(refund, outcome, amount, "by hand", self._call("resolve_refund"))

    def _call(self, operation: str) -> Call:
        self._count += 1
        key = hashlib.blake2b(f"{operation}{self._count}".encode(), digest_size=16).digest()
        return Call("till", "POS", operation, key, b"body", "", "anna", "S17", "T1")

    def _gift(self, *wanted: str) -> str:
        """Mostly one that stands as wanted, if there is any."""
        states = self._public.states
        fitting = [one.id for one in self._stock if one.id in states]
        fitting = [name for name in fitting if states[name]["lifecycle"] in wanted]
        if fitting and self._dice.random() < 0.9:
            return self._dice.choice(fitting)
        return self._dice.choice(self._stock).id

    def _order(self) -> str:
        return f"SO-{self._dice.randint(1, ORDERS)}"

    def _line(self) -> str:
        return self._dice.choice(["1", "2", "3"])

    def _hold(self) -> tuple[str, int]:
        recent = self.holds[-6:]
        return self._dice.choice(recent) if recent else (self._gift("Active"), 1)

    def _refund(self) -> tuple[str, str]:
        gift = self._gift("RefundPending")
        known = self._public.states.get(gift, {}).get("refundRequestId")
        return gift, known or refund_request_id(gift, 1)

    def _authorize(self) -> Idea:
        dice, gift = self._dice, self._gift("Active")
        reference = f"ref-{self._count}"
        if self.references and dice.random() < 0.1:
            gift, reference = dice.choice(self.references)
        self.references.append((gift, reference))
        amount = dice.choice([1, 500, 500, 1_000, NOMINAL, NOMINAL + 1])
        life, partial = dice.choice([60, 1_800, None]), dice.random() < 0.3
        call = self._call("authorize")
        return gift, Authorize(amount, "RUB", reference, partial, life, call)

    def _capture(self) -> Idea:
        key, hold = self._hold()
        amount, final = self._dice.choice([None, 1, 400, 1_001]), self._dice.random() < 0.6
        return key, Capture(hold, amount, final, "4711", self._call("capture"))

    def _void(self) -> Idea:
        key, hold = self._hold()
        return key, VoidHold(hold, self._call("void"))

    def _restore(self) -> Idea:
        key, hold = self._hold()
        amount = self._dice.choice([1, 400, 1_000])
        return key, Restore(hold, amount, "4712", self._call("restore"))

    def _reverse(self) -> Idea:
        gift, reference = self._gift("Active"), f"ref-{self._count + 1}"
        if self.references and self._dice.random() < 0.8:
            gift, reference = self._dice.choice(self.references[-4:])
        else:
            self.references.append((gift, reference))
        moment = self.now - self._dice.choice([0, 0, 0, 2 * DAY_MS])
        return gift, Reverse(reference, moment, self._call("reverse"))

    def _request_refund(self) -> Idea:
        contact, call = self._dice.choice([BOX, None]), self._call("request_refund")
        gift = self._gift("Active", "Expired")
        return gift, RequestRefund("POS", "OriginalPayment", None, None, contact, None, call)

    def _details(self) -> Idea:
        gift, refund = self._refund()
        call = self._call("provide_details")
        return gift, ProvideRefundDetails(refund, "FastPayments", BOX, call)

    def _cancel_refund(self) -> Idea:
        gift, refund = self._refund()
        return gift, CancelRefund(refund, None, self._call("cancel_refund"))

    def _block(self) -> Idea:
        reason, freezes = self._dice.choice(REASONS[:2]), self._dice.random() < 0.5
        return self._gift("Active"), BlockCertificate(reason, freezes, call=self._call("block"))

    def _unblock(self) -> Idea:
        gift = self._gift("Active", "Refunded")
        blocks = self._public.states.get(gift, {}).get("blocks")
        reason = self._dice.choice(blocks or REASONS)
        return gift, UnblockCertificate(reason, call=self._call("unblock"))

    def _extend(self) -> Idea:
        until = self.now + self._dice.choice([1_000, 30 * DAY_MS])
        gift = self._gift("Active", "Expired")
        return gift, ExtendValidity(until, "kindness", self._call("extend"))

    def _read(self) -> Idea:
        return self._gift("Active"), ReadCertificate("read")

    def _cancel(self) -> Idea:
        call = self._call("cancel")
        return self._gift("Issued", "Active"), CancelCertificate("printed wrong", call=call)

    def _contact(self) -> Idea:
        contact = self._dice.choice([BOX, None])
        return self._order(), SupplyContact(self._line(), contact, "said so", self._call("contact"))

    def _resend(self) -> Idea:
        return self._order(), ResendNotification(self._line(), self._call("notify"))

    def _check(self) -> Idea:
        return self._gift("Issued"), self._reserving()

    def _reserving(self) -> Any:
        order, line, call = self._order(), self._line(), self._call("check_sale")
        return AllocateCertificate(order, line, 0, NOMINAL, "RUB", 60, call)

    def _release(self) -> Idea:
        order, line, call = self._order(), self._line(), self._call("release_sale")
        return self._gift("Allocated"), ReleaseCertificate(order, line, 0, call)
