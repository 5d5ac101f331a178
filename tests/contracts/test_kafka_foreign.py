"""Logs that foreign producers and the broker's cleaner left holes in: none lost, no loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka import AIOKafkaProducer

from app.batches import Batch
from app.metrics import FLOW
from tests.contracts.engine import until
from tests.contracts.membership import Group, group, numbers, write
from tests.contracts.offsets import COMPACTED_SOON, clean_often, cut_before, present


@asynccontextmanager
async def transactional(kafka: str, name: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=name)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def _transaction(
    producer: AIOKafkaProducer, topic: str, values: list[bytes], *, commit: bool
) -> None:
    await producer.begin_transaction()
    for value in values:
        await producer.send(topic, key=b"k", value=value, partition=0)
    await producer.flush()
    await (producer.commit_transaction() if commit else producer.abort_transaction())


async def test_foreign_transactions_neither_lose_nor_loop(kafka: str, tmp_path: Path) -> None:
    seen: list[bytes] = []

    async def note(batch: Batch) -> None:
        seen.extend(record.value for record in batch.records)

    async with group(kafka, tmp_path) as one:
        topic = one.topic.name
        await write(kafka, topic, {0: numbers(10)})
        async with transactional(kafka, one.id) as producer:
            await _transaction(producer, topic, numbers(5, 10), commit=True)
            await _transaction(producer, topic, [b"aborted"] * 5, commit=False)
            await write(kafka, topic, {0: numbers(5, 15)})
            await _transaction(producer, topic, [b"aborted"] * 5, commit=False)
            member = await one.join(note)
            await until(lambda: len(seen) >= 20)
            await _transaction(producer, topic, [b"aborted"], commit=False)
            await _transaction(producer, topic, numbers(5, 20), commit=True)
        await until(lambda: len(seen) >= 25)
        lives = dict(member.consumer.lives)
        await write(kafka, topic, {0: numbers(5, 25)})
        await until(lambda: len(seen) >= 30)
        await one.leave()
        assert seen == numbers(30)
        assert member.consumer.gaps == 0
        assert member.consumer.lives == lives, "something was read again"
        assert await one.committed() == {0: one.handled(0)[-1] + 1}


async def test_an_open_transaction_holds_back_what_follows_it(kafka: str, tmp_path: Path) -> None:
    seen: list[bytes] = []

    async def note(batch: Batch) -> None:
        seen.extend(record.value for record in batch.records)

    async with group(kafka, tmp_path) as one:
        topic = one.topic.name
        await write(kafka, topic, {0: numbers(3)})
        async with transactional(kafka, one.id) as producer:
            await producer.begin_transaction()
            await producer.send_and_wait(topic, key=b"k", value=b"3", partition=0)
            await write(kafka, topic, {0: numbers(2, 4)})
            await one.join(note)
            await until(lambda: len(seen) >= 3)
            await asyncio.sleep(1)
            assert seen == numbers(3)
            await producer.commit_transaction()
        await until(lambda: len(seen) >= 6)
        assert seen == numbers(6)


async def test_what_retention_took_is_told_and_counted(kafka: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    async def note(batch: Batch) -> None:
        seen.append((batch.records[0].offset, batch.lost))

    async with group(kafka, tmp_path) as one:
        topic = one.topic.name
        await write(kafka, topic, {0: numbers(30)})
        member = await one.join(note)
        await until(lambda: one.handled(0)[-1:] == [29])
        assert {lost for _, lost in seen} == {0}
        await cut_before(kafka, topic, 25)
        member.consumer.rewind(member.tp(0), 5)
        await until(lambda: len(one.handled(0)) == 35)
        assert seen[-1] == (25, 20)
        assert one.handled(0)[30:] == [25, 26, 27, 28, 29]
        assert FLOW.lost.labels(topic)._value.get() == 20


async def test_compaction_holes_neither_lose_nor_loop(kafka: str, tmp_path: Path) -> None:
    async with group(kafka, tmp_path, config=COMPACTED_SOON) as one:
        await _with_holes(kafka, one)
        offsets = await present(kafka, one.topic.name)
        assert len(offsets) < offsets[-1]
        member = await one.join()
        await until(lambda: len(one.handled(0)) >= len(offsets))
        lives = dict(member.consumer.lives)
        await write(kafka, one.topic.name, {0: numbers(3)})
        await until(lambda: len(one.handled(0)) >= len(offsets) + 3)
        await one.leave()
        end = offsets[-1] + 1
        assert one.handled(0) == [*offsets, end, end + 1, end + 2]
        assert member.consumer.gaps == 0
        assert member.consumer.lives == lives, "something was read again"
        assert await one.committed() == {0: end + 3}


async def _with_holes(kafka: str, one: Group) -> None:
    """Keeps writing the same key until the cleaner removed records of it."""
    await clean_often(kafka)
    async with asyncio.timeout(90):
        offsets: list[int] = []
        while not offsets or len(offsets) == offsets[-1] + 1:
            await write(kafka, one.topic.name, {0: numbers(50)})
            await asyncio.sleep(0.15)
            offsets = await present(kafka, one.topic.name)
