"""Reads every published topic all the time, as the other systems of the retailer would."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from app.contracts import dead_letters
from app.contracts.topics import (
    BATCHES,
    BI,
    COMMANDS,
    NOTIFICATIONS,
    ORDER_STATE,
    PAYMENTS,
    PUBLISHED,
    REFUND_REQUESTS,
    SALES,
    STATE,
    TRANSACTION,
    dead_letters_of,
)
from app.contracts.wire import NotificationRecord, decode_notification

T = TypeVar("T")
Data = dict[str, Any]
PATIENCE_S = 90.0
DEAD = tuple(dead_letters_of(topic) for topic in (SALES, PAYMENTS, BATCHES, COMMANDS))


class Event(msgspec.Struct, frozen=True):
    id: str
    sequence: int
    n: int
    data: Data


class DeadLetter(NamedTuple):
    topic: str
    key: str
    code: str
    headers: dict[str, str]
    value: bytes


class Watch:
    """Everything that was published, repetitions dropped, by entity and in its order.

    Each has the `sequence` of its envelope beside its data.
    """

    def __init__(self, bootstrap: str) -> None:
        self.states: dict[str, list[Data]] = defaultdict(list)
        self.transactions: dict[str, list[Data]] = defaultdict(list)
        self.orders: dict[str, list[Data]] = defaultdict(list)
        self.refund_requests: dict[str, list[Data]] = defaultdict(list)
        self.rows: dict[tuple[str, int], list[Data]] = defaultdict(list)
        self.traces: dict[tuple[str, str], str] = {}
        self.told: list[Data] = []
        self.dead: list[DeadLetter] = []
        self.notifications: dict[str, NotificationRecord] = {}
        self._seen: set[str] = set()
        self._news = asyncio.Condition()
        self._bootstrap = bootstrap
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        consumer = AIOKafkaConsumer(
            *PUBLISHED,
            *DEAD,
            NOTIFICATIONS,
            bootstrap_servers=self._bootstrap,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        self._task = asyncio.create_task(self._read(consumer))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        try:
            while True:
                fetched = await consumer.getmany(timeout_ms=1_000)
                for record in itertools.chain.from_iterable(fetched.values()):
                    self._take(record)
                async with self._news:
                    self._news.notify_all()
        finally:
            await consumer.stop()

    async def until(
        self, condition: Callable[[], T | None], what: str, *, seconds: float = PATIENCE_S
    ) -> T:
        """What the condition returned when it first was true; fails in words otherwise."""
        assert self._task is not None
        assert not self._task.done(), self._task
        try:
            async with asyncio.timeout(seconds), self._news:
                while not (found := condition()):
                    await self._news.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"not within {seconds:.0f} s: {what}") from None

    def state(self, certificate_id: str) -> Data:
        """The newest one; empty before the first."""
        return self.states[certificate_id][-1] if self.states[certificate_id] else {}

    def kinds(self, certificate_id: str) -> list[str]:
        return [one["transactionType"] for one in self.transactions[certificate_id]]

    def order(self, order_id: str) -> Data:
        return self.orders[order_id][-1] if self.orders[order_id] else {"lines": []}

    def lines(self, order_id: str) -> list[str]:
        """Per line `Status` or `Status refusal`."""
        return [
            " ".join(filter(None, (one["allocationStatus"], one["refusal"])))
            for one in self.order(order_id)["lines"]
        ]

    def buried(self, key: str) -> list[str]:
        """Codes of the dead letters of one key."""
        return [one.code for one in self.dead if one.key == key]

    def _take(self, record: ConsumerRecord) -> None:
        if record.topic in DEAD:
            self._bury(record)
        elif record.topic == NOTIFICATIONS:
            # Tests of dead letters share the town and leave unreadable requests there.
            with suppress(msgspec.DecodeError):
                asked = decode_notification(record.value)
                self.notifications[asked.asked.id] = asked
        else:
            event = msgspec.json.decode(record.value, type=Event)
            if (name := f"{record.topic} {event.id}") not in self._seen:
                self._seen.add(name)
                data = event.data | {"sequence": event.sequence}
                self._hear(record.topic, record.key.decode(), data)
                for name, value in record.headers:
                    self.traces[record.topic, event.id] = f"{name}: {value.decode()}"

    def _hear(self, topic: str, key: str, data: Data) -> None:
        if topic != BI:
            self._by_topic[topic][key].append(data)
            return
        self.told.append(data)
        if row := data.get("row"):
            self.rows[row["batchId"], row["row"]].append(row)

    @property
    def _by_topic(self) -> dict[str, dict[str, list[Data]]]:
        return {
            STATE: self.states,
            TRANSACTION: self.transactions,
            ORDER_STATE: self.orders,
            REFUND_REQUESTS: self.refund_requests,
        }

    def _bury(self, record: ConsumerRecord) -> None:
        headers = {name: value.decode() for name, value in record.headers}
        key = headers.get(dead_letters.ENTITY) or (record.key or b"").decode()
        code = headers[dead_letters.CODE]
        self.dead.append(DeadLetter(record.topic, key, code, headers, record.value))
