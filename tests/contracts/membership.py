"""Faust apps over the batch transport inside a test: members of a group of its own."""

import base64
import itertools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from faust.types import TP

from agents.handling import agent_for
from app.batches import Batch
from app.contracts.topics import Topic
from app.kafka_access import KafkaAccess
from app.settings import Settings
from app.topics_admin import ensure_topics
from app.transport import BatchConsumer
from app.worker import faust_app

KEY = base64.b64encode(bytes(32)).decode()
Behaviour = Callable[[Batch], Awaitable[None]]


async def nothing(_batch: Batch) -> None:
    """What most handlers of these tests do before a batch is done."""


class Member:
    """One app of a group; remembers what it handled to the end."""

    def __init__(
        self,
        settings: Settings,
        topic: Topic,
        behaviour: Behaviour,
        *,
        whole: bool = False,
        fatal: Callable[[BaseException], None] | None = None,
    ) -> None:
        """`whole`: the behaviour is a handler and marks its batches done by itself."""
        self.handled: list[tuple[int, int]] = []
        self.faults: list[BaseException] = []
        self.topic = topic.name
        self._behaviour = behaviour
        self.app = faust_app(settings, "test", canonical_url=f"http://127.0.0.1/{uuid.uuid4()}")
        source = self.app.topic(
            topic.name,
            key_type=None,
            value_type=None,
            key_serializer="raw",
            value_serializer="raw",
            partitions=topic.partitions,
        )
        self.app.agent(source, name=topic.name)(
            agent_for(topic.name, behaviour if whole else self._handle, fatal or self.faults.append)
        )

    @property
    def consumer(self) -> BatchConsumer:
        consumer: BatchConsumer = self.app.consumer
        return consumer

    async def _handle(self, batch: Batch) -> None:
        await self._behaviour(batch)
        self.handled += [(batch.tp.partition, record.offset) for record in batch.records]
        batch.done()

    def tp(self, partition: int) -> TP:
        return TP(self.topic, partition)


class Group:
    """A topic of its own and the members that read it."""

    def __init__(self, kafka: str, path: Path, topic: Topic) -> None:
        self.kafka = kafka
        self.topic = topic
        self.id = f"g{uuid.uuid4().hex[:8]}"
        self.members: list[Member] = []
        self.stack = AsyncExitStack()
        self._path = path

    def settings(self) -> Settings:
        return Settings(
            kafka_url=self.kafka,
            app_name=self.id,
            data_dir=self._path,
            worker_name=f"w{len(self.members)}",
            code_pepper=KEY,
            contact_keys=KEY,
            payout_key=KEY,
            dead_letter_key=KEY,
            forward_key=KEY,
            session_timeout_s=3,
            rebalance_timeout_s=6,
        )

    async def join(self, behaviour: Behaviour = nothing, *, whole: bool = False) -> Member:
        member = Member(self.settings(), self.topic, behaviour, whole=whole)
        self.members.append(member)
        await member.app.start()
        self.stack.push_async_callback(member.app.stop)
        return member

    async def leave(self) -> None:
        """Everybody stops and commits what is done; `handled` stays."""
        await self.stack.aclose()

    def handled(self, partition: int) -> list[int]:
        """Offsets in the order of handling, of all members one after the other."""
        return [o for member in self.members for p, o in member.handled if p == partition]

    async def committed(self) -> dict[int, int]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await admin.start()
        try:
            found = await admin.list_consumer_group_offsets(f"{self.id}-test")
        finally:
            await admin.close()
        return {tp.partition: int(position.offset) for tp, position in found.items()}


@asynccontextmanager
async def group(
    kafka: str, path: Path, *, partitions: int = 1, config: dict[str, str] | None = None
) -> AsyncIterator[Group]:
    topic = Topic(f"t{uuid.uuid4().hex[:8]}", partitions, config or {})
    await ensure_topics(KafkaAccess(kafka), [topic])
    made = Group(kafka, path, topic)
    try:
        yield made
    finally:
        await made.leave()


async def write(kafka: str, topic: str, values: dict[int, Sequence[bytes]]) -> None:
    """Plain appends of values by partition; every record has the key `k`."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    await producer.start()
    try:
        for partition, lane in values.items():
            for start in range(0, len(lane), 1_000):
                batch = _packed(producer, lane[start : start + 1_000])
                await (await producer.send_batch(batch, topic, partition=partition))
    finally:
        await producer.stop()


def _packed(producer: AIOKafkaProducer, values: Sequence[bytes]) -> Any:
    batch = producer.create_batch()
    for value in values:
        assert batch.append(key=b"k", value=value, timestamp=None)
    return batch


def drop(member: Member, number: int) -> list[Any]:
    """Loses the n-th event between fetcher and agent, as Faust does in a rebalance."""
    deliver: Callable[[Any], Awaitable[None]] = member.consumer.callback
    counter = itertools.count(1)
    dropped: list[Any] = []

    async def callback(message: Any) -> None:
        if next(counter) == number:
            dropped.append(message)
        else:
            await deliver(message)

    member.consumer.callback = callback
    return dropped


def numbers(count: int, start: int = 0) -> list[bytes]:
    return [b"%d" % n for n in range(start, start + count)]
