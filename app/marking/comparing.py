"""The whole list of a station against the database: adopt what is ours, note what is not."""

from collections.abc import Sequence

from app.domain.marking.station import LIVE_ORDERS
from app.integrations import suz
from app.integrations.requests import Access
from app.integrations.suz_answers import RemoteOrder as ListedOrder
from app.marking.adopting import Found, adopt, keep_orphan
from app.marking.calls import CallRow
from app.marking.database import Row, Transaction
from app.marking.desk import Desk, Work
from app.marking.leases import lock_orders, wake
from app.marking.observing import apply, from_list

MOST_LISTED_AT_ONCE = 500
LIVE_WORDS = frozenset(str(word) for word in LIVE_ORDERS)


async def compare_before_order(desk: Desk, work: Work, *, access: Access, call: CallRow) -> bool:
    """True: the order is already at the station and was adopted, nothing may be sent.

    Needed once after the process started, as the database may have been restored, and always
    when another attempt of the order was ever of unknown outcome.
    """
    participant = work.row.participant_id
    if participant in desk.compared and not await _ever_doubted(desk, work, call):
        return False
    answer = await suz.order_list(desk.clients.suz, access)
    await compare_station(desk, participant, listed=answer.value.order_infos, at=work.now)
    desk.compared.add(participant)
    known = await desk.database.one(
        """select 1 from marking.suz_orders
           where order_id = %(id)s and current and suz_order_id is not null""",
        id=work.row.id,
    )
    return known is not None


async def _ever_doubted(desk: Desk, work: Work, call: CallRow) -> bool:
    doubted = await desk.database.one(
        """select 1 from marking.calls where order_id = %(order)s and doubted
               and operation = 'create_order' and subject_id <> %(subject)s limit 1""",
        order=work.row.id,
        subject=call.subject_id,
    )
    return doubted is not None


async def compare_station(
    desk: Desk, participant_id: str, *, listed: Sequence[ListedOrder], at: int
) -> int:
    """How many orders of ours have changed; `at`: ms UTC when the list was asked for."""
    changed = 0
    for start in range(0, len(listed), MOST_LISTED_AT_ONCE):
        part = listed[start : start + MOST_LISTED_AT_ONCE]
        async with desk.database.transaction() as tx:
            changed += await _compare(tx, desk, participant_id=participant_id, listed=part, at=at)
    return changed


async def _compare(
    tx: Transaction, desk: Desk, *, participant_id: str, listed: Sequence[ListedOrder], at: int
) -> int:
    rows = await _rows(tx, participant_id, listed)
    await lock_orders(tx, {row["order_id"] for row in rows})
    by_number = {row["suz_order_id"]: row for row in rows if row["suz_order_id"] is not None}
    by_own = {row["production_order_id"]: row for row in rows}
    late: dict[str, list[Found]] = {}
    changed = 0
    await _follow_orphans(tx, listed)
    for one in listed:
        row = by_number.get(one.order_id)
        if row is not None:
            if await apply(tx, row["id"], from_list(one, at)):
                changed += 1
                await wake(tx, row["order_id"])
            continue
        own = by_own.get(one.production_order_id or "")
        if own is None:
            if one.order_status in LIVE_WORDS:
                await keep_orphan(tx, one, kind="foreign", participant_id=participant_id)
        elif own["suz_order_id"] is None:
            late.setdefault(own["order_id"], []).append(Found(own["id"], one))
        else:
            await keep_orphan(tx, one, kind="double", row_id=own["id"])
    for order_id, found in late.items():
        if await _waits(tx, order_id):
            await adopt(tx, desk, found, at=at)
            await wake(tx, order_id)
            changed += 1
        else:
            for other in found:
                await keep_orphan(tx, other.listed, kind="double", row_id=other.row_id)
    return changed


async def _follow_orphans(tx: Transaction, listed: Sequence[ListedOrder]) -> None:
    """Orders left behind stay watched until they have ended."""
    await tx.execute(
        """update marking.suz_orphans p set remote_status = n.status, seen_at = now()
           from unnest(%(numbers)s::uuid[], %(states)s::text[]) as n(number, status)
           where p.suz_order_id = n.number and p.resolved_by is null
                 and p.remote_status is distinct from n.status""",
        numbers=[one.order_id for one in listed],
        states=[None if one.order_status is None else str(one.order_status) for one in listed],
    )


async def _rows(tx: Transaction, participant_id: str, listed: Sequence[ListedOrder]) -> list[Row]:
    return await tx.rows(
        """select s.id, s.order_id, s.suz_order_id, s.production_order_id
           from marking.suz_orders s join marking.orders o on o.id = s.order_id
           where o.participant_id = %(participant)s
                 and (s.suz_order_id = any(%(numbers)s::uuid[])
                      or s.production_order_id = any(%(own)s))""",
        participant=participant_id,
        numbers=[one.order_id for one in listed],
        own=[one.production_order_id for one in listed if one.production_order_id],
    )


async def _waits(tx: Transaction, order_id: str) -> bool:
    """Only an order on its way to the station adopts; for others a person decides."""
    row = await tx.one(
        """select 1 from marking.orders where id = %(id)s
               and status in ('SUZ_SIGNING', 'SUZ_SENDING')""",
        id=order_id,
    )
    return row is not None
