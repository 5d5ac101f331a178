"""Fenced appends: record batches under a producer epoch, without a transaction."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from aiokafka import TopicPartition, errors
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from app.kafka_access import KafkaAccess

Record = tuple[bytes, bytes | None, Sequence[tuple[str, bytes]]]
TIMEOUT_MS = 10_000
BATCH_BYTES = 16 << 20
SEQUENCE_MASK = 0x7FFFFFFF


class AppendRefused(Exception):
    """The broker certainly did not append: too large, or an older epoch than it has seen."""


class Fenced(AppendRefused):
    """A newer owner has written: this writer will never append again."""


class AppendUnknown(Exception):
    """No answer: the batch may be in the log or not."""


class Appended(msgspec.Struct, frozen=True):
    """Offset of the first record; `time_ms`: the broker's append time, -1 if not kept."""

    offset: int
    time_ms: int


Futures = dict[TopicPartition, "asyncio.Future[Appended]"]
Waiting = tuple[TopicPartition, bytes, "asyncio.Future[Appended]"]

_REFUSALS: dict[type[Exception], type[AppendRefused]] = {
    errors.InvalidProducerEpoch: Fenced,
    errors.ProducerFenced: Fenced,
    errors.MessageSizeTooLargeError: AppendRefused,
    errors.InvalidTopicError: AppendRefused,
    errors.TopicAuthorizationFailedError: AppendRefused,
}


class BrokerLink:
    """One client for all writers of a process; batches of one tick share a request per broker."""

    def __init__(self, kafka: KafkaAccess) -> None:
        self._kafka = kafka
        self._client: AIOKafkaClient = None
        self._waiting: dict[int, list[Waiting]] = {}
        self._senders: dict[int, asyncio.Task[None]] = {}
        self.cluster_id = ""

    async def start(self) -> None:
        client = self._kafka.client(
            AIOKafkaClient, client_id="giftmark-journal", request_timeout_ms=TIMEOUT_MS
        )
        self._client = client
        await client.bootstrap()
        node = self._client.get_random_node()
        self.cluster_id = str((await self._client.send(node, MetadataRequest([]))).cluster_id)

    async def stop(self) -> None:
        for task in self._senders.values():
            task.cancel()
        await asyncio.gather(*self._senders.values(), return_exceptions=True)
        await self._client.close()

    async def ping(self) -> None:
        """Raises KafkaError when no broker answers."""
        await self._client.send(self._client.get_random_node(), MetadataRequest([]))

    async def next_epoch(self, transactional_id: str) -> tuple[int, int]:
        """(producer id, next producer epoch); raises KafkaError when no coordinator answers."""
        client = self._client
        deadline = asyncio.get_running_loop().time() + TIMEOUT_MS / 1_000
        request = InitProducerIdRequest(transactional_id, 60_000)
        while True:
            try:
                kind = CoordinationType.TRANSACTION
                node = await client.coordinator_lookup(kind, transactional_id)
                group = ConnectionGroup.COORDINATION
                answer = await self._ask(node, request, group=group)
                error = errors.for_code(answer.error_code)
            except errors.KafkaError as failure:
                error = type(failure)
            if error is errors.NoError:
                return answer.producer_id, answer.producer_epoch
            if asyncio.get_running_loop().time() > deadline:
                raise error
            await client.force_metadata_update()
            await asyncio.sleep(0.1)

    async def _ask(
        self, node: int, request: Any, *, group: ConnectionGroup = ConnectionGroup.DEFAULT
    ) -> Any:
        """A broker that does not answer in time may never have heard: all connections to it are
        made anew, or each would have to be waited for in turn.
        """
        try:
            return await self._client.send(node, request, group=group)
        except errors.RequestTimedOutError:
            for other in ConnectionGroup:
                connection = self._client._conns.get((node, other))  # noqa: SLF001
                if connection is not None:
                    connection.close()
            raise

    async def leader(self, topic: str, partition: int) -> int:
        await self._client._wait_on_metadata(topic)  # noqa: SLF001
        node = self._client.cluster.leader_for_partition(TopicPartition(topic, partition))
        if node in (None, -1):
            await self._client.force_metadata_update()
            raise AppendUnknown(f"{topic}/{partition} has no leader")
        return int(node)

    def put(self, node: int, tp: TopicPartition, batch: bytes) -> "asyncio.Future[Appended]":
        future: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(node, []).append((tp, batch, future))
        sender = self._senders.get(node)
        if sender is None or sender.done():
            self._senders[node] = asyncio.create_task(self._send_all(node))
        return future

    async def _send_all(self, node: int) -> None:
        """Whatever ends it, nobody waits for it for ever."""
        try:
            while waiting := self._waiting.pop(node, None):
                await self._send_some(node, waiting)
        finally:
            for _, _, future in self._waiting.pop(node, ()):
                _be_unknown(future, "the sender ended")

    async def _send_some(self, node: int, waiting: list[Waiting]) -> None:
        batches: dict[TopicPartition, bytes] = {}
        futures: Futures = {}
        for entry in waiting:
            tp, batch, future = entry
            if tp in futures:  # another writer's: a request carries one batch a partition
                self._waiting.setdefault(node, []).append(entry)
                continue
            batches[tp], futures[tp] = batch, future
        try:
            await self._send(node, batches, futures)
        finally:
            _fail(futures, "no answer for the partition")

    async def _send(
        self, node: int, batches: dict[TopicPartition, bytes], futures: "Futures"
    ) -> None:
        topics: dict[str, list[tuple[int, bytes]]] = {}
        for tp, batch in batches.items():
            topics.setdefault(tp.topic, []).append((tp.partition, batch))
        request = ProduceRequest(None, -1, TIMEOUT_MS, list(topics.items()))
        try:
            answer = await self._ask(node, request)
        except (errors.KafkaError, OSError, TimeoutError) as failure:
            _fail(futures, type(failure).__name__)
            await self._client.force_metadata_update()
            return
        moved = False
        for topic, partitions in answer.topics:
            for partition, code, offset, time_ms, *_ in partitions:
                future = futures.pop(TopicPartition(topic, partition))
                _settle(future, code, Appended(offset, time_ms))
                moved |= errors.for_code(code).invalid_metadata
        if moved:
            await self._client.force_metadata_update()


