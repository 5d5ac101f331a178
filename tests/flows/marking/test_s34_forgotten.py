"""Acceptance scenarios 34 and 35: lost messages, a restored database."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from app.embedded_postgres import PostgresServer
from app.marking.crash import CRASH_EXIT_CODE
from deploy.sandbox.cards import gtin_of
from tests.flows.marking.stack import Shop, Stack

GTIN, OTHER = gtin_of(1), gtin_of(2)
PARTITIONS = 4


def test_s34_orders_whose_messages_are_lost_are_found_by_the_sweeper(stack: Stack) -> None:
    stack.rest_spare()
    shop = stack.shop()
    shop.fault("nk.mark_check", "gate", times=5)
    orders = [shop.order((GTIN, 5))["id"] for _ in range(5)]
    assert len(shop.player.control("GET", "/gates?wait_s=40&count=5")) == 5
    assert {shop.read(order)["status"] for order in orders} == {"INIT"}
    stack.main.kill()
    shop.player.control("POST", "/gates/release", {"then": "drop"})
    asyncio.run(forget(stack.env["GIFTMARK_KAFKA_URL"]))
    stack.main.start()
    stack.main.wait_ready()
    for order in orders:
        shop.until_status(order, "COMPLETED")
    assert shop.count("suz.create_order") == len(orders)
    shop.player.assert_clean()


async def forget(bootstrap: str) -> None:
    """Delete every record of the work topics."""
    topics = ("suz_orders", "marking_statuses")
    places = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await consumer.start()
    await admin.start()
    try:
        ends = await consumer.end_offsets(places)
        gone = {place: RecordsToDelete(before_offset=end) for place, end in ends.items() if end}
        assert gone
        await admin.delete_records(gone)
    finally:
        await admin.close()
        await consumer.stop()


def test_s35_a_restored_database_orders_nothing_twice(
    stack: Stack, postgres_server: PostgresServer
) -> None:
    stack.rest_spare()
    known, unknown = stack.shop(), stack.shop()
    earlier = unknown.order((GTIN, 3))["id"]
    unknown.until_status(earlier, "COMPLETED")
    for shop in (known, unknown):
        shop.fault("suz.create_order", "stay", state="PENDING", times=0)
    order = planned_and_no_more(stack, known)
    with snapshot(stack, postgres_server) as restore:
        restart(stack)
        known.until_status(order, "EMITTING")
        lost = unknown.order((OTHER, 10))["id"]
        unknown.until_status(lost, "EMITTING")
        stack.main.kill()
        restore()
    restart(stack)
    for shop in (known, unknown):
        shop.proceed()

    known.until_status(order, "COMPLETED")
    assert known.count("suz.create_order") == 1
    known.assert_complete(order)

    assert unknown.api.get(f"/orders/{lost}").status_code == 404
    number = without_a_record(unknown)
    adopted = unknown.api.ok(unknown.api.post(f"/suz-orphans/{number}/adopt"))["id"]
    unknown.until_status(adopted, "COMPLETED")
    stored = [*unknown.codes(adopted), *unknown.codes(earlier)]
    assert sorted(stored) == sorted(code[:31] for code in unknown.ledger())
    assert unknown.count("suz.create_order") == 2
    unknown.assert_whole(adopted)


def planned_and_no_more(stack: Stack, shop: Shop) -> str:
    """An order whose POST is planned and signed; its worker has ended there."""
    stack.main.stop()
    stack.main.start(GIFTMARK_MARKING_CRASH_AT="create_order.planned")
    stack.main.wait_ready()
    order = str(shop.order((GTIN, 20))["id"])
    assert stack.main.process is not None
    assert stack.main.process.wait(60) == CRASH_EXIT_CODE
    return order


def restart(stack: Stack) -> None:
    stack.main.start()
    stack.main.wait_ready()


@contextmanager
def snapshot(stack: Stack, server: PostgresServer) -> Iterator[Any]:
    """The database as it is now; the value puts it back."""
    name = stack.dsn.rsplit("/", 1)[1].split("?")[0]

    def run(*statements: str) -> None:
        with closing(psycopg2.connect(server.dsn())) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                    [name],
                )
                for statement in statements:
                    cursor.execute(statement)

    run(f"create database {name}_then template {name}")
    yield lambda: run(
        f"drop database {name} with (force)", f"create database {name} template {name}_then"
    )
    run(f"drop database {name}_then")


def without_a_record(shop: Shop) -> str:
    """The number of the order of the station that the database knows nothing of."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = shop.api.ok(shop.api.get("/suz-orphans", participant=shop.id))["items"]
        if found:
            return str(found[0]["suz_order_id"])
        time.sleep(0.2)
    raise AssertionError("the comparison at start found nothing")
