"""Certificates in a cluster of real worker processes: who owns them, what workers say of them."""

import asyncio
import base64
import json
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from app.contracts import wire
from app.contracts.topics import COMMANDS, JOURNAL
from app.demo.traffic import new_code
from app.domain.certificates.codes import Code, certificate_id, parse
from deploy.proving.cluster import CHECKOUT, Cluster, Worker, secrets_of
from tables.partitioning import partition_of
from tests.contracts.offsets import stored
from tests.domain.certificates.certificate_desk import ACTIVATE, ALLOCATE, issue

FAILPOINTS = {"PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'tests' / 'contracts' / 'failpoints'}"}
YEAR_MS = 365 * 86_400_000


class Card(msgspec.Struct, frozen=True):
    code: str
    id: str
    partition: int


class Answer(msgspec.Struct, frozen=True):
    """Status 0: no answer at all."""

    status: int
    headers: dict[str, str] = {}
    body: dict[str, Any] = {}


class Floor:
    """A shop floor over a cluster; `session` asks workers as a till does."""

    def __init__(self, cluster: Cluster, session: aiohttp.ClientSession) -> None:
        self.cluster = cluster
        self._session = session

    # Certificates.

    def cards(self, count: int) -> list[Card]:
        pepper = base64.b64decode(secrets_of(self.cluster.data)["code_pepper"])
        made = []
        for _ in range(count):
            code = parse(new_code())
            assert isinstance(code, Code)
            id_ = certificate_id(code, pepper)
            made.append(Card(code.text, id_, partition_of(id_, self.cluster.partitions)))
        return made

    async def activate(self, cards: Iterable[Card]) -> None:
        """Issued, sold and paid by commands, as intake would send them."""
        now = int(time.time() * 1_000)
        steps = (issue(valid_until=now + YEAR_MS), ALLOCATE, ACTIVATE)
        await self.command([(card, step) for step in steps for card in cards])

    async def command(self, commands: Iterable[tuple[Card, msgspec.Struct]]) -> None:
        now = int(time.time() * 1_000)
        bootstrap = self.cluster.broker.bootstrap
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=20) as producer:
            for card, fields in commands:
                raw = msgspec.Raw(msgspec.msgpack.encode(fields))
                kind = type(fields).__name__
                record = wire.CommandRecord(1, uuid.uuid4().hex, now, kind, card.id, raw)
                value = wire.encode(record)
                await producer.send(COMMANDS, value, card.id.encode(), partition=card.partition)

    # Tills.

    async def lookup(self, worker: Worker, card: Card, *, patience_s: float = 5) -> Answer:
        body = {"code": card.code}
        return await self._post(worker, "/certificates/lookup", body, patience_s=patience_s)

    async def authorize(
        self, worker: Worker, card: Card, amount: int, *, patience_s: float = 5
    ) -> Answer:
        reference = str(uuid.uuid4())
        body = {"code": card.code, "amount": amount, "currency": "RUB", "reference": reference}
        path = "/certificates/authorizations"
        return await self._post(worker, path, body, patience_s=patience_s)

    async def _post(
        self, worker: Worker, path: str, body: dict[str, Any], *, patience_s: float
    ) -> Answer:
        headers = {
            "Authorization": self.cluster.bearer("till"),
            "Idempotency-Key": str(uuid.uuid4()),
        }
        timeout = aiohttp.ClientTimeout(total=patience_s)
        url = worker.url + path
        try:
            asked = self._session.post(url, json=body, headers=headers, timeout=timeout)
            async with asked as answer:
                told = json.loads(await answer.read())
                return Answer(answer.status, dict(answer.headers), told)
        except (aiohttp.ClientError, TimeoutError):
            return Answer(0)

    async def known(self, worker: Worker, card: Card) -> Answer:
        """Asks like a till: a 503 says that asking again is safe."""
        async with asyncio.timeout(60):
            while (answer := await self.lookup(worker, card)).status == 503:
                await asyncio.sleep(0.1)
        return answer

    async def all_answer(self, worker: Worker, cards: Iterable[Card]) -> bool:
        """Whether this worker, by itself or by others, knows all of them as active."""
        for card in cards:
            answer = await self.lookup(worker, card)
            if answer.status != 200 or answer.body["status"] != "Active":
                return False
        return True

    async def page(self, url: str) -> str:
        async with self._session.get(url) as answer:
            return await answer.text()

    # The journal, and what workers wrote of themselves.

    async def metas(self, partition: int) -> list[tuple[bytes, wire.MetaRecord]]:
        records = await stored(self.cluster.broker.bootstrap, JOURNAL, partition)
        return [
            (record.key, wire.decode_meta(record.value))
            for record in records
            if record.key in (wire.META_KEY, wire.EPOCH_KEY)
        ]

    async def entities(self, partition: int) -> int:
        """How many records of entities a replay from nothing would read."""
        records = await stored(self.cluster.broker.bootstrap, JOURNAL, partition)
        return sum(record.key not in (wire.META_KEY, wire.EPOCH_KEY) for record in records)

    async def owner(self, partition: int) -> str:
        """Who opened it last."""
        metas = await self.metas(partition)
        return [meta.owner for key, meta in metas if key == wire.EPOCH_KEY][-1]

    async def owned_by(self, worker: Worker) -> set[int]:
        partitions = range(self.cluster.partitions)
        return {p for p in partitions if await self.owner(p) == worker.name}

    def told(self, worker: Worker, event: str, *, after: int = 0) -> list[dict[str, Any]]:
        """Lines of its log from a position on."""
        path: Path = self.cluster.data / "logs" / f"{worker.name}.log"
        text = path.read_bytes()[after:].decode(errors="replace")
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == event]

    def written(self, worker: Worker) -> int:
        """How long its log is now."""
        return (self.cluster.data / "logs" / f"{worker.name}.log").stat().st_size

    async def lose_commands(self) -> None:
        """What retention does to commands that nobody decided in time."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.cluster.broker.bootstrap)
        await admin.start()
        try:
            partitions = range(self.cluster.partitions)
            every = RecordsToDelete(before_offset=-1)
            await admin.delete_records({TopicPartition(COMMANDS, p): every for p in partitions})
        finally:
            await admin.close()


def available(answer: Answer) -> int:
    assert answer.status == 200, answer
    return int(answer.body["available"])
