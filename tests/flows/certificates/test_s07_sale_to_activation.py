"""Scenarios 7, 8: from sale and payment to a certificate that pays, in any order."""

import random

import pytest

from app.contracts.topics import PAYMENTS, SALES
from tests.flows.certificates.letters import NOMINAL, Gift, fresh, line, paid, payment, sale
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")
LAST = 1


@pytest.mark.parametrize("first", ["sale", "payment"])
async def test_a_paid_certificate_is_activated_and_its_code_sent(scene: Scene, first: str) -> None:
    (gift,) = await scene.issue()
    order_id, phone, watch = fresh("SO"), scene.phone(), scene.watch
    buyer = {"phone": phone, "lang": "ru"}
    sold = sale(order_id, line(gift, delivery=None), buyer=buyer)
    settled = payment(order_id, paid())
    if first == "sale":
        await scene.sell(sold)
        await watch.until(lambda: watch.lines(order_id) == ["Allocated"], "allocated")
        await scene.pay(settled)
    else:
        await scene.pay(settled)
        await watch.until(lambda: watch.order(order_id).get("awaitingSale"), "payment kept")
        await scene.sell(sold)
    await watch.until(lambda: watch.lines(order_id) == ["Activated"], "activated")
    name = f"{order_id}:1:activated:1"
    asked = await watch.until(lambda: watch.notifications.get(name), "message asked for")
    assert scene.told(asked) == {"code": gift.code.replace("-", ""), "phone": phone, "lang": "ru"}
    state = await watch.until(lambda: watch.state(gift.id).get("available"), "money")
    assert state == NOMINAL
    await watch.until(lambda: len(watch.kinds(gift.id)) == 3, "its operations, too")
    assert watch.kinds(gift.id) == ["Issued", "Allocated", "Activated"]
    assert [one for one in watch.notifications if one.startswith(f"{order_id}:")] == [name]


async def test_tripled_and_shuffled_messages_of_100_orders_end_as_the_ordered_run(
    scene: Scene,
) -> None:
    gifts = await scene.issue(100)
    watch, orders = scene.watch, [fresh("SO") for _ in gifts]
    messages = []
    for order_id, gift in zip(orders, gifts, strict=True):
        messages += [
            (SALES, sale(order_id, line(gift), version=1)),
            (SALES, sale(order_id, line(gift, price=200_000), version=2)),
            (PAYMENTS, payment(order_id, paid(150_000), settled=False, outstanding=50_000)),
            (PAYMENTS, payment(order_id, paid(50_000), number=2)),
        ]
    mixed = messages * 3
    random.Random(8).shuffle(mixed)
    await scene.mail(*mixed)
    done = [["Activated"]] * len(orders)
    await watch.until(lambda: [watch.lines(one) for one in orders] == done, "all active")
    await all_payments_read(scene, orders)
    for order_id in orders:
        shown = watch.order(order_id)
        (sold,) = shown["lines"]
        assert (shown["saleVersion"], shown["settled"], shown["unapplied"]) == (2, True, LAST)
        assert not shown["settlementMismatch"]
        assert (sold["paid"], sold["price"]) == (200_000, 200_000)
    await all_sales_read(scene, orders, gifts)
    for order_id, gift in zip(orders, gifts, strict=True):
        versions = [one["saleVersion"] for one in watch.orders[order_id] if not one["awaitingSale"]]
        assert versions == sorted(versions)
        assert watch.kinds(gift.id) == ["Issued", "Allocated", "Activated", "Blocked"]
        assert watch.state(gift.id)["available"] == NOMINAL


async def all_payments_read(scene: Scene, orders: list[str]) -> None:
    """The last payment of each is of one kopeck, which no line needs."""
    watch = scene.watch
    await scene.pay(*(payment(order_id, paid(LAST), number=3) for order_id in orders))
    await watch.until(
        lambda: all(watch.order(one)["unapplied"] == LAST for one in orders), "the last payments"
    )


async def all_sales_read(scene: Scene, orders: list[str], gifts: list[Gift]) -> None:
    """The last version cancels, of which the certificate hears behind all else from its order."""
    watch, sold = scene.watch, list(zip(orders, gifts, strict=True))
    cancelled = [sale(one, line(gift), version=3, orderStatus="Cancelled") for one, gift in sold]
    await scene.sell(*cancelled)
    await watch.until(
        lambda: all("Blocked" in watch.kinds(gift.id) for gift in gifts), "the last versions"
    )
    await watch.until(lambda: all(watch.state(one.id)["blocks"] for one in gifts), "states, too")
