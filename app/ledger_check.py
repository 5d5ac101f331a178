"""Before anything is read or served: are our settings those that the ledger was made with?"""

import contextlib

import msgspec
from aiokafka import ConsumerRecord, TopicPartition

from app.certificates.audit_reading import Reach, partitions_of, reader
from app.contracts import wire
from app.contracts.topics import COMMANDS, JOURNAL
from app.kafka_access import KafkaAccess
from app.settings import Settings
from tables.errors import WrongLedger
from tables.recovery import require_pepper

PATIENCE_S = 20.0


async def require_ledger(known: Settings) -> None:
    """An empty journal takes any pepper: its first owner writes down the check value.

    Raises WrongLedger, TopicMissing, ReadingStopped, and errors of the broker.
    """
    for topic in (JOURNAL, COMMANDS):
        numbers = await partitions_of(known.kafka, topic)
        if len(numbers) != known.ledger_partitions:
            raise WrongLedger(
                f"GIFTMARK_LEDGER_PARTITIONS is {known.ledger_partitions}, but {topic} has "
                f"{len(numbers)} partitions: their number never changes"
            )
    for meta in await _last_metas(known.kafka, known.ledger_partitions):
        require_pepper(meta, known.pepper_check)


async def _last_metas(kafka: KafkaAccess, partitions: int) -> list[wire.MetaRecord]:
    """A commit ends with one, and compaction leaves the end of a log alone."""
    metas: list[wire.MetaRecord] = []

    def take(record: ConsumerRecord) -> None:
        if record.key in (wire.META_KEY, wire.EPOCH_KEY):
            # What we cannot read is left to the opening, which waits for a newer worker.
            with contextlib.suppress(msgspec.DecodeError, wire.NewerSchema):
                metas.append(wire.decode_meta(record.value or b""))

    async with reader(kafka, lambda _count: None) as reading:
        ends = await reading.ends([TopicPartition(JOURNAL, p) for p in range(partitions)])
        starts = {tp: end - 1 for tp, end in ends.items() if end}
        if starts:
            reach = Reach(ends, PATIENCE_S)
            await reading.read(dict.fromkeys(starts, take), reach, starts=starts)
    return metas
