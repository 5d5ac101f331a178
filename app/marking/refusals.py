"""Refused steps: each stands in the log of its order and is counted."""

from app.domain.marking.order import Hold, OrderStatus
from app.marking import audit
from app.marking.audit import Entry
from app.marking.database import Transaction
from app.marking.metrics import REFUSALS

# Where a refused step leaves its order; other holds only wait.
REFUSED = {OrderStatus.DOC_REJECTED: "document-invalid", OrderStatus.DECLINED: "order-invalid"}
REFUSING = frozenset({Hold.ATTENTION, Hold.SIGNATURE})


async def step_refused(tx: Transaction, order_id: str, *, step: str, error: str) -> None:
    """`step`: the status in which it was refused; `error`: the code of the refusal."""
    details = {"error": error}
    await audit.write(
        tx, Entry(f"{step.lower()}.refused", "worker", None, order_id, details=details)
    )
    REFUSALS.labels(step, error).inc()
