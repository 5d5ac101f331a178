"""The scene of the scenarios: one cluster, those who write to it and those who read it."""

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from aiokafka import AIOKafkaProducer

from app.certificates.notify.contacts import open_contact
from app.certificates.sealing import Sealer, contact_place
from app.contracts.topics import BATCHES, PAYMENTS, SALES
from app.contracts.wire import NotificationRecord
from app.demo.traffic import new_code
from deploy.proving.cluster import Cluster, Worker, secrets_of
from tests.flows.certificates.front import Front
from tests.flows.certificates.letters import (
    NOMINAL,
    Gift,
    Message,
    batch,
    fresh,
    line,
    paid,
    payment,
    sale,
)
from tests.flows.certificates.watch import Watch

STOCK = 24
FORWARDS = "giftmark_http_forwards_total"
HTTP_TIMEOUT = aiohttp.ClientTimeout(total=15)


class Scene:
    """Certificates are handed out once, so that scenarios do not meet.

    `codes` and `phones`: all that ever stood in clear in a message or a request.
    """

    def __init__(
        self, cluster: Cluster, session: aiohttp.ClientSession, producer: AIOKafkaProducer
    ) -> None:
        self.cluster = cluster
        self.session = session
        self.watch = Watch(cluster.broker.bootstrap)
        self.codes: set[str] = set()
        self.phones: set[str] = set()
        self.till, self.shop, self.desk, self.payments, self.loader = (
            Front(session, cluster.workers, cluster.bearer(name))
            for name in ("till", "shop", "desk", "payments", "loader")
        )
        self._producer = producer
        self._stock: list[Gift] = []
        self._phones = itertools.count(1_000_000)

    def code(self) -> str:
        """A fresh valid one that nobody has issued."""
        made = new_code()
        self.codes.add(made)
        return made

    def phone(self) -> str:
        made = f"+7999{next(self._phones)}"
        self.phones.add(made)
        return made

    async def send(self, topic: str, *messages: Message) -> None:
        """In this order; returns when the broker has them."""
        await self.mail(*((topic, message) for message in messages))

    async def mail(self, *letters: tuple[str, Message]) -> None:
        """Messages for several topics, in this order."""
        sent = [
            await self._producer.send(topic, value, key.encode()) for topic, (key, value) in letters
        ]
        await asyncio.gather(*sent)

    async def send_traced(self, topic: str, message: Message, traceparent: str) -> None:
        key, value = message
        headers = [("traceparent", traceparent.encode())]
        await self._producer.send_and_wait(topic, value, key.encode(), headers=headers)

    async def sell(self, *messages: Message) -> None:
        await self.send(SALES, *messages)

    async def pay(self, *messages: Message) -> None:
        await self.send(PAYMENTS, *messages)

    async def issue(self, count: int = 1, *, nominal: int = NOMINAL, **row: Any) -> list[Gift]:
        """Certificates that exist and are worth nothing yet."""
        return await self.issue_codes(*(self.code() for _ in range(count)), nominal=nominal, **row)

    async def issue_codes(self, *codes: str, nominal: int = NOMINAL, **row: Any) -> list[Gift]:
        batch_id = fresh("B")
        rows = [
            {"row": n, "code": code, "nominal": nominal, "currency": "RUB", **row}
            for n, code in enumerate(codes, 1)
        ]
        await self.send(BATCHES, batch(batch_id, rows))
        told = self.watch.rows
        names = [(batch_id, n) for n in range(1, len(codes) + 1)]
        await self.watch.until(lambda: all(told[name] for name in names), "issued")
        ids = [told[name][0]["certificateId"] for name in names]
        return [Gift(code, id_, nominal) for code, id_ in zip(codes, ids, strict=True)]

    async def active(self, *, nominal: int = NOMINAL, **row: Any) -> Gift:
        """An active certificate that belongs to the caller alone, sold as line 1 of an order."""
        if row or nominal != NOMINAL:
            return (await self.activated(await self.issue(nominal=nominal, **row)))[0]
        if not self._stock:
            self._stock = await self.activated(await self.issue(STOCK))
        return self._stock.pop()

    async def activated(self, gifts: Iterable[Gift]) -> list[Gift]:
        """Issued ones, each sold in an order of its own."""
        sold = [gift._replace(order_id=fresh("SO")) for gift in gifts]
        await self.pay(*(payment(gift.order_id, paid(gift.nominal)) for gift in sold))
        await self.sell(*(sale(gift.order_id, line(gift)) for gift in sold))
        await self.watch.until(
            lambda: all(self.watch.lines(gift.order_id) == ["Activated"] for gift in sold),
            f"{len(sold)} certificates activated",
        )
        return sold

    async def shown(self, gift: Gift) -> dict[str, Any]:
        """The certificate as an operator sees it now."""
        return (await self.desk.get(f"/certificates/{gift.id}")).body

    def told(self, asked: NotificationRecord) -> dict[str, str]:
        """What the sealed box of a message holds, opened with the installation's own key."""
        key = base64.b64decode(secrets_of(self.cluster.data)["contact_keys"])
        place = contact_place(asked.asked.order_id or "", asked.asked.order_line_id or "")
        opened = open_contact(Sealer([key]), asked.asked.sealed, place)
        return {k: v for k, v in msgspec.structs.asdict(opened).items() if v is not None}

    async def owner_of(self, gift: Gift) -> Worker:
        """The one that need not forward."""
        for worker in self.cluster.workers:
            before = await self._sample(worker, FORWARDS)
            await self.till.lookup(gift, worker=worker)
            if await self._sample(worker, FORWARDS) == before:
                return worker
        raise AssertionError("every worker forwards")

    async def metric(self, name: str) -> float:
        """The sum of a sample over all workers and labels."""
        return sum([await self._sample(worker, name) for worker in self.cluster.workers])

    async def _sample(self, worker: Worker, name: str) -> float:
        async with self.session.get(worker.metrics) as response:
            figures = self.cluster.figures(await response.text())
        return sum(v for k, v in figures.items() if k == name or k.startswith(name + "{"))


@asynccontextmanager
async def open_scene(cluster: Cluster) -> AsyncIterator[Scene]:
    """On a running cluster, which it leaves running."""
    connector = aiohttp.TCPConnector(limit=0)
    producer = AIOKafkaProducer(bootstrap_servers=cluster.broker.bootstrap, acks="all")
    async with aiohttp.ClientSession(timeout=HTTP_TIMEOUT, connector=connector) as session:
        await producer.start()
        scene = Scene(cluster, session, producer)
        await scene.watch.start()
        try:
            yield scene
        finally:
            await scene.watch.stop()
            await producer.stop()
