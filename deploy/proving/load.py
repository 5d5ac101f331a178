"""Load over topics and HTTP by clients that repeat with the same key until the answer is clear."""

import asyncio
import random
import time
import uuid
from typing import Any

import aiohttp
import msgspec
from aiokafka import AIOKafkaProducer

from app.contracts.topics import BATCHES, PAYMENTS, SALES
from app.demo.traffic import Message, batch_messages, day
from deploy.proving.cluster import Cluster
from deploy.proving.history import History, Operation

UNCLEAR = frozenset({0, 404, 429, 502, 503, 504})
TIMEOUT = aiohttp.ClientTimeout(total=4)
PATIENCE_S = 120.0
HOLDS = "/certificates/authorizations"


class Load:
    """`certificates` are issued, sold and paid in trickles while tills already use the first."""

    def __init__(self, cluster: Cluster, *, certificates: int, seed: int) -> None:
        self.history = History()
        self.day = day(certificates, seed)
        self.nominals = {index: line.nominal for index, line in enumerate(self.day.sold)}
        self._cluster = cluster
        self._rng = random.Random(seed)
        self._stop = asyncio.Event()

    async def run(self, tills: int) -> None:
        """Until `stop`: then every client finishes the operation it is at."""
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            jobs = [self._till(session) for _ in range(tills)]
            await asyncio.gather(self._topics(), *jobs)

    def stop(self) -> None:
        self._stop.set()

    async def _topics(self) -> None:
        """Everything is sent at least once, most of it in small pieces, some of it twice."""
        messages: list[tuple[str, Message]] = [
            *((BATCHES, message) for message in batch_messages(self.day, 25)),
            *((SALES, message) for message in self.day.sales),
            *((PAYMENTS, message) for message in self.day.payments),
        ]
        producer = AIOKafkaProducer(
            bootstrap_servers=self._cluster.broker.bootstrap, acks="all", request_timeout_ms=60_000
        )
        async with producer:
            for start in range(0, len(messages), 20):
                piece = messages[start : start + 20]
                sent = [await producer.send(t, value, key.encode()) for t, (key, value) in piece]
                await asyncio.gather(*sent)
                if not self._stop.is_set():
                    await asyncio.sleep(0.05)

    async def _till(self, session: aiohttp.ClientSession) -> None:
        while not self._stop.is_set():
            # Every fourth operation hits one of ten hot certificates.
            hot = self._rng.random() < 0.25
            index = self._rng.randrange(min(10, len(self.day.sold)) if hot else len(self.day.sold))
            await self._pay(session, index)
            await asyncio.sleep(self._rng.uniform(0, 0.02))

    async def _pay(self, session: aiohttp.ClientSession, index: int) -> None:
        code = self.day.sold[index].code
        if self._rng.random() < 0.2:
            await self._ask(
                session, "lookup", index, path="/certificates/lookup", body={"code": code}
            )
            return
        amount = self._rng.randint(1, max(1, self.nominals[index] // 20))
        reference = str(uuid.uuid4())
        body = {"code": code, "amount": amount, "currency": "RUB", "reference": reference}
        hold = await self._ask(session, "authorize", index, path=HOLDS, body=body)
        if not hold.acknowledged:
            return
        path = f"{HOLDS}/{hold.answer['authorizationId']}"
        kind = self._rng.choice(("capture", "capture", "void", "reverse"))
        if kind == "reverse":
            undo = {"code": code, "reference": reference, "occurredAt": hold.answer["expiresAt"]}
            await self._ask(session, kind, index, path="/certificates/reversals", body=undo)
        else:
            await self._ask(session, kind, index, path=f"{path}/{kind}", body={})

    async def _ask(
        self,
        session: aiohttp.ClientSession,
        kind: str,
        index: int,
        /,
        *,
        path: str,
        body: dict[str, Any],
    ) -> Operation:
        key = str(uuid.uuid4())
        operation = Operation(kind, index, key, body | {"path": path}, time.monotonic())
        headers = {"Authorization": self._cluster.bearer("till"), "Idempotency-Key": key}
        while time.monotonic() - operation.began < PATIENCE_S:
            operation.attempts += 1
            worker = self._rng.choice(self._cluster.workers)
            status, answer = await _post(session, worker.url + path, headers, body=body)
            if status not in UNCLEAR:
                operation.status, operation.answer = status, answer
                break
            if status == 404 and answer.get("code") == "CertificateUnknown":
                operation.status = status
                break
            await asyncio.sleep(0.05)
        operation.ended = time.monotonic()
        self.history.add(operation)
        return operation


async def _post(
    session: aiohttp.ClientSession, url: str, headers: dict[str, str], *, body: dict[str, Any]
) -> tuple[int, dict[str, Any]]:
    """Status 0 when nothing or nothing readable came back."""
    try:
        async with session.post(url, json=body, headers=headers) as response:
            return response.status, msgspec.json.decode(await response.read())
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
        return 0, {}
