"""The night over a journal that holds what this program cannot read."""

from collections.abc import Awaitable, Callable

import msgspec
import pytest

from app.certificates.database import Database
from app.certificates.mart import Mart
from app.certificates.reconcile import reconcile
from app.contracts import wire
from app.contracts.topics import STATE, TRANSACTION
from app.domain.policy import Policy
from app.kafka_access import KafkaAccess
from app.mart_role import NightService
from app.settings import Settings
from tests.contracts.fabricated import History
from tests.mart.told import Record, taken

DAMAGED = b"\x98\x01"
KEY = b"k" * 32
MONEY_FIELDS = (
    *("nominal", "available", "held", "refund_held", "shortfall"),
    *("loaded", "captured", "restored", "refunded", "written_off"),
)


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


async def test_every_money_field_is_compared(
    kafka: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each certificate of the mart is wrong in the field it is named after, one is right."""
    history = History(["gc_right", *(f"gc_{name}" for name in MONEY_FIELDS)], steps=1)
    await history.send(kafka)
    monkeypatch.setattr("app.certificates.reconcile.JOURNAL", history.topics.journal)
    shown = {history.topics.state: STATE, history.topics.transaction: TRANSACTION}
    public = [one for one in history.records if one[0] in shown]
    records = [Record(shown[topic], n, key, value) for n, (topic, key, value) in enumerate(public)]
    await taken(Mart(database), records)
    async with database.transaction() as tx:
        for name in MONEY_FIELDS:
            changed = f"UPDATE mart.certificate SET {name} = {name} + 1"
            await tx.execute(changed + " WHERE certificate_id = %(id)s", id=f"gc_{name}")
    found = await reconcile(KafkaAccess(kafka), database, patience_s=0)
    differences = {(row["certificate_id"], row["kind"]) for row in found.differences}
    assert differences == {(f"gc_{name}", "different") for name in MONEY_FIELDS}


async def test_a_damaged_record_is_a_difference(kafka: str, database: Database, due: Due) -> None:
    await due(DAMAGED)
    found = await reconcile(KafkaAccess(kafka), database, patience_s=0)
    (broken,) = [row for row in found.differences if row["certificate_id"] == "gc_spoiled"]
    assert (broken["kind"], broken["journal"][:11]) == ("law", "record 0/2:")
    assert found.certificates == 1


async def test_a_newer_record_puts_the_night_off(database: Database, due: Due) -> None:
    night = await due(msgspec.msgpack.encode([wire.STATE_SCHEMA + 1]))
    await night.look()
    assert await database.rows("SELECT 1 FROM mart.recon_run") == []


async def test_a_refused_statement_puts_the_night_off(database: Database, due: Due) -> None:
    night = await due(DAMAGED)
    async with database.transaction() as tx:
        await tx.execute("DROP TABLE mart.recon_difference")
    await night.look()
    assert await database.rows("SELECT 1 FROM mart.recon_run") == []
