"""Acceptance scenario 47: the feed of events through a kill, and what could not be decoded."""

import asyncio
import time
import uuid
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer

from app.contracts.topics import SUZ_ORDERS
from deploy.sandbox.cards import gtin_of
from tests.flows.marking.processes import Worker
from tests.flows.marking.stack import Shop, Stack

GTIN = gtin_of(1)
COMPLETED = "marking.order.completed"
STORED = "marking.codes.stored"
CODES = 3


def test_s47_the_feed_has_no_gap_and_no_double_through_a_kill(stack: Stack) -> None:
    shop = stack.shop()
    shop.through(stack, stack.spare())
    after = end_of_feed(shop)
    orders = [shop.order((GTIN, CODES))["id"] for _ in range(4)]
    events: list[dict[str, Any]] = []
    deadline, killed = time.monotonic() + 90, False
    while left := unended(events, orders):
        assert time.monotonic() < deadline, [shop.story(order) for order in left]
        page = shop.api.ok(shop.api.get("/events", after=after, limit=1))
        # The next number is there, of whomever it is, before any that is greater.
        assert page["next"] - after in {0, 1}
        events, after = [*events, *page["items"]], page["next"]
        if not killed and any(event["kind"] == "marking.order.emitting" for event in events):
            stack.main.kill()
            stack.main.start()
            killed = True
    stack.main.wait_ready()
    assert killed
    numbers = [event["feed_seq"] for event in events]
    assert numbers == sorted(set(numbers))
    assert len({event["event_id"] for event in events}) == len(events)
    for order_id in orders:
        told = [event["kind"] for event in events if event["order_id"] == order_id]
        assert told[0] == "marking.order.init"
        moves = [kind.rsplit(".", 1)[1].upper() for kind in told if ".order." in kind]
        assert moves[1:] == shop.statuses(order_id)
        assert blocks_told(events, order_id) == blocks_given(shop, order_id)


def end_of_feed(shop: Shop) -> int:
    """The last number that was given before."""
    after = 0
    while (last := shop.api.ok(shop.api.get("/events", after=after, limit=200))["next"]) > after:
        after = last
    return after


def blocks_told(events: list[dict[str, Any]], order: str) -> list[tuple[str, int]]:
    """(block, how many codes) of each event of stored codes."""
    stored = [e["payload"] for e in events if (e["order_id"], e["kind"]) == (order, STORED)]
    return sorted((block["block_id"], block["quantity"]) for block in stored)


def blocks_given(shop: Shop, order: str) -> list[tuple[str, int]]:
    number = shop.read(order)["station"]["suz_order_id"]
    blocks = shop.player.control("GET", f"/ledger?order_id={number}")
    assert sum(len(block["codes"]) for block in blocks) == len(shop.codes(order)) == CODES
    return sorted((block["block_id"], len(block["codes"])) for block in blocks)


def unended(events: list[dict[str, Any]], orders: list[str]) -> set[str]:
    return set(orders) - {event["order_id"] for event in events if event["kind"] == COMPLETED}


def test_s47_a_message_nobody_can_decode_is_kept_and_sent_again_once(stack: Stack) -> None:
    key = str(uuid.uuid4())
    asyncio.run(send(stack.env["GIFTMARK_KAFKA_URL"], key, b'{"task":"of a later version"}'))
    (letter,) = letters(stack.main, key)
    assert (letter["topic"], letter["code"]) == (SUZ_ORDERS, "WorkUndecodable")
    shown = desk(stack.main, "GET", f"/{letter['letter']}").json()
    assert shown["payload"] == {"task": "of a later version"}

    assert outcomes(stack.main, "replay", letter) == [("replayed", None)]
    (again,) = letters(stack.main, key)
    assert again["letter"] != letter["letter"]
    assert outcomes(stack.main, "replay", letter) == [("refused", "LetterHandled")]
    assert outcomes(stack.main, "discard", again, reason="of a test") == [("discarded", None)]
    assert letters(stack.main, key, count=0) == []


async def send(bootstrap: str, key: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(SUZ_ORDERS, value, key=key.encode())


def desk(worker: Worker, method: str, path: str, **request: Any) -> httpx.Response:
    """The operators' calls on the internal port."""
    url = f"http://127.0.0.1:{worker.internal}/dead-letters{path}"
    answer = httpx.request(
        method, url, headers={"Actor": "anna"}, timeout=30, trust_env=False, **request
    )
    assert answer.is_success, answer.text
    return answer


def letters(worker: Worker, key: str, *, count: int = 1) -> list[dict[str, Any]]:
    """The open letters of this key, once there are so many."""
    deadline = time.monotonic() + 30
    while True:
        query = {"topic": SUZ_ORDERS, "entity": key}
        found: list[dict[str, Any]] = desk(worker, "GET", "", params=query).json()["letters"]
        if len(found) == count:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def outcomes(
    worker: Worker, what: str, letter: dict[str, Any], **more: str
) -> list[tuple[str, str | None]]:
    body = {"letters": [letter["letter"]], **more}
    answer = desk(worker, "POST", f"/{what}", json=body).json()
    return [(one["outcome"], one.get("code")) for one in answer["letters"]]
