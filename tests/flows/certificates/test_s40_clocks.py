"""Scenario 40: a clock that is ahead expires nothing; a broker that is held up answers nobody."""

import asyncio
import itertools
import math
import os
import signal
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import aiohttp
import pytest

from app.domain.policy import Policy
from deploy.proving.cluster import Worker
from tables.partitioning import partition_of
from tests.flows.certificates.front import HOLDS, Answer, Front
from tests.flows.certificates.letters import NOMINAL, Gift
from tests.flows.certificates.scene import HTTP_TIMEOUT, Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")
AHEAD_MS = 600_000
HOLD_S = 30
CROWD = 1_100
WAITING_MAX = 1_000
AT_ONCE_S = 2.5  # the deadline is at 3


async def owned(scene: Scene, worker: Worker) -> float:
    """How many partitions it serves; none while it does not answer."""
    try:
        async with scene.session.get(worker.metrics) as response:
            figures = scene.cluster.figures(await response.text())
    except aiohttp.ClientError:
        assert worker.running
        return 0
    return figures["giftmark_ledger_open_partitions"]


async def restarted(scene: Scene, worker: Worker, **more: str) -> None:
    """Until it owns partitions; its readiness is another matter."""
    await asyncio.to_thread(worker.end, signal.SIGTERM)
    worker.start(**more)
    async with asyncio.timeout(90):
        while not await owned(scene, worker):
            await asyncio.sleep(0.1)


async def complaint(scene: Scene, worker: Worker) -> str:
    async with scene.session.get(worker.health) as response:
        assert response.status == 503
        return await response.text()


async def told_of_its_clock(scene: Scene, worker: Worker) -> None:
    """Its readiness is red and says why, once all its partitions are open."""
    async with asyncio.timeout(60):
        while "clock" not in await complaint(scene, worker):
            await asyncio.sleep(0.1)


async def on_every_partition(scene: Scene) -> dict[int, Gift]:
    found: dict[int, Gift] = {}
    while len(found) < scene.cluster.partitions:
        gift = await scene.active()
        found.setdefault(partition_of(gift.id, scene.cluster.partitions), gift)
    return found


async def hold_on_each(scene: Scene, markers: Collection[Gift]) -> None:
    """Asked of the worker whose clock is right; until they are published."""
    watch, asked = scene.watch, scene.cluster.workers[0]
    holds = {await scene.till.hold(one, 1, worker=asked) for one in markers}

    def told() -> bool:
        return all(
            watch.transactions[one.id][-1].get("authorizationId") in holds for one in markers
        )

    await watch.until(told, "holds on every partition")


async def past_due_work(scene: Scene, markers: Collection[Gift]) -> None:
    """Behind a second commit of each partition: the first may do due work beside its request."""
    await hold_on_each(scene, markers)
    await hold_on_each(scene, markers)


async def test_a_worker_whose_clock_is_ahead_is_not_ready_and_expires_nothing(
    scene: Scene,
) -> None:
    watch, (healthy, worker) = scene.watch, scene.cluster.workers
    gifts, markers = await on_every_partition(scene), await on_every_partition(scene)
    long = [await scene.active() for _ in range(4)]
    for gift in long:
        await scene.till.hold(gift, 100, holdSeconds=300)
    for gift in gifts.values():
        await scene.till.hold(gift, 100, holdSeconds=HOLD_S)

    def expired() -> set[int]:
        return {n for n, one in gifts.items() if watch.kinds(one.id)[-1] == "HoldExpired"}

    over = time.monotonic() + HOLD_S
    try:
        await restarted(scene, worker, GIFTMARK_CLOCK_OFFSET_MS=str(AHEAD_MS))
        await told_of_its_clock(scene, worker)
        await past_due_work(scene, markers.values())
        assert not expired()
        assert time.monotonic() < over - 1, "the holds must outlast the restart"
        of_healthy = {n for n, one in markers.items() if await scene.owner_of(one) is healthy}
        await asyncio.sleep(over - time.monotonic())
        await past_due_work(scene, markers.values())
        assert expired() == of_healthy
        assert 0 < len(of_healthy) < len(gifts)
        for gift in long:
            assert (await scene.till.lookup(gift)).of("held") == 100
    finally:
        await restarted(scene, worker)
        await scene.cluster.ready()
    await watch.until(lambda: expired() == gifts.keys(), "due work resumes")
    for gift in gifts.values():
        assert watch.kinds(gift.id).count("HoldExpired") == 1
        assert watch.state(gift.id)["available"] == NOMINAL
    assert not any("HoldExpired" in watch.kinds(gift.id) for gift in long)


@asynccontextmanager
async def crowd(scene: Scene) -> AsyncIterator[Front]:
    """As many connections as are asked for, all closed at the end."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=HTTP_TIMEOUT, connector=connector) as session:
        yield Front(session, scene.cluster.workers, scene.cluster.bearer("till"))


async def of_one_partition(scene: Scene, count: int) -> list[Gift]:
    """Active ones of one owner: of so many some partition has enough."""
    partitions, found = scene.cluster.partitions, defaultdict[int, list[Gift]](list)
    for gift in await scene.issue(count * partitions):
        found[partition_of(gift.id, partitions)].append(gift)
    return await scene.activated(max(found.values(), key=len)[:count])


async def test_a_held_up_broker_turns_the_crowd_away_and_leaves_no_effect(scene: Scene) -> None:
    watch, pid = scene.watch, scene.cluster.broker.pid
    assert pid is not None
    gifts = await of_one_partition(scene, math.ceil(CROWD / Policy().holds_open_max))
    owner = await scene.owner_of(gifts[0])
    asked = {str(uuid.uuid4()): gift for _, gift in zip(range(CROWD), itertools.cycle(gifts))}

    async def ask(till: Front, reference: str) -> tuple[Answer, float]:
        began, gift = time.monotonic(), asked[reference]
        body = {"code": gift.code, "amount": 1, "currency": "RUB", "reference": reference}
        answer = await till.post(HOLDS, body, key=reference, worker=owner, once=True)
        return answer, time.monotonic() - began

    async with crowd(scene) as till:
        await asyncio.gather(*(till.lookup(gift, worker=owner) for gift in asked.values()))
        os.kill(pid, signal.SIGSTOP)
        try:
            heard = await asyncio.gather(*(ask(till, reference) for reference in asked))
        finally:
            os.kill(pid, signal.SIGCONT)
    answers = dict(zip(asked, heard, strict=True))
    said = Counter((one.status, one.body.get("code")) for one, _ in answers.values())
    assert said.keys() <= {(503, "OwnerUnavailable"), (503, "OutcomeUnknown")}
    assert all(one.headers["Retry-After"] for one, _ in answers.values())
    away = [seconds for one, seconds in answers.values() if one.code == "OwnerUnavailable"]
    assert sum(seconds < AT_ONCE_S for seconds in away) >= CROWD - WAITING_MAX
    await scene.cluster.ready()
    held = {gift: (await scene.till.lookup(gift)).of("held") for gift in gifts}
    await watch.until(
        lambda: all(watch.kinds(one.id).count("Authorized") == held[one] for one in gifts),
        "published",
    )
    told = {
        one["reference"]
        for gift in gifts
        for one in watch.transactions[gift.id]
        if one.get("reference")
    }
    unknown = {name for name, (one, _) in answers.items() if one.code == "OutcomeUnknown"}
    assert told <= unknown, "what was not decided by its deadline has no effect"
