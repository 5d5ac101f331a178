"""Scenario 20: the company's other business is ignored and counted, never dead-lettered."""

import asyncio

import msgspec
import pytest

from tables.partitioning import partition_of
from tests.flows.certificates.letters import (
    NOMINAL,
    Message,
    fresh,
    line,
    moment,
    paid,
    payment,
    refund_word,
    sale,
)
from tests.flows.certificates.scene import Scene
from tests.flows.certificates.watch import PATIENCE_S

pytestmark = pytest.mark.asyncio(loop_scope="session")
IGNORED = ("giftmark_messages_ignored_total", "giftmark_ledger_commands_refused_total")


def plain_sale(order_id: str) -> Message:
    body = {"orderId": order_id, "occurredAt": moment(), "orderStatus": "Confirmed", "goods": []}
    return order_id, msgspec.json.encode(body)


async def heard_past(scene: Scene, order_id: str) -> None:
    """Until a younger payment of the same partitions is published, behind all of this order."""
    partitions = scene.cluster.partitions
    marker = fresh("M")
    while partition_of(marker, partitions) != partition_of(order_id, partitions):
        marker = fresh("M")
    await scene.pay(payment(marker, paid()))
    await scene.watch.until(lambda: scene.watch.orders[marker], f"{marker}, behind {order_id}")


async def test_foreign_business_leaves_no_trace_but_counters(scene: Scene) -> None:
    ours = await scene.active()
    payments, refund, unmapped, sold = (fresh("X") for _ in range(4))
    before = [await scene.metric(name) for name in IGNORED]
    await scene.pay(
        payment(payments, settled=None, outstanding=None),
        payment(payments, number=2, settled=None),
        refund_word(refund, "RefundSettled", 100),
        refund_word(ours.order_id, "RefundSettled", 100, line_id="99"),
        payment(unmapped, settled=None, outstanding=None, paymentStatus="Reserved"),
    )
    await scene.sell(plain_sale(sold))
    marker = fresh("X")
    await scene.pay(payment(marker, paid(), paymentStatus="Reserved"))
    await scene.watch.until(lambda: scene.watch.buried(marker), "the marker's dead letter")
    assert scene.watch.buried(marker) == ["PaymentStatusUnknown"]
    async with asyncio.timeout(PATIENCE_S):  # they lie on other partitions than the marker
        while await scene.metric(IGNORED[0]) < before[0] + 2:
            await asyncio.sleep(0.1)
        while await scene.metric(IGNORED[1]) < before[1] + 4:
            await asyncio.sleep(0.1)
    for order_id in (payments, refund, unmapped, sold):
        await heard_past(scene, order_id)
        assert not scene.watch.orders[order_id]
        assert not scene.watch.buried(order_id)
    assert not scene.watch.buried(ours.order_id)
    assert not scene.watch.buried(ours.id)
    at_the_door, in_the_ledger = [await scene.metric(name) for name in IGNORED]
    assert at_the_door == before[0] + 2  # without a section, unmapped
    assert in_the_ledger >= before[1] + 4  # of unknown orders and lines


async def test_both_flags_of_an_unknown_order_are_kept_for_its_sale(scene: Scene) -> None:
    (gift,) = await scene.issue()
    order_id, watch = fresh("SO"), scene.watch
    await scene.pay(payment(order_id))
    await heard_past(scene, order_id)
    assert not watch.orders[order_id]
    await scene.sell(sale(order_id, line(gift)))
    await watch.until(lambda: watch.lines(order_id) == ["Activated"], "activated")
    await watch.until(lambda: watch.state(gift.id)["available"] == NOMINAL, "money")
    assert watch.order(order_id)["settlementMismatch"]