def _fail(futures: Futures, cause: str) -> None:
    for future in futures.values():
        _be_unknown(future, cause)


def _be_unknown(future: "asyncio.Future[Appended]", cause: str) -> None:
    if not future.done():
        future.set_exception(AppendUnknown(cause))


def _settle(future: "asyncio.Future[Appended]", code: int, appended: Appended) -> None:
    if future.done():
        return
    error = errors.for_code(code)
    if error is errors.NoError:
        future.set_result(appended)
        return
    refusal = _REFUSALS.get(error)
    future.set_exception(
        refusal(error.__name__) if refusal else AppendUnknown(error.__name__),
    )


class FencedWriter:
    """Appends under one transactional id's epoch; a later `open` elsewhere fences it.

    The caller has at most one append in flight per partition. After `AppendUnknown` the
    writer must be opened anew: the broker may or may not have the last batch.
    """

    def __init__(self, link: BrokerLink, transactional_id: str) -> None:
        self._link = link
        self._id = transactional_id
        self._producer = (-1, -1)
        self._sequences: dict[TopicPartition, int] = {}

    async def open(self) -> None:
        self._producer = await self._link.next_epoch(self._id)
        self._sequences = {}

    async def append(self, topic: str, partition: int, records: Sequence[Record]) -> Appended:
        """Appends one record batch and waits for all replicas."""
        tp = TopicPartition(topic, partition)
        sequence = self._sequences.get(tp, 0)
        batch = build_batch(records, self._producer, sequence)
        node = await self._link.leader(topic, partition)
        appended = await self._link.put(node, tp, batch)
        self._sequences[tp] = (sequence + len(records)) & SEQUENCE_MASK
        return appended


def build_batch(records: Sequence[Record], producer: tuple[int, int], sequence: int) -> bytes:
    """Producer (-1, -1) makes a plain batch that no epoch guards."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=producer[0],
        producer_epoch=producer[1],
        base_sequence=sequence,
        batch_size=BATCH_BYTES,
    )
    for index, (key, value, headers) in enumerate(records):
        # LogAppendTime topics replace the time; others get it from the broker's clock bound.
        room = builder.append(index, None, key, value, list(headers))
        if room is None:
            raise AppendRefused(f"more than {BATCH_BYTES} bytes in one batch")
    return bytes(builder.build())
