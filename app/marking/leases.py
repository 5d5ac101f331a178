"""The right to write one order: taken, renewed, given back, and wake-ups that are never lost."""

from collections.abc import Iterable

import msgspec

from app.marking.database import Database, Transaction
from app.marking.metrics import STALE_WRITES


class StaleLease(Exception):
    """The lease has passed to another: what this transaction wrote is taken back."""


class Lease(msgspec.Struct, frozen=True):
    """The right to write one order; `wake_seq` is what it had been woken by when taken."""

    order_id: str
    seq: int
    wake_seq: int
    owner: str


async def take_lease(
    source: Database | Transaction, order_id: str, *, owner: str, for_ms: int
) -> Lease | None:
    """None: another worker has it."""
    row = await source.one(
        """update marking.orders set lease_owner = %(owner)s, lease_seq = lease_seq + 1,
               lease_until = clock_timestamp() + %(for_ms)s * interval '1 millisecond'
           where id = %(id)s and (lease_until is null or lease_until < clock_timestamp())
           returning lease_seq, wake_seq""",
        owner=owner,
        for_ms=for_ms,
        id=order_id,
    )
    if row is None:
        return None
    return Lease(order_id, row["lease_seq"], row["wake_seq"], owner)


async def renew_lease(source: Database | Transaction, lease: Lease, *, for_ms: int) -> bool:
    touched = await source.execute(
        """update marking.orders
           set lease_until = clock_timestamp() + %(for_ms)s * interval '1 millisecond'
           where id = %(id)s and lease_seq = %(seq)s and lease_owner = %(owner)s""",
        for_ms=for_ms,
        id=lease.order_id,
        seq=lease.seq,
        owner=lease.owner,
    )
    return touched == 1


async def release(
    source: Database | Transaction, lease: Lease, *, next_ms: int | None, failed: bool = False
) -> None:
    """Give the order back; `next_ms`: ms UTC of the next look, unless it was woken meanwhile.

    An operator fences a runner but leaves its name: then the order is due as soon as it ends.
    """
    touched = await source.execute(
        """update marking.orders set lease_owner = null, lease_until = null,
               failures = failures + %(failed)s::int,
               due_at = case when wake_seq = %(seen)s
                   then to_timestamp(%(next_ms)s::bigint / 1000.0) else now() end
           where id = %(id)s and lease_seq = %(seq)s""",
        failed=failed,
        seen=lease.wake_seq,
        next_ms=next_ms,
        id=lease.order_id,
        seq=lease.seq,
    )
    if touched == 0:
        STALE_WRITES.inc()
        await source.execute(
            """update marking.orders set lease_owner = null, lease_until = null, due_at = now()
               where id = %(id)s and lease_owner = %(owner)s""",
            id=lease.order_id,
            owner=lease.owner,
        )


async def release_former(source: Database, *, worker: str, owner: str) -> int:
    """A restarted worker gives back what its former incarnation held."""
    return await source.execute(
        """update marking.orders set lease_owner = null, lease_until = null, due_at = now()
           where split_part(lease_owner, '/', 1) = %(worker)s and lease_owner <> %(owner)s""",
        worker=worker,
        owner=owner,
    )


async def release_all(source: Database, *, owner: str) -> int:
    return await source.execute(
        """update marking.orders set lease_owner = null, lease_until = null, due_at = now()
           where lease_owner = %(owner)s""",
        owner=owner,
    )


async def wake(tx: Transaction, order_id: str) -> None:
    """Somebody wrote a row of the order: the runner must look again, also if it is looking."""
    await tx.execute(
        """update marking.orders set wake_seq = wake_seq + 1, due_at = now()
           where id = %(id)s""",
        id=order_id,
    )


async def holds(tx: Transaction, lease: Lease) -> bool:
    """Whether the lease still stands; locks the order row until the end of the transaction."""
    row = await tx.one(
        """select 1 as held from marking.orders
           where id = %(id)s and lease_seq = %(seq)s for no key update""",
        id=lease.order_id,
        seq=lease.seq,
    )
    if row is None:
        STALE_WRITES.inc()
    return row is not None


async def lock_orders(tx: Transaction, order_ids: Iterable[str]) -> None:
    """Rows of orders before all others and sorted: two writers of one order never entangle."""
    await tx.execute(
        """select 1 from marking.orders where id = any(%(ids)s::uuid[])
           order by id for no key update""",
        ids=list(order_ids),
    )
