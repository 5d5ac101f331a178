"""Orders at the station without a record here: taken over, or dismissed as not ours."""

from typing import Any

from app.domain.marking.draft import DraftLine
from app.domain.marking.order import OrderStatus
from app.integrations.suz_answers import RemoteOrder as ListedOrder
from app.marking import audit, store
from app.marking.adopting import Found, adopt
from app.marking.audit import Entry
from app.marking.database import NOW_MS, Row, Transaction
from app.marking.desk import Desk
from app.marking.errors import NotFoundError, OrderStateError
from app.marking.freezing import insert_station_row
from app.marking.ids import new_id
from app.marking.leases import wake
from app.marking.store import NewLine, NewOrder

S = OrderStatus


async def listed(desk: Desk, participant_id: str) -> list[Row]:
    """At most 200 unresolved ones, the newest first."""
    return await desk.database.rows(
        """select suz_order_id, kind, order_id, remote_status, production_order_id, buffers,
                  created_remote_at, seen_at from marking.suz_orphans
           where participant_id = %(id)s and resolved_by is null
           order by seen_at desc limit 200""",
        id=participant_id,
    )


async def _open(tx: Transaction, suz_order_id: str) -> Row:
    row = await tx.one(
        "select * from marking.suz_orphans where suz_order_id = %(id)s for update",
        id=suz_order_id,
    )
    if row is None:
        raise NotFoundError(f"SUZ order {suz_order_id} is not among those without a record")
    if row["resolved_by"] is not None:
        raise OrderStateError("Уже решено.")
    return row


async def take_over(desk: Desk, suz_order_id: str, *, user_id: str) -> str:
    """«Принять»: the id of the order that goes on with it, an existing or a new one."""
    async with desk.database.transaction() as tx:
        orphan = await _open(tx, suz_order_id)
        now = int(await tx.value(f"select {NOW_MS}"))
        order_id = orphan["order_id"]
        given_up = orphan["kind"] == "given_up"
        if given_up or order_id is None or not await _waits(tx, order_id):
            order_id = await _new_order(tx, desk, orphan, user_id=user_id)
        row_id = await tx.value(
            """select id from marking.suz_orders where order_id = %(id)s and current""",
            id=order_id,
        )
        found = Found(row_id, _as_listed(orphan))
        await adopt(tx, desk, [found], at=now)
        await _resolve(tx, orphan, f"user:{user_id}:adopted")
        entry = Entry("suz.adopted", f"user:{user_id}", orphan["participant_id"], order_id)
        await audit.write(tx, entry)
        await tx.execute(
            """update marking.orders set hold = null, hold_detail = null
               where id = %(id)s and hold_detail->>'code' = 'foreign-candidate'""",
            id=order_id,
        )
        await wake(tx, order_id)
    return str(order_id)


async def dismiss(desk: Desk, suz_order_id: str, *, user_id: str) -> None:
    """«Не наш»: an order that waited for this decision looks once more and goes on."""
    async with desk.database.transaction() as tx:
        orphan = await _open(tx, suz_order_id)
        await _resolve(tx, orphan, f"user:{user_id}:dismissed")
        order_id = orphan["order_id"]
        entry = Entry("suz.dismissed", f"user:{user_id}", orphan["participant_id"], order_id)
        await audit.write(tx, entry)
        if order_id is None:
            return
        await tx.execute(
            """update marking.calls set look_now = true
               where order_id = %(id)s and operation = 'create_order' and state = 'UNKNOWN'""",
            id=order_id,
        )
        await tx.execute(
            """update marking.orders set hold = 'unknown_outcome'
               where id = %(id)s and hold_detail->>'code' = 'foreign-candidate'""",
            id=order_id,
        )
        await wake(tx, order_id)


async def _resolve(tx: Transaction, orphan: Row, by: str) -> None:
    await tx.execute(
        """update marking.suz_orphans set resolved_by = %(by)s, resolved_at = clock_timestamp()
           where suz_order_id = %(id)s""",
        by=by,
        id=orphan["suz_order_id"],
    )


async def _waits(tx: Transaction, order_id: str) -> bool:
    row = await tx.one(
        """select 1 from marking.suz_orders s join marking.orders o on o.id = s.order_id
           where o.id = %(id)s and s.current and s.suz_order_id is null
                 and o.status = 'SUZ_SENDING'""",
        id=order_id,
    )
    return row is not None


async def _new_order(tx: Transaction, desk: Desk, orphan: Row, *, user_id: str) -> str:
    """An order made from the buffers of a remote one; it goes on at EMITTING."""
    buffers: list[dict[str, Any]] = orphan["buffers"]
    lines = [DraftLine(b["gtin"], b["total"] or 1) for b in buffers]
    if not lines:
        raise OrderStateError("У этого заказа СУЗ нет строк.")
    order = NewOrder(
        new_id(),
        orphan["participant_id"],
        desk.terms.marking_flow_profile,
        "adopted",
        user_id,
        status=S.EMITTING,
    )
    await store.insert(tx, order, [NewLine(line, {}, None) for line in lines])
    await _leave_former_row(tx, orphan)
    number = await _own_number(tx, orphan)
    await insert_station_row(tx, order_id=order.id, number=number, attempt=1, body=b"{}")
    return order.id


async def _leave_former_row(tx: Transaction, orphan: Row) -> None:
    """The attempt that was given up loses its number, unless codes are stored under it."""
    row = await tx.one(
        """select id, exists (select 1 from marking.code_blocks k
                              where k.suz_order_id = s.id) as collected
           from marking.suz_orders s where suz_order_id = %(number)s""",
        number=orphan["suz_order_id"],
    )
    if row is None:
        return
    if row["collected"]:
        raise OrderStateError("Часть кодов уже получена прежним заказом, остаток не принять.")
    await tx.execute(
        "update marking.suz_orders set suz_order_id = null where id = %(id)s", id=row["id"]
    )


async def _own_number(tx: Transaction, orphan: Row) -> str:
    """`mk-…` stays with the attempt that was sent under it, if that one is here."""
    sent = orphan["production_order_id"]
    known = await tx.one(
        "select 1 from marking.suz_orders where production_order_id = %(number)s", number=sent
    )
    return sent if sent and known is None else f"adopted-{orphan['suz_order_id']}"


def _as_listed(orphan: Row) -> ListedOrder:
    return ListedOrder(order_id=orphan["suz_order_id"])
