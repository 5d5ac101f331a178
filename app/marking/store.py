"""Orders in PostgreSQL: leases, wake-ups and the only writes of an order's status."""

from datetime import datetime
from typing import Any

import msgspec

from app.domain.marking.draft import Attributes, DraftLine, PostprocessPlan
from app.domain.marking.order import (
    Cause,
    Hold,
    OrderStatus,
    Profile,
    hold_after,
    refusal,
)
from app.marking import audit, serials
from app.marking.audit import Entry, Event
from app.marking.database import Database, Transaction, as_json
from app.marking.errors import NotFoundError, OrderStateError
from app.marking.leases import Lease
from app.marking.metrics import STAGE_SECONDS, STALE_WRITES, TRANSITIONS
from app.marking.refusals import REFUSED, REFUSING, step_refused


class OrderRow(msgspec.Struct, frozen=True):
    id: str
    participant_id: str
    external_id: str | None
    part: int
    batch_id: str | None
    origin: str
    profile: Profile
    status: OrderStatus
    hold: Hold | None
    hold_detail: dict[str, Any] | None
    attributes: Attributes
    postprocess: PostprocessPlan
    created_by: str
    created_at: datetime
    status_at: datetime
    due_at: datetime | None
    failures: int
    waited_s: int
    escalated_at: datetime | None
    lease_seq: int
    wake_seq: int
    version: int


class NewOrder(msgspec.Struct, frozen=True):
    id: str
    participant_id: str
    profile: Profile
    origin: str
    created_by: str
    external_id: str | None = None
    part: int = 1
    batch_id: str | None = None
    status: OrderStatus = OrderStatus.INIT
    attributes: Attributes = Attributes()
    postprocess: PostprocessPlan = PostprocessPlan()


class NewLine(msgspec.Struct, frozen=True):
    line: DraftLine
    card: dict[str, Any]
    tnved: str | None


_COLUMNS = ", ".join(OrderRow.__struct_fields__)


async def load(source: Database | Transaction, order_id: str) -> OrderRow:
    row = await source.one(
        f"select {_COLUMNS} from marking.orders where id = %(id)s",  # noqa: S608
        id=order_id,
    )
    if row is None:
        raise NotFoundError(f"order {order_id} does not exist")
    return msgspec.convert(row, OrderRow)


async def insert(tx: Transaction, order: NewOrder, lines: list[NewLine]) -> None:
    """Order, lines, used serials and audit; due at once."""
    fields = msgspec.structs.asdict(order)
    await tx.execute(
        """insert into marking.orders (id, participant_id, profile, origin, created_by,
               external_id, part, batch_id, status, attributes, postprocess, due_at)
           values (%(id)s, %(participant_id)s, %(profile)s, %(origin)s, %(created_by)s,
               %(external_id)s, %(part)s, %(batch_id)s, %(status)s, %(attributes)s,
               %(postprocess)s, now())""",
        **{
            **fields,
            "attributes": as_json(order.attributes),
            "postprocess": as_json(order.postprocess),
        },
    )
    for position, new in enumerate(lines):
        await _insert_line(tx, order.id, new, position=position)
    await serials.reserve(tx, order.id)
    details = {"lines": [{"gtin": n.line.gtin, "quantity": n.line.quantity} for n in lines]}
    await audit.write(
        tx,
        Entry(
            "order.created",
            order.created_by,
            order.participant_id,
            order.id,
            to_status=order.status,
            details=details,
        ),
    )
    await audit.announce(tx, Event(f"marking.order.{order.status.lower()}", order.id, 1))


async def _insert_line(tx: Transaction, order_id: str, new: NewLine, *, position: int) -> None:
    line = new.line
    await tx.execute(
        """insert into marking.order_lines (order_id, gtin, position, quantity,
               serial_number_type, serial_numbers, card, tnved)
           values (%(order_id)s, %(gtin)s, %(position)s, %(quantity)s, %(type)s, %(serials)s,
               %(card)s, %(tnved)s)""",
        order_id=order_id,
        gtin=line.gtin,
        position=position,
        quantity=line.quantity,
        type=line.serial_number_type,
        serials=as_json(line.serial_numbers) if line.serial_numbers else None,
        card=as_json(new.card),
        tnved=new.tnved,
    )


class Change(msgspec.Struct, frozen=True):
    """A move of an order: who causes it, why, and what the log keeps."""

    target: OrderStatus
    cause: Cause = Cause.WORKER
    actor: str = "worker"
    reason: str | None = None
    details: dict[str, Any] = {}


