"""Acceptance scenario 31: codes that nobody fetched for 90 days."""

import pytest

from deploy.sandbox.cards import gtin_of
from tests.flows.marking.stack import Shop, Stack

GTIN = gtin_of(1)
DAY_S = 86_400
# Days before the end, each behind the next mark: 30, 14, 7 and 1.
LEFT = (29.5, 13.5, 6.5, 0.5)
LONG_S = 1_000 * DAY_S


def wait_until_left(shop: Shop, days: float) -> None:
    """Move the clock of the station to so many days before its codes burn."""
    (remote,) = shop.player.control("GET", "/orders")
    now = shop.player.control("GET", "/clock")
    left_s = (remote["buffers"][0]["expires_ms"] - now["now_ms"]) * now["scale"] / 1_000
    shop.player.pass_time(left_s - days * DAY_S)


@pytest.mark.beside
def test_s31_codes_that_nobody_fetches_are_told_four_times_and_burn(stack: Stack) -> None:
    shop = stack.shop(switches={"lifetimes": {"token": LONG_S}, "fewer_codes_than_asked": True})
    shop.fault("suz.fetch_codes", "status", status=400, nth=2, times=0)
    order = shop.order((GTIN, 21))["id"]
    shop.until_hold(order, "attention")

    def warnings() -> int:
        told = shop.api.ok(shop.api.get("/notifications", limit=200))["items"]
        return sum(notice["kind"] == "codes.expiring" for notice in told)

    assert warnings() == 0
    for number, days in enumerate(LEFT, start=1):
        wait_until_left(shop, days)
        shop.until(order, lambda _order, so_far=number: warnings() >= so_far)  # type: ignore[misc]
    shop.player.pass_time(2 * DAY_S)
    done = shop.until_status(order, "COMPLETED")
    assert warnings() == 4
    (line,) = done["lines"]
    assert (line["buffer"], line["stored"], line["missing"]) == ("EXPIRED", 10, 11)
    assert done["station"]["closed_by"] == "EXPIRED"
    assert "reorder-rejected" in done["actions"]
    assert shop.count("suz.close_order") == 0
    shop.assert_complete(order, codes=10)
