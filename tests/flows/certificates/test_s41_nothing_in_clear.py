"""Scenario 41: after all of this no code and no phone stands anywhere but where it came in."""

import itertools
import re
from collections.abc import Iterable
from contextlib import closing

import psycopg2
import pytest
from aiokafka import AIOKafkaConsumer
from psycopg2 import sql
from rocksdict import AccessType, Options, Rdict

from app.certificates.auditor import audit
from app.contracts.topics import INBOUND, manifest
from app.demo.traffic import new_code
from app.domain.certificates.codes import Code, parse
from app.kafka_access import KafkaAccess
from tests.flows.certificates.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")
CODE = re.compile(rb"GC(?:[- ]?[0-9A-Za-z]){18}", re.IGNORECASE)
PHONE = re.compile(rb"\+?7999[0-9]{7}")
BYTE_ARRAY = re.compile(r"\\x((?:[0-9a-f]{2})+)")


class Search:
    """Finds phones and codes that were used, and whatever else is a code as people write it.

    Small letters alone prove nothing: ids are made of them.
    """

    def __init__(self, codes: Iterable[str], phones: Iterable[str]) -> None:
        self.found: set[str] = set()
        self.looked_at = 0
        self._codes = {code.replace("-", "") for code in codes}
        self._phones = {phone.removeprefix("+").encode() for phone in phones}

    def look(self, where: str, content: bytes) -> None:
        self.looked_at += len(content)
        for match in CODE.findall(content):
            code = parse(match.decode())
            if isinstance(code, Code) and (match.isupper() or code.text in self._codes):
                self.found.add(f"a code in {where}")
        for match in PHONE.findall(content):
            if match.removeprefix(b"+") in self._phones:
                self.found.add(f"a phone in {where}")


async def look_at_topics(search: Search, scene: Scene, names: Iterable[str]) -> None:
    consumer = AIOKafkaConsumer(
        *names,
        bootstrap_servers=scene.cluster.broker.bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            fetched = await consumer.getmany(timeout_ms=500)
            for record in itertools.chain.from_iterable(fetched.values()):
                headers = b" ".join(value for _, value in record.headers)
                whole = b" ".join((record.key or b"", record.value or b"", headers))
                search.look(f"topic {record.topic}", whole)
    finally:
        await consumer.stop()


def look_at_stores(search: Search, scene: Scene) -> int:
    """Every entry of every worker's RocksDB, read beside the running worker."""
    entries = 0
    stores = {path.parent for path in (scene.cluster.data / "workers").rglob("CURRENT")}
    for path in stores:
        with closing(
            Rdict(str(path), Options(raw_mode=True), access_type=AccessType.read_only())
        ) as store:
            for key, value in store.items():
                entries += 1
                search.look(f"store {path.name}", bytes(key) + b" " + bytes(value))
        for log in path.glob("LOG*"):
            search.look(f"store {path.name}", log.read_bytes())
    return entries


def look_at_database(search: Search, dsn: str) -> int:
    """Every row of every table as text, and the bytes that its text shows in hex."""
    rows = 0
    tables = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^(pg_|information)'"
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(tables)
        for schema, table in cursor.fetchall():
            name = sql.Identifier(schema, table)
            cursor.execute(sql.SQL("SELECT t::text FROM {} t").format(name))
            for (text,) in cursor.fetchall():
                rows += 1
                raw = (bytes.fromhex(digits) for digits in BYTE_ARRAY.findall(text))
                search.look(f"table {schema}.{table}", b" ".join((text.encode(), *raw)))
    return rows


async def test_a_table_hides_nothing_in_byte_arrays(postgres: str) -> None:
    code, phone = new_code(), "+79991234567"
    search = Search([code], [phone])
    with closing(psycopg2.connect(postgres)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (id text, box bytea, boxes bytea[])")
        cursor.execute("INSERT INTO kept VALUES ('1', %s, NULL)", (f"to {phone}".encode(),))
        connection.commit()
        assert look_at_database(search, postgres) == 1
        assert search.found == {"a phone in table public.kept"}
        cursor.execute("INSERT INTO kept VALUES ('2', NULL, %s::bytea[])", ([code.encode()],))
        connection.commit()
    assert look_at_database(search, postgres) == 2
    assert search.found == {"a phone in table public.kept", "a code in table public.kept"}


async def look_at_scene(scene: Scene) -> Search:
    search = Search(scene.codes, scene.phones)
    published = [
        topic.name
        for topic in manifest(scene.cluster.partitions, scene.cluster.partitions)
        if topic.name not in INBOUND
    ]
    await look_at_topics(search, scene, published)
    assert look_at_stores(search, scene) > 0
    for path in scene.cluster.data.rglob("*.log"):
        if "broker" not in path.relative_to(scene.cluster.data).parts:
            search.look(f"log {path.name}", path.read_bytes())
    for worker in scene.cluster.everyone:
        async with scene.session.get(worker.metrics) as response:
            search.look(f"metrics of {worker.name}", await response.read())
    dsn = scene.cluster.env.get("GIFTMARK_DATABASE_URL")
    if dsn is not None:
        assert look_at_database(search, dsn) > 0
    return search


@pytest.mark.parametrize("name", ["scene", "brisk"])
async def test_no_code_and_no_phone_is_found_anywhere(
    scene: Scene, brisk: Scene, name: str
) -> None:
    place = {"scene": scene, "brisk": brisk}[name]
    place.phone()
    if not place.codes:
        await place.active()
    search = await look_at_scene(place)
    assert search.looked_at > 10_000
    assert not search.found
    inbound = Search(place.codes, place.phones)
    await look_at_topics(inbound, place, INBOUND)
    assert {
        "a code in topic GiftCertificateBatch",
        "a code in topic All_SalesOrder",
    } <= inbound.found


@pytest.mark.parametrize("name", ["scene", "brisk"])
async def test_the_audit_finds_no_difference(scene: Scene, brisk: Scene, name: str) -> None:
    place = {"scene": scene, "brisk": brisk}[name]
    if not place.codes:
        await place.active()
    result = await audit(KafkaAccess(place.cluster.broker.bootstrap))
    assert result.certificates > 0
    assert result.difference_count == 0, result.differences