async def move(tx: Transaction, lease: Lease, change: Change, *, row: OrderRow) -> OrderRow | None:
    """Write the status; None: the lease has passed and nothing was written."""
    no = refusal(row.status, change.target, cause=change.cause, profile=row.profile)
    if no is not None:
        raise OrderStateError(f"{row.status} → {change.target}: {no}")
    moved = await tx.one(
        """update marking.orders o set status = %(target)s, status_at = now(),
               version = version + 1, failures = 0, waited_s = 0, waited_from = null,
               escalated_at = null,
               hold = case when hold = 'attention' then hold end,
               hold_detail = case when hold = 'attention' then hold_detail end
           where id = %(id)s and lease_seq = %(seq)s and status = %(source)s
           returning version, extract(epoch from clock_timestamp() - (
               select was.status_at from marking.orders was where was.id = o.id))::float8
               as stood_s""",
        target=change.target,
        id=row.id,
        seq=lease.seq,
        source=row.status,
    )
    if moved is None:
        STALE_WRITES.inc()
        return None
    TRANSITIONS.labels(row.status, change.target).inc()
    STAGE_SECONDS.labels(row.status).observe(moved["stood_s"])
    await _tell(tx, row, change, version=moved["version"])
    if change.target in REFUSED and change.cause is not Cause.OPERATOR:
        error = change.reason or REFUSED[change.target]
        await step_refused(tx, row.id, step=row.status, error=error)
    return await load(tx, row.id)


async def _tell(tx: Transaction, row: OrderRow, change: Change, *, version: int) -> None:
    reason = {"reason": change.reason} if change.reason else {}
    await audit.write(
        tx,
        Entry(
            "order.status",
            change.actor,
            row.participant_id,
            row.id,
            from_status=row.status,
            to_status=change.target,
            details={**reason, **change.details},
        ),
    )
    kind = f"marking.order.{change.target.lower()}"
    await audit.announce(tx, Event(kind, row.id, version, {"from": row.status, **reason}))


async def set_hold(tx: Transaction, lease: Lease, hold: Hold, *, detail: dict[str, Any]) -> bool:
    """A badge over the status; `attention` is replaced by nothing. False: lease has passed."""
    present = await tx.one(
        """select hold, hold_detail, participant_id, status from marking.orders
           where id = %(id)s and lease_seq = %(seq)s for no key update""",
        id=lease.order_id,
        seq=lease.seq,
    )
    if present is None:
        STALE_WRITES.inc()
        return False
    now_held = None if present["hold"] is None else Hold(present["hold"])
    stands = hold_after(now_held, hold)
    same = stands is now_held and present["hold_detail"] == detail
    if same or stands is not hold:
        return True
    await tx.execute(
        """update marking.orders set hold = %(hold)s, hold_detail = %(detail)s,
               version = version + 1 where id = %(id)s""",
        hold=hold,
        detail=as_json(detail),
        id=lease.order_id,
    )
    entry = Entry("order.held", "worker", present["participant_id"], lease.order_id)
    details = {"hold": hold, **detail}
    await audit.write(tx, msgspec.structs.replace(entry, details=details))
    if hold in REFUSING:
        await step_refused(tx, lease.order_id, step=present["status"], error=detail["code"])
    return True


async def clear_hold(tx: Transaction, lease: Lease, *kinds: Hold) -> None:
    """Clear holds of these kinds only."""
    await tx.execute(
        """update marking.orders set hold = null, hold_detail = null, version = version + 1
           where id = %(id)s and lease_seq = %(seq)s and hold = any(%(kinds)s)""",
        id=lease.order_id,
        seq=lease.seq,
        kinds=[str(kind) for kind in kinds],
    )


async def forget_failures(tx: Transaction, lease: Lease) -> None:
    """Something went well: the next failure is the first in a row."""
    await tx.execute(
        "update marking.orders set failures = 0 where id = %(id)s and lease_seq = %(seq)s",
        id=lease.order_id,
        seq=lease.seq,
    )


async def operator_lease(tx: Transaction, order_id: str, *, actor: str) -> tuple[Lease, OrderRow]:
    """A lease of one transaction: fences the runner, refuses while a call is doubtful."""
    row = await tx.one(
        """update marking.orders set lease_seq = lease_seq + 1, wake_seq = wake_seq + 1,
               due_at = now() where id = %(id)s returning lease_seq, wake_seq""",
        id=order_id,
    )
    if row is None:
        raise NotFoundError(f"order {order_id} does not exist")
    return Lease(order_id, row["lease_seq"], row["wake_seq"], actor), await load(tx, order_id)


async def refuse_open_calls(tx: Transaction, row: OrderRow) -> None:
    """An operator may not change an order while a call is under way or doubtful."""
    open_call = await tx.one(
        """select operation, state from marking.calls
           where order_id = %(id)s and state in ('CLAIMED', 'UNKNOWN') limit 1""",
        id=row.id,
    )
    if open_call is not None:
        raise OrderStateError(f"{open_call['operation']} is {open_call['state']}")


async def replace_attributes(tx: Transaction, order_id: str, attributes: Attributes) -> None:
    """What the operator corrected; marks of the flow beside it stay."""
    await tx.execute(
        "update marking.orders set attributes = attributes || %(new)s where id = %(id)s",
        new=as_json(attributes),
        id=order_id,
    )


async def replace_lines(tx: Transaction, order_id: str, lines: list[NewLine]) -> None:
    await tx.execute("delete from marking.serials where order_id = %(id)s", id=order_id)
    await tx.execute("delete from marking.order_lines where order_id = %(id)s", id=order_id)
    for position, line in enumerate(lines):
        await _insert_line(tx, order_id, line, position=position)
    await serials.reserve(tx, order_id)
