"""A desk for certificate tests: one certificate, commands as tills and orders give them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from app.domain.certificates.certificate import decide
from app.domain.certificates.commands import (
    ActivateCertificate,
    AllocateCertificate,
    Authorize,
    BlockCertificate,
    Call,
    CancelCertificate,
    CancelRefund,
    Capture,
    Command,
    Due,
    ExtendValidity,
    IssueCertificate,
    LineReport,
    ProvideRefundDetails,
    RefundUpdate,
    ReleaseCertificate,
    RequestRefund,
    ResolveRefund,
    Restore,
    Reverse,
    Sealed,
    UnblockCertificate,
    VoidHold,
)
from app.domain.certificates.events import Moved
from app.domain.certificates.ids import refund_request_id
from app.domain.certificates.invariants import broken_by, over_bounds
from app.domain.certificates.kept_holds import all_holds
from app.domain.certificates.state import Certificate, Hold, Lifecycle, Results
from app.domain.decision import Context, Decision, Reply
from app.domain.policy import Policy

KEY = "gc_5r2k9mz0c7w3fq8t1xvhd4ynbe"
START = 1_788_166_800_000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOMINAL = 3_000
TERM = START + 400 * DAY
REFUND = refund_request_id(KEY, 1)
BOX = Sealed("k1", b"nonce", b"box")


def issue(**more: Any) -> IssueCertificate:
    fields: dict[str, Any] = {
        "last4": "R6N4",
        "weak": False,
        "nominal": NOMINAL,
        "currency": "RUB",
        "valid_until": TERM,
        "validity_days": None,
        "product_id": None,
        "metadata": None,
        "batch_id": "B1",
        "chunk": 1,
        "row": 1,
        "attempt": 1,
    }
    return IssueCertificate(**fields | more)


ISSUE = issue()
ALLOCATE = AllocateCertificate("SO-1", "1", 1, NOMINAL, "RUB")
RELEASE = ReleaseCertificate("SO-1", "1", 1)
ACTIVATE = ActivateCertificate("SO-1", "1", 1)


class Desk:
    """Keeps one certificate; every decision is checked against the laws on its way."""

    def __init__(self, *commands: Command, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self.state: Certificate | None = None
        self.now = START
        self.asked = 0
        self.told: list[Any] = []
        self.kinds: set[str] = set()
        self.last: Decision[Certificate | None] = Decision(None)
        self.pages: dict[int, Results] = {}
        for command in commands:
            assert self.tell(command).code is None

    @property
    def certificate(self) -> Certificate:
        assert self.state is not None
        return self.state

    def call(self, operation: str, key: str | None = None, **more: Any) -> Call:
        """A request of its own, or that of the given key."""
        self.asked += 1
        name = key or f"{operation}-{self.asked}"
        fields: dict[str, Any] = {
            "client": "till",
            "channel": "POS",
            "operation": operation,
            "key_hash": name.encode().ljust(16, b".")[:16],
            "body_hash": b"body",
            "instance": f"req_{self.asked}",
            "actor": "cashier-5",
            "store_id": "S17",
            "terminal_id": "T2",
            "stores": ("S17",),
        }
        return Call(**fields | more)

    def tell(self, command: Command, *, id_: str | None = None) -> Reply:
        before = self.state
        self.asked += 1
        name = id_ or f"cmd-{self.asked}"
        context = Context(KEY, name, self.now, self.policy, self.pages.__getitem__)
        decision = decide(before, command, context)
        self.pages.update(decision.pages)
        self.last = decision
        self.kinds.add(type(command).__name__)
        self.state = decision.state
        self.told.extend(decision.events)
        if decision.events or decision.follow_ups:
            assert decision.state is not before, "a record must be written"
        if decision.state is not None:
            assert broken_by(before, decision.events, decision.state) == []
            assert over_bounds(decision.state, self.policy) == []
            assert stored(decision.state) == decision.state
        return decision.reply or Reply(200, None, "", {})

    def wait(self, ms: int) -> "Desk":
        self.now += ms
        return self

    def tick(self) -> list[str]:
        """What the owner's tick makes happen."""
        self.tell(Due())
        return moves(self.last.events)

    def authorize(self, amount: int, *, call: Call | None = None, **more: Any) -> Reply:
        fields: dict[str, Any] = {
            "currency": "RUB",
            "reference": f"ref-{self.asked}",
            "partial_approval": False,
            "hold_s": None,
        }
        command = Authorize(amount, **fields | more, call=call or self.call("authorize"))
        return self.tell(command)

    def capture(
        self,
        amount: int | None = None,
        *,
        hold: int = 1,
        final: bool = True,
        call: Call | None = None,
    ) -> Reply:
        return self.tell(Capture(hold, amount, final, "4711", call or self.call("capture")))

    def void(self, *, hold: int = 1, call: Call | None = None) -> Reply:
        return self.tell(VoidHold(hold, call or self.call("void")))

    def restore(self, amount: int, *, hold: int = 1, call: Call | None = None) -> Reply:
        return self.tell(Restore(hold, amount, "4712", call or self.call("restore")))

    def reverse(self, reference: str, *, at: int | None = None, call: Call | None = None) -> Reply:
        moment = self.now if at is None else at
        return self.tell(Reverse(reference, moment, call or self.call("reverse")))

    def refund(self, expected: int | None = None, *, call: Call | None = None) -> Reply:
        asked_by = call or self.call("refund")
        return self.tell(RequestRefund("POS", "Cash", expected, BOX, BOX, None, asked_by))

    def hear(self, kind: str, *, id_: str = REFUND, **more: Any) -> Reply:
        fields: dict[str, Any] = {
            "attempt": None,
            "version": None,
            "occurred_at": self.now,
            "amount": None,
            "reason": None,
            "provider_reference": None,
        }
        return self.tell(RefundUpdate(id_, kind=kind, **fields | more))

    def details(self, *, id_: str = REFUND, call: Call | None = None) -> Reply:
        asked_by = call or self.call("details")
        return self.tell(ProvideRefundDetails(id_, "BankTransfer", BOX, asked_by))

    def cancel_refund(self, *, id_: str = REFUND, call: Call | None = None) -> Reply:
        return self.tell(CancelRefund(id_, "changed their mind", call or self.call("cancel")))

    def resolve(
        self,
        outcome: str,
        amount: int | None = None,
        *,
        id_: str = REFUND,
        call: Call | None = None,
    ) -> Reply:
        asked_by = call or self.call("resolve")
        return self.tell(ResolveRefund(id_, outcome, amount, "by hand", asked_by))

    def block(self, reason: str = "fraud", *, freeze_holds: bool = False) -> Reply:
        return self.tell(BlockCertificate(reason, freeze_holds, call=self.call("block")))

    def unblock(self, reason: str = "fraud") -> Reply:
        return self.tell(UnblockCertificate(reason, call=self.call("unblock")))

    def extend(self, valid_until: int) -> Reply:
        return self.tell(ExtendValidity(valid_until, "kindness", self.call("extend")))

    def cancel(self) -> Reply:
        return self.tell(CancelCertificate("printed wrong", call=self.call("cancel")))

    def reserve(self, order: str = "SO-1", line: str = "1", seconds: int | None = 1_800) -> Reply:
        call = self.call("check")
        return self.tell(AllocateCertificate(order, line, 0, NOMINAL, "RUB", seconds, call))

    def give_up(self, order: str = "SO-1", line: str = "1") -> Reply:
        return self.tell(ReleaseCertificate(order, line, 0, self.call("release")))

    def hold(self, n: int = 1) -> Hold:
        return next(hold for hold in all_holds(self.certificate) if hold.n == n)

    def reports(self) -> list[LineReport]:
        """What the last decision tells orders."""
        return [
            msgspec.msgpack.decode(follow_up.fields, type=LineReport)
            for follow_up in self.last.follow_ups
        ]


