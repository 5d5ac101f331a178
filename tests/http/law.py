"""The law of certificates and orders over two dicts, with a clock that tests set."""

from collections import deque
from typing import Any, NamedTuple

import msgspec

from app.domain.certificates.commands import (
    ApplyPayment,
    ApplySalesOrder,
    Command,
    IssueCertificate,
    PaymentEntry,
    SaleLine,
)
from app.domain.certificates.entities import ENTITIES
from app.domain.decision import Context, Reply
from app.domain.policy import Policy
from tests.http.worker import FakeLedger

NOON = 1_788_264_000_000  # 2026-09-01T12:00:00Z
NOMINAL = 300_000


KINDS = {
    name: msgspec.msgpack.Decoder(kind).decode
    for entity in ENTITIES
    for name, kind in entity.commands.items()
}


class Letter(NamedTuple):
    key: str
    command: msgspec.Struct
    name: str


class LawfulLedger(FakeLedger):
    """Decides, keeps the state, delivers follow-ups at once, collects events."""

    def __init__(self, policy: Policy | None = None) -> None:
        super().__init__(self.decided)
        self.policy = policy or Policy()
        self.now = NOON
        self.states: dict[tuple[str, str], Any] = {}
        self.pages: dict[tuple[str, str], dict[int, Any]] = {}
        self.sequences: dict[tuple[str, str], int] = {}
        self.events: list[Any] = []

    def decided(self, key: str, command: Command) -> Reply:
        reply = self.deliver(key, command)
        assert reply is not None
        return reply

    def deliver(self, key: str, command: msgspec.Struct) -> Reply | None:
        """The reply to `command`, after all that followed from it."""
        waiting: deque[Letter] = deque([Letter(key, command, "from-outside")])
        replies = []
        while waiting:
            reply, sent = self._step(waiting.popleft())
            replies.append(reply)
            waiting += sent
        return replies[0]

    def _step(self, letter: Letter) -> tuple[Reply | None, list[Letter]]:
        entity = next(one for one in ENTITIES if type(letter.command).__name__ in one.commands)
        place = (entity.name, letter.key)
        pages = self.pages.setdefault(place, {})
        context = Context(letter.key, letter.name, self.now, self.policy, pages.__getitem__)
        decision = entity.decide(self.states.get(place), letter.command, context)
        pages.update(decision.pages)
        if decision.state is not self.states.get(place):
            self.states[place] = decision.state
            self.sequences[place] = self.sequences.get(place, 0) + 1
        self.events += decision.events
        position = f"{letter.key}:{self.sequences.get(place, 1)}"
        sent = [
            Letter(one.key, KINDS[one.kind](one.fields), f"{position}:{n}")
            for n, one in enumerate(decision.follow_ups)
        ]
        return decision.reply, sent

    def issue(self, key: str) -> None:
        self.deliver(key, IssueCertificate("R6N4", False, NOMINAL, "RUB", *NOTHING, *ROW))

    def sell(self, key: str, *, order: str = "SO-1", version: int = 1) -> None:
        line = SaleLine("1", key, "R6N4", NOMINAL, NOMINAL, "RUB", "NONE", None, b"content")
        self.deliver(
            order,
            ApplySalesOrder(version, self.now, "Confirmed", "S17", "WEB", (line,), b"sale"),
        )

    def settle(self, *, order: str = "SO-1") -> None:
        entries = (PaymentEntry("1", NOMINAL),)
        payment = ApplyPayment(
            "P-1", 1, self.now, "Received", NOMINAL, "RUB", entries, True, 0, b"payment"
        )
        self.deliver(order, payment)

    def activate(self, key: str) -> None:
        """Base of the acceptance scenarios: issued, sold, settled, active."""
        self.issue(key)
        self.sell(key)
        self.settle()


NOTHING = (None, 365, None, None)  # validUntil, validityDays, productId, metadata
ROW = ("2026-09-A", 1, 1, 1)  # batchId, chunk, row, attempt
