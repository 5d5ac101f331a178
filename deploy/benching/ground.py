"""The ground that all rows share: one embedded broker, topics made anew, processes, loads."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from app.clients_store import embedded_clients
from app.contracts.topics import manifest
from app.embedded_kafka import KafkaBroker
from app.free_port import free_port
from app.kafka_access import KafkaAccess
from app.secrets_store import embedded_secrets
from app.tether import end, spawn
from app.topics_admin import ensure_topics
from deploy.benching.day import Message
from tables.journal import BrokerLink, Record
from tables.outlet import Outlet
from tables.partitioning import partition_of

CHECKOUT = Path(__file__).resolve().parents[2]
PARTITIONS = 4
FLUSH = 20_000
GONE_S = 30.0
BIG = {"max.message.bytes": str(8 << 20)}
Ends = dict[int, int]


class RowFailed(Exception):
    """A row has no figure; the text says why, the other rows go on."""


class Ground:
    """A broker over a folder of its own; `scratch` gives folders that vanish with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = KafkaBroker(folder / "broker")
        self._numbers = iter(range(1, 1_000_000))
        secrets = embedded_secrets(folder, {})
        self._env = {
            **os.environ,
            **secrets,
            "GIFTMARK_CLIENTS_FILE": str(embedded_clients(folder)),
            "GIFTMARK_LEDGER_PARTITIONS": str(PARTITIONS),
            "GIFTMARK_INBOUND_PARTITIONS": str(PARTITIONS),
            "GIFTMARK_SESSION_TIMEOUT_S": "10",
            "GIFTMARK_LOG_FORMAT": "json",
            "GIFTMARK_LOG_LEVEL": "INFO",
        }

    def start(self) -> None:
        self._env["KAFKA_URL"] = self.broker.start()

    def stop(self) -> None:
        self.broker.stop()

    def scratch(self, name: str) -> Path:
        path = self.folder / f"{name}-{next(self._numbers)}"
        path.mkdir(parents=True)
        return path

    def env(self, *, app: str, data: Path) -> dict[str, str]:
        """Settings of one ledger worker with ports of its own."""
        return {
            **self._env,
            "GIFTMARK_APP_NAME": app,
            "GIFTMARK_DATA_DIR": str(data),
            "GIFTMARK_PUBLIC_PORT": str(free_port()),
            "GIFTMARK_INTERNAL_PORT": str(free_port()),
        }

    # Topics.

    async def fresh_ledger(self) -> None:
        """All topics of the product, empty."""
        topics = manifest(PARTITIONS, PARTITIONS)
        await self.drop([topic.name for topic in topics])
        await ensure_topics(KafkaAccess(self.broker.bootstrap), topics)

    async def drop(self, names: Sequence[str]) -> None:
        async with _Admin(self.broker.bootstrap) as admin:
            present = sorted(set(names) & set(await admin.list_topics()))
            if present:
                await admin.delete_topics(present)
            deadline = time.monotonic() + GONE_S
            while set(names) & set(await admin.list_topics()):
                if time.monotonic() > deadline:
                    raise RowFailed("the broker does not delete topics")
                await asyncio.sleep(0.1)
            await asyncio.sleep(0.5 if present else 0)

    async def make(self, name: str) -> None:
        async with _Admin(self.broker.bootstrap) as admin:
            answer = await admin.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs=BIG)])
            for _, code, *_ in answer.topic_errors:
                if code:
                    raise RowFailed(f"topic {name}: {for_code(code).__name__}")
            await asyncio.sleep(0.5)

    # Records.

    async def load(self, topic: str, messages: Iterable[Message]) -> Ends:
        """Appends by key; how many records went to each partition."""
        await self.ends(topic)  # answered by leaders only: a new topic gets them a little later
        link = BrokerLink(KafkaAccess(self.broker.bootstrap))
        await link.start()
        counts: Ends = dict.fromkeys(range(PARTITIONS), 0)
        try:
            outlet, waiting, size = Outlet(link), _empty(topic), 0
            for key, value in messages:
                partition = partition_of(key.decode(), PARTITIONS)
                waiting[TopicPartition(topic, partition)].append((key, value, ()))
                counts[partition] += 1
                size += 1
                if size >= FLUSH:
                    await outlet.send(waiting)
                    waiting, size = _empty(topic), 0
            await outlet.send(waiting)
        finally:
            await link.stop()
        return counts

    async def ends(self, topic: str) -> Ends:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.broker.bootstrap)
        await consumer.start()
        try:
            tps = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
            found = await consumer.end_offsets(tps)
        finally:
            await consumer.stop()
        return {tp.partition: int(offset) for tp, offset in found.items()}

    async def begin_at(self, group: str, topic: str, positions: Ends) -> None:
        """A group that has no members yet will start there."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.broker.bootstrap, group_id=group, enable_auto_commit=False
        )
        wire = {TopicPartition(topic, p): OffsetAndMetadata(at, "") for p, at in positions.items()}
        consumer.assign(list(wire))
        await consumer.start()
        try:
            await consumer.commit(wire)
        finally:
            await consumer.stop()


class Program:
    """A process of a row; leaving the block ends it, its log stays readable after that."""

    def __init__(self, command: Sequence[str], *, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self.log = folder / "log"
        self._command = command
        self._env = env

    def __enter__(self) -> Self:
        with self.log.open("ab") as output:
            self.process: subprocess.Popen[bytes] = spawn(
                self._command, output=output, env=self._env, cwd=CHECKOUT
            )
        return self

    def __exit__(self, *_: object) -> None:
        end(self.process, stop_signal=signal.SIGTERM, patience_s=12)

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def must_run(self) -> None:
        if not self.running:
            raise RowFailed(f"ended with {self.process.poll()}: {self.said[-600:].strip()}")


class _Admin:
    def __init__(self, bootstrap: str) -> None:
        self._client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)

    async def __aenter__(self) -> AIOKafkaAdminClient:
        await self._client.start()
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()


def _empty(topic: str) -> dict[TopicPartition, list[Record]]:
    return {TopicPartition(topic, partition): [] for partition in range(PARTITIONS)}


def size_of(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def wipe(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
