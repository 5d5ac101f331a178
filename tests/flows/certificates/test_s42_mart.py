"""Scenario 42: the mart is the ledger's true copy, also after it was made anew."""

import asyncio
import os
import subprocess
import sys
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from app.certificates.database import Database
from app.certificates.mart import SOURCES, Mart
from app.certificates.mart_rebuild import rebuild
from app.certificates.reconcile import Reconciled, reconcile
from app.contracts.topics import TRANSACTION
from app.kafka_access import KafkaAccess
from deploy.proving.cluster import CHECKOUT
from tests.flows.certificates.town import Town
from tests.mart import told
from tests.mart.told import content

MART = "giftmark-services"
COPIED = (*told.COPIED, "certificates.batch")
# What nobody can tell the mart again: only ever added to, by the copy or by the nights.
KEPT = (
    "mart.audit",
    "mart.liability_daily",
    "mart.night",
    "mart.recon_run",
    "mart.recon_difference",
)
# A night of long ago, of which the topics know nothing any more.
OLD_NIGHT = """
WITH run AS (
    INSERT INTO mart.recon_run (started_at, ended_at, certificates, behind, differences, totals)
    VALUES ('2001-01-02', '2001-01-02', 1, 0, 1, '[]') RETURNING run_id
), found AS (
    INSERT INTO mart.recon_difference (run_id, certificate_id, kind)
    SELECT run_id, 'gc_old', 'missing' FROM run
), owed AS (
    INSERT INTO mart.liability_daily (day, currency, product_id, balance, certificates)
    VALUES ('2001-01-01', 'RUB', '', 300000, 1) ON CONFLICT DO NOTHING
)
INSERT INTO mart.night (day, started_at, days, months, certificates, behind, differences)
VALUES ('2001-01-02', '2001-01-02', 1, 0, 1, 0, 1) ON CONFLICT DO NOTHING
"""
SUMS = """
SELECT c.certificate_id, c.balance,
    sum(o.d_available + o.d_held + o.d_refund_held)::bigint AS moved,
    count(*) FILTER (WHERE o.transaction_type = 'Opening') AS openings
FROM mart.certificate c JOIN mart.operation o USING (certificate_id)
WHERE c.sequence > 0 GROUP BY 1, 2
"""
OWED = """
SELECT coalesce(sum(balance), 0)::bigint AS owed FROM mart.liability
WHERE day = (SELECT max(day) FROM mart.liability)
"""


@pytest.fixture
async def database(town_database: str) -> Any:
    opened = Database(town_database)
    yield opened
    await opened.close()


async def some_business(town: Town) -> None:
    """Certificates unsold, active, partly spent, on hold, in a refund."""
    await town.issue(3)
    await town.active()
    for operation in ("capture", "none", "void"):
        card = await town.active()
        body = {"code": card.code, "amount": 100_000, "currency": "RUB"}
        hold = (await town.post("/certificates/authorizations", body)).json()
        if operation != "none":
            path = f"/certificates/authorizations/{hold['authorizationId']}/{operation}"
            assert (await town.post(path)).status_code == 200
    card = await town.active()
    refund = {"code": card.code, "channel": "POS", "method": "Cash"}
    assert (await town.post("/certificates/refunds", refund)).status_code == 202


async def agreed(town: Town, database: Database) -> Reconciled:
    """The reconciliation, with nothing left behind."""
    result = await reconcile(KafkaAccess(town.bootstrap), database, patience_s=20)
    assert (result.differences, result.behind) == ([], 0)
    return result


async def with_old_night(database: Database) -> dict[str, list[str]]:
    """What is kept, among it the work of a night that cannot be done again."""
    async with database.transaction() as tx:
        await tx.execute(OLD_NIGHT)
    return await content(database, *KEPT)


async def lost(database: Database, known: dict[str, list[str]]) -> set[str]:
    """The tables that have lost or changed a row."""
    now = await content(database, *known)
    return {table for table in known if not set(known[table]) <= set(now[table])}


async def copied(town: Town) -> None:
    """Until the running mart has taken all that the topics hold."""
    admin = AIOKafkaAdminClient(bootstrap_servers=town.bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=town.bootstrap)
    numbers = range(town.cluster.partitions)
    tps = [TopicPartition(topic, number) for topic in SOURCES for number in numbers]
    await admin.start()
    await consumer.start()
    try:
        async with asyncio.timeout(60):
            ends = await consumer.end_offsets(tps)
            while await _behind(admin, ends):
                await asyncio.sleep(0.1)
    finally:
        await consumer.stop()
        await admin.close()


