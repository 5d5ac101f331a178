"""A small town for order tests: one order, its certificates, and the post between them."""

import random
from collections import deque
from typing import Any

import msgspec

from app.domain.certificates.commands import (
    AllocateCertificate,
    ApplyPayment,
    ApplySalesOrder,
    Call,
    Command,
    Due,
    IssueCertificate,
    PaymentEntry,
    SaleLine,
    Sealed,
)
from app.domain.certificates.entities import CERTIFICATE, ORDER
from app.domain.certificates.events import LineChanged, Noted, NotificationAsked
from app.domain.certificates.order_state import Line, Order
from app.domain.certificates.state import Certificate
from app.domain.decision import Context, Decision, Entity, Reply
from app.domain.policy import Policy

ORDER_ID = "SO-1"
START = 1_788_166_800_000
HOUR = 3_600_000
DAY = 24 * HOUR
BOX = Sealed("k1", b"nonce", b"box")
Post = tuple[Entity, str, Any, str]


def sold(
    line_id: str, certificate: str, *, nominal: int = 3_000, box: Sealed | None = BOX, **more: Any
) -> SaleLine:
    line = SaleLine(
        line_id, certificate, certificate[-4:], nominal, nominal, "RUB", "SMS", box, b"content"
    )
    return msgspec.structs.replace(line, **more)


def sale(version: int, *lines: SaleLine, status: str = "Confirmed", **more: Any) -> ApplySalesOrder:
    body = repr((version, lines, status)).encode()
    command = ApplySalesOrder(version, START + version, status, None, None, lines, body)
    return msgspec.structs.replace(command, **more)


def entries(**amounts: int) -> tuple[PaymentEntry, ...]:
    """`entries(pool=5, l1=7)`: 5 without a line, 7 for line "1"."""
    return tuple(
        PaymentEntry(None if name == "pool" else name[1:], amount)
        for name, amount in amounts.items()
    )


def payment(
    payment_id: str = "P-1",
    version: int = 1,
    *,
    status: str = "Received",
    of: tuple[PaymentEntry, ...] | None = None,
    settled: bool | None = None,
    outstanding: int | None = None,
    **more: Any,
) -> ApplyPayment:
    if settled is not None and outstanding is None:
        outstanding = 0 if settled else 100
    amount = sum(entry.amount for entry in of or ())
    command = ApplyPayment(
        payment_id,
        version,
        START + 10 * version,
        status,
        amount,
        "RUB",
        of,
        settled,
        outstanding,
        b"",
    )
    command = msgspec.structs.replace(command, **more)
    return msgspec.structs.replace(command, body_hash=repr(command).encode())


def call(key: str = "k", body: str = "b") -> Call:
    return Call("office", "OPERATOR", "op", key.encode(), body.encode(), f"req_{key}", "anna")


