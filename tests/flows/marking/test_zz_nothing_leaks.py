"""Once per run, at its end: no token, key or full code lies anywhere in clear."""

import asyncio
from collections.abc import Iterator
from contextlib import closing

import psycopg2
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.flows.marking.stack import Stack

TAIL_MARK = "92"
TAIL = slice(-44, None)
TOPICS = (
    "suz_orders",
    "marking_statuses",
    "marking_events",
    "marking_notifications",
    "marking.DLQ",
)
PARTITIONS = 4


class Secrets:
    """Everything that the emulator gave out; codes are known by their tails."""

    def __init__(self, stack: Stack) -> None:
        self.words: set[str] = set()
        self.tails: set[str] = set()
        for player in stack.players:
            found = player.control("GET", "/secrets")
            self.words |= {*found["tokens"], *found["apikeys"]}
            self.tails |= {code[TAIL] for code in found["codes"]}

    def __contains__(self, text: object) -> bool:
        assert isinstance(text, str)
        return any(word in text for word in self.words) or any(
            text[at : at + 44] in self.tails for at in _after(text, TAIL_MARK)
        )


def _after(text: str, mark: str) -> Iterator[int]:
    at = text.find(mark)
    while at >= 0:
        yield at + len(mark)
        at = text.find(mark, at + 1)


def test_no_secret_lies_in_database_topics_or_logs(stack: Stack) -> None:
    shop = stack.shop()
    order_id = shop.order(("04600000000015", 20))["id"]
    shop.until_status(order_id, "COMPLETED")
    secrets = Secrets(stack)
    assert len(secrets.words) >= 3
    assert len(secrets.tails) >= 20
    (code, *_) = shop.ledger()
    assert f"a line with {code} in it" in secrets
    assert [place for place, text in _rows(stack.dsn) if text in secrets] == []
    assert [topic for topic, text in asyncio.run(_records(stack)) if text in secrets] == []
    logs = {path.name: path.read_text(errors="replace") for path in stack.logs.glob("*.log")}
    assert [name for name, text in logs.items() if text in secrets] == []


def _rows(dsn: str) -> Iterator[tuple[str, str]]:
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(
            """select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
               where n.nspname = 'marking' and c.relkind = 'r'"""
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"select t::text from marking.{table} t")
            for (row,) in cursor:
                yield table, row


async def _records(stack: Stack) -> list[tuple[str, str]]:
    bootstrap = stack.env["GIFTMARK_KAFKA_URL"]
    places = [TopicPartition(topic, number) for topic in TOPICS for number in range(PARTITIONS)]
    found: list[tuple[str, str]] = []
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False) as reader:
        reader.assign(places)
        await reader.seek_to_beginning(*places)
        ends = await reader.end_offsets(places)
        while any([await reader.position(tp) < ends[tp] for tp in places]):
            for records in (await reader.getmany(timeout_ms=500)).values():
                found += [(r.topic, (r.value or b"").decode(errors="replace")) for r in records]
    return found