async def _behind(admin: AIOKafkaAdminClient, ends: dict[TopicPartition, int]) -> bool:
    done = await admin.list_consumer_group_offsets(MART, partitions=list(ends))
    return any(done[tp].offset < end for tp, end in ends.items() if end)


async def replayed(town: Town, mart: Mart) -> int:
    """Feeds the mart everything the topics hold, from the beginning."""
    consumer = AIOKafkaConsumer(bootstrap_servers=town.bootstrap, enable_auto_commit=False)
    await consumer.start()
    count = 0
    for topic in SOURCES:
        tps = [TopicPartition(topic, number) for number in range(town.cluster.partitions)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        for tp, end in (await consumer.end_offsets(tps)).items():
            while await consumer.position(tp) < end:
                records = (await consumer.getmany(tp, timeout_ms=500)).get(tp, [])
                await mart.take(topic, records)
                count += len(records)
    await consumer.stop()
    return count


async def eaten(town: Town) -> None:
    """What retention does to the transactions, at once."""
    admin = AIOKafkaAdminClient(bootstrap_servers=town.bootstrap)
    await admin.start()
    tps = [TopicPartition(TRANSACTION, number) for number in range(town.cluster.partitions)]
    await admin.delete_records({tp: RecordsToDelete(-1) for tp in tps})
    await admin.close()


async def test_the_mart_agrees_however_often_it_is_told(town: Town, database: Database) -> None:
    await some_business(town)
    before = await agreed(town, database)
    assert before.certificates > 0
    await copied(town)
    known, kept = await content(database, *COPIED), await with_old_night(database)
    assert all(known.values())
    assert all(kept.values())
    assert await replayed(town, Mart(database)) > 0
    again = await content(database, *COPIED)
    assert {table for table in COPIED if again[table] != known[table]} == set()
    assert await lost(database, kept) == set()
    assert (await agreed(town, database)).totals == before.totals


async def test_a_rebuilt_mart_opens_what_retention_has_eaten(
    town: Town, database: Database
) -> None:
    await some_business(town)
    before = await agreed(town, database)
    kept = await with_old_night(database)
    await eaten(town)
    younger = await town.active()
    await agreed(town, database)

    done = await rebuild(KafkaAccess(town.bootstrap), database, settle_s=2)
    assert done.openings == before.certificates
    rows = {row["certificate_id"]: row for row in await database.rows(SUMS)}
    assert all(row["moved"] == row["balance"] for row in rows.values())
    assert rows[younger.id]["openings"] == 0
    assert {row["openings"] for key, row in rows.items() if key != younger.id} == {1}
    assert await lost(database, kept) == set()

    again = await agreed(town, database)
    owed = await database.one(OWED)
    assert owed == {"owed": sum(row["mart"] for row in again.totals)}


async def test_a_wrong_mart_is_told_by_name_and_kept(town: Town, database: Database) -> None:
    card = await town.active()
    lost = await town.active()
    await agreed(town, database)
    async with database.transaction() as tx:
        await tx.execute(
            "UPDATE mart.certificate SET available = available + 1 WHERE certificate_id = %(id)s",
            id=card.id,
        )
        await tx.execute("DELETE FROM mart.certificate WHERE certificate_id = %(id)s", id=lost.id)
        await tx.execute(
            "INSERT INTO mart.certificate (certificate_id, sequence, last_operation_at)"
            " VALUES ('gc_nobody', 1, now() - interval '1 day')"
        )
    result = await reconcile(KafkaAccess(town.bootstrap), database, patience_s=1, late_s=0)
    kinds = {row["certificate_id"]: row["kind"] for row in result.differences}
    assert kinds == {card.id: "different", lost.id: "missing", "gc_nobody": "unknown"}
    kept = await database.rows(
        "SELECT certificate_id FROM mart.recon_difference WHERE run_id = %(id)s", id=result.run_id
    )
    assert {row["certificate_id"] for row in kept} == set(kinds)
    await rebuild(KafkaAccess(town.bootstrap), database, settle_s=2)
    await agreed(town, database)


async def test_the_commands_say_the_same(town: Town, database: Database) -> None:
    await town.active()
    await agreed(town, database)
    env = {**os.environ, **town.cluster.env}

    def asked(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "app", *words]
        return subprocess.run(
            command, env=env, cwd=CHECKOUT, capture_output=True, text=True, check=False
        )

    verified = asked("verify", "--mart")
    assert (verified.returncode, "reconciliation: 0 differences" in verified.stdout) == (0, True)
    report = asked("report", "liability", "--csv")
    assert report.stdout.startswith("day,currency,product_id,balance,certificates")
    assert asked("report", "none").returncode == 2
