"""Publishing: the journal's records become public events, commands, notifications."""

from collections.abc import Callable

import msgspec
import structlog
from aiokafka import ConsumerRecord, OffsetAndMetadata, TopicPartition

from agents.handling import TryAgain, in_slices
from app.batches import Batch
from app.certificates.emission import Output
from app.certificates.publishing import ALERTS, Publisher, UnknownEntity
from app.contracts import wire
from app.contracts.topics import COMMANDS
from app.domain.certificates.events import SETTLEMENT_CONTRADICTION
from app.metrics import FLOW, at_zero
from app.tills import Tills
from tables.journal import BrokerLink, FencedWriter, Record
from tables.outlet import send_fenced
from tables.partitioning import partition_of

STOPPED_S = 60.0
Reached = Callable[[int, int], None]
log = structlog.get_logger("publishing")


class Mark(msgspec.Struct):
    """What was published up to a position: committed beside it as text.

    `commit`: number of the last commit seen whole, 0 = none; the next must follow it, else
    compaction ate unpublished records.
    """

    epoch: int = 0
    commit: int = 0

    @classmethod
    def of(cls, text: str) -> "Mark":
        parts = text.split(":")
        return cls(*map(int, parts)) if len(parts) == 2 else cls()

    def __str__(self) -> str:
        return f"{self.epoch}:{self.commit}"


class UnpublishedHole(TryAgain):
    """Compaction removed records before they were published: somebody has to decide."""


class Publishing:
    """One fenced writer per journal partition; opened when the group hands the partition over.

    `reached`: is told from which partition and of which time records are published next.
    """

    def __init__(
        self,
        link: BrokerLink,
        publisher: Publisher,
        *,
        app_name: str,
        partitions: int,
        tills: Tills,
        reached: Reached = lambda _partition, _time_ms: None,
    ) -> None:
        self._link = link
        self._publisher = publisher
        self._app_name = app_name
        self._partitions = partitions
        self._tills = tills
        self._reached = reached
        self._lanes: dict[int, tuple[int, FencedWriter, Mark]] = {}
        self._done: dict[int, tuple[int, str]] = {}
        at_zero(FLOW.alerts, *ALERTS)

    async def handle(self, batch: Batch) -> None:
        partition = batch.tp.partition
        self._reached(partition, batch.records[0].timestamp)
        writer, mark = await self._lane(batch)
        try:
            targets = await self._targets(batch.records, mark, partition)
            await send_fenced(writer, targets)
        except BaseException as error:
            self._lanes.pop(partition, None)
            if isinstance(error, TryAgain):
                FLOW.publishing_stopped.labels(str(partition)).set(1)
            raise
        FLOW.publishing_stopped.labels(str(partition)).set(0)
        self._reached(partition, batch.records[-1].timestamp)
        self._done[partition] = (batch.upto, str(mark))
        batch.done(str(mark))
        for tp, records in targets.items():
            FLOW.published.labels(tp.topic).inc(len(records))

    async def _lane(self, batch: Batch) -> tuple[FencedWriter, Mark]:
        """Proves membership before it takes the epoch: a cut-off publisher stays out."""
        partition = batch.tp.partition
        lane = self._lanes.get(partition)
        if lane is not None and lane[0] == batch.life:
            return lane[1], lane[2]
        text = await self._mark_before(batch)
        start = OffsetAndMetadata(batch.follows, text)
        if not await batch.consumer.commit_positions({batch.tp: start}):
            raise TryAgain("the group did not take our position")
        writer = FencedWriter(self._link, f"{self._app_name}-publishing-{partition}")
        await writer.open()
        mark = Mark.of(text)
        self._lanes[partition] = (batch.life, writer, mark)
        return writer, mark

    async def _mark_before(self, batch: Batch) -> str:
        """The mark at this batch's start, as far as anybody remembers it."""
        upto, text = self._done.get(batch.tp.partition, (-1, ""))
        if upto == batch.follows:
            return text
        committed = await batch.consumer.committed(batch.tp)
        if committed is None or committed.offset != batch.follows:
            return ""
        return str(committed.metadata)

    async def _targets(
        self, records: list[ConsumerRecord], mark: Mark, partition: int
    ) -> dict[TopicPartition, list[Record]]:
        targets: dict[TopicPartition, list[Record]] = {}
        async for record in in_slices(records, self._tills, "events"):
            for output in self._outputs(record, mark):
                tp = TopicPartition(output.topic, self._target(output, partition))
                targets.setdefault(tp, []).append((output.key, output.value, output.headers))
        return targets

    def _outputs(self, record: ConsumerRecord, mark: Mark) -> list[Output]:
        """Nothing for meta records and stale ones; advances the mark."""
        if record.key is None or record.value is None:
            return []
        try:
            if record.key in (wire.META_KEY, wire.EPOCH_KEY):
                _advance(mark, record)
                return []
            journal = wire.decode_journal(record.value)
        except wire.NewerSchema as newer:
            raise TryAgain(str(newer), after_s=STOPPED_S) from None
        except msgspec.DecodeError:
            log.warning("foreign journal record ignored", offset=record.offset)
            return []
        if journal.epoch < mark.epoch:
            return []
        mark.epoch = journal.epoch
        try:
            return self._publisher.outputs(record.key, journal, record.timestamp)
        except (UnknownEntity, msgspec.DecodeError) as newer:
            cause = f"journal record {record.offset}: {newer}"
            raise TryAgain(cause, after_s=STOPPED_S) from None

    def _target(self, output: Output, partition: int) -> int:
        if output.partition is not None:
            return output.partition
        if output.topic == COMMANDS:
            return partition_of(output.key.decode(), self._partitions)
        return partition


def take_note(name: str, entity: str) -> None:
    """Again after a crash, like everything published."""
    if name == SETTLEMENT_CONTRADICTION:
        FLOW.contradictions.inc()
        return
    FLOW.alerts.labels(name).inc()
    log.warning("alert", name=name, entity=entity)


def _advance(mark: Mark, record: ConsumerRecord) -> None:
    meta = wire.decode_meta(record.value)
    if meta.epoch < mark.epoch:
        return
    mark.epoch = meta.epoch
    if record.key == wire.EPOCH_KEY:
        return
    if mark.commit and meta.commit > mark.commit + 1:
        raise UnpublishedHole("compaction ate unpublished records", after_s=STOPPED_S)
    mark.commit = meta.commit
