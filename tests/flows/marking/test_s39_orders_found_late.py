"""Acceptance scenarios 39, 40 and 41: orders of the station that we learn of late."""

from functools import partial
from typing import Any

import pytest

from deploy.sandbox.cards import gtin_of
from tests.flows.marking.abreast import together
from tests.flows.marking.stack import Shop, Stack

GTIN, OTHER = gtin_of(1), gtin_of(2)


def station_orders(shop: Shop) -> list[dict[str, Any]]:
    return list(shop.player.control("GET", "/orders"))


def orphans(shop: Shop) -> list[dict[str, Any]]:
    return list(shop.api.ok(shop.api.get("/suz-orphans", participant=shop.id))["items"])


def orphan_of(shop: Shop, waiting: str) -> str:
    """The number of the only order without a record, once the list has shown it."""
    shop.until(waiting, lambda _order: bool(orphans(shop)))
    (orphan,) = orphans(shop)
    return str(orphan["suz_order_id"])


@pytest.mark.beside
def test_s39_s40_s41_orders_found_late_are_adopted_or_dismissed(stack: Stack) -> None:
    """Side by side: all of them mostly wait for the lookups."""
    together(
        partial(a_hidden_first_attempt, stack),
        partial(it_is_ours, stack),
        partial(it_is_not_ours, stack),
        partial(taken_over, stack, fetched=0),
        partial(taken_over, stack, fetched=15),
    )


def a_hidden_first_attempt(stack: Stack) -> None:
    """Scenario 39: what was corrected finds and adopts the attempt before the correction."""
    shop = stack.shop()
    shop.fault("suz.create_order", "drop")
    shop.fault("suz.create_order", "list_lag", for_s=360)
    shop.fault("suz.create_order", "status", status=400, nth=2, text="Неверное поле")
    order = shop.order((GTIN, 20))["id"]
    shop.until_status(order, "DECLINED")
    assert shop.count("suz.create_order") == 2
    first, second = shop.player.journal("suz.create_order")
    assert first["body"] == second["body"]

    (hidden,) = station_orders(shop)
    shop.player.pass_time(400)
    facts = {"contact_person": "Петров П. П."}
    shop.api.ok(shop.do(order, "correct", {"attributes": facts}))
    shop.until_status(order, "COMPLETED")
    assert shop.count("suz.create_order") == 2
    assert [one["orderId"] for one in station_orders(shop)] == [hidden["orderId"]]
    found = shop.read(order)["station"]
    assert found["suz_order_id"] == hidden["orderId"]
    assert found["production_order_id"] == hidden["production_order_id"]
    shop.assert_complete(order)


def with_a_twin(stack: Stack) -> tuple[Shop, str]:
    """Scenario 40: our POST never arrived, and somebody ordered the same goods at that moment."""
    shop = stack.shop()
    shop.fault("suz.create_order", "foreign_order")
    shop.fault("suz.create_order", "drop", when="before")
    order = shop.order((GTIN, 20))["id"]
    held = shop.until_hold(order, "attention")
    assert held["hold"]["code"] == "foreign-candidate", shop.story(order)
    assert shop.count("suz.create_order") == 1
    return shop, str(order)


def doings(shop: Shop, order: str) -> list[str]:
    """What became of our POST and of the orders beside it, in turn."""
    told = shop.timeline(order)
    decided = {"suz.adopted", "suz.dismissed"}
    return [
        entry["action"]
        for entry in told
        if entry["action"] in decided or entry["details"].get("operation") == "create_order"
    ]


def it_is_ours(stack: Stack) -> None:
    shop, order = with_a_twin(stack)
    (twin,) = station_orders(shop)
    adopted = shop.api.ok(shop.api.post(f"/suz-orphans/{twin['orderId']}/adopt"))
    assert adopted["id"] == order
    assert orphans(shop) == []
    shop.until_status(order, "COMPLETED")
    assert "call.absent" not in doings(shop, order)
    assert shop.read(order)["station"]["suz_order_id"] == twin["orderId"]
    assert shop.count("suz.create_order") == 1
    shop.assert_complete(order)


def it_is_not_ours(stack: Stack) -> None:
    shop, order = with_a_twin(stack)
    (twin,) = station_orders(shop)
    assert doings(shop, order) == ["call.unknown"]
    shop.api.ok(shop.api.post(f"/suz-orphans/{twin['orderId']}/dismiss"))
    assert orphans(shop) == []
    shop.until_status(order, "COMPLETED")
    after = ["call.unknown", "suz.dismissed", "call.absent", "call.answered"]
    assert doings(shop, order) == after
    assert shop.count("suz.create_order") == 2
    own = next(o for o in station_orders(shop) if o["orderId"] != twin["orderId"])
    ledger = shop.player.control("GET", f"/ledger?order_id={own['orderId']}")
    given = [code[:31] for block in ledger for code in block["codes"]]
    assert sorted(shop.codes(order)) == sorted(given)
    shop.assert_whole(order)


def taken_over(stack: Stack, *, fetched: int) -> None:
    """Scenario 41: an order of the cabinet; another program may have fetched half of it."""
    shop = stack.shop()
    form = {"products": [{"gtin": OTHER, "quantity": 30}], "fetched": fetched}
    made = shop.player.control("POST", "/orders", form)
    ours = shop.order((GTIN, 5))["id"]
    number = orphan_of(shop, ours)
    assert number == made["orderId"]
    adopted = shop.api.ok(shop.api.post(f"/suz-orphans/{number}/adopt"))["id"]
    assert shop.read(adopted)["origin"] == "adopted"
    shop.until_status(adopted, "COMPLETED")
    shop.until_status(ours, "COMPLETED")
    blocks = shop.player.control("GET", f"/ledger?order_id={number}")
    assert sum(len(block["codes"]) for block in blocks if block["retries"]) == fetched
    codes = [*shop.codes(adopted), *shop.codes(ours)]
    assert sorted(codes) == sorted(code[:31] for code in shop.ledger())
    assert len(codes) == 35
    assert orphans(shop) == []
    assert {one["status"] for one in station_orders(shop)} == {"CLOSED"}
    again = shop.api.post(f"/suz-orphans/{number}/adopt")
    assert again.status_code == 409
    shop.assert_whole(adopted)
