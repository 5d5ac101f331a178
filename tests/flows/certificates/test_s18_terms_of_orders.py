"""Scenarios 18, 19: allocations that nobody pays, contacts that were erased before the money."""

import pytest

from tests.flows.certificates.letters import (
    NOMINAL,
    Gift,
    fresh,
    line,
    paid,
    payment,
    sale,
)
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def contact(scene: Scene, order_id: str, **body: object) -> int:
    path = f"/certificates/orders/{order_id}/lines/1/contact"
    answer = await scene.desk.post(path, {"reason": "the buyer called", **body})
    return answer.status


async def released(scene: Scene, gift: Gift, order_id: str) -> None:
    """Sold with a phone, not paid, released, the contact erased."""
    sold = sale(order_id, line(gift, delivery="SMS"), buyer={"phone": scene.phone(), "lang": "ru"})
    await scene.sell(sold)
    watch = scene.watch
    await watch.until(lambda: watch.lines(order_id) == ["Released"], "released")


async def test_an_unpaid_allocation_is_released_and_its_code_sold_again(brisk: Scene) -> None:
    (gift,) = await brisk.issue()
    first, second, watch = fresh("SO"), fresh("SO"), brisk.watch
    await brisk.sell(sale(first, line(gift)))
    await watch.until(lambda: watch.lines(first) == ["Released"], "released")
    await watch.until(lambda: watch.state(gift.id)["lifecycle"] == "Issued", "free")
    await brisk.pay(payment(second, paid()))
    await brisk.sell(sale(second, line(gift)))
    await watch.until(lambda: watch.lines(second) == ["Activated"], "sold in another order")
    assert watch.state(gift.id)["orderId"] == second
    assert watch.lines(first) == ["Released"]


async def test_money_after_the_erasure_waits_for_an_operator_who_needs_no_message(
    brisk: Scene,
) -> None:
    (gift,) = await brisk.issue()
    order_id, watch = fresh("SO"), brisk.watch
    await released(brisk, gift, order_id)
    await brisk.pay(payment(order_id, paid()))
    await watch.until(lambda: watch.lines(order_id) == ["AwaitingContact"], "waits")
    assert watch.state(gift.id)["available"] == 0
    assert await contact(brisk, order_id, withoutNotification=True) == 202
    await watch.until(lambda: watch.lines(order_id) == ["Activated"], "activated")
    await watch.until(lambda: watch.state(gift.id)["available"] == NOMINAL, "money")
    assert not [one for one in watch.notifications if one.startswith(order_id)]
    assert await contact(brisk, order_id, withoutNotification=True) == 409


async def test_a_supplied_contact_gets_one_message_without_the_code(scene: Scene) -> None:
    # A line that is to be told by SMS and has no phone stands where erasure leads others.
    (gift,) = await scene.issue()
    order_id, watch, phone = fresh("SO"), scene.watch, scene.phone()
    await scene.pay(payment(order_id, paid()))
    await scene.sell(sale(order_id, line(gift, delivery="SMS")))
    await watch.until(lambda: watch.lines(order_id) == ["AwaitingContact"], "waits")
    assert watch.state(gift.id)["lifecycle"] == "Allocated"
    assert await contact(scene, order_id, contact={"phone": phone, "lang": "ru"}) == 202
    await watch.until(lambda: watch.lines(order_id) == ["Activated"], "activated")
    name = f"{order_id}:1:activated:1"
    asked = await watch.until(lambda: watch.notifications.get(name), "message asked for")
    assert scene.told(asked) == {"phone": phone, "lang": "ru"}
    assert [one for one in watch.notifications if one.startswith(order_id)] == [name]
