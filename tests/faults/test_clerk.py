"""The clerk of the fault suite answers as the law does: random customers ask both."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from app.domain.certificates.commands import ReadCertificate
from app.domain.certificates.ids import refund_request_id
from app.domain.decision import Reply
from deploy.proving.clerk import ABSENT, HOLDS_MAX, Card, apply
from deploy.proving.history import Operation
from deploy.proving.till import heard
from tests.domain.certificates.certificate_desk import (
    ACTIVATE,
    ALLOCATE,
    ISSUE,
    KEY,
    NOMINAL,
    Desk,
)

CUSTOMERS = 250
ASK: dict[str, Callable[[Desk, dict[str, Any]], Reply]] = {
    "issue": lambda desk, _: desk.tell(ISSUE),
    "allocate": lambda desk, _: desk.tell(ALLOCATE),
    "activate": lambda desk, _: desk.tell(ACTIVATE),
    "lookup": lambda desk, _: desk.tell(ReadCertificate("req", "till", ("S17",))),
    "authorize": lambda desk, asked: desk.authorize(
        asked["amount"], reference=asked["reference"], partial_approval=asked["partial"]
    ),
    "capture": lambda desk, asked: desk.capture(
        asked.get("amount"), hold=asked["hold"], final=asked["final"]
    ),
    "void": lambda desk, asked: desk.void(hold=asked["hold"]),
    "restore": lambda desk, asked: desk.restore(asked["amount"], hold=asked["hold"]),
    "reverse": lambda desk, asked: desk.reverse(asked["reference"]),
    "refund": lambda desk, _: desk.refund(),
}
WAYS = ("authorize", "authorize", "capture", "void", "restore", "reverse", "lookup", "refund")
EXPECTED = {
    *("AlreadyCaptured", "AlreadyVoided", "AuthorizationReversed", "AuthorizationUnknown"),
    *("CaptureExceedsAuthorization", "CertificateNotActive", "CertificateRefunded"),
    *("CertificateUnknown", "HoldsOpen", "InsufficientBalance", "NotCaptured"),
    *("RefundInProgress", "RefundNotOpen", "RefundUnknown", "RestoreExceedsCapture"),
    "ReversedBeforeArrival",
}


class Customer:
    """Asks the law through a desk; what it hears is what a till would have heard."""

    def __init__(self, seed: int, most: int) -> None:
        self.desk = Desk()
        self.card: Card = ABSENT
        self.heard: Counter[str] = Counter()
        self._dice = random.Random(seed)
        self._most = most

    def visit(self, kind: str, **more: Any) -> None:
        asked = self._asked(kind) | more
        reply = self._answer(kind, asked)
        code = {} if reply.code is None else {"code": reply.code}
        told = heard({**reply.fields, **code})
        call = Operation(kind, 0, asked, 0, 1, reply.status, told)
        after = apply(self.card, call)
        assert after is not None, (kind, asked, reply, self.card)
        self.card = after
        self.heard[reply.code or kind] += 1

    def _asked(self, kind: str) -> dict[str, Any]:
        dice = self._dice
        asked: dict[str, Any] = {
            "nominal": NOMINAL,
            "reference": f"r{dice.randint(1, 2 * self._most)}",
            "amount": dice.randint(1, self._most),
            "partial": dice.random() < 0.4,
            "hold": dice.randint(1, len(self.card.holds) + 1),
            "final": dice.random() < 0.6,
            "refund": dice.randint(1, self.card.refunds + 1),
            "outcome": dice.choice(("Settled", "Failed", "Failed")),
        }
        if kind == "authorize" and self._is_known(asked["reference"]):
            asked["reference"] = f"new-{self.desk.asked}"
        if kind == "capture" and dice.random() < 0.3:
            del asked["amount"]
        return asked

    def _is_known(self, reference: str) -> bool:
        """Tills never use an operation number twice."""
        return any(hold.reference == reference for hold in self.card.holds)

    def _answer(self, kind: str, asked: dict[str, Any]) -> Reply:
        if kind == "resolve":
            amount = (self.card.refund or 1) if asked["outcome"] == "Settled" else None
            name = refund_request_id(KEY, asked["refund"])
            return self.desk.resolve(asked["outcome"], amount, id_=name)
        return ASK[kind](self.desk, asked)


def test_the_clerk_answers_as_the_law_does() -> None:
    heard_of: Counter[str] = Counter()
    for seed in range(CUSTOMERS):
        dice = random.Random(seed)
        customer = Customer(seed, most=dice.choice((3, 40, 1_500, 6_000)))
        early = dice.choices(WAYS, k=dice.randint(0, 2))
        kinds = [*early, "issue", *early, "allocate", *early, "activate"]
        kinds += dice.choices((*WAYS, "resolve"), k=30)
        for kind in kinds:
            customer.visit(kind)
        heard_of += customer.heard
    assert heard_of.keys() >= EXPECTED, EXPECTED - heard_of.keys()


def active() -> Customer:
    customer = Customer(1, most=2)
    for kind in ("issue", "allocate", "activate"):
        customer.visit(kind)
    return customer


def test_the_clerk_knows_when_a_certificate_has_taken_all_it_can() -> None:
    customer = active()
    for number in range(1, HOLDS_MAX + 1):
        customer.visit("authorize")
        customer.visit("void", hold=number)
    customer.visit("authorize")
    assert customer.heard["TooManyOperations"]


def test_the_clerk_knows_when_nothing_is_left() -> None:
    customer = active()
    customer.visit("authorize", amount=NOMINAL)
    customer.visit("lookup")
    customer.visit("capture", hold=1, amount=NOMINAL)
    customer.visit("lookup")
    customer.visit("refund")
    assert customer.heard["NothingToRefund"]
