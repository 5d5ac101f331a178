"""Acceptance scenario 36: the worker that polls is frozen, another takes its place."""

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing

import psutil
import psycopg2

from app.contracts.topics import MARKING_STATUSES
from app.marking.work import decode
from deploy.sandbox.cards import gtin_of
from tests.flows.marking.processes import Worker
from tests.flows.marking.records import records_of
from tests.flows.marking.stack import Shop, Stack

GTIN = gtin_of(1)
GOES_ON_S = 30.0
TRIES = 500


def test_s36_others_go_on_polling_while_the_one_who_did_is_frozen(stack: Stack) -> None:
    stack.spare()
    waiting, late = [stack.shop() for _ in range(3)], stack.shop()
    for shop in waiting:
        shop.fault("suz.create_order", "stay", state="PENDING", times=0)
    orders = [(shop, shop.order((GTIN, 10))["id"]) for shop in waiting]
    for shop, order in orders:
        shop.until_status(order, "EMITTING")
    leader = until_led(stack)
    (other,) = (worker for worker in stack.workers[:2] if worker is not leader)
    late.through(stack, other)
    swept = other.metric("marking_sweeps_total")
    freeze_inside_a_transaction(stack, leader)
    try:
        until(polled_again(waiting))
        until(lambda: leader_of(stack) == other.name)
        placed = late.order((GTIN, 10))["id"]
        until(lambda: other.metric("marking_sweeps_total") > swept)
        late.until_status(placed, "COMPLETED")
        done = late.operations()
    finally:
        leader.send(signal.SIGCONT)
    again = polled_again(waiting)
    until(lambda: led_by(stack, other) and again())
    leader.wait_ready()

    for shop, order in orders:
        shop.through(stack, leader)
        shop.proceed()
        shop.until_status(order, "COMPLETED")
        shop.assert_complete(order)
        assert shop.count("suz.create_order") == 1
        assert polls_since_ordered(shop) <= polls_published(stack, shop)
    assert late.operations() == done
    late.assert_complete(placed)


def until(done: Callable[[], bool]) -> None:
    """Within the time in which others have to go on."""
    deadline = time.monotonic() + GOES_ON_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def until_led(stack: Stack) -> Worker:
    """The worker that leads, once there is one."""
    running = {worker.name: worker for worker in stack.workers[:2]}
    until(lambda: leader_of(stack) in running)
    return running[leader_of(stack)]


def leader_of(stack: Stack) -> str:
    """The name in the lease, whether it has run out or not; empty when nobody has it."""
    with closing(psycopg2.connect(stack.dsn)) as connection, connection.cursor() as cursor:
        cursor.execute("select split_part(value, '/', 1) from marking.meta where name = 'leader'")
        (name,) = cursor.fetchone() or ("",)
        return str(name)


def led_by(stack: Stack, worker: Worker) -> bool:
    """Now as at every other look."""
    assert leader_of(stack) == worker.name
    return True


def polled_again(shops: Sequence[Shop]) -> Callable[[], bool]:
    """Whether the station was asked twice more for the orders of each."""
    asked = [shop.count("suz.order_list") for shop in shops]

    def done() -> bool:
        return all(
            shop.count("suz.order_list") >= before + 2
            for shop, before in zip(shops, asked, strict=True)
        )

    return done


def freeze_inside_a_transaction(stack: Stack, frozen: Worker) -> None:
    """Stop the worker at a moment when the database waits for it to end a transaction."""
    assert frozen.process is not None
    connections = psutil.Process(frozen.process.pid).net_connections("tcp")
    ports = [connection.laddr.port for connection in connections if connection.laddr]
    with closing(psycopg2.connect(stack.dsn)) as connection:
        connection.autocommit = True
        for _ in range(TRIES):
            frozen.send(signal.SIGSTOP)
            with connection.cursor() as cursor:
                cursor.execute(
                    """select count(*) from pg_stat_activity
                       where state = 'idle in transaction' and client_port = any(%s)""",
                    [ports],
                )
                (inside,) = cursor.fetchone() or (0,)
            if inside:
                return
            frozen.send(signal.SIGCONT)
            time.sleep(0.01)
    raise AssertionError("never met inside a transaction")


def polls_since_ordered(shop: Shop) -> int:
    """How often the station was asked for its orders after it had got ours."""
    journal = [entry["operation"] for entry in shop.player.control("GET", "/journal")]
    return journal[journal.index("suz.create_order") :].count("suz.order_list")


def polls_published(stack: Stack, shop: Shop) -> int:
    """How many polls of the list there were to make; one pass may be published many times."""
    records = asyncio.run(records_of(stack.env["GIFTMARK_KAFKA_URL"], MARKING_STATUSES))
    messages = [decode(record.value or b"") for record in records]
    return len(
        {
            (message.subject_id, message.passes)
            for message in messages
            if message.task == "poll_suz_list" and message.order_id == shop.id
        }
    )