def stored(state: Certificate) -> Certificate:
    """The state as it comes back from the journal."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=Certificate)


def moves(events: Iterable[Any]) -> list[str]:
    return [event.type for event in events if isinstance(event, Moved)]


def active(policy: Policy | None = None) -> Desk:
    return Desk(ISSUE, ALLOCATE, ACTIVATE, policy=policy)


def in_lifecycle(lifecycle: Lifecycle) -> Desk:
    """A certificate of that lifecycle, with as much of a past as it can have."""
    if lifecycle is Lifecycle.ABSENT:
        return Desk()
    if lifecycle is Lifecycle.ISSUED:
        return Desk(ISSUE)
    if lifecycle is Lifecycle.ALLOCATED:
        return Desk(ISSUE, ALLOCATE)
    desk = active()
    desk.authorize(1_000, reference="bought")
    desk.capture(1_000)
    match lifecycle:
        case Lifecycle.EXPIRED:
            desk.extend(desk.now + 1)
            desk.wait(1).tick()
        case Lifecycle.REFUND_PENDING | Lifecycle.REFUNDED:
            desk.refund()
            if lifecycle is Lifecycle.REFUNDED:
                desk.hear("RefundSettled")
        case Lifecycle.CANCELLED:
            desk.cancel()
        case _:
            assert lifecycle is Lifecycle.ACTIVE
    assert desk.certificate.lifecycle is lifecycle
    return desk
