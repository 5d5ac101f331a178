"""Intake: foreign messages become commands; what cannot is a dead letter, never lost."""

from collections.abc import Callable

import msgspec
from aiokafka import ConsumerRecord, TopicPartition

from agents.handling import Handler, in_slices
from app.batches import Batch
from app.certificates.batch_rows import BadRow
from app.certificates.inbound import Commands, Fault, NotOurs, Translated
from app.certificates.intake_batch import BatchIntake, BatchTranslated
from app.contracts import dead_letters, tracing
from app.contracts.messages import SCHEMA as EVENT_SCHEMA
from app.contracts.messages import SOURCE, Envelope, GiftCertificateBI, RowPart
from app.contracts.topics import BI, COMMANDS, dead_letters_of
from app.contracts.wire import command_record
from app.domain.certificates.commands import Command, Origin
from app.domain.certificates.times import rfc3339
from app.metrics import FLOW
from app.tills import Tills
from tables.journal import Record
from tables.outlet import Outlet
from tables.partitioning import partition_of

Translate = Callable[[bytes, Origin], Translated]
Seal = Callable[[bytes], tuple[str, bytes]]
_json = msgspec.json.Encoder().encode


class Yield:
    """What one batch of messages turns into, by target partition."""

    def __init__(self, partitions: int, seal: Seal) -> None:
        self.targets: dict[TopicPartition, list[Record]] = {}
        self._partitions = partitions
        self._seal = seal

    def commands(self, record: ConsumerRecord, commands: Commands, now: int) -> None:
        """Ids tell where the message lay; `now` is stamped here, once."""
        place = f"{record.topic}/{record.partition}/{record.offset}"
        trace = tracing.of_record(record.headers)
        for n, (key, command) in enumerate(commands):
            self.command(key, command, command_id=f"{place}/{n}", now=now, trace=trace)

    def command(
        self, key: str, command: Command, *, command_id: str, now: int, trace: str | None
    ) -> None:
        value = command_record(key, command, command_id=command_id, now=now, trace=trace)
        self._put(COMMANDS, partition_of(key, self._partitions), (key.encode(), value, ()))

    def buried(self, record: ConsumerRecord, original: bytes, fault: Fault) -> None:
        place = dead_letters.Place(record.topic, record.partition, record.offset)
        cause = dead_letters.Cause(
            fault.stage,
            fault.code,
            fault.reason,
            record.timestamp,
            fault.entity,
            fault.last4,
            fault.row,
            fault.chunk,
        )
        kid, box = self._seal(original)
        headers = dead_letters.headers(place, cause, sealed=kid)
        self._put(
            dead_letters_of(record.topic), record.partition, (record.key or b"", box, headers)
        )

    def row(self, record: ConsumerRecord, batch: BatchTranslated, bad: BadRow) -> None:
        chunk = batch.chunk
        name = f"{chunk.batch_id}:{chunk.chunk}:{chunk.attempt}:{bad.row}"
        part = RowPart(
            chunk.batch_id,
            chunk.chunk,
            bad.row,
            chunk.attempt,
            "rejected",
            bad.certificate_id,
            bad.last4,
            bad.code,
        )
        told = GiftCertificateBI("BatchRow", row=part)
        at = rfc3339(record.timestamp)
        event = Envelope(name, BI, EVENT_SCHEMA, at, chunk.attempt, bad.row, SOURCE, told)
        key = bad.certificate_id or chunk.batch_id
        self._put(BI, partition_of(key, self._partitions), (key.encode(), _json(event), ()))

    def _put(self, topic: str, partition: int, record: Record) -> None:
        self.targets.setdefault(TopicPartition(topic, partition), []).append(record)


class Intake:
    """Handlers of the three inbound topics; a batch is done when all it yields is acknowledged."""

    def __init__(
        self,
        outlet: Outlet,
        seal: Seal,
        now_ms: Callable[[], int],
        *,
        partitions: int,
        tills: Tills,
    ) -> None:
        self._outlet = outlet
        self._seal = seal
        self._now_ms = now_ms
        self._partitions = partitions
        self._tills = tills

    def messages(self, translate: Translate) -> Handler:
        """A handler for sales or payments."""

        async def handle(batch: Batch) -> None:
            got, now = Yield(self._partitions, self._seal), self._now_ms()
            async for record in in_slices(batch.records, self._tills, "commands"):
                origin = Origin(record.topic, record.partition, record.offset)
                match translate(record.value or b"", origin):
                    case NotOurs(reason=reason):
                        FLOW.ignored.labels(record.topic, reason).inc()
                    case Fault() as fault:
                        got.buried(record, record.value or b"", fault)
                    case commands:
                        got.commands(record, commands, now)
            await self._outlet.send(got.targets)
            batch.done()

        return handle

    def batches(self, intake: BatchIntake) -> Handler:
        """The handler for rows of certificates by topic."""

        async def handle(batch: Batch) -> None:
            got, now = Yield(self._partitions, self._seal), self._now_ms()
            async for record in in_slices(batch.records, self._tills, "commands"):
                rows = intake.translate(record.value or b"", now)
                if isinstance(rows, Fault):
                    got.buried(record, record.value or b"", rows)
                else:
                    _rows(got, record, rows, now=now)
            await self._outlet.send(got.targets)
            batch.done()

        return handle


def _rows(got: Yield, record: ConsumerRecord, rows: BatchTranslated, *, now: int) -> None:
    got.commands(record, [(good.certificate_id, good.command) for good in rows.good], now)
    place = f"{rows.chunk.batch_id}:{rows.chunk.chunk}:{rows.chunk.attempt}"
    for bad, original in zip(rows.bad, rows.originals, strict=True):
        entity = bad.certificate_id or rows.chunk.batch_id
        fault = Fault("VALIDATE", bad.code, bad.reason, entity, bad.last4, bad.row, place)
        got.buried(record, original, fault)
        got.row(record, rows, bad)
