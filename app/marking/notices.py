"""What people who work for a participant are told of an order."""

from app.domain.marking.order import OrderStatus
from app.marking import audit
from app.marking.database import Transaction
from app.marking.messages_ru import closed_text, malformed_text
from app.marking.store import OrderRow

S = OrderStatus
OF_MOVES = {
    S.DOC_ACCEPTED: "Документ принят",
    S.DOC_REJECTED: "Документ отклонён",
    S.COMPLETED: "Заказ завершён",
}


async def tell_move(tx: Transaction, row: OrderRow, target: OrderStatus) -> None:
    text = await _closed(tx, row.id) if target is S.CLOSED else OF_MOVES.get(target)
    if text is None:
        return
    kind = f"order.{target.lower()}"
    await audit.notify(tx, row.participant_id, kind=kind, text=text, order_id=row.id)


async def _closed(tx: Transaction, order_id: str) -> str:
    row = await tx.one(
        """select (select count(*) from marking.codes where order_id = %(id)s) as stored,
                  sum(quantity) as ordered from marking.order_lines where order_id = %(id)s""",
        id=order_id,
    )
    assert row is not None, "an aggregate has one row"
    return closed_text(int(row["stored"]), int(row["ordered"]))


async def tell_malformed(tx: Transaction, order_id: str, count: int) -> None:
    participant = await tx.value(
        "select participant_id from marking.orders where id = %(id)s", id=order_id
    )
    text = malformed_text(count)
    await audit.notify(tx, participant, kind="codes.malformed", text=text, order_id=order_id)
