"""Plain appends of many records: what no epoch guards because its receivers are idempotent."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

from aiokafka import TopicPartition

from app.contracts.dead_letters import code_of
from app.contracts.topics import DEAD_LETTERS
from app.metrics import FLOW
from tables.journal import BrokerLink, FencedWriter, Record, build_batch

CHUNK_BYTES = 900 << 10
_ROW = 64
_NOBODY = (-1, -1)


def chunks(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Cuts below the broker's limit; a record larger than that stands alone."""
    start = size = 0
    for index, (key, value, _) in enumerate(records):
        weight = len(key) + len(value or b"") + _ROW
        if size + weight > CHUNK_BYTES and index > start:
            yield records[start:index]
            start, size = index, 0
        size += weight
    if start < len(records):
        yield records[start:]


class Outlet:
    """Appends with all replicas' acknowledgement; raises AppendUnknown or AppendRefused."""

    def __init__(self, link: BrokerLink) -> None:
        self._link = link

    async def send(self, targets: dict[TopicPartition, list[Record]]) -> None:
        """Per partition in order, partitions side by side; at least once when repeated."""
        await _all(self._lane(tp, records) for tp, records in targets.items())

    async def _lane(self, tp: TopicPartition, records: list[Record]) -> None:
        for chunk in chunks(records):
            node = await self._link.leader(tp.topic, tp.partition)
            await self._link.put(node, tp, build_batch(chunk, _NOBODY, -1))
            _count(tp.topic, chunk)


async def send_fenced(writer: FencedWriter, targets: dict[TopicPartition, list[Record]]) -> None:
    """The same under a writer's epoch: one request in flight per target partition."""

    async def lane(tp: TopicPartition, records: list[Record]) -> None:
        for chunk in chunks(records):
            await writer.append(tp.topic, tp.partition, chunk)
            _count(tp.topic, chunk)

    await _all(lane(tp, records) for tp, records in targets.items())


def _count(topic: str, written: Sequence[Record]) -> None:
    if topic in DEAD_LETTERS:
        for _, _, headers in written:
            FLOW.dead_letters.labels(topic, code_of(headers)).inc()


async def _all(lanes: Iterable[object]) -> None:
    """Every lane ends before the first failure is raised: none writes on behind its back."""
    results = await asyncio.gather(*lanes, return_exceptions=True)  # type: ignore[call-overload]
    for result in results:
        if isinstance(result, BaseException):
            raise result
