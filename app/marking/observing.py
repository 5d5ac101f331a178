"""What the station shows of an order, written to its rows if it is newer than what is there."""

from collections.abc import Sequence
from typing import Any

import msgspec

from app.domain.marking.order import Hold
from app.domain.marking.station import Buffer as KnownBuffer
from app.domain.marking.station import (
    BufferStatus,
    RemoteBuffer,
    RemoteOrder,
    buffer_status,
    order_state,
)
from app.integrations import suz
from app.integrations.errors import NotFound, Upstream
from app.integrations.suz_answers import Buffer
from app.integrations.suz_answers import RemoteOrder as ListedOrder
from app.marking import audit, serials
from app.marking.attempts import access_to
from app.marking.audit import Entry
from app.marking.database import Transaction
from app.marking.desk import AGAIN, Desk, Next, Work
from app.marking.failures import pause
from app.marking.leases import wake


class Seen(msgspec.Struct, frozen=True):
    """`at`: ms UTC when the request started; `status`: None when only buffers were asked."""

    at: int
    buffers: Sequence[Buffer]
    status: str | None = None
    decline_reason: str | None = None
    created_ms: int | None = None


async def station_row(tx: Transaction, order_id: str) -> dict[str, Any]:
    row = await tx.one(
        """select id, order_id, attempt, suz_order_id, remote_status, body, body_sha256,
                  close_body from marking.suz_orders where order_id = %(id)s and current""",
        id=order_id,
    )
    assert row is not None, "an order at the station has its row"
    return row


async def observe(desk: Desk, work: Work) -> Next:
    """Read the order at the station now."""
    if await look_now(desk, work) is None:
        return await pause(desk, work, Hold.ATTENTION, code="order-unknown")
    return AGAIN


async def look_now(desk: Desk, work: Work) -> Sequence[Buffer] | None:
    """The buffers as the station shows them now, written too; None: it knows no such order."""
    async with desk.database.transaction() as tx:
        row = await station_row(tx, work.row.id)
    access = await access_to(desk, work, Upstream.SUZ)
    try:
        answer = await suz.order_status(desk.clients.suz, access, order_id=row["suz_order_id"])
    except NotFound:
        return None
    async with desk.database.transaction() as tx:
        await apply(tx, row["id"], Seen(work.now, answer.value))
    desk.crash.passed("observed", "committed")
    return answer.value


def from_list(listed: ListedOrder, at: int) -> Seen:
    return Seen(
        at,
        listed.buffers,
        status=listed.order_status,
        decline_reason=listed.decline_reason,
        created_ms=listed.created_at_ms,
    )


async def apply(tx: Transaction, row_id: str, seen: Seen) -> bool:
    """Write buffers, then the order's state; True if anything changed."""
    await tx.one(
        """select 1 from marking.orders o join marking.suz_orders s on s.order_id = o.id
           where s.id = %(id)s for no key update of o""",
        id=row_id,
    )
    stand = await tx.one(
        """select order_id, remote_status, decline_reason,
                  coalesce(seen_at <= to_timestamp(%(at)s / 1000.0), true) as newer
           from marking.suz_orders where id = %(id)s for no key update""",
        at=seen.at,
        id=row_id,
    )
    if stand is None or not stand["newer"]:
        return False
    changed = [await _apply_buffer(tx, row_id, buffer, at=seen.at) for buffer in seen.buffers]
    status = seen.status or await _state_of(tx, row_id, seen.buffers)
    moved = status is not None and status != stand["remote_status"]
    await tx.execute(
        """update marking.suz_orders set remote_status = coalesce(%(status)s, remote_status),
               status_since = case when %(moved)s then clock_timestamp() else status_since end,
               seen_at = to_timestamp(%(at)s / 1000.0),
               decline_reason = coalesce(%(reason)s, decline_reason),
               created_remote_at = coalesce(created_remote_at,
                   to_timestamp(%(created)s::bigint / 1000.0))
           where id = %(id)s""",
        status=status,
        moved=moved,
        at=seen.at,
        reason=seen.decline_reason,
        created=seen.created_ms,
        id=row_id,
    )
    if moved:
        entry = Entry("suz.status", "poll", None, stand["order_id"], subject=row_id)
        await audit.write(
            tx,
            msgspec.structs.replace(
                entry, from_status=stand["remote_status"], to_status=str(status)
            ),
        )
    return moved or any(changed)


