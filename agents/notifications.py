"""The agent of `notification-requests`, and the way of its results back to the ledger."""

from collections.abc import Callable, Sequence

import msgspec
import psycopg2
import structlog
from aiokafka import ConsumerRecord, TopicPartition

from agents.handling import Handler, TryAgain
from app.batches import Batch
from app.certificates.database import StorageUnavailable
from app.certificates.notify.figures import NOTIFY
from app.certificates.notify.store import Ended, Store
from app.certificates.notify.texts import ACTIVATED
from app.contracts import dead_letters
from app.contracts.topics import COMMANDS, NOTIFICATIONS, dead_letters_of
from app.contracts.wire import (
    SCHEMA,
    CommandRecord,
    NewerSchema,
    decode_notification,
    encode,
)
from app.domain.certificates.commands import NotificationResult
from app.domain.certificates.events import NotificationAsked
from app.metrics import FLOW
from tables.journal import Record
from tables.outlet import Outlet
from tables.partitioning import partition_of

AWAY_S = 1.0
STOPPED_S = 30.0
DEAD = dead_letters_of(NOTIFICATIONS)
log = structlog.get_logger("notify")
_pack = msgspec.msgpack.Encoder().encode


def notification_handler(store: Store, outlet: Outlet) -> Handler:
    """A batch is done when every message stands in the table or among the dead letters."""

    async def handle(batch: Batch) -> None:
        try:
            asked, dead = _read(batch.records)
            await outlet.send(dead)
            new = await store.keep(asked) if asked else 0
        except NewerSchema as newer:
            raise TryAgain(str(newer), after_s=STOPPED_S) from None
        except StorageUnavailable as error:
            raise TryAgain(str(error), after_s=AWAY_S) from None
        except psycopg2.Error as error:
            cause = type(error).__name__
            log.critical("messages stand still", cause=cause, tp=str(batch.tp))
            raise TryAgain(cause, after_s=STOPPED_S) from None
        NOTIFY.asked.inc(new)
        batch.done()

    return handle


def _read(
    records: Sequence[ConsumerRecord],
) -> tuple[list[NotificationAsked], dict[TopicPartition, list[Record]]]:
    asked: list[NotificationAsked] = []
    dead: dict[TopicPartition, list[Record]] = {}
    for record in records:
        try:
            asked.append(decode_notification(record.value or b"").asked)
        except msgspec.DecodeError:
            lane = dead.setdefault(TopicPartition(DEAD, record.partition), [])
            lane.append(_buried(record))
    return asked, dead


def _buried(record: ConsumerRecord) -> Record:
    """Not sealed: what can be secret in it is sealed already."""
    place = dead_letters.Place(record.topic, record.partition, record.offset)
    cause = dead_letters.Cause("DECODE", "Undecodable", "no request for a message", 0)
    cause = msgspec.structs.replace(cause, at=record.timestamp)
    FLOW.dead_letters.labels(DEAD, cause.code).inc()
    return record.key or b"", record.value, dead_letters.headers(place, cause, sealed=None)


class Results:
    """Tells orders what became of their messages; refunds are told nothing."""

    def __init__(self, outlet: Outlet, now_ms: Callable[[], int], *, partitions: int) -> None:
        self._outlet = outlet
        self._now_ms = now_ms
        self._partitions = partitions

    async def report(self, ended: Sequence[Ended]) -> None:
        """Raises AppendUnknown or AppendRefused."""
        targets: dict[TopicPartition, list[Record]] = {}
        for one in ended:
            if one.template == ACTIVATED and one.order_id and one.order_line_id:
                target = TopicPartition(COMMANDS, partition_of(one.order_id, self._partitions))
                targets.setdefault(target, []).append(self._result(one, one.order_id))
        await self._outlet.send(targets)

    def _result(self, ended: Ended, order_id: str) -> Record:
        n = int(ended.id.rpartition(":")[2])
        command = NotificationResult(ended.order_line_id or "", n, ended.state)
        # Not the form of a follow-up's id: no entity has sent it.
        name = f"{ended.id}/{ended.state}"
        kind, fields = type(command).__name__, msgspec.Raw(_pack(command))
        record = CommandRecord(SCHEMA, name, self._now_ms(), kind, order_id, fields)
        return order_id.encode(), encode(record), ()
