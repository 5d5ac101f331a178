"""Orders of the station that are ours, found late or twice, and those of somebody else."""

import msgspec

from app.domain.marking.station import RemoteOrder, most_advanced
from app.domain.marking.view import CallState
from app.integrations.suz_answers import RemoteOrder as ListedOrder
from app.marking import audit, calls
from app.marking.audit import Entry
from app.marking.database import Transaction, as_json
from app.marking.desk import Desk
from app.marking.metrics import DOUBLES
from app.marking.observing import apply, from_list
from app.marking.polls import ensure_poll

READY_FIRST_MS = 2_000


async def accept_order(
    tx: Transaction, desk: Desk, *, row_id: str, suz_order_id: str, ready_ms: int
) -> None:
    """The station's number is a fact: kept under any lease, then the order is polled."""
    row = await tx.one(
        """update marking.suz_orders s set suz_order_id = %(number)s,
               status_since = clock_timestamp(), ready_after = clock_timestamp()
                   + %(ready)s * interval '1 millisecond'
           from marking.orders o
           where s.id = %(id)s and s.suz_order_id is null and o.id = s.order_id
           returning s.order_id, o.participant_id, s.production_order_id""",
        number=suz_order_id,
        ready=desk.terms.scaled_ms(ready_ms / 1_000),
        id=row_id,
    )
    if row is None:
        await _keep_double(tx, row_id, suz_order_id)
        return
    listed = desk.terms.marking_suz_poll_mode == "list"
    await ensure_poll(
        tx,
        desk,
        kind="suz_list" if listed else "suz_status",
        participant_id=row["participant_id"],
        subject=row["participant_id"] if listed else row_id,
        first_ms=desk.terms.scaled_ms(ready_ms / 1_000),
    )
    entry = Entry("suz.ordered", "worker", row["participant_id"], row["order_id"], subject=row_id)
    details = {"suz_order_id": suz_order_id, "production_order_id": row["production_order_id"]}
    await audit.write(tx, msgspec.structs.replace(entry, details=details))


async def _keep_double(tx: Transaction, row_id: str, suz_order_id: str) -> None:
    """An answer that came after its order had been given up or adopted under another number."""
    await tx.execute(
        """insert into marking.suz_orphans (suz_order_id, participant_id, kind, order_id,
               production_order_id)
           select %(number)s, o.participant_id, 'double', o.id, s.production_order_id
           from marking.suz_orders s join marking.orders o on o.id = s.order_id
           where s.id = %(id)s and s.suz_order_id <> %(number)s
           on conflict (suz_order_id) do nothing""",
        number=suz_order_id,
        id=row_id,
    )


class Found(msgspec.Struct, frozen=True):
    """Remote orders that carry a number of ours, each with its row."""

    row_id: str
    listed: ListedOrder


async def adopt(tx: Transaction, desk: Desk, found: list[Found], *, at: int) -> bool:
    """Take the most advanced one for ours; True: there were several, a person must look."""
    states = tuple(_state(one.listed) for one in found)
    chosen = found[most_advanced(states)]
    await _make_current(tx, chosen.row_id)
    await accept_order(
        tx,
        desk,
        row_id=chosen.row_id,
        suz_order_id=chosen.listed.order_id,
        ready_ms=READY_FIRST_MS,
    )
    await apply(tx, chosen.row_id, from_list(chosen.listed, at))
    for one in found:
        await _settle_call(tx, one.row_id, remote_id=one.listed.order_id)
    others = [one for one in found if one is not chosen]
    for other in others:
        await keep_orphan(tx, other.listed, kind="double", row_id=other.row_id)
    if others:
        DOUBLES.labels("create_order").inc()
    return bool(others)


def _state(listed: ListedOrder) -> RemoteOrder | None:
    word = listed.order_status
    return RemoteOrder(str(word)) if word is not None and word.known else None


async def _make_current(tx: Transaction, row_id: str) -> None:
    """An older attempt turned out to have arrived: the newer one is withdrawn unsent."""
    withdrawn = await tx.rows(
        """update marking.suz_orders s set current = (s.id = %(id)s)
           where s.order_id = (select order_id from marking.suz_orders where id = %(id)s)
           returning s.id, s.current""",
        id=row_id,
    )
    for row in withdrawn:
        if row["current"]:
            continue
        await tx.execute(
            """update marking.calls set state = 'REFUSED', error = 'an older attempt was found'
               where subject_id = %(id)s and operation = 'create_order' and state = 'PLANNED'""",
            id=row["id"],
        )
        await tx.execute(
            """update marking.sign_requests set state = 'CANCELLED'
               where subject_id = %(id)s and state in ('PENDING', 'SIGNED')""",
            id=row["id"],
        )


async def set_aside(tx: Transaction, found: list[Found]) -> None:
    """What arrived although its order no longer waits for it: kept for a person to decide."""
    for one in found:
        await keep_orphan(tx, one.listed, kind="double", row_id=one.row_id)
        await _settle_call(tx, one.row_id, remote_id=one.listed.order_id)
    DOUBLES.labels("create_order").inc()


async def _settle_call(tx: Transaction, row_id: str, *, remote_id: str) -> None:
    call_id = await tx.value(
        """select id from marking.calls where subject_id = %(id)s and operation = 'create_order'
               and state in ('PLANNED', 'CLAIMED', 'UNKNOWN', 'ABSENT')
           order by attempt desc limit 1""",
        id=row_id,
    )
    if call_id is not None:
        await calls.settle(tx, call_id, CallState.FOUND, remote_id=remote_id)


async def keep_orphan(
    tx: Transaction,
    listed: ListedOrder,
    *,
    kind: str,
    row_id: str | None = None,
    participant_id: str | None = None,
    order_id: str | None = None,
) -> None:
    """A remote order without a record of its own; shown until somebody resolves it."""
    buffers = [
        {"gtin": buffer.gtin.rjust(14, "0"), "total": buffer.total} for buffer in listed.buffers
    ]
    await tx.execute(
        """insert into marking.suz_orphans (suz_order_id, participant_id, kind, order_id,
               remote_status, production_order_id, buffers, created_remote_at)
           select %(number)s, coalesce(o.participant_id, %(participant)s::uuid), %(kind)s,
                  coalesce(o.id, %(order)s::uuid), %(status)s, %(production)s, %(buffers)s,
                  to_timestamp(%(created)s::bigint / 1000.0)
           from (select 1) one left join marking.suz_orders s on s.id = %(row)s::uuid
                left join marking.orders o on o.id = s.order_id
           on conflict (suz_order_id) do update set remote_status = excluded.remote_status,
               buffers = excluded.buffers, seen_at = now(),
               order_id = coalesce(marking.suz_orphans.order_id, excluded.order_id)""",
        number=listed.order_id,
        participant=participant_id,
        kind=kind,
        order=order_id,
        status=listed.order_status,
        production=listed.production_order_id,
        buffers=as_json(buffers),
        created=listed.created_at_ms,
        row=row_id,
    )
