"""Acceptance scenarios 44 and 50: everybody at once, and everything that may go wrong."""

import base64
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import httpx

from deploy.sandbox.cards import gtin_of
from tests.flows.marking.abreast import together
from tests.flows.marking.stack import Shop, Stack

GTIN = gtin_of(1)
# By command: MARKING_RACES=200, MARKING_CHAOS_S=120 with MARKING_CHAOS_ORDERS=100, any seed.
RACES = int(os.environ.get("MARKING_RACES", "32"))
CHAOS_S = float(os.environ.get("MARKING_CHAOS_S", "30"))
CHAOS_ORDERS = int(os.environ.get("MARKING_CHAOS_ORDERS", "30"))
CHAOS_SEED = int(os.environ.get("MARKING_CHAOS_SEED", "50"))
KILL_EVERY_S = 12
CODES = 40
HELPED = 3
MISHAPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("suz.create_order", {"action": "drop"}),
    ("suz.create_order", {"action": "drop", "when": "before"}),
    ("suz.create_order", {"action": "status", "status": 502, "when": "after"}),
    ("suz.fetch_codes", {"action": "drop"}),
    ("suz.fetch_codes", {"action": "truncated_json"}),
    ("suz.fetch_codes", {"action": "status", "status": 429, "retry_after_s": 1}),
    ("suz.close_order", {"action": "drop"}),
    ("suz.close_order", {"action": "status", "status": 503}),
    ("suz.order_status", {"action": "status", "status": 500}),
    ("suz.order_list", {"action": "truncated_json"}),
    ("suz.order_list", {"action": "status", "status": 401}),
    ("true_api.submit_document", {"action": "drop"}),
    ("true_api.submit_document", {"action": "verdict", "state": "PROCESSING_ERROR"}),
    ("true_api.document_list", {"action": "latency", "ms": 700}),
    ("nk.mark_check", {"action": "status", "status": 503}),
    ("*", {"action": "extra_field"}),
)


def test_s44_who_races_with_the_runner_loses_nothing(stack: Stack) -> None:
    stack.spare()
    by_itself, by_hand = stack.shop(), stack.shop(signer="browser")
    by_hand.sign_in()
    over = threading.Event()
    racers = [
        partial(raced, stack, shop, number) for number, shop in enumerate([by_itself, by_hand] * 4)
    ]
    with ThreadPoolExecutor(1) as pool:
        hands = pool.submit(sign_all, by_hand, over)
        try:
            together(*racers)
        finally:
            over.set()
            hands.result()
    for shop in (by_itself, by_hand):
        shop.player.assert_clean()
        numbers = [o["production_order_id"] for o in shop.player.control("GET", "/orders")]
        assert len(numbers) == len(set(numbers))


def sign_all(shop: Shop, over: threading.Event) -> None:
    """A person at the page «На подпись» who signs whatever is there, everything twice."""
    while not over.wait(0.1):
        for request in shop.pending():
            if not request["purpose"].startswith("auth_"):
                signed_twice(shop, request)


def signed_twice(shop: Shop, request: dict[str, Any]) -> None:
    """The same signature again changes nothing; one that came too late is not wanted again."""
    payload = base64.b64decode(request["payload"])
    form = {"signature": shop.player.sign(payload, detached=request["detached"])}
    path = f"/sign-requests/{request['id']}/signature"
    first, second = (shop.api.post(path, form) for _ in range(2))
    assert second.status_code == first.status_code, second.text
    if first.is_success:
        return
    assert (first.status_code, first.json()["code"]) == (409, "order-state"), first.text
    closed_by_station = request["purpose"] == "suz_close"
    assert closed_by_station or shop.read(request["order_id"])["status"] == "CANCELLED"


