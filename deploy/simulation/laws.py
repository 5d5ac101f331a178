"""Entities whose every decision is held against the laws before the ledger sees it."""

from collections.abc import Callable
from typing import Any

import msgspec

from app.domain.certificates import certificate, order
from app.domain.certificates.distribution import COUNTED
from app.domain.certificates.entities import CERTIFICATE, ORDER
from app.domain.certificates.invariants import broken_by, over_bounds
from app.domain.certificates.order_state import SPENT, TIED, LineStatus, Order
from app.domain.decision import Context, Decision, Entity
from deploy.simulation.post import Broken

_UNPAID = {LineStatus.PENDING, *TIED}


def checked() -> tuple[Entity, ...]:
    """The ledger's two kinds of entities."""
    return (
        msgspec.structs.replace(CERTIFICATE, decide=_watched(certificate.decide, _certificate)),
        msgspec.structs.replace(ORDER, decide=_watched(order.decide, _order)),
    )


def _watched(
    decide: Callable[..., Decision[Any]], laws: Callable[[Any, Decision[Any], Context], list[str]]
) -> Callable[[Any, Any, Context], Decision[Any]]:
    def watched(state: Any, command: Any, context: Context) -> Decision[Any]:
        decision = decide(state, command, context)
        if decision.state is None or decision.state is state:
            if decision.events or decision.follow_ups:
                raise Broken(f"{context.key}: something is told and nothing written")
            return decision
        found = laws(state, decision, context)
        if found:
            raise Broken(f"{context.key}, {type(command).__name__}: {'; '.join(found)}")
        return decision

    return watched


def _certificate(before: Any, decision: Decision[Any], context: Context) -> list[str]:
    broken = broken_by(before, decision.events, decision.state)
    return broken + over_bounds(decision.state, context.policy)


def _order(before: Order | None, decision: Decision[Any], _context: Context) -> list[str]:
    after: Order = decision.state
    return [law for law, holds in _order_laws(before, after) if not holds]


def _order_laws(before: Order | None, after: Order) -> list[tuple[str, bool]]:
    lines = after.lines.values()
    currency = after.currency or "RUB"
    counted = [
        payment
        for payment in after.payments.values()
        if payment.status in COUNTED and payment.currency == currency
    ]
    received = sum(entry.amount for payment in counted for entry in payment.entries or ())
    spread = sum(line.paid for line in lines) + after.unapplied
    return [
        ("what was received is spread to the kopeck", spread == received),
        ("0 <= paid <= price", all(0 <= line.paid <= line.price for line in lines)),
        (
            "only what pays is blocked",
            all(not line.blocks for line in lines if line.status not in SPENT),
        ),
        (
            "a cancelled order waits for nothing",
            not (after.cancelled and any(line.status in _UNPAID for line in lines)),
        ),
        (
            "a settled order leaves no tied line",
            not (after.settled and any(line.status in TIED for line in lines)),
        ),
        ("time runs forward", before is None or after.clock >= before.clock),
        ("a certificate stands in one paying line", _once(after)),
    ]


def _once(order: Order) -> bool:
    spent = [line.certificate_id for line in order.lines.values() if line.status in SPENT]
    return len(spent) == len(set(spent))
