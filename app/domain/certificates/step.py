"""One decision in the making: money moves only together with the event that tells of it."""

from typing import Any

import msgspec

from app.domain.certificates.commands import Call
from app.domain.certificates.events import Audit, CertificateEvent, Declined, Moved
from app.domain.certificates.kept_holds import with_closed
from app.domain.certificates.state import (
    Allocation,
    Certificate,
    ClosedHolds,
    Hold,
    HoldState,
    Lifecycle,
    RefundRequest,
)
from app.domain.certificates.transitions import TRANSITIONS
from app.domain.decision import Context, FollowUp
from app.domain.policy import Policy

_replace = msgspec.structs.replace
_DUE_DEPENDS_ON = frozenset({"lifecycle", "order", "holds", "valid_until", "refund"})


class Answer(msgspec.Struct, frozen=True, gc=False):
    """Done, or nothing to do; `shape` names the members that `values` belong to."""

    status: int = 200
    shape: str = ""
    values: tuple[Any, ...] = ()


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """`values`: of the members that the catalogue gives the code."""

    code: str
    values: tuple[Any, ...] = ()


Outcome = Answer | Refusal
DONE = Answer()


def first_of(*rungs: tuple[str, bool]) -> str | None:
    """The code of the first rung that holds: refusals in order of precedence."""
    for code, holds in rungs:
        if holds:
            return code
    return None


class Step:
    """Collects what one command does to one certificate; `settled` is the state after it."""

    __slots__ = (
        "audit",
        "available",
        "call",
        "changes",
        "context",
        "events",
        "follow_ups",
        "held",
        "kind",
        "pages",
        "refund_held",
        "state",
        "t",
    )

    def __init__(
        self, state: Certificate, kind: str, context: Context, *, t: int, call: Call | None = None
    ) -> None:
        self.state = state
        self.kind = kind
        self.context = context
        self.t = t
        self.call = call
        self.audit = _audit(kind, call)
        self.changes: dict[str, Any] = {}
        self.events: list[CertificateEvent] = []
        self.follow_ups: list[FollowUp] = []
        self.pages: tuple[tuple[int, Any], ...] = ()
        self.available = state.available
        self.held = state.held
        self.refund_held = state.refund_held

    @property
    def policy(self) -> Policy:
        return self.context.policy

    @property
    def key(self) -> str:
        return self.context.key

    @property
    def touched(self) -> bool:
        return bool(self.changes or self.events or self.follow_ups)

    def barred(self) -> Refusal | None:
        """The refusal that the lifecycle alone gives, with the members its code promises."""
        code = TRANSITIONS[self.kind][self.state.lifecycle].refusal
        if code is None:
            return None
        request = self.state.refund
        if code == "RefundInProgress" and request is not None:
            return Refusal(code, (request.n,))
        return Refusal(code)

    def undo(self) -> None:
        """Back to where the command found the certificate."""
        self.changes, self.events, self.follow_ups = {}, [], []
        self.available = self.state.available
        self.held = self.state.held
        self.refund_held = self.state.refund_held

    def become(self, lifecycle: Lifecycle) -> None:
        now: Lifecycle = self.changes.get("lifecycle", self.state.lifecycle)
        if lifecycle is now:
            return
        assert lifecycle in TRANSITIONS[self.kind][self.state.lifecycle].to, (self.kind, lifecycle)
        self.changes["lifecycle"] = lifecycle

    def add(self, total: str, amount: int) -> None:
        """Raise (or lower) one of the totals since issue, or the shortfall."""
        self.changes[total] = self.changes.get(total, getattr(self.state, total)) + amount

    def move(
        self,
        type_: str,
        amount: int = 0,
        *,
        available: int = 0,
        held: int = 0,
        refund_held: int = 0,
        **facts: Any,
    ) -> None:
        """Change the balances by the given deltas and tell so in an event."""
        self.available += available
        self.held += held
        self.refund_held += refund_held
        order: Allocation | None = self.changes.get("order", self.state.order)
        if order is not None:
            facts["order_id"] = order.order_id
            facts["order_line_id"] = order.order_line_id
        self.events.append(
            Moved(
                type_,
                self.t,
                amount,
                available,
                held,
                refund_held,
                self.available,
                self.held,
                self.refund_held,
                self.audit,
                **facts,
            )
        )

    def put_hold(self, hold: Hold) -> None:
        holds: tuple[Hold, ...] = self.changes.get("holds", self.state.holds)
        if hold.state is HoldState.HELD:
            self.changes["holds"] = tuple(hold if one.n == hold.n else one for one in holds)
            return
        self.changes["holds"] = tuple(one for one in holds if one.n != hold.n)
        closed: ClosedHolds = self.changes.get("closed", self.state.closed)
        self.changes["closed"] = with_closed(closed, hold)

    def decline(self, code: str) -> None:
        """Tell the audit of a refusal."""
        audit = _replace(self.audit, outcome="refused", code=code)
        self.events.append(Declined(self.t, audit))

    def settled(self) -> Certificate:
        changes = self.changes
        if changes.get("lifecycle") is Lifecycle.ACTIVE:
            self._expire()
        if not _DUE_DEPENDS_ON.isdisjoint(changes):
            changes["next_due"] = self._next_due()
        changes["available"] = self.available
        changes["held"] = self.held
        changes["refund_held"] = self.refund_held
        changes["clock"] = self.t
        return _replace(self.state, **changes)

    def _expire(self) -> None:
        valid_until = self.changes.get("valid_until", self.state.valid_until)
        if valid_until is not None and valid_until <= self.t:
            self.become(Lifecycle.EXPIRED)
            self.move("Expired")

    def _next_due(self) -> int | None:
        """The earliest moment at which time alone changes something."""
        get, state = self.changes.get, self.state
        lifecycle = get("lifecycle", state.lifecycle)
        if lifecycle is Lifecycle.ACTIVE:
            return _earliest(get("valid_until", state.valid_until), get("holds", state.holds))
        if lifecycle is Lifecycle.EXPIRED:
            return _earliest(None, get("holds", state.holds))
        if lifecycle is Lifecycle.ALLOCATED:
            order: Allocation | None = get("order", state.order)
            return None if order is None else order.reserved_until
        if lifecycle is Lifecycle.REFUND_PENDING:
            request: RefundRequest | None = get("refund", state.refund)
            return None if request is None else request.next_due(self.policy)
        return None


def _earliest(due: int | None, holds: tuple[Hold, ...]) -> int | None:
    for hold in holds:
        if due is None or hold.expires_at < due:
            due = hold.expires_at
    return due


def _audit(kind: str, call: Call | None) -> Audit:
    if call is None:
        return Audit(kind)
    return Audit(
        kind,
        "ok",
        None,
        call.client,
        call.actor,
        call.channel,
        call.store_id,
        call.terminal_id,
        call.key_hash.hex(),
    )
