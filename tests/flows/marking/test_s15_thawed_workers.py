"""Scenarios 15 and 38: what a worker does with orders that others finished while it was frozen."""

import signal
import time
from typing import Any

import psutil

from deploy.sandbox.cards import gtin_of
from tests.flows.marking.processes import Worker
from tests.flows.marking.stack import Shop, Stack

GTIN = gtin_of(1)
COUNT = 20
# Stops itself at the second order, and waits for an answer longer than its lease lasts.
PATIENT = {
    "GIFTMARK_MARKING_CRASH_AT": "create_order.claimed:2:freeze",
    "GIFTMARK_SUZ_WRITE_S": "1800",
    "GIFTMARK_MARKING_RECONCILE_DELAYS_S": "15,60,1801",
}


def test_s15_s38_a_thawed_worker_sends_nothing_late_and_keeps_what_it_got(stack: Stack) -> None:
    """Frozen with two orders in hand: one waits for its codes, one is claimed and not yet sent."""
    stack.rest_spare()
    stack.main.stop()
    stack.main.start(**PATIENT)
    stack.main.wait_ready()
    fetching, sending = stack.shop(), stack.shop()
    fetching.fault("suz.fetch_codes", "gate", when="after")
    fetched = fetching.order((GTIN, COUNT))["id"]
    assert fetching.player.control("GET", "/gates?wait_s=40"), fetching.story(fetched)
    sent = sending.order((GTIN, COUNT))["id"]
    until_frozen(stack.main)
    spare = stack.spare()
    for shop, order in ((fetching, fetched), (sending, sent)):
        shop.through(stack, spare)
        shop.until_status(order, "COMPLETED", within_s=120)
    before = [told(fetching, fetched), told(sending, sent)]

    stack.main.send(signal.SIGCONT)
    stack.main.wait_ready()
    fetching.player.control("POST", "/gates/release", {"then": "continue"})
    until_stale_writes(stack.main, 2)

    assert [told(fetching, fetched), told(sending, sent)] == before
    assert sending.count("suz.create_order") == 1
    blocks = fetching.player.control("GET", "/ledger")
    assert [len(block["codes"]) for block in blocks] == [COUNT - 1, 1]
    for shop, order in ((fetching, fetched), (sending, sent)):
        shop.assert_complete(order)
    stack.main.stop()
    stack.main.start()
    stack.main.wait_ready()


def told(shop: Shop, order: str) -> tuple[Any, ...]:
    """All that only the holder of the lease may write, and what was sent."""
    shown = shop.read(order)
    return shown["status"], shown["hold"], shown["version"], shop.statuses(order), shop.operations()


def until_frozen(worker: Worker) -> None:
    assert worker.process is not None
    process, deadline = psutil.Process(worker.process.pid), time.monotonic() + 60
    while process.status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < deadline, process.status()
        time.sleep(0.05)


def until_stale_writes(worker: Worker, count: int) -> None:
    """Both orders were given back in vain: what it wrote for them was refused."""
    deadline = time.monotonic() + 60
    while worker.metric("marking_stale_writes_total") < count:
        assert time.monotonic() < deadline
        time.sleep(0.1)
