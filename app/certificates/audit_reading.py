"""Whole topic partitions from their beginning, outside any group, with a bounded wait."""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

from app.kafka_access import KafkaAccess

FETCH_BYTES = 8 << 20
FETCH_WAIT_MS = 50  # a fetch in flight holds up the change to the next partition
POLL_MS = 500
RECORDS = 5_000
Take = Callable[[ConsumerRecord], None]


class TopicMissing(RuntimeError):
    """A topic that the audit needs does not exist on this broker."""


class ReadingStopped(RuntimeError):
    """The broker gave nothing for the whole time of patience, though there is more."""


class Reach(msgspec.Struct, frozen=True):
    """How far to read: up to `ends`, and on while something is `missing` that still comes.

    `patience_s`: for how long neither records nor, beyond the ends, missing ones may stay away.
    """

    ends: dict[TopicPartition, int]
    patience_s: float
    missing: Callable[[], int] = lambda: 0


class PartitionReader:
    """One consumer for the whole audit; reads one set of partitions after the other."""

    def __init__(self, consumer: AIOKafkaConsumer, progress: Callable[[int], None]) -> None:
        self._consumer = consumer
        self._progress = progress

    async def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict(await self._consumer.end_offsets(list(partitions)))

    async def begins_at_zero(self, partition: TopicPartition) -> bool:
        return bool((await self._consumer.beginning_offsets([partition]))[partition] == 0)

    async def read(
        self,
        takes: Mapping[TopicPartition, Take],
        reach: Reach,
        *,
        starts: Mapping[TopicPartition, int] | None = None,
    ) -> None:
        """Feeds each partition's records to its taker, from its start or all beginnings."""
        self._consumer.assign(list(takes))
        for partition in takes:
            if starts is None:
                await self._consumer.seek_to_beginning(partition)
            else:
                self._consumer.seek(partition, starts[partition])
        await self._read_on(takes, reach)

    async def _read_on(self, takes: Mapping[TopicPartition, Take], reach: Reach) -> None:
        last, missing = time.monotonic(), reach.missing()
        while not (at_ends := await self._at_ends(reach.ends)) or missing:
            got = await self._step(takes)
            if (got and not at_ends) or reach.missing() < missing:
                last = time.monotonic()
            missing = reach.missing()
            if time.monotonic() - last <= reach.patience_s:
                continue
            if not at_ends:
                raise ReadingStopped(f"nothing came for {reach.patience_s:.0f} s before the end")
            return

    async def _step(self, takes: Mapping[TopicPartition, Take]) -> int:
        found = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS)
        for partition, records in found.items():
            for record in records:
                takes[partition](record)
        count = sum(map(len, found.values()))
        self._progress(count)
        return count

    async def _at_ends(self, ends: dict[TopicPartition, int]) -> bool:
        for partition, end in ends.items():
            if end and await self._consumer.position(partition) < end:
                return False
        return True


@asynccontextmanager
async def reader(
    kafka: KafkaAccess, progress: Callable[[int], None]
) -> AsyncIterator[PartitionReader]:
    consumer = kafka.client(
        AIOKafkaConsumer,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_bytes=FETCH_BYTES,
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    await consumer.start()
    try:
        yield PartitionReader(consumer, progress)
    finally:
        await consumer.stop()


async def partitions_of(kafka: KafkaAccess, topic: str) -> list[int]:
    admin = kafka.client(AIOKafkaAdminClient)
    try:
        await admin.start()
        (found,) = await admin.describe_topics([topic])
    finally:
        await admin.close()
    if found["error_code"]:
        raise TopicMissing(f"topic {topic}: {for_code(found['error_code']).__name__}")
    return sorted(partition["partition"] for partition in found["partitions"])