def raced(stack: Stack, shop: Shop, number: int) -> None:
    """One after another: an order, and requests that meet it at any moment."""
    dice = random.Random(number)
    through = stack.workers[number % 2]
    mine = Shop(stack.caller(shop.key, through), shop.player, shop.id, shop.login, shop.key)
    for _ in range(RACES // 8):
        order = mine.order((GTIN, 3))["id"]
        cancelled = False
        for _ in range(dice.randrange(4)):
            time.sleep(dice.random() * 0.4)
            action = dice.choice(("cancel", "retry", "retry"))
            answer = mine.do(order, action)
            assert answer.status_code in {200, 409}, answer.text
            cancelled = cancelled or (action == "cancel" and answer.status_code == 200)
        ended = mine.until_status(order, "COMPLETED", "CANCELLED", within_s=90)
        assert (ended["status"] == "CANCELLED") is cancelled
        mine.statuses(order)
        assert len(mine.codes(order)) == (0 if cancelled else 3)


def test_s50_whatever_happens_orders_end_or_say_why(stack: Stack) -> None:
    """And when a person has done what the hold asks for, every order has all its codes."""
    stack.spare()
    shops = [stack.shop(switches={"drain_close_delay_s": 3_600}) for _ in range(3)]
    orders: list[tuple[Shop, str]] = []
    together(partial(mischief, stack, shops), *(partial(buys, shop, orders) for shop in shops))
    assert len(orders) == len(shops) * (CHAOS_ORDERS // 3)
    for shop in shops:
        assert harm_done(shop) >= 10
        shop.player.control("DELETE", "/faults")
    together(*(partial(ends_or_explains, shop, order) for shop, order in orders))
    for shop in shops:
        shop.api.ok(shop.api.post(f"/participants/{shop.id}/sign-in"))
    together(*(partial(brought_to_its_end, shop, order) for shop, order in orders))
    for shop, order in orders:
        assert sorted(shop.codes(order)) == sorted(given_for(shop, order))
        assert len(given_for(shop, order)) == CODES
        shop.assert_whole(order)
    for shop in shops:
        assert len(shop.player.control("GET", "/orders")) == CHAOS_ORDERS // 3


def harm_done(shop: Shop) -> int:
    """Requests that a fault fell upon."""
    journal = shop.player.control("GET", "/journal?limit=5000")
    return sum(bool(entry["faults"]) for entry in journal)


def given_for(shop: Shop, order: str) -> list[str]:
    """КИ that the station handed out for this order."""
    number = shop.read(order)["station"]["suz_order_id"]
    ledger = shop.player.control("GET", f"/ledger?order_id={number}")
    return [code[:31] for block in ledger for code in block["codes"]]


def buys(shop: Shop, placed: list[tuple[Shop, str]]) -> None:
    """Orders all the time, each asked for with its key until there is an answer.

    A sign-in for each: a stolen token stops everything until a person comes.
    """
    for number in range(CHAOS_ORDERS // 3):
        answer = None
        while answer is None or not answer.is_success:
            time.sleep(CHAOS_S / CHAOS_ORDERS)
            with suppress(httpx.TransportError):
                shop.api.post(f"/participants/{shop.id}/sign-in")
                answer = shop.place((GTIN, CODES), key=f"chaos-{number}")
                assert answer.status_code in {201, 409, 503}, answer.text
        placed.append((shop, answer.json()["id"]))


def mischief(stack: Stack, shops: list[Shop]) -> None:
    dice = random.Random(CHAOS_SEED)
    end = time.monotonic() + CHAOS_S
    kill_at = time.monotonic() + KILL_EVERY_S
    while time.monotonic() < end:
        for shop in shops:
            operation, mishap = dice.choice(MISHAPS)
            shop.fault(operation, nth=dice.randrange(1, 4), **mishap)
        time.sleep(0.5)
        if time.monotonic() >= kill_at:
            victim = dice.choice(stack.workers[:2])
            victim.kill()
            victim.start()
            kill_at = time.monotonic() + KILL_EVERY_S
    for worker in stack.workers[:2]:
        worker.wait_ready()


ENDED = {"COMPLETED", "DOC_REJECTED", "DECLINED"}


def rests(shown: dict[str, Any]) -> bool:
    return shown["status"] in ENDED or (shown["hold"] or {}).get("kind") == "attention"


def ends_or_explains(shop: Shop, order: str) -> None:
    """A hold that asks for attention has words."""
    shown = shop.until(order, rests)
    assert shown["status"] in ENDED or len(shown["hold"]["text"]) > 10


def brought_to_its_end(shop: Shop, order: str) -> None:
    """«Исправить» and «Повторить», as often as a person would."""
    for _ in range(HELPED):
        shown = shop.until(order, rests)
        if shown["status"] == "COMPLETED":
            return
        shop.do(order, "retry" if shown["hold"] else "correct")
    raise AssertionError(shop.story(order))
