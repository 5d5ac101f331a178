"""The mart made anew from what the public topics still hold; audit and daily sums stay."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from app.certificates.audit_reading import partitions_of
from app.certificates.database import Database
from app.certificates.mart import Mart
from app.contracts.topics import STATE, TRANSACTION
from app.kafka_access import KafkaAccess

BATCH = 1_000
POLL_MS = 500
STILL_S = 60.0
SETTLE_S = 60
LOOK_S = 1.0

EMPTY = "TRUNCATE mart.certificate, mart.operation"
# A state without any operation: retention ate them, or they are on their way still.
UNSETTLED = """
SELECT count(*) AS found FROM mart.certificate c
WHERE c.sequence > 0 AND c.last_operation_at > now() - %(settle_s)s * interval '1 second'
    AND NOT EXISTS (SELECT FROM mart.operation o WHERE o.certificate_id = c.certificate_id)
"""
# Of tables that were filled a moment ago: without it the next statement is planned for empty ones.
STATISTICS = "ANALYZE mart.certificate, mart.operation"
OPENINGS = """
INSERT INTO mart.operation (
    event_id, certificate_id, sequence, n, occurred_at, transaction_type, amount, currency,
    d_available, d_held, d_refund_held, available_after, held_after, refund_held_after,
    balance_after
)
SELECT c.certificate_id || ':opening', c.certificate_id, coalesce(f.sequence, c.sequence), -1,
    coalesce(f.occurred_at, c.last_operation_at), 'Opening',
    b.available + b.held + b.refund_held, c.currency, b.available, b.held, b.refund_held,
    b.available, b.held, b.refund_held, b.available + b.held + b.refund_held
FROM mart.certificate c
LEFT JOIN LATERAL (
    SELECT * FROM mart.operation o WHERE o.certificate_id = c.certificate_id
    ORDER BY o.sequence, o.n LIMIT 1
) f ON true,
LATERAL (
    SELECT coalesce(f.available_after - f.d_available, c.available) AS available,
        coalesce(f.held_after - f.d_held, c.held) AS held,
        coalesce(f.refund_held_after - f.d_refund_held, c.refund_held) AS refund_held
) b
WHERE c.sequence > 0 AND coalesce(f.transaction_type, '') NOT IN ('Issued', 'Opening')
ON CONFLICT (event_id) DO NOTHING
"""


class RebuildStopped(RuntimeError):
    """The broker gave nothing for a minute though there is more to read."""


class Rebuilt(msgspec.Struct, frozen=True):
    states: int
    operations: int
    openings: int


async def rebuild(
    kafka: KafkaAccess,
    database: Database,
    *,
    settle_s: int = SETTLE_S,
    progress: Callable[[int], None] = lambda _records: None,
) -> Rebuilt:
    """Safe beside a running mart agent: both write the same rows.

    `settle_s`: how young a state may be for its operation to be still under way.
    Raises StorageUnavailable, RebuildStopped and errors of the broker.
    """
    async with database.transaction() as tx:
        await tx.execute(EMPTY)
    mart = Mart(database)
    consumer = kafka.client(AIOKafkaConsumer, enable_auto_commit=False, max_poll_records=BATCH)
    await consumer.start()
    try:
        # States first: every operation that one of them includes is read after it.
        source = _Source(consumer, mart, progress)
        states = await source.read(STATE, await _partitions(kafka, STATE))
        transactions = await _partitions(kafka, TRANSACTION)
        operations = await source.read(TRANSACTION, transactions)
        while await _unsettled(database, settle_s):
            await asyncio.sleep(LOOK_S)
            operations = await source.read(TRANSACTION, transactions)
    finally:
        await consumer.stop()
    async with database.transaction() as tx:
        await tx.may_take(600)
        await tx.execute(STATISTICS)
        openings = await tx.execute(OPENINGS)
    return Rebuilt(states, operations, openings)


async def _unsettled(database: Database, settle_s: int) -> bool:
    row = await database.one(UNSETTLED, settle_s=settle_s)
    return row is not None and row["found"] > 0


async def _partitions(kafka: KafkaAccess, topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in await partitions_of(kafka, topic)]


class _Source:
    def __init__(
        self, consumer: AIOKafkaConsumer, mart: Mart, progress: Callable[[int], None]
    ) -> None:
        self._consumer = consumer
        self._mart = mart
        self._progress = progress

    async def read(self, topic: str, partitions: Sequence[TopicPartition]) -> int:
        """From the beginning to the present end; the number of records."""
        self._consumer.assign(list(partitions))
        await self._consumer.seek_to_beginning(*partitions)
        ends = await self._consumer.end_offsets(list(partitions))
        loop = asyncio.get_running_loop()
        count, moved = 0, loop.time()
        while not await self._reached(ends):
            for records in (await self._consumer.getmany(timeout_ms=POLL_MS)).values():
                await self._mart.take(topic, records)
                count, moved = count + len(records), loop.time()
                self._progress(len(records))
            if loop.time() - moved > STILL_S:
                raise RebuildStopped(f"{topic}: nothing came for {STILL_S:.0f} s")
        return count

    async def _reached(self, ends: dict[TopicPartition, int]) -> bool:
        for partition, end in ends.items():
            if await self._consumer.position(partition) < end:
                return False
        return True
