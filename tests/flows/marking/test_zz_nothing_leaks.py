"""Once per run, at its end: no token, key or full code lies anywhere in clear."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2

from tests.flows.marking.records import Record, records_of
from tests.flows.marking.stack import Stack

TAIL_MARK = "92"
TAIL = slice(-44, None)
# So much of a tail tells it, whatever was quoted on the way.
ENOUGH = 24
TOPICS = (
    "suz_orders",
    "marking_statuses",
    "marking_events",
    "marking_notifications",
    "marking.DLQ",
)


class Secrets:
    """Everything that the emulator gave out; codes are known by their tails."""

    def __init__(self, stack: Stack) -> None:
        self.words: set[str] = set()
        self.tails: set[str] = set()
        for player in stack.players:
            found = player.control("GET", "/secrets")
            self.words |= {*found["tokens"], *found["apikeys"]}
            self.tails |= {_plain(code[TAIL])[:ENOUGH] for code in found["codes"]}

    def __contains__(self, text: object) -> bool:
        assert isinstance(text, str)
        plain = _plain(text)
        return any(word in plain for word in self.words) or any(
            plain[at : at + ENOUGH] in self.tails for at in _after(plain, TAIL_MARK)
        )


def _plain(text: str) -> str:
    """Without what JSON and rows put around quotes and slashes."""
    return text.replace("\\", "").replace('"', "")


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
    code = next(code for code in shop.ledger() if '"' in code[TAIL])
    assert f"a line with {json.dumps(code)} in it" in secrets
    with closing(psycopg2.connect(stack.dsn)) as connection, connection.cursor() as cursor:
        cursor.execute("set bytea_output = 'escape'")
        leaks = [table for table in _tables(cursor) if _told(cursor, table, secrets)]
        assert leaks == []
        for clear in (code, next(iter(secrets.words))):
            plant = "update marking.participants set nk_apikey_enc = %s where id = %s"
            cursor.execute(plant, [clear.encode(), shop.id])
            assert _told(cursor, "participants", secrets)
        connection.rollback()
    assert [topic for topic, text in asyncio.run(_records(stack)) if text in secrets] == []
    logs = {path.name: path.read_text(errors="replace") for path in stack.logs.glob("*.log")}
    assert [name for name, text in logs.items() if text in secrets] == []


def _tables(cursor: Any) -> list[str]:
    cursor.execute(
        """select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where n.nspname = 'marking' and c.relkind = 'r'"""
    )
    return [table for (table,) in cursor.fetchall()]


def _told(cursor: Any, table: str, secrets: Secrets) -> bool:
    """Whether a row tells a secret, in a text or in bytes."""
    cursor.execute(f"select t::text from marking.{table} t")
    return any(row in secrets for (row,) in cursor)


def _parts(record: Record) -> Iterator[bytes]:
    yield from (record.key or b"", record.value or b"")
    for name, value in record.headers:
        yield from (name.encode(), value)


async def _records(stack: Stack) -> list[tuple[str, str]]:
    records = await records_of(stack.env["GIFTMARK_KAFKA_URL"], *TOPICS)
    return [(r.topic, part.decode(errors="replace")) for r in records for part in _parts(r)]
