"""Scenarios 9, 10: a code is sold to one order, however many ask."""

import asyncio
from collections import Counter

import pytest

from tests.flows.certificates.letters import fresh, line, sale
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_second_order_with_the_same_code_is_refused(scene: Scene) -> None:
    (gift,) = await scene.issue()
    first, second, watch = fresh("SO"), fresh("SO"), scene.watch
    await scene.sell(sale(first, line(gift)))
    await watch.until(lambda: watch.lines(first) == ["Allocated"], "allocated")
    before = watch.order(first)
    await scene.sell(sale(second, line(gift)))
    await watch.until(lambda: watch.lines(second) == ["Refused CodeAlreadySold"], "refused")
    checked = await scene.till.check(gift.code, second)
    assert checked.short == (409, "CodeAlreadySold")
    assert watch.order(first) == before
    assert watch.kinds(gift.id) == ["Issued", "Allocated"]


async def test_fifty_checks_at_once_reserve_a_code_for_one(scene: Scene) -> None:
    (gift,) = await scene.issue()
    orders = [fresh("SO") for _ in range(50)]
    asked = [scene.till.check(gift.code, order_id, reserveSeconds=2) for order_id in orders]
    answers = await asyncio.gather(*asked)
    heard = Counter((one.status, one.body.get("code")) for one in answers)
    assert heard == {(200, None): 1, (409, "CodeAlreadySold"): 49}
    watch = scene.watch
    await watch.until(lambda: watch.kinds(gift.id)[-1] == "Released", "reservation over")
    loser = orders[next(n for n, one in enumerate(answers) if one.status == 409)]
    again = await scene.till.check(gift.code, loser)
    assert again.status == 200
    assert again.of("status") == "Allocated"
    kinds = await watch.until(
        lambda: len(found := watch.kinds(gift.id)) == 4 and found, "reserved again"
    )
    assert kinds == ["Issued", "Allocated", "Released", "Allocated"]
