"""Records that retention took before we read them: told and counted, unlike mere holes."""

from typing import Any

import structlog
from aiokafka import TopicPartition
from faust.types import TP

from app.metrics import FLOW

log = structlog.get_logger("transport")


async def lost_before(consumer: Any, tp: TP, first: int, *, position: int) -> int:
    """How many of those between `position` and the offset that came `first`.

    Control records and compaction leave holes, too; raises KafkaError.
    """
    if first <= position:
        return 0
    earliest = (await consumer.earliest_offsets(tp)).get(TopicPartition(*tp)) or 0
    return tell_lost(tp, position=position, earliest=earliest)


def tell_lost(tp: TP, *, position: int, earliest: int) -> int:
    lost = max(0, earliest - position)
    if lost:
        log.error("records lost to retention", tp=str(tp), position=position, earliest=earliest)
        FLOW.lost.labels(tp.topic).inc(lost)
    return lost
