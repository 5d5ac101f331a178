"""The agent of `notification-requests`, and what it tells: results the ledger, openings all."""

from collections.abc import Callable, Sequence

import msgspec
import psycopg2
import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from agents.handling import Handler, TryAgain
from app.batches import Batch
from app.certificates.database import StorageUnavailable
from app.certificates.notify.figures import NOTIFY
from app.certificates.notify.sender import NotRecorded
from app.certificates.notify.store import Due, Ended, Store
from app.certificates.notify.texts import ACTIVATED
from app.contracts import dead_letters, messages
from app.contracts.topics import BI, COMMANDS, NOTIFICATIONS, dead_letters_of
from app.contracts.wire import NewerSchema, command_record, decode_notification
from app.domain.certificates.commands import NotificationResult
from app.domain.certificates.events import NotificationAsked
from app.domain.certificates.times import rfc3339
from tables.journal import AppendRefused, AppendUnknown, Record
from tables.outlet import Outlet
from tables.partitioning import partition_of

AWAY_S = 1.0
STOPPED_S = 30.0
DEAD = dead_letters_of(NOTIFICATIONS)
OPENED_BY = "notifications"
log = structlog.get_logger("notify")
_json = msgspec.json.Encoder().encode


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
    at = record.timestamp
    cause = dead_letters.Cause("DECODE", "Undecodable", "no request for a message", at)
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
        value = command_record(order_id, command, command_id=name, now=self._now_ms())
        return order_id.encode(), value, ()


class Openings:
    """Publishes whose contacts are opened, before they are; nothing of what is in them."""

    def __init__(self, outlet: Outlet, now_ms: Callable[[], int], *, partitions: int) -> None:
        self._outlet = outlet
        self._now_ms = now_ms
        self._partitions = partitions

    async def record(self, dues: Sequence[Due]) -> None:
        """One append a partition for all of them. Raises NotRecorded."""
        at = rfc3339(self._now_ms())
        targets: dict[TopicPartition, list[Record]] = {}
        for due in dues:
            target = TopicPartition(BI, partition_of(due.id, self._partitions))
            targets.setdefault(target, []).append((due.id.encode(), _opening(due, at), ()))
        try:
            await self._outlet.send(targets)
        except (KafkaError, AppendUnknown, AppendRefused, OSError) as error:
            raise NotRecorded(type(error).__name__) from error


def _opening(due: Due, at: str) -> bytes:
    """Its sequence is that of the message's tries: the certificate's own is not ours to count."""
    course = due.course
    part = messages.NotificationPart(
        due.id,
        due.facts.template,
        due.certificate_id,
        due.facts.last4,
        course.state,
        due.order_id,
        due.order_line_id,
    )
    audit = messages.AuditPart(client=OPENED_BY, command="OpenContact", outcome="ok")
    told = messages.GiftCertificateBI("Access", audit=audit, notification=part)
    name = f"{due.id}:{course.tries}:0"
    event = messages.Envelope(name, BI, messages.SCHEMA, at, course.tries, 0, messages.SOURCE, told)
    return _json(event)
