"""A worker starts only with the settings that its ledger was made with."""

import asyncio
import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner, Result

import app.worker
from app.cli import cli
from app.contracts import wire
from app.contracts.topics import JOURNAL, manifest
from app.embedded_kafka import KafkaBroker
from app.kafka_access import KafkaAccess
from app.ledger_check import require_ledger
from app.migrations import migrate
from app.secrets_store import NAMES, variable
from app.settings import Settings, settings
from app.topics_admin import ensure_topics
from tables.errors import WrongLedger

KEY = base64.b64encode(bytes(32)).decode()
KEYS: dict[str, Any] = {name: KEY for name in NAMES if name in Settings.model_fields}
PARTITIONS = 2
Start = Callable[..., Result]


def known(kafka: str, **more: Any) -> Settings:
    return Settings(kafka_url=kafka, **{"ledger_partitions": PARTITIONS, **KEYS, **more})


def written(check: str, *, schema: int = wire.SCHEMA) -> tuple[bytes, bytes]:
    return wire.META_KEY, wire.encode(wire.MetaRecord(schema, 1, "worker-1", 5, 1, check))


async def append(kafka: str, *records: tuple[bytes, bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for key, value in records:
            await producer.send_and_wait(JOURNAL, value, key, partition=1)


@pytest.fixture
def kafka(broker: KafkaBroker) -> str:
    """A ledger of its own: two partitions, nothing written."""
    asyncio.run(ensure_topics(KafkaAccess(broker.bootstrap), manifest(PARTITIONS, 1)))
    return broker.bootstrap


@pytest.fixture
def start(kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Runs the command `worker` against this ledger; what would run is the test's failure."""

    def started(_app: Any) -> None:
        raise AssertionError("the worker started")

    monkeypatch.setattr(app.worker, "run", started)

    def start(role: str, **env: str) -> Result:
        settings.cache_clear()
        given = {
            **{variable(name): KEY for name in NAMES},
            "GIFTMARK_KAFKA_URL": kafka,
            "GIFTMARK_LEDGER_PARTITIONS": str(PARTITIONS),
            "GIFTMARK_DATA_DIR": str(tmp_path),
            "GIFTMARK_SANDBOX_URL": "http://127.0.0.1:1",
            "COLUMNS": "200",
            **env,
        }
        return CliRunner().invoke(cli, ("worker", "--role", role), env=given)

    yield start
    settings.cache_clear()


def test_another_pepper_or_number_of_partitions_ends_either_role(
    kafka: str, start: Start, postgres: str
) -> None:
    migrate(postgres)
    asyncio.run(append(kafka, written("another")))
    for role in ("ledger", "services"):
        done = start(role, GIFTMARK_DATABASE_URL=postgres)
        assert (done.exit_code, done.output.count("GIFTMARK_CODE_PEPPER")) == (2, 1), done.output
        done = start(role, GIFTMARK_DATABASE_URL=postgres, GIFTMARK_LEDGER_PARTITIONS="3")
        assert done.exit_code == 2
        assert "GIFTMARK_LEDGER_PARTITIONS is 3, but certificate-journal has 2" in done.output


async def test_an_own_an_empty_and_a_newer_ledger_pass(broker: KafkaBroker) -> None:
    kafka = broker.bootstrap
    await ensure_topics(KafkaAccess(kafka), manifest(PARTITIONS, 1))
    mine = known(kafka)
    other = known(kafka, code_pepper=base64.b64encode(b"x" * 32).decode())
    await require_ledger(mine)
    await require_ledger(other)
    await append(kafka, written(mine.pepper_check))
    await require_ledger(mine)
    with pytest.raises(WrongLedger, match="GIFTMARK_CODE_PEPPER"):
        await require_ledger(other)
    await append(kafka, written("another", schema=wire.SCHEMA + 1))
    await require_ledger(mine)
