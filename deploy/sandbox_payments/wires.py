"""The two topics: refund requests in, words about them out."""

import asyncio
import json
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.sandbox_payments.desk import Desk, Request, message
from deploy.sandbox_payments.manners import Word

REQUESTS = "GiftCertificateRefundRequests"
PAYMENTS = "All_Payments"


class Wires:
    """Words that have to wait are tasks; all of them end with `stop`."""

    def __init__(self, bootstrap: str, desk: Desk) -> None:
        self._desk = desk
        self._waiting: set[asyncio.Task[None]] = set()
        self._reading: asyncio.Task[None] | None = None
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
        self._consumer = AIOKafkaConsumer(
            REQUESTS,
            bootstrap_servers=bootstrap,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=50,
        )

    async def start(self) -> None:
        await self._producer.start()
        await self._consumer.start()
        self._reading = asyncio.create_task(self._read())

    async def stop(self) -> None:
        tasks = [*self._waiting, *([self._reading] if self._reading else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._consumer.stop()
        await self._producer.stop()

    @property
    def broken(self) -> BaseException | None:
        """Why it reads no more, if it does not."""
        reading = self._reading
        if reading is None or not reading.done() or reading.cancelled():
            return None
        return reading.exception()

    async def say(self, request: Request, word: Word) -> None:
        """Returns when the broker has it."""
        request.said.append(word)
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        value = json.dumps(message(request, word, at)).encode()
        await self._producer.send_and_wait(PAYMENTS, value, request.order_id.encode())

    async def _read(self) -> None:
        async for record in self._consumer:
            request, words = self._desk.hear(json.loads(record.value)["data"])
            for word in words:
                if word.after_ms:
                    self._later(request, word)
                else:
                    await self.say(request, word)

    def _later(self, request: Request, word: Word) -> None:
        async def wait() -> None:
            await asyncio.sleep(word.after_ms / 1_000)
            await self.say(request, word)

        task = asyncio.create_task(wait())
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)
