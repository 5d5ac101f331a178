"""Scenarios 21, 22, 23, 28: money is set aside once, whoever asks how often."""

import asyncio
import uuid
from collections import Counter

import pytest

from tests.flows.certificates.letters import NOMINAL
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_partial_capture_frees_the_rest(scene: Scene) -> None:
    gift, watch = await scene.active(), scene.watch
    held = await scene.till.authorize(gift, 120_000)
    assert held.status == 201
    assert (held.of("approved"), held.of("partial"), held.of("available")) == (
        120_000,
        False,
        180_000,
    )
    hold = held.of("authorizationId")
    captured = await scene.till.on(hold, "capture", amount=100_000, receiptNumber="4711")
    assert captured.body == {
        "authorizationId": hold,
        "state": "Captured",
        "captured": 100_000,
        "restored": 0,
        "rest": 0,
        "available": 200_000,
        "currency": "RUB",
    }
    await watch.until(lambda: watch.kinds(gift.id)[-1] == "Captured", "published")
    event = watch.transactions[gift.id][-1]
    assert (event["amount"], event["released"], event["receiptNumber"]) == (100_000, 20_000, "4711")
    assert event["delta"] == {"available": 20_000, "held": -120_000, "refundHeld": 0}
    await watch.until(lambda: watch.state(gift.id)["available"] == 200_000, "its state, too")


async def test_too_much_is_refused_or_approved_in_part(scene: Scene) -> None:
    gift = await scene.active()
    refused = await scene.till.authorize(gift, 350_000)
    assert refused.short == (409, "InsufficientBalance")
    assert refused.of("available") == NOMINAL
    partly = await scene.till.authorize(gift, 350_000, partialApproval=True)
    assert partly.status == 201
    assert (partly.of("approved"), partly.of("partial"), partly.of("available")) == (
        NOMINAL,
        True,
        0,
    )


async def test_two_hundred_at_once_never_spend_more_than_there_is(scene: Scene) -> None:
    gift, watch = await scene.active(), scene.watch
    answers = await asyncio.gather(*(scene.till.authorize(gift, 30_000) for _ in range(200)))
    heard = Counter((one.status, one.body.get("code")) for one in answers)
    assert heard == {(201, None): 10, (409, "InsufficientBalance"): 190}
    assert (await scene.till.lookup(gift)).of("available") == 0
    await watch.until(lambda: watch.state(gift.id)["held"] == NOMINAL, "all held")
    assert all(state["available"] >= 0 for state in watch.states[gift.id])
    await watch.until(lambda: len(watch.kinds(gift.id)) == 13, "their operations, too")
    assert watch.kinds(gift.id).count("Authorized") == 10


async def test_the_seventeenth_open_hold_is_too_many(scene: Scene) -> None:
    gift = await scene.active()
    for _ in range(16):
        await scene.till.hold(gift, 100)
    more = await scene.till.authorize(gift, 100)
    assert more.short == (429, "TooManyOperations")
    assert int(more.headers["Retry-After"]) > 0


async def test_a_till_that_was_told_no_never_hears_yes_for_the_same_key(scene: Scene) -> None:
    gift, key, reference = await scene.active(), str(uuid.uuid4()), str(uuid.uuid4())
    all_of_it = await scene.till.hold(gift, NOMINAL)
    first = await scene.till.authorize(gift, 100, key=key, reference=reference)
    assert first.short == (409, "InsufficientBalance")
    await scene.till.on(all_of_it, "void")
    again = await scene.till.authorize(gift, 100, key=key, reference=reference)
    assert again.replayed
    assert again.raw == first.raw
    assert (await scene.till.authorize(gift, 100)).status == 201
    others = [scene.till.authorize(gift, NOMINAL) for _ in range(64)]
    heard = {one.short for one in await asyncio.gather(*others)}
    assert heard == {(409, "InsufficientBalance")}
    anew = await scene.till.authorize(gift, 100, key=key, reference=reference)
    assert (anew.status, anew.replayed) == (201, False)
