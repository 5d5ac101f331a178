"""An answer that comes after its call was declared absent: kept, and a person must look."""

import msgspec

from app.domain.marking.view import CallState, Operation
from app.marking import audit, calls
from app.marking.audit import Entry
from app.marking.calls import CallRow
from app.marking.database import Transaction, as_json
from app.marking.messages_ru import hold_text
from app.marking.metrics import DOUBLES

CODE = "several-found"


async def declared_absent(tx: Transaction, call_id: str) -> CallRow | None:
    """The call, if lookups had already found that it never happened."""
    call = await calls.load(tx, call_id)
    return call if call.state is CallState.ABSENT else None


async def keep_late(tx: Transaction, call: CallRow, *, remote_id: str | None) -> None:
    """ABSENT → FOUND; a repeat that was only planned is withdrawn, one that went out is a double.

    The order may have moved on under another lease, so nothing but its hold is touched.
    """
    await calls.settle(tx, call.id, CallState.FOUND, remote_id=remote_id)
    await tx.execute(
        """update marking.calls set state = 'REFUSED', error = 'a late answer has come'
           where subject_id = %(subject)s and operation = %(operation)s and state = 'PLANNED'""",
        subject=call.subject_id,
        operation=call.operation,
    )
    if call.operation is Operation.FETCH_CODES or call.order_id is None:
        return
    DOUBLES.labels(call.operation).inc()
    await tx.execute(
        """update marking.orders set hold = 'attention', hold_detail = %(detail)s,
               version = version + 1, wake_seq = wake_seq + 1, due_at = now()
           where id = %(id)s""",
        detail=as_json({"code": CODE, "text": hold_text(CODE)}),
        id=call.order_id,
    )
    entry = Entry("call.late", "worker", call.participant_id, call.order_id, call_id=call.id)
    details = {"operation": call.operation, "remote_id": remote_id}
    await audit.write(tx, msgspec.structs.replace(entry, details=details))
