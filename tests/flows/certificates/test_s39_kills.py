"""Scenario 39: workers are killed under load; every acknowledged operation happened once."""

import asyncio
import os
import random
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable

import pytest

from tests.flows.certificates.letters import NOMINAL, Gift, moment
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")
# The scenario's full size: 64 tills, 600 gifts, a kill every 20 s.
KILLS = int(os.environ.get("GIFTMARK_KILLS", "2"))
TILLS = int(os.environ.get("GIFTMARK_TILLS", "16"))
GIFTS = int(os.environ.get("GIFTMARK_GIFTS", "48"))
CALM_S = float(os.environ.get("GIFTMARK_CALM_S", "3"))
TURNS_MAX = 70  # of one certificate: fewer than the answers it must remember
Told = Counter[tuple[str, str]]


async def turn(scene: Scene, gift: Gift, dice: random.Random, *, told: Told) -> None:
    """One purchase or what becomes of it; every answer is waited for, with the same key."""
    reference, amount = str(uuid.uuid4()), dice.randint(1, 200)
    held = await scene.till.authorize(gift, amount, reference=reference)
    assert held.status == 201, held
    hold = held.of("authorizationId")
    told[hold, "Authorized"] += 1
    match dice.choice(("capture", "capture", "void", "reverse")):
        case "capture":
            assert (await scene.till.on(hold, "capture")).status == 200
            told[hold, "Captured"] += 1
        case "void":
            assert (await scene.till.on(hold, "void")).status == 200
            told[hold, "Voided"] += 1
        case _:
            undone = await scene.till.reverse(gift, reference, moment())
            assert undone.of("outcome") == "reversed", undone
            told[hold, "Reversed"] += 1


@pytest.mark.timeout(300 + KILLS * (CALM_S + 60))
async def test_killed_workers_lose_and_double_nothing(
    scene: Scene, record_testsuite_property: Callable[[str, object], None]
) -> None:
    cluster, watch, told, dice = scene.cluster, scene.watch, Told(), random.Random(39)
    gifts = [await scene.active() for _ in range(GIFTS)]
    open_turns, over = Counter(dict.fromkeys(gifts, TURNS_MAX)), asyncio.Event()

    async def till() -> None:
        while not over.is_set() and (fresh := [g for g in gifts if open_turns[g] > 0]):
            gift = dice.choice(fresh)
            open_turns[gift] -= 1
            await turn(scene, gift, dice, told=told)

    began = time.monotonic()
    tills = [asyncio.create_task(till()) for _ in range(TILLS)]
    for number in range(KILLS):
        await asyncio.sleep(CALM_S)
        worker = cluster.workers[number % len(cluster.workers)]
        worker.end(signal.SIGKILL)
        worker.start()
        await cluster.ready()
    over.set()
    await asyncio.gather(*tills)
    record_testsuite_property("acknowledged", told.total())
    record_testsuite_property("seconds", round(time.monotonic() - began))
    assert told.total() > 500

    def happened() -> Told:
        return Told(
            (event["authorizationId"], event["transactionType"])
            for gift in gifts
            for event in watch.transactions[gift.id]
            if event.get("authorizationId")
        )

    await watch.until(lambda: happened().total() >= told.total(), "all of it published")
    assert happened() == told
    for gift in gifts:
        moved = sum(one["delta"]["available"] for one in watch.transactions[gift.id])
        assert moved == watch.state(gift.id)["available"] <= NOMINAL
        assert watch.state(gift.id)["held"] == 0
