"""Leases of orders: whoever acts meanwhile, the next look is never lost."""

import asyncio

from app.marking import leases, store
from app.marking.queue import sweep
from tests.flows.marking.rig import Rig


async def test_a_wake_up_during_a_lease_is_not_lost(rig: Rig) -> None:
    rig.works = False
    order = await rig.start(20)
    lease = await leases.take_lease(rig.database, order, owner="w1/1", for_ms=10_000)
    assert lease is not None
    async with rig.database.transaction() as tx:
        await leases.wake(tx, order)

    await leases.release(rig.database, lease, next_ms=None)

    assert (await rig.order(order)).due_at is not None


async def test_an_order_an_operator_acted_on_is_free_as_soon_as_its_runner_ends(rig: Rig) -> None:
    rig.works = False
    order = await rig.start(20)
    lease = await leases.take_lease(rig.database, order, owner="w1/1", for_ms=100_000)
    assert lease is not None
    async with rig.database.transaction() as tx:
        await store.operator_lease(tx, order, actor="user")

    await leases.release(rig.database, lease, next_ms=None)

    assert await sweep(rig.desk) == 1
    async with rig.database.transaction() as tx:
        assert await leases.holds(tx, lease) is False
    assert await leases.take_lease(rig.database, order, owner="w2/1", for_ms=100_000)


async def test_a_runner_that_ends_late_leaves_the_lease_of_another(rig: Rig) -> None:
    rig.works = False
    order = await rig.start(20)
    late = await leases.take_lease(rig.database, order, owner="w1/1", for_ms=1)
    assert late is not None
    await asyncio.sleep(0.01)
    assert await leases.take_lease(rig.database, order, owner="w2/1", for_ms=100_000)

    await leases.release(rig.database, late, next_ms=None)

    assert await leases.take_lease(rig.database, order, owner="w3/1", for_ms=100_000) is None


async def test_without_a_wake_up_the_next_look_is_as_asked(rig: Rig) -> None:
    rig.works = False
    order = await rig.start(20)
    lease = await leases.take_lease(rig.database, order, owner="w1/1", for_ms=10_000)
    assert lease is not None

    await leases.release(rig.database, lease, next_ms=None)

    assert (await rig.order(order)).due_at is None


async def test_a_look_that_did_nothing_forgets_no_failure(rig: Rig) -> None:
    rig.works = False
    order = await rig.start(20)
    for failed in (True, False, True):
        lease = await leases.take_lease(rig.database, order, owner="w1/1", for_ms=100_000)
        assert lease is not None
        await leases.release(rig.database, lease, next_ms=None, failed=failed)

    assert (await rig.order(order)).failures == 2
