"""Acceptance scenarios 22–25 and 29: orders that wait, split, break and fill the station."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from deploy.sandbox.cards import gtin_of
from tests.flows.marking.abreast import together
from tests.flows.marking.processes import PATIENCE_MINUTES, SCALE, STATION_PLACES
from tests.flows.marking.stack import Shop, Stack

GTIN, OTHER = gtin_of(1), gtin_of(2)
MANY = 25_000
LATE = 3


@pytest.mark.beside
def test_s22_an_order_that_does_not_move_is_told_and_given_up_by_number(stack: Stack) -> None:
    together(partial(stays_created, stack), partial(stays_pending, stack))


def stays_created(stack: Stack) -> None:
    shop = stack.shop()
    shop.fault("suz.create_order", "stay", state="CREATED", times=0)
    order_id = shop.order((GTIN, 10))["id"]
    held = shop.until_hold(order_id, "signature")
    assert "Документы на подпись" in held["hold"]["text"]
    assert shop.do(order_id, "give-up", {"expected_lost": 9}).status_code == 409
    shop.api.ok(shop.do(order_id, "give-up", {"expected_lost": 10}))
    assert shop.read(order_id)["status"] == "DECLINED"
    barred = shop.do(order_id, "correct", {})
    assert (barred.status_code, barred.json()["code"]) == (409, "order-state")
    assert shop.count("suz.create_order") == 1
    (left,) = shop.player.control("GET", "/orders")
    shop.player.control("DELETE", "/faults")
    shop.player.control("POST", f"/orders/{left['orderId']}", {"action": "decline"})
    shop.until(order_id, lambda _order: shop.do(order_id, "correct", {}).is_success)
    shop.until_status(order_id, "COMPLETED")
    shop.assert_complete(order_id)
    numbers = [o["production_order_id"] for o in shop.player.control("GET", "/orders")]
    assert [number[-2:] for number in numbers] == ["-1", "-2"]


def stays_pending(stack: Stack) -> None:
    """Told at the limit and not at the second one, to which the list is asked for."""
    shop = stack.shop()
    shop.fault("suz.create_order", "stay", state="PENDING", times=0)
    order_id = shop.order((GTIN, 10))["id"]
    limit_s = PATIENCE_MINUTES * 60 / SCALE
    within_s = 60 + 2 * limit_s
    told = shop.until(order_id, lambda order: order["escalated_at"] is not None, within_s=within_s)
    assert told["status"] == "EMITTING"
    asked = shop.count("suz.order_list")
    past_s = 1.2 * limit_s
    shop.until(order_id, lambda _order: asked_for_s(shop, asked) > past_s, within_s=within_s)
    shop.proceed()
    shop.until_status(order_id, "COMPLETED")
    shop.assert_complete(order_id)
    actions = [entry["action"] for entry in shop.timeline(order_id)]
    assert actions.count("order.escalated") == 1
    notices = shop.api.ok(shop.api.get("/notifications", limit=200))["items"]
    assert [n["kind"] for n in notices].count("order.escalated") == 1


def asked_for_s(shop: Shop, known: int) -> float:
    """How long the list was asked for behind the first `known` times, and answered."""
    later = shop.player.journal("suz.order_list")[known:]
    answered = [entry["answered_at_ms"] for entry in later if entry["status"] == 200]
    return (max(answered) - min(answered)) / 1_000 if answered else 0


@pytest.mark.beside
def test_s23_a_rejected_line_does_not_stop_the_other_and_is_ordered_anew(stack: Stack) -> None:
    shop = stack.shop()
    shop.fault("suz.create_order", "reject", gtin=OTHER, text="Товар исключён")
    order_id = shop.order((GTIN, 10), (OTHER, 7))["id"]
    order = shop.until_status(order_id, "COMPLETED")
    assert [line["buffer"] for line in order["lines"]] == ["COMPLETE", "REJECTED"]
    assert "Товар исключён" in str(order["lines"][1]["rejection_reason"])
    assert "reorder-rejected" in order["actions"]
    anew = shop.api.ok(shop.do(order_id, "reorder-rejected"))
    assert [(line["gtin"], line["quantity"]) for line in anew["lines"]] == [(OTHER, 7)]
    shop.until_status(anew["id"], "COMPLETED")
    shop.assert_own_codes(order_id, 10)
    shop.assert_own_codes(anew["id"], 7)
    assert len(shop.ledger()) == 17


@pytest.mark.beside
def test_s24_a_lost_block_of_many_codes_comes_by_retry(stack: Stack) -> None:
    shop = stack.shop()
    shop.fault("suz.fetch_codes", "drop", nth=2)
    order_id = shop.order((GTIN, MANY))["id"]
    shop.until_status(order_id, "COMPLETED", within_s=120)
    order = shop.read(order_id)
    assert order["stored"] == MANY
    blocks = shop.player.control("GET", "/ledger")
    assert [len(block["codes"]) for block in blocks] == [10_000, 10_000, 4_999, 1]
    assert shop.count("suz.fetch_codes") == len(blocks)
    assert shop.count("suz.codes_retry") == 1
    assert sorted(exported(shop, order_id, MANY)) == sorted(shop.ledger())
    shop.assert_whole(order_id)


def exported(shop: Shop, order_id: str, count: int) -> list[str]:
    """So many full codes that were never issued, out of a file."""
    body = {"kind": "txt", "gtin": GTIN, "next": count}
    issue = shop.api.ok(shop.do(order_id, "issues", body))
    file = shop.api.get(f"/issues/{issue['id']}/file").content
    return file.decode().split("\n")[:-1]


@pytest.mark.beside
def test_s25_a_lost_tail_of_a_closed_order_costs_one_code(stack: Stack) -> None:
    shop = stack.shop(switches={"drain_close_delay_s": 0})
    shop.fault("suz.fetch_codes", "drop", match={"quantity": 1})
    order_id = shop.order((GTIN, MANY))["id"]
    order = shop.until_status(order_id, "COMPLETED")
    (line,) = order["lines"]
    shown = line["stored"], line["missing"], line["buffer"]
    assert shown == (MANY - 1, 1, "INCOMPLETE")
    assert order["station"]["closed_by"] == "EXHAUSTED"
    assert "reorder-rejected" in order["actions"]
    *_, tail = shop.player.control("GET", "/ledger")
    given = sorted([*exported(shop, order_id, MANY - 1), *tail["codes"]])
    assert given == sorted(shop.ledger())
    shop.assert_whole(order_id)


def test_s29_a_full_station_makes_orders_wait_for_their_turn(stack: Stack) -> None:
    """Two workers send at once; the station has exactly the room that the service counts on."""
    shop = stack.shop()
    shop.player.control("PUT", "/switches", {"limits": {"queued_orders": STATION_PLACES}})
    shop.fault("suz.create_order", "stay", state="PENDING", times=0)
    stack.spare()
    hands = [stack.caller(shop.key, worker) for worker in stack.workers[:2]]

    def place(number: int) -> str:
        body = {"participant_id": shop.id, "lines": [{"gtin": GTIN, "quantity": 2}]}
        hand = hands[number % 2]
        return str(hand.ok(hand.post("/orders", body))["id"])

    with ThreadPoolExecutor(4) as pool:
        orders = list(pool.map(place, range(STATION_PLACES + LATE)))
    waiting = until_full(shop, orders)
    assert "предел" in shop.read(waiting[0])["hold"]["text"]
    for number, (leaving, next_one) in enumerate(
        zip(shop.player.control("GET", "/orders"), sorted(waiting), strict=False), 1
    ):
        shop.player.control("POST", f"/orders/{leaving['orderId']}", {"action": "proceed"})
        shop.until_status(next_one, "EMITTING")
        assert len(shop.player.control("GET", "/orders")) == STATION_PLACES + number
    shop.player.control("DELETE", "/faults")
    shop.proceed()
    for order_id in orders:
        shop.until_status(order_id, "COMPLETED", within_s=90)
    assert {entry["status"] for entry in shop.player.journal("suz.create_order")} == {200}
    shop.player.assert_clean()
    assert len(shop.ledger()) == 2 * len(orders)


def until_full(shop: Shop, orders: list[str]) -> list[str]:
    """Until every order stands at the station or waits for a place there; those that wait."""
    deadline = time.monotonic() + 60 + 5 * STATION_PLACES
    while True:
        shown = [shop.read(order_id) for order_id in orders]
        waiting = [o["id"] for o in shown if (o["hold"] or {}).get("kind") == "suz_limit"]
        emitting = sum(o["status"] == "EMITTING" for o in shown)
        if (emitting, len(waiting)) == (STATION_PLACES, LATE):
            assert len(shop.player.control("GET", "/orders")) == STATION_PLACES
            return waiting
        assert time.monotonic() < deadline, [(o["status"], o["hold"]) for o in shown]
        time.sleep(0.3)
