"""Journal batches made by hand, and publishers that write to topics of one test's own."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
from aiokafka import ConsumerRecord
from faust.types import TP

from agents.publishing import Publishing
from app.batches import Batch
from app.certificates.emission import Output
from app.certificates.publishing import Publisher
from app.contracts import wire
from app.contracts.topics import JOURNAL, Topic
from app.domain.policy import Policy
from app.kafka_access import KafkaAccess
from app.tills import Tills
from app.topics_admin import ensure_topics
from tables.journal import BrokerLink
from tests.contracts.engine import Feed

NIL = msgspec.Raw(msgspec.msgpack.encode(None))
NONE = msgspec.Raw(msgspec.msgpack.encode([]))
Pair = tuple[bytes, bytes]


class Echo(Publisher):
    """Every entity's record becomes one message `<key>:<sequence>` on the target topic."""

    def __init__(self, target: str) -> None:
        super().__init__(Policy(), lambda value: ("k", value))
        self._target = target

    def outputs(self, key: bytes, record: wire.JournalRecord, at: int) -> list[Output]:
        del at
        return [Output(self._target, key, b"%s:%d" % (key, record.sequence), [])]


class Elsewhere(Publisher):
    """The real publisher, each of its topics renamed to one of this test."""

    def __init__(self, prefix: str) -> None:
        super().__init__(Policy(), lambda value: ("k", value))
        self._prefix = prefix

    def outputs(self, key: bytes, record: wire.JournalRecord, at: int) -> list[Output]:
        outputs = super().outputs(key, record, at)
        return [output._replace(topic=f"{self._prefix}-{output.topic}") for output in outputs]


@dataclass
class Press:
    """Publishers of one group over one journal partition; `topic` is where they write."""

    kafka: str
    link: BrokerLink
    topic: str
    name: str = field(default_factory=lambda: f"p{uuid.uuid4().hex[:8]}")

    def publishing(self) -> Publishing:
        return Publishing(
            self.link, Echo(self.topic), app_name=self.name, partitions=1, tills=Tills()
        )


@asynccontextmanager
async def press(kafka: str) -> AsyncIterator[Press]:
    topic = f"published-{uuid.uuid4().hex[:8]}"
    await ensure_topics(KafkaAccess(kafka), [Topic(topic, 1, {})])
    link = BrokerLink(KafkaAccess(kafka))
    await link.start()
    try:
        yield Press(kafka, link, topic)
    finally:
        await link.stop()


def commit(number: int, *entities: tuple[str, int], epoch: int = 1) -> list[Pair]:
    """One commit of a journal: entities with their sequences, and the meta record."""
    records = [
        (key.encode(), wire.encode(wire.JournalRecord(1, epoch, sequence, NIL, NONE)))
        for key, sequence in entities
    ]
    meta = wire.MetaRecord(1, epoch, "owner", number, number)
    return [*records, (wire.META_KEY, wire.encode(meta))]


def handed_over(feed: Feed, records: Sequence[Pair], *, at: int) -> Batch:
    """As the transport hands over partition 0 of the journal."""
    tp = TP(JOURNAL, 0)
    made = [
        ConsumerRecord(
            *(tp.topic, tp.partition, at + n, 1_000, 1, key, value, None, len(key), len(value), ())
        )
        for n, (key, value) in enumerate(records)
    ]
    return Batch(feed, tp, made, follows=at)
