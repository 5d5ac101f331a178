"""Scenario 26: a hold ends by time; a straggling capture is taken while the money is there."""

import uuid

import pytest

from tests.flows.certificates.letters import NOMINAL, Gift, moment
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def expired(scene: Scene, gift: Gift, amount: int = 100_000, **more: object) -> str:
    """The id of a hold that time has ended, without any request in between."""
    hold = await scene.till.hold(gift, amount, holdSeconds=1, **more)
    watch = scene.watch
    await watch.until(lambda: watch.kinds(gift.id)[-1] == "HoldExpired", "expired")
    return hold


async def test_the_balance_comes_back_once_without_traffic(scene: Scene) -> None:
    gift, watch = await scene.active(), scene.watch
    hold = await expired(scene, gift)
    assert watch.state(gift.id)["available"] == NOMINAL
    assert (await scene.till.lookup(gift)).of("available") == NOMINAL
    shown = await scene.till.get(f"/certificates/authorizations/{hold}")
    assert shown.of("state") == "Expired"
    assert watch.kinds(gift.id).count("HoldExpired") == 1


async def test_traffic_sees_the_expiry_no_later_than_the_tick(scene: Scene) -> None:
    gift, watch = await scene.active(), scene.watch
    await scene.till.hold(gift, 100_000, holdSeconds=1)
    seen = [(await scene.till.lookup(gift)).of("available")]
    while seen[-1] != NOMINAL:
        assert seen[-1] == NOMINAL - 100_000
        seen.append((await scene.till.lookup(gift)).of("available"))
        assert len(seen) < 20_000
    await watch.until(lambda: watch.kinds(gift.id)[-1] == "HoldExpired", "published")
    assert watch.kinds(gift.id).count("HoldExpired") == 1


async def ended_by_a_till(scene: Scene, gift: Gift) -> bool:
    """Whether the commit that gave a till the whole balance is the one that ended the hold."""
    await scene.till.hold(gift, 1, holdSeconds=1)
    watch, asks = scene.watch, 1
    while (await scene.till.authorize(gift, NOMINAL)).status != 201:
        asks += 1
        assert asks < 10_000
    await watch.until(lambda: watch.kinds(gift.id)[-2:] == ["HoldExpired", "Authorized"], "told")
    over, given = watch.transactions[gift.id][-2:]
    return bool(over["sequence"] == given["sequence"])


async def test_expiry_does_not_wait_for_the_tick(scene: Scene) -> None:
    """Who asks all the time is there first, but for a request just on its way at that moment."""
    for _ in range(5):
        if await ended_by_a_till(scene, await scene.active()):
            return
    pytest.fail("the tick was first every time")


async def test_a_late_capture_is_taken_once(scene: Scene) -> None:
    gift, watch = await scene.active(), scene.watch
    hold = await expired(scene, gift)
    late = await scene.till.on(hold, "capture")
    assert (late.status, late.of("late"), late.of("captured")) == (200, True, 100_000)
    assert (await scene.till.on(hold, "capture")).short == (409, "AlreadyCaptured")
    await watch.until(lambda: watch.kinds(gift.id)[-1] == "Captured", "published")
    event = watch.transactions[gift.id][-1]
    assert (event["late"], event["delta"]["available"]) == (True, -100_000)
    left = NOMINAL - 100_000
    await watch.until(lambda: watch.state(gift.id)["available"] == left, "its state, too")


async def test_a_late_capture_comes_too_late_for_spent_money(scene: Scene) -> None:
    gift = await scene.active()
    hold = await expired(scene, gift)
    other = await scene.till.hold(gift, NOMINAL - 1)
    await scene.till.on(other, "capture")
    refused = await scene.till.on(hold, "capture")
    assert refused.short == (409, "AuthorizationExpired")
    assert refused.of("available") == 1


async def test_after_the_days_of_grace_the_money_stays(brisk: Scene) -> None:
    gift = await brisk.active()
    hold = await expired(brisk, gift)
    refused = await brisk.till.on(hold, "capture")
    assert refused.short == (409, "AuthorizationExpired")
    assert refused.of("available") == NOMINAL


@pytest.mark.parametrize("act", ["void", "reverse"])
async def test_a_closed_hold_takes_no_straggler(scene: Scene, act: str) -> None:
    gift, reference = await scene.active(), str(uuid.uuid4())
    hold = await expired(scene, gift, reference=reference)
    if act == "void":
        assert (await scene.till.on(hold, "void")).of("state") == "Voided"
    else:
        undone = await scene.till.reverse(gift, reference, moment())
        assert undone.of("outcome") == "nothingToReverse"
    assert (await scene.till.on(hold, "capture")).short == (409, "AlreadyVoided")
    assert (await scene.till.lookup(gift)).of("available") == NOMINAL
