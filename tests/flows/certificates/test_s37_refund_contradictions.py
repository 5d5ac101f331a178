"""Scenarios 37, 38: what Payments says twice, late, about another sum, or not at all."""

import pytest

from tests.flows.certificates.front import REFUNDS
from tests.flows.certificates.letters import NOMINAL, Gift
from tests.flows.certificates.payments_desk import PaymentsDesk
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def asked(scene: Scene, gift: Gift) -> str:
    answer = await scene.till.refund(gift)
    assert answer.status == 202
    return str(answer.of("refundRequestId"))


async def resolve(scene: Scene, refund: str, outcome: str, **more: object) -> tuple[int, object]:
    body = {"outcome": outcome, "reason": "the bank's letter", **more}
    return (await scene.desk.post(f"{REFUNDS}/{refund}/resolve", body)).short


async def test_a_settlement_said_twice_pays_once(scene: Scene, payments_desk: PaymentsDesk) -> None:
    gift, watch = await scene.active(), scene.watch
    refund = await asked(scene, gift)
    for _ in range(2):
        await payments_desk.says(refund, "RefundSettled", attempt=1, version=2)
    await payments_desk.says(refund, "RefundFailed", attempt=1, version=3, reason="marker")
    await watch.until(lambda: watch.kinds(gift.id)[-1] == "RefundFailed", "the marker")
    assert watch.kinds(gift.id)[3:] == ["RefundRequested", "Refund", "RefundFailed"]


async def test_a_settlement_after_the_failure_takes_what_is_there(
    scene: Scene, payments_desk: PaymentsDesk
) -> None:
    gift, watch = await scene.active(), scene.watch
    refund = await asked(scene, gift)
    await payments_desk.says(refund, "RefundFailed", version=1)
    await watch.until(lambda: watch.state(gift.id)["available"] == NOMINAL, "back")
    spent = await scene.till.hold(gift, 100_000)
    await scene.till.on(spent, "capture")
    await payments_desk.says(refund, "RefundSettled", version=2)
    await watch.until(lambda: watch.state(gift.id)["refunded"] == 200_000, "taken")
    state = watch.state(gift.id)
    assert (state["available"], state["shortfall"]) == (0, 100_000)
    assert state["blocks"] == ["refund-conflict"]
    await watch.until(lambda: "Refund" in watch.kinds(gift.id), "its operation, too")
    refund_event = next(
        one for one in watch.transactions[gift.id] if one["transactionType"] == "Refund"
    )
    assert (refund_event["late"], refund_event["delta"]["available"]) == (True, -200_000)


async def test_a_transfer_that_bounces_brings_the_money_back(
    scene: Scene, payments_desk: PaymentsDesk
) -> None:
    gift, watch = await scene.active(), scene.watch
    await payments_desk.treats(gift, "bouncing")
    await asked(scene, gift)
    await watch.until(lambda: watch.kinds(gift.id)[-1] == "RefundFailed", "bounced")
    await watch.until(lambda: watch.state(gift.id)["status"] == "Active", "its state, too")
    event, state = watch.transactions[gift.id][-1], watch.state(gift.id)
    assert event["bounced"]
    assert (state["status"], state["available"], state["refunded"]) == ("Active", NOMINAL, 0)


async def test_a_word_that_names_only_the_order_line_is_routed(
    scene: Scene, payments_desk: PaymentsDesk
) -> None:
    gift, watch = await scene.active(), scene.watch
    await payments_desk.treats(gift, "unnamed")
    await asked(scene, gift)
    await watch.until(lambda: watch.state(gift.id)["status"] == "Refunded", "refunded")


async def test_another_amount_moves_nothing_until_an_operator_decides(
    scene: Scene, payments_desk: PaymentsDesk
) -> None:
    gift, watch = await scene.active(nominal=200_000), scene.watch
    refund = await asked(scene, gift)
    await payments_desk.says(refund, "RefundSettled", amount=150_000, unnamed=True)
    await watch.until(lambda: watch.buried(gift.id), "dead letter")
    assert watch.buried(gift.id) == ["RefundAmountMismatch"]
    assert watch.state(gift.id)["refundHeld"] == 200_000
    assert await resolve(scene, refund, "Settled", amount=150_000) == (200, None)
    await watch.until(lambda: watch.state(gift.id)["refunded"] == 150_000, "paid")
    state = watch.state(gift.id)
    assert (state["status"], state["available"]) == ("Active", 50_000)
    await watch.until(lambda: watch.kinds(gift.id)[-1] == "Refund", "its operation, too")
    assert watch.transactions[gift.id][-1]["amount"] == 150_000
    assert await resolve(scene, refund, "Failed") == (409, "RefundNotOpen")


async def test_a_silent_payments_is_ended_by_an_operator(
    scene: Scene, payments_desk: PaymentsDesk
) -> None:
    gift, watch = await scene.active(), scene.watch
    await payments_desk.treats(gift, "silent")
    refund = await asked(scene, gift)
    assert await resolve(scene, refund, "Failed") == (200, None)
    await watch.until(lambda: watch.state(gift.id)["available"] == NOMINAL, "back")
    await watch.until(lambda: len(watch.refund_requests[gift.id]) == 2, "Payments is told")
    assert watch.refund_requests[gift.id][1]["action"] == "Cancel"
    assert await resolve(scene, refund, "Failed") == (409, "RefundNotOpen")
