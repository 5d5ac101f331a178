"""Orders the station refused, at once or after a while: why, in words, and what is given back."""

import re
from collections.abc import Sequence

from app.domain.marking.order import OrderStatus
from app.marking import audit, serials, store
from app.marking.database import Transaction
from app.marking.desk import Work
from app.marking.errors import MarkingError, OrderValidationError, SignatureError
from app.marking.messages_ru import declined_text
from app.marking.store import Change

UNTOLD = "причина не названа"
_SIGNATURE = re.compile(r"(?i)подпис|signature")


def error_of(reason: str) -> type[MarkingError]:
    return SignatureError if _SIGNATURE.search(reason) else OrderValidationError


async def decline_observed(tx: Transaction, work: Work) -> None:
    """The station had taken the order and now tells that it declines it."""
    row = await tx.one(
        """select s.decline_reason, array(
                   select distinct b.rejection_reason from marking.buffers b
                   where b.suz_order_id = s.id and b.rejection_reason is not null
                   order by 1) as rejections
           from marking.suz_orders s where s.order_id = %(id)s and s.current""",
        id=work.row.id,
    )
    assert row is not None, "an order at the station has its row"
    errors = [row["decline_reason"]] if row["decline_reason"] else row["rejections"] or [UNTOLD]
    await decline(tx, work, errors=errors, error=error_of("; ".join(errors)))


async def decline(
    tx: Transaction,
    work: Work,
    *,
    errors: Sequence[str],
    error: type[MarkingError] = OrderValidationError,
) -> None:
    """The status with its reason, the notice, and the serials of the lines."""
    reason, code = "; ".join(errors), error.code_of_class
    text = declined_text(reason)
    details = {"errors": list(errors), "text": text}
    change = Change(OrderStatus.DECLINED, reason=code, details=details)
    if await store.move(tx, work.lease, change, row=work.row) is None:
        return
    await tx.execute(
        """update marking.suz_orders set decline_reason = %(why)s
           where order_id = %(id)s and current""",
        why=reason,
        id=work.row.id,
    )
    await serials.give_back(tx, work.row.id)
    await audit.notify(
        tx, work.row.participant_id, kind="order.declined", text=text, order_id=work.row.id
    )
