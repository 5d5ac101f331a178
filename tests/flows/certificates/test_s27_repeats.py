"""Scenarios 27, 32: one answer per key through every worker, and never an older balance."""

import asyncio
import signal
import uuid
from collections import Counter

import pytest

from deploy.proving.cluster import Worker
from tests.flows.certificates.front import HOLDS, LOOKUP, UNCLEAR
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
    owner = await scene.owner_of(gift)
    owner.end(signal.SIGKILL)
    owner.start()
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
    """Captures one kopeck; returns what is left."""
    hold = await scene.till.hold(gift, 1)
    captured = await scene.till.on(hold, "capture")
    assert captured.status == 200
    left: int = captured.of("available")
    return left


async def shown_by(scene: Scene, worker: Worker, gift: Gift) -> set[int]:
    """What is left by the word of this worker; it may be gone or without an answer just now."""
    body = {"code": gift.code}
    answers = [
        await scene.till.post(LOOKUP, body, key="", worker=worker, once=True),
        await scene.desk.get(f"/certificates/{gift.id}", worker=worker, once=True),
    ]
    clear = [one for one in answers if one.status not in UNCLEAR]
    assert all(one.status == 200 for one in clear), clear
    return {one.of("available") for one in clear}


async def test_an_acknowledged_change_is_seen_everywhere_while_partitions_move(
    scene: Scene,
) -> None:
    gifts = [await scene.active() for _ in range(6)]
    left = dict.fromkeys(gifts, NOMINAL)
    workers, answered = scene.cluster.workers, Counter[str]()

    async def move() -> None:
        await asyncio.to_thread(workers[1].end, signal.SIGTERM)
        workers[1].start()
        await scene.cluster.ready()

    async def look(gift: Gift) -> None:
        for worker in workers:
            seen = await shown_by(scene, worker, gift)
            assert seen <= {left[gift]}, worker.name
            answered[worker.name] += len(seen)

    moving, rounds = asyncio.create_task(move()), 0
    while not moving.done() or rounds < 5:
        for gift in gifts:
            left[gift] -= 1
            assert await spend(scene, gift) == left[gift]
            await look(gift)
        rounds += 1
        if rounds > 80:
            gifts = [await scene.active() for _ in gifts]
            left, rounds = dict.fromkeys(gifts, NOMINAL), 5
    await moving
    for gift in gifts:
        await look(gift)
    assert answered.keys() == {worker.name for worker in workers}
    assert min(answered.values()) >= len(gifts)
