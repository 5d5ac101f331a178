"""Acceptance scenarios 11, 12, 13, 16 and 17: answers that are lost, spoiled or refused."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from deploy.sandbox.cards import gtin_of
from tests.flows.marking.abreast import together
from tests.flows.marking.processes import Caller
from tests.flows.marking.stack import Shop, Stack

GTIN = gtin_of(1)
LOOKUPS = 3
PATIENCE_S = 3
LIMITED = {"status": 429, "retry_after_s": PATIENCE_S}


@pytest.mark.beside
def test_s11_a_document_whose_answer_is_lost_is_adopted(stack: Stack) -> None:
    together(partial(document_once, stack), partial(document_after_a_technical_error, stack))


def document_once(stack: Stack) -> None:
    shop = stack.shop()
    shop.fault("true_api.submit_document", "drop")
    order_id = shop.order((GTIN, 10))["id"]
    shop.until_status(order_id, "COMPLETED")
    shop.assert_complete(order_id)
    (document,) = shop.player.control("GET", "/documents")
    assert shop.count("true_api.submit_document") == 1
    assert [d["number"] for d in shop.read(order_id)["documents"]] == [document["number"]]


def document_after_a_technical_error(stack: Stack) -> None:
    shop = stack.shop()
    shop.fault("true_api.submit_document", "verdict", state="PROCESSING_ERROR")
    shop.fault("true_api.submit_document", "drop", nth=2)
    order_id = shop.order((GTIN, 10))["id"]
    shop.until_status(order_id, "COMPLETED")
    shop.assert_complete(order_id)
    remote = [document["number"] for document in shop.player.control("GET", "/documents")]
    assert len(remote) == 2
    assert [d["number"] for d in shop.read(order_id)["documents"]] == remote


@pytest.mark.beside
def test_s12_an_order_whose_answer_is_lost_is_adopted_by_its_number(stack: Stack) -> None:
    shop = stack.shop()
    shop.fault("suz.create_order", "drop")
    order_id = shop.order((GTIN, 10))["id"]
    held = shop.until_hold(order_id, "unknown_outcome")
    assert "второй раз не отправляем" in held["hold"]["text"]
    shop.until_status(order_id, "COMPLETED")
    shop.assert_complete(order_id)
    (remote,) = shop.player.control("GET", "/orders")
    assert shop.count("suz.create_order") == 1
    assert shop.read(order_id)["station"]["suz_order_id"] == remote["orderId"]


@pytest.mark.beside
def test_s13_three_whole_lookups_come_before_one_resend(stack: Stack) -> None:
    shop = stack.shop()
    shop.fault("suz.create_order", "drop", when="before")
    shop.fault("suz.order_list", "status", status=502, shape="html", nth=2)
    shop.fault("suz.order_list", "truncated_json", nth=4)
    shop.fault("suz.order_list", "latency", nth=6, ms=9_000)
    order_id = shop.order((GTIN, 10))["id"]
    shop.until_status(order_id, "COMPLETED", within_s=90)
    shop.assert_complete(order_id)
    first, second = shop.player.journal("suz.create_order")
    assert first["body_sha256"] == second["body_sha256"]
    assert first["headers"]["x-signature"] == second["headers"]["x-signature"]
    assert len(shop.player.control("GET", "/orders")) == 1
    lists = shop.player.journal("suz.order_list")
    between = [e for e in lists if first["request"] < e["request"] < second["request"]]
    whole = [e for e in between if not e["faults"]]
    assert len(whole) == LOOKUPS
    assert sorted(e["faults"][0] for e in between if e["faults"]) == [
        "latency",
        "status",
        "truncated_json",
    ]


@pytest.mark.beside
def test_s16_no_doubtful_answer_is_repeated_blindly(stack: Stack) -> None:
    faults: list[tuple[str, dict[str, Any]]] = [
        ("status", {"status": 408, "when": "after"}),
        ("status", {"status": 500, "when": "after"}),
        ("status", {"status": 502, "shape": "html", "when": "after"}),
        ("truncated_json", {}),
    ]
    together(*(partial(doubtful, stack, action, more) for action, more in faults))


def doubtful(stack: Stack, action: str, more: dict[str, Any]) -> None:
    shop = stack.shop()
    shop.fault("suz.create_order", action, **more)
    order_id = shop.order((GTIN, 10))["id"]
    shop.until_status(order_id, "COMPLETED")
    shop.assert_complete(order_id)
    assert shop.count("suz.create_order") == 1
    assert len(shop.player.control("GET", "/orders")) == 1
    states = [c["state"] for c in calls_of(shop, order_id) if c["operation"] == "create_order"]
    assert states == ["FOUND"]


def calls_of(shop: Shop, order_id: str) -> list[dict[str, Any]]:
    return list(shop.api.ok(shop.api.get(f"/orders/{order_id}/timeline"))["calls"])


def test_s17_a_429_holds_for_every_call_of_the_participant(stack: Stack) -> None:
    """Each of two workers is asked for something that needs a call: it says that it has to wait."""
    stack.spare()
    together(
        partial(held_at_the_catalogue, stack),
        partial(held_in_its_steps, stack, "true_api.submit_document", hint="balance"),
        partial(held_in_its_steps, stack, "suz.create_order", hint="ping"),
    )


def held_at_the_catalogue(stack: Stack) -> None:
    shop = stack.shop()
    shop.fault("nk.product", "status", **LIMITED)
    refused = shop.place((GTIN, 10))
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "3")
    asking = {"participant_id": shop.id, "gtins": [GTIN]}

    def held(api: Caller) -> bool:
        return api.post("/mark-check", asking).status_code == 503

    both_are_held(stack, shop, "nk", held=held)
    completes(shop, shop.order((GTIN, 10))["id"])


def held_in_its_steps(stack: Stack, operation: str, *, hint: str) -> None:
    """Whoever shows how an organisation stands asks for the hint, and leaves it out if held."""
    shop = stack.shop()
    shop.fault(operation, "status", **LIMITED)
    order_id = shop.order((GTIN, 10))["id"]
    shop.until_hold(order_id, "upstream")

    def held(api: Caller) -> bool:
        return api.ok(api.get(f"/participants/{shop.id}/status"))[hint] is None

    both_are_held(stack, shop, operation.split(".", maxsplit=1)[0], held=held)
    completes(shop, order_id)


def both_are_held(
    stack: Stack, shop: Shop, upstream: str, *, held: Callable[[Caller], bool]
) -> None:
    """Either worker is held at once and calls in the end, but not before its time."""
    hands = [stack.caller(shop.key, worker) for worker in stack.workers[:2]]
    assert [held(hand) for hand in hands] == [True, True]
    deadline = time.monotonic() + 30
    for hand in hands:
        while held(hand):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    calls = [
        entry
        for entry in shop.player.control("GET", "/journal?limit=5000")
        if entry["operation"].startswith(f"{upstream}.")
    ]
    (at,) = [n for n, entry in enumerate(calls) if entry["status"] == 429]
    gap_ms = calls[at + 1]["at_ms"] - calls[at]["answered_at_ms"]
    assert gap_ms >= PATIENCE_S * 1_000, [call["operation"] for call in calls]


def completes(shop: Shop, order_id: str) -> None:
    shop.until_status(order_id, "COMPLETED")
    shop.assert_complete(order_id)
