"""Scenarios 11, 12, 14, 15: money on lines, settlement, cancellation, lines that are refused."""

import pytest

from tests.flows.certificates.letters import NOMINAL, fresh, line, paid, payment, sale
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_money_without_a_line_is_spread_by_unpaid_rest(scene: Scene) -> None:
    (small,) = await scene.issue(nominal=100_000)
    (large,) = await scene.issue(nominal=200_000)
    order_id, watch = fresh("SO"), scene.watch
    await scene.sell(sale(order_id, line(small, "1"), line(large, "2")))
    unsettled = payment(order_id, paid(100_000, None), settled=False, outstanding=200_000)
    await scene.pay(unsettled)
    partly = ["PartiallyPaid", "PartiallyPaid"]
    await watch.until(lambda: watch.lines(order_id) == partly, "paid in part")
    shown = watch.order(order_id)
    assert [one["paid"] for one in shown["lines"]] == [33_333, 66_667]
    assert (shown["unapplied"], shown["settled"]) == (0, False)
    assert watch.state(small.id)["lifecycle"] == watch.state(large.id)["lifecycle"] == "Allocated"


async def test_settled_with_a_rest_is_not_settled(scene: Scene) -> None:
    gifts = await scene.issue(2)
    order_id, watch = fresh("SO"), scene.watch
    await scene.sell(sale(order_id, line(gifts[0], "1"), line(gifts[1], "2")))
    both = (paid(NOMINAL, "1"), paid(NOMINAL, "2"))
    await scene.pay(payment(order_id, *both, version=1, settled=True, outstanding=1))
    await watch.until(lambda: watch.lines(order_id) == ["Paid", "Paid"], "paid")
    assert watch.order(order_id)["outstandingAmount"] == 1
    assert not watch.order(order_id)["settled"]
    for gift in gifts:
        assert (await scene.shown(gift))["lifecycle"] == "Allocated"
    await scene.pay(payment(order_id, *both, version=2))
    done = ["Activated", "Activated"]
    await watch.until(lambda: watch.lines(order_id) == done, "activated")
    unsettled = [one for one in watch.orders[order_id] if not one["settled"]]
    assert {one["outstandingAmount"] for one in unsettled} == {None, 1}
    begun = {"Activating", "Activated"}
    assert not any(sold["allocationStatus"] in begun for one in unsettled for sold in one["lines"])
    for gift in gifts:
        assert (await scene.shown(gift))["lifecycle"] == "Active"


async def test_a_cancelled_order_activates_nothing_when_it_is_settled(scene: Scene) -> None:
    (gift,) = await scene.issue()
    order_id, watch = fresh("SO"), scene.watch
    before = await scene.metric('giftmark_alerts_total{name="PaidAfterCancel"}')
    await scene.sell(sale(order_id, line(gift)))
    await watch.until(lambda: watch.lines(order_id) == ["Allocated"], "allocated")
    await scene.sell(sale(order_id, line(gift), version=2, orderStatus="Cancelled"))
    await watch.until(lambda: watch.lines(order_id) == ["Released"], "released")
    await scene.pay(payment(order_id, paid()))
    await watch.until(lambda: watch.order(order_id)["paidAfterCancel"], "paid after cancel")
    assert watch.order(order_id)["unapplied"] == NOMINAL
    assert watch.lines(order_id) == ["Released"]
    assert watch.state(gift.id)["lifecycle"] == "Issued"
    assert "Activated" not in watch.kinds(gift.id)
    assert await scene.metric('giftmark_alerts_total{name="PaidAfterCancel"}') > before


async def test_an_order_cancelled_after_activation_blocks_its_certificate(scene: Scene) -> None:
    gift, watch = await scene.active(), scene.watch
    await scene.sell(sale(gift.order_id, line(gift), version=2, orderStatus="Cancelled"))
    await watch.until(lambda: watch.state(gift.id)["blocks"] == ["order-cancelled"], "blocked")
    assert watch.state(gift.id)["status"] == "Blocked"
    await watch.until(
        lambda: watch.order(gift.order_id)["lines"][0]["blocks"] == ["order-cancelled"], "shown"
    )
    assert (await scene.till.authorize(gift, 100)).short == (409, "CertificateBlocked")


async def test_a_refused_line_holds_nothing_up_and_gets_a_free_code_later(scene: Scene) -> None:
    taken = await scene.active()
    good, spare = await scene.issue(2)
    order_id, watch = fresh("SO"), scene.watch
    await scene.sell(sale(order_id, line(good, "1"), line(taken, "2")))
    await scene.pay(payment(order_id, paid(NOMINAL, "1"), paid(NOMINAL, "2")))
    half = ["Activated", "Refused CodeAlreadySold"]
    await watch.until(lambda: watch.lines(order_id) == half, "one active, one refused")
    await scene.sell(sale(order_id, line(good, "1"), line(spare, "2"), version=3))
    await watch.until(lambda: watch.lines(order_id) == ["Activated"] * 2, "both active")
    await watch.until(lambda: watch.state(spare.id)["available"] == NOMINAL, "money")
    assert watch.kinds(good.id).count("Activated") == 1
