"""Scenarios 27, 32: one answer per key through every worker, and never an older balance."""

import asyncio
import signal
import uuid

import pytest

from tests.flows.certificates.front import HOLDS
from tests.flows.certificates.letters import NOMINAL, Gift
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_same_key_hears_the_same_bytes_also_after_a_restart(scene: Scene) -> None:
    gift, key, reference = await scene.active(), str(uuid.uuid4()), str(uuid.uuid4())
    workers, watch = scene.cluster.workers, scene.watch
    first = await scene.till.authorize(gift, 50_000, key=key, reference=reference)
    assert (first.status, first.replayed) == (201, False)
    refused_key = str(uuid.uuid4())
    refused = await scene.till.authorize(gift, NOMINAL, key=refused_key, reference=refused_key)
    assert refused.short == (409, "InsufficientBalance")

    async def all_the_same() -> None:
        for worker in workers:
            again = await scene.till.authorize(
                gift, 50_000, key=key, reference=reference, worker=worker
            )
            assert (again.status, again.raw, again.replayed) == (201, first.raw, True)
            no = await scene.till.authorize(
                gift, NOMINAL, key=refused_key, reference=refused_key, worker=worker
            )
            assert (no.status, no.raw, no.replayed) == (409, refused.raw, True)

    await all_the_same()
    workers[0].end(signal.SIGKILL)
    workers[0].start()
    await scene.cluster.ready()
    await all_the_same()
    await scene.till.hold(gift, 1)
    await watch.until(lambda: watch.state(gift.id)["openHolds"] == 2, "a marker behind all that")
    await watch.until(lambda: len(watch.kinds(gift.id)) >= 5, "its operation, too")
    assert watch.kinds(gift.id).count("Authorized") == 2


async def test_a_key_belongs_to_its_body_and_is_required(scene: Scene) -> None:
    gift, key, reference = await scene.active(), str(uuid.uuid4()), str(uuid.uuid4())
    await scene.till.authorize(gift, 100, key=key, reference=reference)
    other = await scene.till.authorize(gift, 101, key=key, reference=reference)
    assert other.short == (422, "IdempotencyKeyReused")
    body = {"code": gift.code, "amount": 100, "currency": "RUB"}
    missing = await scene.till.post(HOLDS, body, key="")
    assert missing.short == (400, "IdempotencyKeyMissing")


async def test_two_at_once_hear_the_same_and_one_of_them_is_the_replay(scene: Scene) -> None:
    gift, key, reference = await scene.active(), str(uuid.uuid4()), str(uuid.uuid4())
    one, other = await asyncio.gather(
        *(
            scene.till.authorize(gift, 100, key=key, reference=reference, worker=worker)
            for worker in scene.cluster.workers
        )
    )
    assert one.status == other.status == 201
    assert one.raw == other.raw
    assert {one.replayed, other.replayed} == {False, True}
    assert (await scene.till.lookup(gift)).of("available") == NOMINAL - 100


async def spend(scene: Scene, gift: Gift) -> int:
    """Captures one kopeck and looks through every running worker; returns what is left."""
    hold = await scene.till.hold(gift, 1)
    captured = await scene.till.on(hold, "capture")
    assert captured.status == 200
    left: int = captured.of("available")
    for worker in scene.cluster.workers:
        if worker.running:
            seen = await scene.till.lookup(gift)
            assert seen.of("available") == left
            read = await scene.desk.get(f"/certificates/{gift.id}")
            assert read.of("available") == left
    return left


async def test_an_acknowledged_change_is_seen_everywhere_while_partitions_move(
    scene: Scene,
) -> None:
    gifts = [await scene.active() for _ in range(6)]
    left = dict.fromkeys(gifts, NOMINAL)
    worker = scene.cluster.workers[1]

    async def move() -> None:
        await asyncio.to_thread(worker.end, signal.SIGTERM)
        worker.start()
        await scene.cluster.ready()

    moving, rounds = asyncio.create_task(move()), 0
    while not moving.done() or rounds < 5:
        for gift in gifts:
            now = await spend(scene, gift)
            assert now == left[gift] - 1
            left[gift] = now
        rounds += 1
        if rounds > 80:
            gifts = [await scene.active() for _ in gifts]
            left, rounds = dict.fromkeys(gifts, NOMINAL), 5
    await moving
