"""Orders and buffers of SUZ: their states, their edges, their course in time."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from deploy.sandbox.clock import DAY_S, Clock
from deploy.sandbox.switches import Switches

ORDER_EDGES: dict[str, frozenset[str]] = {
    "CREATED": frozenset({"PENDING"}),
    "PENDING": frozenset({"DECLINED", "APPROVED"}),
    "APPROVED": frozenset({"READY"}),
    "READY": frozenset({"CLOSED"}),
    "DECLINED": frozenset(),
    "CLOSED": frozenset(),
}
BUFFER_EDGES: dict[str, frozenset[str]] = {
    "PENDING": frozenset({"ACTIVE", "REJECTED"}),
    "ACTIVE": frozenset({"EXHAUSTED", "REJECTED", "CLOSED"}),
    "EXHAUSTED": frozenset({"CLOSED"}),
    "REJECTED": frozenset({"CLOSED"}),
    "CLOSED": frozenset(),
}
QUEUED = frozenset({"CREATED", "PENDING", "APPROVED"})
FINAL = frozenset({"DECLINED", "CLOSED"})
NEVER_MS = 1 << 62


class Rules(Protocol):
    @property
    def clock(self) -> Clock: ...
    @property
    def switches(self) -> Switches: ...


@dataclass
class Buffer:
    gtin: str
    quantity: int
    product: dict[str, Any]
    status: str = "PENDING"
    history: list[tuple[int, str]] = field(default_factory=list)
    rejection: str | None = None
    codes_from_ms: int = NEVER_MS
    expires_ms: int | None = None
    passed: int = 0
    annulled: int = 0

    @property
    def available(self) -> int:
        return max(0, self.quantity - self.passed - self.annulled)

    def move(self, status: str, at_ms: int) -> None:
        assert status in BUFFER_EDGES[self.status], (self.status, status)
        self.status = status
        self.history.append((at_ms, status))


@dataclass
class Plan:
    """What the checks of an order will find, decided when it came."""

    signed: bool = True
    decline: str | None = None
    rejects: dict[str, str] = field(default_factory=dict)
    stay_state: str | None = None
    stay_until_ms: int = NEVER_MS
    hidden_until_ms: int = 0
    fetched: int = 0
    fetched_by: str = "api"


@dataclass
class Order:
    order_id: str
    number: int
    created_ms: int
    production_order_id: str | None
    body: dict[str, Any]
    plan: Plan
    buffers: dict[str, Buffer]
    foreign: bool = False
    status: str = "CREATED"
    history: list[tuple[int, str]] = field(default_factory=list)
    decline_reason: str | None = None
    closed_by: str | None = None

    def move(self, status: str, at_ms: int) -> None:
        assert status in ORDER_EDGES[self.status], (self.status, status)
        self.status = status
        self.history.append((at_ms, status))

    @property
    def ended_ms(self) -> int | None:
        return self.history[-1][0] if self.status in FINAL else None

    @property
    def active(self) -> bool:
        return self.status == "READY" and any(
            b.status in {"ACTIVE", "PENDING"} for b in self.buffers.values()
        )

    def proceed(self, now_ms: int) -> None:
        """Ends a stay; an unsigned order counts as signed from now on."""
        self.plan.signed = True
        self.plan.stay_until_ms = now_ms if self.plan.stay_state else self.plan.stay_until_ms


def settle(order: Order, rules: Rules, now_ms: int) -> None:
    """Moves the order through every edge whose time has come."""
    while order.status not in FINAL and _step(order, rules, now_ms):
        pass


def _step(order: Order, rules: Rules, now_ms: int) -> bool:
    pending_ms, approved_ms, ready_ms = _timetable(order, rules)
    match order.status:
        case "CREATED":
            return _move_when(order, "PENDING", at_ms=pending_ms, now_ms=now_ms)
        case "PENDING" if order.plan.decline or len(order.plan.rejects) == len(order.buffers):
            return approved_ms <= now_ms and _decline(order, approved_ms)
        case "PENDING":
            return _move_when(order, "APPROVED", at_ms=approved_ms, now_ms=now_ms)
        case "APPROVED":
            return ready_ms <= now_ms and _activate(order, rules, ready_ms)
        case _:
            return _end_of_ready(order, rules, now_ms)


def _timetable(order: Order, rules: Rules) -> tuple[int, int, int]:
    """Moments of PENDING, APPROVED and READY."""
    delays, clock, plan = rules.switches.delays, rules.clock, order.plan
    pending = order.created_ms + clock.span_ms(delays.pending)
    ready = max(pending, order.created_ms + clock.span_ms(delays.active))
    course = ready - pending
    if not plan.signed:
        pending = NEVER_MS
    if plan.stay_state == "CREATED":
        pending = max(pending, plan.stay_until_ms)
    approved = pending + course // 2
    if plan.stay_state == "PENDING":
        approved = max(approved, plan.stay_until_ms)
    return pending, approved, max(approved, pending + course)


def _move_when(order: Order, status: str, *, at_ms: int, now_ms: int) -> bool:
    if at_ms > now_ms:
        return False
    order.move(status, at_ms)
    return True


def _decline(order: Order, at_ms: int) -> bool:
    order.decline_reason = order.plan.decline or "; ".join(order.plan.rejects.values())
    for buffer in order.buffers.values():
        reason = order.plan.rejects.get(buffer.gtin, order.decline_reason)
        buffer.rejection = f"Order declined: {reason}"
        buffer.move("REJECTED", at_ms)
    order.move("DECLINED", at_ms)
    return True


def _activate(order: Order, rules: Rules, at_ms: int) -> bool:
    for buffer in order.buffers.values():
        reason = order.plan.rejects.get(buffer.gtin)
        if reason:
            buffer.rejection = f"Order declined: {reason}"
            buffer.move("REJECTED", at_ms)
            continue
        buffer.move("ACTIVE", at_ms)
        buffer.codes_from_ms = at_ms + rules.clock.span_ms(rules.switches.empty_active_s)
        buffer.expires_ms = rules.clock.annulment_ms(at_ms)
    order.move("READY", at_ms)
    return True


def _end_of_ready(order: Order, rules: Rules, now_ms: int) -> bool:
    clock, switches = rules.clock, rules.switches
    ready_ms = order.history[-1][0]
    ends: list[tuple[int, str]] = []
    buffers = order.buffers.values()
    expiries = [b.expires_ms for b in buffers if b.status == "ACTIVE" and b.expires_ms]
    if expiries:
        ends.append((min(expiries), "EXPIRED"))
    else:
        drained = max((b.history[-1][0] for b in buffers if b.history), default=ready_ms)
        ends.append((drained + clock.span_ms(switches.drain_close_delay_s), "EXHAUSTED"))
    if switches.idle_close_48h:
        ends.append((ready_ms + clock.span_ms(2 * DAY_S), "OTHER"))
    at_ms, reason = min(ends)
    if at_ms > now_ms:
        return False
    close(order, at_ms, reason)
    return True


def close(order: Order, at_ms: int, reason: str, *, gtin: str | None = None) -> int:
    """Closes the order or one buffer of it; returns how many codes are annulled by that."""
    annulled = 0
    for buffer in order.buffers.values():
        if gtin not in {None, buffer.gtin} or buffer.status not in {"ACTIVE", "EXHAUSTED"}:
            continue
        annulled += buffer.available
        buffer.annulled += buffer.available
        buffer.move("CLOSED", at_ms)
    if gtin is None or all(b.status in {"CLOSED", "REJECTED"} for b in order.buffers.values()):
        order.closed_by = reason
        order.move("CLOSED", at_ms)
    return annulled
