"""What is polled how often, and what follows when the station does not know an order."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.domain.marking.order import Hold
from app.marking import order_pages
from app.marking.timers import ask_for_comparisons
from tests.flows.marking.rig import Rig, playing_worker

BY_STATUS: dict[str, Any] = {"marking_suz_poll_mode": "status"}
POLLS = "select count(*) from marking.polls where kind = %(kind)s"


@pytest.fixture
async def by_status(dsn: str, sandbox: str) -> AsyncIterator[Rig]:
    async with playing_worker(dsn, sandbox, inn="7700000048", **BY_STATUS) as worker:
        yield worker


async def waiting_order(rig: Rig) -> str:
    """An order that the station is long in preparing."""
    rig.player.fault("suz.create_order", "stay", state="PENDING", for_s=100_000)
    order = await rig.start(5)
    await rig.until_status(order, "EMITTING")
    return order


async def listed_again(rig: Rig, times: int) -> None:
    """Until the list of orders was read so many times more; fails when no poll asks for it."""
    wanted = rig.posted("suz.order_list") + times
    for _ in range(200):
        if rig.posted("suz.order_list") >= wanted:
            return
        assert await rig.count(POLLS, kind="suz_list") == 1
        await rig.database.execute("update marking.polls set due_at = now()")
        await rig.tick()
    raise AssertionError("the list is not read")


async def test_by_status_the_list_is_read_once_a_night(by_status: Rig) -> None:
    await waiting_order(by_status)
    await ask_for_comparisons(by_status.desk)

    await listed_again(by_status, 1)

    assert await by_status.count(POLLS, kind="suz_list") == 0
    assert await by_status.count(POLLS, kind="suz_status") == 1


async def test_by_status_an_order_without_a_poll_of_its_own_is_followed_by_the_list(
    by_status: Rig,
) -> None:
    await waiting_order(by_status)
    await by_status.database.execute("delete from marking.polls")
    await ask_for_comparisons(by_status.desk)

    await listed_again(by_status, 2)


async def test_by_list_a_live_order_keeps_the_list_read(rig: Rig) -> None:
    await waiting_order(rig)
    await listed_again(rig, 2)


async def test_an_order_the_station_does_not_know_is_held(by_status: Rig) -> None:
    by_status.player.fault("suz.order_status", "status", status=404, times=0)
    order = await waiting_order(by_status)

    row = await by_status.until(lambda row: row.hold is not None, order)

    assert row.hold is Hold.ATTENTION
    assert row.hold_detail is not None
    assert row.hold_detail["code"] == "order-unknown"
    assert row.status == "EMITTING"


async def test_an_order_unknown_while_its_codes_are_collected_is_held(rig: Rig) -> None:
    rig.player.fault("suz.order_status", "status", status=404, times=0)
    order = await rig.start(5)

    row = await rig.until(lambda row: row.hold is not None, order)

    assert row.hold_detail is not None
    assert row.hold_detail["code"] == "order-unknown"
    assert row.status == "COLLECTING"


async def test_by_status_an_order_without_a_single_line_left_tells_their_reasons(
    by_status: Rig,
) -> None:
    gtin = by_status.gtins(1)[0]
    by_status.player.fault("suz.create_order", "reject", gtin=gtin, text="Товар исключён")
    order = await by_status.start(5)

    await by_status.until_status(order, "DECLINED")

    shown = await order_pages.one(by_status.database, order)
    assert shown["status_text"] == "СУЗ отклонил заказ: Order declined: Товар исключён"
