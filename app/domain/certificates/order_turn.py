"""One decision of an order in the making: its lines, what it tells and what it asks."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import msgspec

from app.domain.certificates.commands import (
    ActivateCertificate,
    AllocateCertificate,
    ApplyPayment,
    ApplySalesOrder,
    BlockCertificate,
    Command,
    ReleaseCertificate,
    UnblockCertificate,
)
from app.domain.certificates.events import (
    DeadCode,
    DeadLettered,
    LineChanged,
    Noted,
    OrderEvent,
    OrderNote,
)
from app.domain.certificates.order_state import TIED, TRANSITIONS, Ask, Line, LineStatus, Order
from app.domain.decision import Context, FollowUp, follow_up
from app.domain.policy import HOUR_MS, SECOND_MS, Policy

CERTIFICATE_UNKNOWN = "CertificateUnknown"
_pack = msgspec.msgpack.Encoder().encode


class Turn:
    """Mutable inside one `decide` only; the law reads `order`, writes through the methods."""

    def __init__(self, order: Order, context: Context) -> None:
        self.before = order
        self.order = order
        self.order_id = context.key
        self.policy: Policy = context.policy
        self.t = max(context.now, order.clock)
        self.events: list[OrderEvent] = []
        # Releases leave first: a code may move from one line to another in one commit.
        self._releases: list[FollowUp] = []
        self._follow_ups: list[FollowUp] = []
        self._lines_shared = True

    @property
    def follow_ups(self) -> tuple[FollowUp, ...]:
        return (*self._releases, *self._follow_ups)

    def lines(self) -> Iterator[tuple[str, Line]]:
        """A snapshot: lines may be changed while it is read."""
        return iter(tuple(self.order.lines.items()))

    def set(self, **fields: Any) -> None:
        if any(getattr(self.order, name) != value for name, value in fields.items()):
            self.order = msgspec.structs.replace(self.order, **fields)

    def put(self, line_id: str, line: Line) -> None:
        if self._lines_shared:
            self.order = msgspec.structs.replace(self.order, lines=dict(self.order.lines))
            self._lines_shared = False
        self.order.lines[line_id] = line

    def edit(self, line_id: str, **fields: Any) -> None:
        line = self.order.lines[line_id]
        changed = msgspec.structs.replace(line, **fields)
        if changed != line:
            self.put(line_id, changed)

    def add(self, line_id: str, line: Line) -> None:
        """A line nobody knew: its first status needs no predecessor."""
        self.put(line_id, line)
        self._entered(line_id)

    def move(self, line_id: str, status: LineStatus, **fields: Any) -> None:
        """Gives a line another status (or the same one anew) and asks what that one asks."""
        line = self.order.lines[line_id]
        assert status == line.status or status in TRANSITIONS[line.status], (line.status, status)
        since = line.since if {status, line.status} <= TIED else self.t
        fields = {"refusal": None, "asks": 0, "ask_at": None, "since": since} | fields
        self.put(line_id, msgspec.structs.replace(line, status=status, **fields))
        self._entered(line_id)

    def ask_again(self, line_id: str) -> None:
        """At once, with the schedule of repetitions from its start."""
        self._ask(line_id, asks=0)

    def ask_due(self, line_id: str) -> None:
        asks = self.order.lines[line_id].asks
        if self._hour_passes(asks):
            self.note("Unanswered", line_id)
        self._ask(line_id, asks=asks + 1)

    def give_back(self, line_id: str, certificate_id: str, attempt: int) -> None:
        """Releases a certificate while its line turns to something else, once at a time."""
        ask = Ask("release", line_id, certificate_id, attempt, None, 0, None)
        if not any(_same(ask, one) for one in self.order.asks):
            self._open(ask)

    def block(self, line_id: str, reason: str) -> None:
        self._on_certificate("block", line_id, reason)

    def unblock(self, line_id: str, reason: str) -> None:
        self._on_certificate("unblock", line_id, reason)

    def repeat(self, ask: Ask) -> None:
        if self._hour_passes(ask.asks):
            self.note("Unanswered", ask.order_line_id)
        self.close(ask)
        self._open(msgspec.structs.replace(ask, asks=ask.asks + 1))

    def close(self, ask: Ask) -> None:
        self.set(asks=tuple(one for one in self.order.asks if one is not ask))

    def send(self, certificate_id: str, command: Command) -> None:
        released = isinstance(command, ReleaseCertificate)
        sent = self._releases if released else self._follow_ups
        sent.append(follow_up(certificate_id, command))

    def note(self, name: OrderNote, line_id: str | None = None) -> None:
        self.events.append(Noted(self.t, name, line_id))

    def dead_letter(
        self, command: ApplySalesOrder | ApplyPayment, code: DeadCode, reason: str
    ) -> None:
        kind, packed = type(command).__name__, _pack(command)
        self.events.append(DeadLettered(self.t, code, reason, kind, packed, command.origin))

    def _entered(self, line_id: str) -> None:
        line = self.order.lines[line_id]
        self.events.append(LineChanged(self.t, line_id, line.status.value, line.refusal))
        if line.status in QUESTIONS:
            self._ask(line_id, asks=0)

    def _ask(self, line_id: str, *, asks: int) -> None:
        line = self.order.lines[line_id]
        command = question(self.order_id, line_id, line)
        assert command is not None
        assert line.certificate_id is not None
        self.send(line.certificate_id, command)
        self.edit(line_id, asks=asks, ask_at=self._next_ask(asks))

    def _on_certificate(self, what: str, line_id: str, reason: str) -> None:
        """The newest word on a reason takes the place of an older one that has no answer yet."""
        line = self.order.lines[line_id]
        assert line.certificate_id is not None
        ask = Ask(what, line_id, line.certificate_id, line.attempt, reason, 0, None)
        self.set(asks=tuple(one for one in self.order.asks if not _of_one_reason(ask, one)))
        self._open(ask)

    def _open(self, ask: Ask) -> None:
        self.send(ask.certificate_id, _asked(self.order_id, ask))
        timed = msgspec.structs.replace(ask, ask_at=self._next_ask(ask.asks))
        self.set(asks=(*self.order.asks, timed))

    def _next_ask(self, asks: int) -> int | None:
        waits = self.policy.saga_retry_s
        return self.t + waits[asks] * SECOND_MS if asks < len(waits) else None

    def _hour_passes(self, asks: int) -> bool:
        waited = (0, *accumulate(self.policy.saga_retry_s[: asks + 1]))
        return waited[-2] * SECOND_MS < HOUR_MS <= waited[-1] * SECOND_MS


QUESTIONS = frozenset({LineStatus.PENDING, LineStatus.ACTIVATING, LineStatus.RELEASING})


def question(order_id: str, line_id: str, line: Line) -> Command | None:
    """What a line in this status waits to hear from its certificate."""
    match line.status:
        case LineStatus.ACTIVATING:
            return ActivateCertificate(order_id, line_id, line.attempt)
        case LineStatus.RELEASING:
            return ReleaseCertificate(order_id, line_id, line.attempt)
        case LineStatus.PENDING:
            asks = True
        case _:
            asks = line.status is LineStatus.REFUSED and line.refusal == CERTIFICATE_UNKNOWN
    if not asks:
        return None
    return AllocateCertificate(order_id, line_id, line.attempt, line.nominal, line.currency)


def _same(one: Ask, other: Ask) -> bool:
    return (one.what, one.order_line_id, one.certificate_id, one.attempt) == (
        other.what,
        other.order_line_id,
        other.certificate_id,
        other.attempt,
    )


def _of_one_reason(one: Ask, other: Ask) -> bool:
    return (one.order_line_id, one.certificate_id, one.reason) == (
        other.order_line_id,
        other.certificate_id,
        other.reason,
    )


def _asked(order_id: str, ask: Ask) -> Command:
    match ask.what:
        case "release":
            return ReleaseCertificate(order_id, ask.order_line_id, ask.attempt)
        case "block":
            assert ask.reason is not None
            return BlockCertificate(ask.reason, order_line_id=ask.order_line_id)
        case _:
            assert ask.reason is not None
            return UnblockCertificate(ask.reason, order_line_id=ask.order_line_id)
