"""What must hold after every decision: certificates.md §3.3, for tests, simulation and auditor."""

from collections.abc import Iterable, Iterator

from app.domain.certificates.events import CertificateEvent, Moved
from app.domain.certificates.kept_holds import all_holds, closed_holds, touched_at
from app.domain.certificates.results import count
from app.domain.certificates.state import ABSENT, Certificate, Hold, HoldState, Lifecycle
from app.domain.policy import Policy

_MONEY = (
    "loaded",
    "captured",
    "restored",
    "refunded",
    "written_off",
    "available",
    "held",
    "refund_held",
    "shortfall",
)
_WORTHLESS = (Lifecycle.ABSENT, Lifecycle.ISSUED, Lifecycle.ALLOCATED)
_ENDED = (Lifecycle.CANCELLED, Lifecycle.REFUNDED)
_FIXED = ("nominal", "currency", "batch_id", "row")


def broken(state: Certificate) -> list[str]:
    """The laws that the state breaks, in words; empty: it is sound."""
    return [law for law, holds in _laws(state) if not holds]


def _laws(state: Certificate) -> Iterator[tuple[str, bool]]:
    yield from _money_laws(state)
    for hold in all_holds(state):
        yield from _hold_laws(hold)
    yield "only what is held is open", all(hold.state is HoldState.HELD for hold in state.holds)
    yield (
        "nothing closed is held",
        all(hold.state is not HoldState.HELD for hold in closed_holds(state)),
    )
    ages = [touched_at(hold) for hold in closed_holds(state)]
    yield "closed holds stand by age", ages == sorted(ages)
    yield from _lifecycle_laws(state)


def _money_laws(state: Certificate) -> Iterator[tuple[str, bool]]:
    spent = state.captured - state.restored
    yield (
        "loaded = balance + net captures + refunded + written off",
        state.loaded == state.balance + spent + state.refunded + state.written_off,
    )
    for name in _MONEY:
        yield f"{name} >= 0", getattr(state, name) >= 0
    yield "captured >= restored", spent >= 0
    yield "loaded is 0 or the nominal", state.loaded in {0, state.nominal}
    rests = sum(hold.rest for hold in state.holds)
    yield "held = sum of the rests of open holds", state.held == rests
    asked = 0 if state.refund is None else state.refund.amount
    yield "refund_held = amount of the open refund", state.refund_held == asked


def _hold_laws(hold: Hold) -> Iterator[tuple[str, bool]]:
    n = hold.n
    yield f"hold {n}: captured + rest <= approved", hold.captured + hold.rest <= hold.approved
    yield f"hold {n}: approved <= requested", 0 < hold.approved <= hold.requested
    yield f"hold {n}: restored <= captured", 0 <= hold.restored <= hold.captured
    is_open = hold.state is HoldState.HELD
    yield f"hold {n}: a rest exactly while it is held", (hold.rest > 0) is is_open


def _lifecycle_laws(state: Certificate) -> Iterator[tuple[str, bool]]:
    lifecycle = state.lifecycle
    pending = lifecycle is Lifecycle.REFUND_PENDING
    yield "an open refund exactly in RefundPending", (state.refund is not None) is pending
    yield "an open refund has money", (state.refund_held > 0) is pending
    yield "no hold beside an open refund", not pending or state.held == 0
    if lifecycle in _WORTHLESS:
        yield "no money before activation", not any(getattr(state, name) for name in _MONEY)
    else:
        was_active = state.loaded > 0
        yield "activated or cancelled", was_active or lifecycle is Lifecycle.CANCELLED
        yield "activated only for an order line", not was_active or state.order is not None
    if lifecycle in _ENDED:
        yield "no balance after the end", state.balance == 0
    yield "Refunded: refunded > 0", lifecycle is not Lifecycle.REFUNDED or state.refunded > 0
    yield "allocated means an order line", _has_fitting_order(state)


def _has_fitting_order(state: Certificate) -> bool:
    if state.lifecycle is Lifecycle.ALLOCATED:
        return state.order is not None
    untied = (Lifecycle.ABSENT, Lifecycle.ISSUED)
    return state.order is None or state.lifecycle not in untied


def broken_by(
    before: Certificate | None, events: Iterable[CertificateEvent], after: Certificate
) -> list[str]:
    """The laws that a decision breaks: events tell all that moved, what is fixed stays."""
    start = ABSENT if before is None else before
    found = broken(after)
    balances: tuple[int, ...] = (start.available, start.held, start.refund_held)
    for event in events:
        if not isinstance(event, Moved):
            continue
        deltas = (event.d_available, event.d_held, event.d_refund_held)
        balances = tuple(old + delta for old, delta in zip(balances, deltas, strict=True))
        if balances != (event.available, event.held, event.refund_held):
            found.append(f"{event.type}: the balances after it are not the sum of the deltas")
    if balances != (after.available, after.held, after.refund_held):
        found.append("the state is not the sum of the deltas")
    if start.lifecycle is not Lifecycle.ABSENT:
        found.extend(
            f"{name} is fixed at issue"
            for name in _FIXED
            if getattr(start, name) != getattr(after, name)
        )
    if start.loaded and (after.loaded, after.order) != (start.loaded, start.order):
        found.append("activation and its order line are for ever")
    if after.clock < start.clock:
        found.append("time runs backwards")
    return found


def over_bounds(state: Certificate, policy: Policy) -> list[str]:
    """The lists that are longer than they may be (§3.4)."""
    lengths = {
        "open holds": (state.open_holds, policy.holds_open_max),
        "holds": (len(state.holds) + len(state.closed), policy.holds_kept_max),
        "results": (count(state), policy.results_max),
        "refusals": (len(state.refusals), policy.refusals_max),
        "tombstones": (len(state.tombstones), policy.tombstones_max),
        "senders": (len(state.senders), policy.senders_max),
        "blocks": (len(state.blocks), policy.blocks_max),
        "refunds": (len(state.refunds), policy.refunds_kept),
    }
    return [name for name, (length, most) in lengths.items() if length > most]
