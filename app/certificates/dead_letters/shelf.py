"""Reads the dead-letter topics and the marks of those that somebody has dealt with."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from app.certificates.audit_reading import PartitionReader, Reach, Take, partitions_of, reader
from app.certificates.dead_letters.letters import SOURCES, Letter, Name, Wanted
from app.contracts.dead_letters import Handled
from app.contracts.topics import HANDLED
from app.kafka_access import KafkaAccess

Places = Callable[[str], Awaitable[list[TopicPartition]]]
PATIENCE_S = 10.0
FIND_MS = 5_000
_handled = msgspec.json.Decoder(Handled).decode


class Listing(msgspec.Struct):
    """The first open letters that were wanted; `open` counts all of them by code."""

    letters: list[Letter]
    open: Counter[str]


class Shelf:
    def __init__(self, kafka: KafkaAccess) -> None:
        self._kafka = kafka

    async def open_letters(self, wanted: Wanted, *, limit: int) -> Listing:
        """In the order of their names, without their values."""
        listing = Listing([], Counter())
        async with reader(self._kafka, lambda _count: None) as reading:
            handled = await self._handled(reading)
            take = _taker(listing, wanted, handled, limit=limit)
            for tp in await self._wanted_places(wanted):
                await _whole(reading, {tp: take})
        return listing

    async def handled(self) -> dict[str, Handled]:
        async with reader(self._kafka, lambda _count: None) as reading:
            return await self._handled(reading)

    @asynccontextmanager
    async def finding(self) -> AsyncIterator["Finder"]:
        consumer = self._kafka.client(
            AIOKafkaConsumer,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=50,
        )
        await consumer.start()
        try:
            yield Finder(consumer, self._places)
        finally:
            await consumer.stop()

    async def _handled(self, reading: PartitionReader) -> dict[str, Handled]:
        marks: dict[str, Handled] = {}

        def take(record: ConsumerRecord) -> None:
            marks[(record.key or b"").decode()] = _handled(record.value)

        await _whole(reading, dict.fromkeys(await self._places(HANDLED), take))
        return marks

    async def _wanted_places(self, wanted: Wanted) -> list[TopicPartition]:
        topics = [t for t, sources in SOURCES.items() if wanted.topic in {None, t, *sources}]
        return [tp for topic in topics for tp in await self._places(topic)]

    async def _places(self, topic: str) -> list[TopicPartition]:
        numbers = await partitions_of(self._kafka, topic)
        return [TopicPartition(topic, number) for number in numbers]


class Finder:
    """Single letters by name, over one connection."""

    def __init__(self, consumer: AIOKafkaConsumer, places: Places) -> None:
        self._consumer = consumer
        self._places = places
        self._known: dict[str, list[TopicPartition]] = {}

    async def find(self, name: Name) -> Letter | None:
        """None: no letter lies there, or not any more."""
        tp = TopicPartition(name.topic, name.partition)
        if name.topic not in self._known:
            self._known[name.topic] = await self._places(name.topic)
        if tp not in self._known[name.topic]:
            return None
        self._consumer.assign([tp])
        first = (await self._consumer.beginning_offsets([tp]))[tp]
        end = (await self._consumer.end_offsets([tp]))[tp]
        if not first <= name.offset < end:
            return None
        self._consumer.seek(tp, name.offset)
        found = await self._consumer.getmany(tp, timeout_ms=FIND_MS, max_records=1)
        records: Sequence[ConsumerRecord] = found.get(tp, ())
        if not records or records[0].offset != name.offset:
            return None
        return letter_of(records[0])


def letter_of(record: ConsumerRecord, *, whole: bool = True) -> Letter:
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    name = Name(record.topic, record.partition, record.offset)
    value = record.value or b""
    return Letter(name, record.key or b"", value if whole else b"", headers, len(value))


def _taker(listing: Listing, wanted: Wanted, handled: dict[str, Handled], *, limit: int) -> Take:
    def take(record: ConsumerRecord) -> None:
        letter = letter_of(record, whole=False)
        if str(letter.name) in handled or not wanted.meets(letter):
            return
        listing.open[letter.code] += 1
        if len(listing.letters) < limit:
            listing.letters.append(letter)

    return take


async def _whole(reading: PartitionReader, takes: dict[TopicPartition, Take]) -> None:
    await reading.read(takes, Reach(await reading.ends(list(takes)), PATIENCE_S))