class Town:
    """Delivers follow-ups in order per receiver; `seed` mixes the receivers' turns."""

    def __init__(self, *, seed: int | None = None, policy: Policy | None = None) -> None:
        self.now = START + DAY
        self.policy = policy or Policy()
        self.states: dict[tuple[str, str], Any] = {}
        self.sequences: dict[str, int] = {}
        self.post: dict[str, deque[Post]] = {}
        self.events: list[Any] = []
        self.sent: list[tuple[str, str]] = []
        self.lost: set[str] = set()
        self._random = random.Random(seed) if seed is not None else None
        self._count = 0

    def issue(self, *names: str, nominal: int = 3_000, **more: Any) -> None:
        for row, name in enumerate(names):
            command = IssueCertificate(
                name[-4:], False, nominal, "RUB", None, 365, None, None, "B", 1, row, 1
            )
            self.decide(CERTIFICATE, name, msgspec.structs.replace(command, **more))

    def tell(self, *commands: Command) -> Reply | None:
        """To the order, each followed by all that it sets going; the last one's reply."""
        reply = None
        for command in commands:
            reply = self.decide(ORDER, ORDER_ID, command).reply
            self.deliver()
        return reply

    def ask(self, certificate: str, command: Command) -> Reply | None:
        reply = self.decide(CERTIFICATE, certificate, command).reply
        self.deliver()
        return reply

    def decide_for_another_order(self, certificate: str) -> None:
        command = AllocateCertificate("SO-2", "1", 1, 3_000, "RUB")
        self.decide(CERTIFICATE, certificate, command)

    def wait(self, ms: int) -> None:
        """Time passes, and whatever falls due in between is done when it does."""
        until = self.now + ms
        while True:
            due = [
                (state.next_due, kind, key)
                for (kind, key), state in self.states.items()
                if state is not None and state.next_due is not None and state.next_due <= until
            ]
            if not due:
                break
            at, kind, key = min(due)
            self.now = max(self.now, at)
            self.decide(ORDER if kind == "order" else CERTIFICATE, key, Due())
            self.deliver()
        self.now = until

    def decide(
        self, entity: Entity, key: str, command: Any, *, name: str | None = None
    ) -> Decision[Any]:
        self._count += 1
        context = Context(key, name or f"in-{self._count}", self.now, self.policy)
        state = self.states.get((entity.name, key))
        decision = entity.decide(state, command, context)
        if decision.state is state and not decision.events and not decision.follow_ups:
            return decision
        assert decision.state is not state
        assert decision.state is not None
        self.states[entity.name, key] = self._stored(entity, decision.state)
        sequence = self.sequences[key] = self.sequences.get(key, 0) + 1
        if entity is ORDER:
            self.events += decision.events
        for n, sent in enumerate(decision.follow_ups):
            if sent.kind in self.lost:
                continue
            to = ORDER if entity is CERTIFICATE else CERTIFICATE
            told = msgspec.msgpack.decode(sent.fields, type=to.commands[sent.kind])
            self.sent.append((sent.kind, sent.key))
            post = (to, sent.key, told, f"{key}:{sequence}:{n}")
            self.post.setdefault(sent.key, deque()).append(post)
        return decision

    def deliver(self) -> None:
        while waiting := [box for box in self.post.values() if box]:
            box = self._random.choice(waiting) if self._random else waiting[0]
            entity, key, command, name = box.popleft()
            self.decide(entity, key, command, name=name)

    @property
    def order(self) -> Order:
        order: Order = self.states["order", ORDER_ID]
        return order

    def line(self, line_id: str = "1") -> Line:
        return self.order.lines[line_id]

    def certificate(self, name: str) -> Certificate:
        certificate: Certificate = self.states["certificate", name]
        return certificate

    def shown(self, line_id: str = "1") -> str:
        """`Status` or `Status code`."""
        line = self.line(line_id)
        return line.status.value if line.refusal is None else f"{line.status.value} {line.refusal}"

    def notes(self) -> list[str]:
        return [one.name for one in self.events if isinstance(one, Noted)]

    def messages(self) -> list[NotificationAsked]:
        return [one for one in self.events if isinstance(one, NotificationAsked)]

    def history(self, line_id: str = "1") -> list[str]:
        changes = [one for one in self.events if isinstance(one, LineChanged)]
        return [one.status for one in changes if one.order_line_id == line_id]

    def end(self) -> dict[str, Any]:
        """What may not depend on the order in which messages came."""
        order = self.order
        return {
            "lines": {
                line_id: (
                    line.certificate_id,
                    line.status,
                    line.refusal,
                    line.paid,
                    line.price,
                    line.blocks,
                )
                for line_id, line in order.lines.items()
            },
            "version": order.sale and order.sale.version,
            "unapplied": order.unapplied,
            "mismatch": order.settlement_mismatch,
            "settlement": order.settlement,
            "open": order.asks,
            "certificates": {
                key: (state.status, state.available, state.order and state.order.order_line_id)
                for (kind, key), state in sorted(self.states.items())
                if kind == "certificate"
            },
        }

    @staticmethod
    def _stored(entity: Entity, state: Any) -> Any:
        """Through the journal's bytes: what does not survive them, does not exist."""
        back = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=entity.state)
        assert back == state
        return back
