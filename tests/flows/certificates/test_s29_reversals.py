"""Scenarios 29, 30, 31: what callers undo, before and after it happened."""

import uuid

import pytest

from tests.flows.certificates.letters import NOMINAL, moment, refund_word
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")
DAY_S = 24 * 3_600


async def test_a_reversal_before_its_authorization_bars_it(scene: Scene) -> None:
    gift, reference = await scene.active(), str(uuid.uuid4())
    remembered = await scene.till.reverse(gift, reference, moment())
    assert (remembered.status, remembered.of("outcome")) == (202, "remembered")
    late = await scene.till.authorize(gift, 100, reference=reference)
    assert late.short == (409, "ReversedBeforeArrival")
    assert (await scene.till.lookup(gift)).of("available") == NOMINAL


async def test_a_reversal_after_the_capture_credits_it_once(scene: Scene) -> None:
    gift, reference, watch = await scene.active(), str(uuid.uuid4()), scene.watch
    hold = await scene.till.hold(gift, 100_000, reference=reference)
    await scene.till.on(hold, "capture", amount=60_000)
    undone = await scene.till.reverse(gift, reference, moment())
    assert (undone.status, undone.of("outcome")) == (200, "reversed")
    again = await scene.till.reverse(gift, reference, moment())
    assert (again.status, again.of("outcome")) == (200, "alreadyReversed")
    assert (await scene.till.lookup(gift)).of("available") == NOMINAL
    await watch.until(lambda: watch.kinds(gift.id)[-1] == "Reversed", "published")
    assert watch.kinds(gift.id).count("Reversed") == 1


async def test_after_the_horizon_nothing_is_reversed(brisk: Scene) -> None:
    gift, reference = await brisk.active(), str(uuid.uuid4())
    hold = await brisk.till.hold(gift, 100_000, reference=reference)
    await brisk.till.on(hold, "capture")
    late = await brisk.till.reverse(gift, reference, moment())
    assert late.short == (409, "ReversalTooLate")
    assert (await brisk.till.lookup(gift)).of("available") == NOMINAL - 100_000


async def test_an_old_unknown_reference_is_not_remembered(scene: Scene) -> None:
    gift = await scene.active()
    late = await scene.till.reverse(gift, str(uuid.uuid4()), moment(-DAY_S - 60))
    assert late.short == (409, "ReversalTooLate")


async def test_several_captures_add_up_and_are_restored_to_the_kopeck(scene: Scene) -> None:
    gift, watch = await scene.active(), scene.watch
    hold = await scene.till.hold(gift, 100_000)
    for amount in (30_000, 20_000):
        part = await scene.till.on(hold, "capture", amount=amount, final=False)
        assert (part.status, part.of("state")) == (200, "Held")
    freed = await scene.till.on(hold, "void")
    assert (freed.of("state"), freed.of("captured"), freed.of("rest")) == ("Captured", 50_000, 0)
    assert freed.of("available") == NOMINAL - 50_000
    assert (await scene.till.on(hold, "restore", amount=20_000)).status == 200
    back = await scene.till.on(hold, "restore", amount=30_000)
    assert (back.of("restored"), back.of("available")) == (50_000, NOMINAL)
    more = await scene.till.on(hold, "restore", amount=1)
    assert more.short == (422, "RestoreExceedsCapture")
    await watch.until(lambda: watch.kinds(gift.id)[-2:] == ["Restored"] * 2, "published")
    await watch.until(lambda: watch.state(gift.id)["available"] == NOMINAL, "its state, too")
    state = watch.state(gift.id)
    assert (state["captured"], state["restored"], state["available"]) == (50_000, 50_000, NOMINAL)


async def test_goods_that_come_back_after_the_refund_revive_the_certificate(scene: Scene) -> None:
    gift, watch = await scene.active(), scene.watch
    hold = await scene.till.hold(gift, 100_000)
    await scene.till.on(hold, "capture")
    name = (await scene.till.refund(gift)).of("refundRequestId")
    settled = refund_word(gift.order_id, "RefundSettled", 200_000, refundRequestId=name)
    await scene.pay(settled)
    await watch.until(lambda: watch.state(gift.id)["status"] == "Refunded", "refunded")
    back = await scene.till.on(hold, "restore", amount=40_000)
    assert (back.status, back.of("available")) == (200, 40_000)
    await watch.until(lambda: watch.state(gift.id)["status"] == "Active", "active again")
    assert watch.state(gift.id)["refunded"] == 200_000
