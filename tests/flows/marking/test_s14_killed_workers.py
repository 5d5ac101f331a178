"""Acceptance scenarios 14, 34 and 43: workers that die, freeze or are asked to stop."""

import signal
from collections import Counter
from contextlib import closing
from functools import partial
from typing import Any

import psycopg2

from deploy.sandbox.cards import gtin_of
from tests.flows.marking.abreast import together
from tests.flows.marking.doubling import doubled
from tests.flows.marking.processes import Worker
from tests.flows.marking.stack import Shop, Stack

GTIN = gtin_of(1)
COUNT = 20
# As the stack sets it; and what the contract gives a worker for the rest of its end.
DRAIN_S = 3
ENDING_S = 2
MANY = 6
# Where the worker is killed: operation, and whether the emulator has done it by then.
PLACES = {
    "C5": ("suz.create_order", "before"),
    "C6": ("true_api.submit_document", "after"),
    "C7": ("suz.create_order", "after"),
    "C9": ("suz.fetch_codes", "after"),
    "C11": ("suz.close_order", "after"),
}


def gated(stack: Stack, place: str) -> tuple[Shop, str]:
    """An order whose call stands at the gate of the emulator."""
    operation, when = PLACES[place]
    shop = stack.shop()
    shop.fault(operation, "gate", when=when)
    order_id = shop.order((GTIN, COUNT))["id"]
    assert shop.player.control("GET", "/gates?wait_s=40"), shop.story(order_id)
    return shop, order_id


def test_s14_a_kill_at_any_call_loses_no_code_and_doubles_nothing(stack: Stack) -> None:
    stack.rest_spare()
    standing = {place: gated(stack, place) for place in PLACES}
    stack.main.kill()
    for shop, _ in standing.values():
        shop.player.control("POST", "/gates/release", {"then": "drop"})
    stack.main.start()
    stack.main.wait_ready()
    together(*(partial(ends_whole, *found, place) for place, found in standing.items()))


def ends_whole(shop: Shop, order_id: str, place: str) -> None:
    shop.until_status(order_id, "COMPLETED", within_s=120)
    shop.assert_complete(order_id)
    assert len(shop.codes(order_id)) == COUNT, place
    assert len(shop.player.control("GET", "/documents")) == 1, place
    assert len(shop.player.control("GET", "/orders")) == 1, place


def test_s43_a_worker_asked_to_stop_leaves_its_call_doubtful_and_ends(stack: Stack) -> None:
    stack.rest_spare()
    shop, order_id = gated(stack, "C7")
    stack.main.send(signal.SIGTERM)
    assert stack.main.process is not None
    assert stack.main.process.wait(DRAIN_S + ENDING_S) == 0
    assert left_behind(stack, order_id) == ("UNKNOWN", None, 0)
    shop.player.control("POST", "/gates/release", {"then": "drop"})
    stack.main.start()
    stack.main.wait_ready()
    shop.until_status(order_id, "COMPLETED", within_s=90)
    (ours,) = shop.player.control("GET", "/orders")
    assert shop.read(order_id)["station"]["suz_order_id"] == ours["orderId"]
    assert shop.count("suz.create_order") == 1
    told = [e for e in shop.timeline(order_id) if e["details"].get("operation") == "create_order"]
    assert [entry["action"] for entry in told] == ["call.unknown", "call.found"]
    shop.assert_complete(order_id)


def left_behind(stack: Stack, order_id: str) -> tuple[Any, ...]:
    """State of the order's POST, who has its lease, and how many leases there are at all."""
    with closing(psycopg2.connect(stack.dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(
            """select c.state, o.lease_owner,
                      (select count(*) from marking.orders where lease_until is not null)
               from marking.orders o join marking.calls c on c.order_id = o.id
               where o.id = %s and c.operation = 'create_order'""",
            [order_id],
        )
        (found,) = cursor.fetchall()
        return tuple(found)


def test_s34_every_work_message_twice_changes_nothing(stack: Stack) -> None:
    """Whatever was done twice would stand in the emulator's journal or in the timeline."""
    stack.spare()
    shop = stack.shop(switches={"delays": {"document": 40}})
    with doubled(stack.env["GIFTMARK_KAFKA_URL"]) as messages:
        orders = [shop.order((GTIN, 5))["id"] for _ in range(MANY)]
        for order_id in orders:
            shop.until_status(order_id, "COMPLETED")
    for worker in stack.workers[:2]:
        shop.until(orders[0], lambda _order, w=worker: idle(w))  # type: ignore[misc]
    assert set(orders) <= {message.order_id for message in messages}
    assert Counter(shop.operations()) == {
        "true_api.submit_document": MANY,
        "suz.create_order": MANY,
        "suz.fetch_codes": 2 * MANY,
        "suz.close_order": MANY,
    }
    polls = [m for m in messages if m.task == "poll_documents" and m.order_id == shop.id]
    passes = {(message.subject_id, message.passes) for message in polls}
    assert 0 < shop.count("true_api.document_list") <= len(passes)
    for order_id in orders:
        went = shop.statuses(order_id)
        assert len(went) == len(set(went))
        assert len(shop.codes(order_id)) == 5
    shop.player.assert_clean()


def idle(worker: Worker) -> bool:
    return worker.metric("marking_runner_slots_used") == 0