async def _state_of(tx: Transaction, row_id: str, buffers: Sequence[Buffer]) -> str | None:
    """Only all buffers together tell it; while they show no status the order is only created."""
    unseen = await tx.one(
        """select 1 from marking.buffers
           where suz_order_id = %(id)s and gtin <> all(%(seen)s) limit 1""",
        id=row_id,
        seen=[buffer.gtin.rjust(14, "0") for buffer in buffers],
    )
    if unseen is not None:
        return None
    known = tuple(
        KnownBuffer(b.gtin, 0, remote=RemoteBuffer(str(b.buffer_status)))
        for b in buffers
        if b.buffer_status is not None and b.buffer_status.known
    )
    if buffers and all(b.buffer_status is None for b in buffers):
        return RemoteOrder.CREATED
    return order_state(known) if len(known) == len(buffers) else None


async def _apply_buffer(tx: Transaction, row_id: str, buffer: Buffer, *, at: int) -> bool:
    """Absent fields leave columns as they are; an older answer leaves all of them."""
    before = await tx.one(
        """update marking.buffers n set
               remote_status = coalesce(%(status)s, n.remote_status),
               total = coalesce(%(total)s, n.total),
               available = coalesce(%(available)s, n.available),
               left_in_buffer = coalesce(%(left)s, n.left_in_buffer),
               passed = coalesce(%(passed)s, n.passed),
               unavailable = coalesce(%(unavailable)s, n.unavailable),
               expires_at = coalesce(to_timestamp(%(expires)s::bigint / 1000.0), n.expires_at),
               rejection_reason = coalesce(%(reason)s, n.rejection_reason),
               seen_at = to_timestamp(%(at)s / 1000.0),
               counted_at = case when %(counted)s then to_timestamp(%(at)s / 1000.0)
                                 else n.counted_at end
           from marking.buffers o
           where n.suz_order_id = %(id)s and n.gtin = %(gtin)s
                 and o.suz_order_id = n.suz_order_id and o.gtin = n.gtin
                 and (o.seen_at is null or o.seen_at <= to_timestamp(%(at)s / 1000.0))
           returning o.remote_status is distinct from n.remote_status
                     or o.available is distinct from n.available
                     or o.passed is distinct from n.passed as changed""",
        status=buffer.buffer_status,
        total=buffer.total,
        available=buffer.available,
        left=buffer.left,
        passed=buffer.passed,
        unavailable=buffer.unavailable,
        expires=buffer.expires_at_ms,
        reason=buffer.rejection_reason,
        counted=buffer.available_codes is not None,
        at=at,
        id=row_id,
        gtin=buffer.gtin.rjust(14, "0"),
    )
    if before is not None and before["changed"]:
        await refresh_status(tx, row_id, gtin=buffer.gtin.rjust(14, "0"))
        return True
    return False


async def refresh_status(tx: Transaction, row_id: str, *, gtin: str, closed: bool = False) -> None:
    """Our status of a buffer from its counters and stored blocks."""
    row = await tx.one(
        """select b.*, s.order_id, s.current,
                  coalesce(b.expires_at <= marking.remote_now(o.participant_id), false)
                      as expired,
                  (select coalesce(sum(k.quantity), 0) from marking.code_blocks k
                   where k.suz_order_id = b.suz_order_id and k.gtin = b.gtin) as stored
           from marking.buffers b join marking.suz_orders s on s.id = b.suz_order_id
                join marking.orders o on o.id = s.order_id
           where b.suz_order_id = %(id)s and b.gtin = %(gtin)s""",
        id=row_id,
        gtin=gtin,
    )
    assert row is not None, "buffers are made with the order"
    remote = row["remote_status"]
    known = KnownBuffer(
        gtin,
        row["ordered"],
        remote=RemoteBuffer(remote) if remote in set(RemoteBuffer) else None,
        total=row["total"],
        stored=row["stored"],
    )
    status = buffer_status(known, closed=closed, expired=row["expired"])
    await tx.execute(
        """update marking.buffers set status = %(status)s
           where suz_order_id = %(id)s and gtin = %(gtin)s""",
        status=status,
        id=row_id,
        gtin=gtin,
    )
    refused = status is BufferStatus.REJECTED and row["status"] != status
    if refused and row["current"] and not (row["stored"] or row["passed"]):
        await serials.give_back(tx, row["order_id"], gtin=gtin)


async def wake_order_of(tx: Transaction, row_id: str) -> None:
    order_id = await tx.value(
        "select order_id from marking.suz_orders where id = %(id)s", id=row_id
    )
    if order_id is not None:
        await wake(tx, order_id)
