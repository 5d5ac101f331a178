"""The night over a journal that holds what this program cannot read."""

from collections.abc import Awaitable, Callable

import msgspec
import pytest

from app.certificates.database import Database
from app.certificates.reconcile import reconcile
from app.contracts import wire
from app.domain.policy import Policy
from app.mart_role import NightService
from app.settings import Settings
from tests.contracts.fabricated import History

DAMAGED = b"\x98\x01"
KEY = b"k" * 32


Due = Callable[[bytes], Awaitable[NightService]]


@pytest.fixture
def due(kafka: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> Due:
    """A night over one certificate of a true history and a record with the given value."""

    async def spoiled(value: bytes) -> NightService:
        history = History(["gc_sound"], steps=1)
        history.records.append((history.topics.journal, b"cgc_spoiled", value))
        await history.send(kafka)
        async with database.transaction() as tx:
            await tx.execute("TRUNCATE mart.night")
        monkeypatch.setattr("app.certificates.reconcile.JOURNAL", history.topics.journal)
        monkeypatch.setattr("app.certificates.reconcile.PATIENCE_S", 1.0)
        keys = ("code_pepper", "payout_key", "dead_letter_key", "forward_key")
        known = {**dict.fromkeys(keys, KEY), "contact_keys": [KEY], "kafka_url": kafka}
        return NightService(Settings.model_validate(known), Policy(), database)

    return spoiled


async def test_a_damaged_record_is_a_difference(kafka: str, database: Database, due: Due) -> None:
    await due(DAMAGED)
    found = await reconcile(kafka, database, patience_s=0)
    (broken,) = [row for row in found.differences if row["certificate_id"] == "gc_spoiled"]
    assert (broken["kind"], broken["journal"][:11]) == ("law", "record 0/2:")
    assert found.certificates == 1


async def test_a_newer_record_puts_the_night_off(database: Database, due: Due) -> None:
    night = await due(msgspec.msgpack.encode([wire.SCHEMA + 1]))
    await night.look()
    assert await database.rows("SELECT 1 FROM mart.recon_run") == []


async def test_a_refused_statement_puts_the_night_off(database: Database, due: Due) -> None:
    night = await due(DAMAGED)
    async with database.transaction() as tx:
        await tx.execute("DROP TABLE mart.recon_difference")
    await night.look()
    assert await database.rows("SELECT 1 FROM mart.recon_run") == []
