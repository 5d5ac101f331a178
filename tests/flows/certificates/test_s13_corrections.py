"""Scenarios 13, 16, 17: corrected sales, sales before their batch, chargebacks."""

import pytest

from tests.flows.certificates.letters import NOMINAL, Gift, fresh, line, paid, payment, sale
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_another_code_before_settlement_frees_the_first(scene: Scene) -> None:
    old, new = await scene.issue(2)
    order_id, watch = fresh("SO"), scene.watch
    await scene.sell(sale(order_id, line(old)))
    await watch.until(lambda: watch.lines(order_id) == ["Allocated"], "allocated")
    await scene.sell(sale(order_id, line(new), version=2))
    await watch.until(lambda: watch.state(new.id)["lifecycle"] == "Allocated", "new allocated")
    await watch.until(lambda: watch.state(old.id)["lifecycle"] == "Issued", "old free")
    await scene.pay(payment(order_id, paid()))
    await watch.until(lambda: watch.lines(order_id) == ["Activated"], "activated")
    activated = watch.order(order_id)["lines"][0]
    assert activated["certificateId"] == new.id


async def test_another_code_after_activation_changes_nothing(scene: Scene) -> None:
    gift, watch = await scene.active(), scene.watch
    (other,) = await scene.issue()
    order_id = gift.order_id
    await scene.sell(sale(order_id, line(other), version=2))
    refused = ["Activated LineActivated"]
    await watch.until(lambda: watch.lines(order_id) == refused, "told")
    assert watch.order(order_id)["lines"][0]["certificateId"] == gift.id
    await scene.sell(sale(order_id, line(gift, price=1), version=1))
    (marker,) = await scene.issue()
    await scene.sell(sale(order_id, line(gift), line(marker, "2"), version=3))
    await watch.until(lambda: len(watch.lines(order_id)) == 2, "version 3 after version 1")
    versions = [one["saleVersion"] for one in watch.orders[order_id] if not one["awaitingSale"]]
    assert versions == sorted(versions)
    assert set(versions) == {1, 2, 3}
    assert all(sold["price"] != 1 for one in watch.orders[order_id] for sold in one["lines"])
    assert watch.state(gift.id)["available"] == NOMINAL
    assert watch.kinds(gift.id) == ["Issued", "Allocated", "Activated"]
    assert watch.kinds(other.id) == ["Issued"]


async def refused_as_unknown(scene: Scene, code: str) -> str:
    """The order, paid for, of a code that no batch has issued yet."""
    order_id, watch = fresh("SO"), scene.watch
    await scene.pay(payment(order_id, paid()))
    await scene.sell(sale(order_id, line(code)))
    refused = ["Refused CertificateUnknown"]
    await watch.until(lambda: watch.lines(order_id) == refused, "unknown")
    return order_id


async def activated(scene: Scene, order_id: str, gift: Gift) -> None:
    watch = scene.watch
    await watch.until(lambda: watch.lines(order_id) == ["Activated"], "activated")
    await watch.until(lambda: watch.state(gift.id)["available"] == NOMINAL, "money")
    await watch.until(lambda: len(watch.kinds(gift.id)) == 3, "its operations, too")
    assert watch.kinds(gift.id) == ["Issued", "Allocated", "Activated"]


async def test_a_sale_before_its_batch_is_asked_again_by_itself(scene: Scene) -> None:
    code = scene.code()
    order_id = await refused_as_unknown(scene, code)
    (gift,) = await scene.issue_codes(code)
    await activated(scene, order_id, gift)
    assert scene.watch.order(order_id)["saleVersion"] == 1


async def test_a_newer_sale_of_the_same_code_asks_at_once(brisk: Scene) -> None:
    """Where nothing is asked again by itself before the test has lost its patience."""
    code = brisk.code()
    order_id = await refused_as_unknown(brisk, code)
    (gift,) = await brisk.issue_codes(code)
    await brisk.sell(sale(order_id, line(code), version=2))
    await activated(brisk, order_id, gift)
    assert brisk.watch.order(order_id)["saleVersion"] == 2


async def test_a_chargeback_blocks_and_its_reversal_frees(scene: Scene) -> None:
    gift, watch = await scene.active(), scene.watch
    hold = await scene.till.hold(gift, 50_000)
    withdrawn = payment(gift.order_id, paid(), version=2, paymentStatus="ChargedBack")
    await scene.pay(withdrawn)
    await watch.until(lambda: watch.state(gift.id)["status"] == "Blocked", "blocked")
    assert watch.state(gift.id)["blocks"] == [f"chargeback:{gift.order_id}-P1"]
    assert (await scene.till.authorize(gift, 100)).short == (409, "CertificateBlocked")
    assert (await scene.till.on(hold, "capture")).status == 200
    await scene.pay(payment(gift.order_id, paid(), version=3, paymentStatus="ChargebackReversed"))
    await watch.until(lambda: watch.state(gift.id)["status"] == "Active", "pays again")
    assert (await scene.till.authorize(gift, 100)).status == 201
