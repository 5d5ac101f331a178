"""Work messages that come twice, while the workers read them."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from app.contracts.topics import MARKING_STATUSES, SUZ_ORDERS
from app.marking.work import WorkMessage, decode

PARTITIONS = 4
PLACES = [TopicPartition(t, n) for t in (SUZ_ORDERS, MARKING_STATUSES) for n in range(PARTITIONS)]
GROUP = "giftmark-services"


@contextmanager
def doubled(bootstrap: str) -> Iterator[list[WorkMessage]]:
    """The messages that came in the block; each of them came again, and all have been read."""
    told: list[WorkMessage] = []
    ready, over = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        repeating = pool.submit(asyncio.run, _repeat(bootstrap, told, ready=ready, over=over))
        try:
            assert ready.wait(30)
            yield told
        finally:
            over.set()
        repeating.result()


async def _repeat(
    bootstrap: str, told: list[WorkMessage], *, ready: threading.Event, over: threading.Event
) -> None:
    """Each goes to all other partitions, so that another worker meets it too."""
    copies: set[bytes] = set()
    async with (
        AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False) as consumer,
        AIOKafkaProducer(bootstrap_servers=bootstrap) as producer,
    ):
        consumer.assign(PLACES)
        await consumer.seek_to_end(*PLACES)
        ready.set()
        while not over.is_set():
            found = await consumer.getmany(timeout_ms=50)
            records = [record for each in found.values() for record in each]
            new = [record for record in records if record.value not in copies]
            again = [(r, n) for r in new for n in range(PARTITIONS) if n != r.partition]
            for record, other in again:
                await producer.send(record.topic, record.value, key=record.key, partition=other)
            copies.update(record.value for record in new)
            told += [decode(record.value) for record in new]
        await producer.flush()
        await _all_read(bootstrap, await consumer.end_offsets(PLACES))


async def _all_read(bootstrap: str, ends: dict[TopicPartition, int]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        async with asyncio.timeout(60):
            while await _behind(admin, ends):
                await asyncio.sleep(0.1)
    finally:
        await admin.close()


async def _behind(admin: AIOKafkaAdminClient, ends: dict[TopicPartition, int]) -> bool:
    read = await admin.list_consumer_group_offsets(GROUP, partitions=PLACES)
    return any(read[place].offset < end for place, end in ends.items() if end)
