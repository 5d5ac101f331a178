"""What the transport hands to an agent: the records of one partition and their place."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from aiokafka import ConsumerRecord, OffsetAndMetadata
from faust.types import TP


class Source(Protocol):
    """The consumer that a batch came from, as far as its handlers need it.

    `lives` counts the rewinds of each partition; `finished` is what may be committed;
    `unfinished` are handlers at work, which a rebalance waits for.
    """

    lives: dict[TP, int]
    finished: dict[TP, OffsetAndMetadata]
    unfinished: set[asyncio.Task[None]]

    def leave(self, tp: TP) -> None: ...

    def rewind(self, tp: TP, offset: int, *, hold_s: float = 0.0) -> None: ...

    def follows_on(self, batch: "Batch") -> bool: ...

    async def commit_positions(self, positions: Mapping[TP, OffsetAndMetadata]) -> bool: ...

    async def committed(self, tp: TP) -> OffsetAndMetadata | None: ...


class Batch:
    """Records of one partition; `follows` and `upto` are fetch positions around them.

    Positions, not record offsets: control records and compaction holes lie between them
    and raise no alarm, while a batch that got lost on the way does. `lost`: how many records
    before the first one retention has taken.
    """

    __slots__ = ("consumer", "follows", "life", "lost", "records", "tp", "upto")

    def __init__(
        self,
        consumer: Source,
        tp: TP,
        records: list[ConsumerRecord],
        *,
        follows: int,
        lost: int = 0,
    ) -> None:
        self.consumer = consumer
        self.tp = tp
        self.records = records
        self.follows = follows
        self.lost = lost
        self.upto: int = records[-1].offset + 1
        self.life = consumer.lives.get(tp, 0)

    @property
    def stale(self) -> bool:
        """The partition was sought elsewhere since; its records come again."""
        return self.life != self.consumer.lives.get(self.tp, 0)

    def done(self, metadata: str = "") -> None:
        """The effects are durable: everything below `upto` may be committed."""
        if not self.stale:
            self.consumer.finished[self.tp] = OffsetAndMetadata(self.upto, metadata)
            self.consumer.leave(self.tp)

    def again(self, after_s: float) -> None:
        """Not handled: rewind to it, later; other partitions flow on meanwhile."""
        if not self.stale:
            self.consumer.rewind(self.tp, self.follows, hold_s=after_s)


def batch_of(event: Any) -> Batch:
    value = event.value
    assert isinstance(value, Batch)
    return value


def partitions_of(tps: Iterable[TP], topic: str) -> frozenset[int]:
    return frozenset(tp.partition for tp in tps if tp.topic == topic)
