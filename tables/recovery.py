"""Replay: journal records into the local store, ignoring what fenced owners slipped in."""

from collections.abc import Callable, Iterable
from typing import Self

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from app.contracts import wire
from app.contracts.topics import JOURNAL
from app.kafka_access import KafkaAccess
from tables.errors import WrongLedger
from tables.store import STALE, Changes, Position, Store, StoreForeign

FETCH_BYTES = 16 << 20
REQUEST_MS = 20_000  # of a connection that died untold, nobody waits longer to open
log = structlog.get_logger("recovery")


def require_pepper(meta: wire.MetaRecord, check: str) -> None:
    """Raises WrongLedger: with another pepper the same codes are other certificates."""
    if meta.ledger and meta.ledger != check:
        raise WrongLedger("GIFTMARK_CODE_PEPPER is not the pepper that this ledger was made with")


class JournalReader:
    """Reads one journal partition outside the group into one store; closed after a failure."""

    def __init__(self, kafka: KafkaAccess, partition: int) -> None:
        self._stale: set[bytes] | None = None
        self._tp = TopicPartition(JOURNAL, partition)
        self._consumer = kafka.client(
            AIOKafkaConsumer,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=100,
            request_timeout_ms=REQUEST_MS,
            check_crcs=False,
        )

    async def __aenter__(self) -> Self:
        self._consumer.assign([self._tp])
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def end_offset(self) -> int:
        return int((await self._consumer.end_offsets([self._tp]))[self._tp])

    async def replay(
        self, store: Store, until: int, *, pepper_check: str, progress: Callable[[int], None]
    ) -> int:
        """Brings the store to offset `until`; returns how many records it read.

        Raises NewerSchema, WrongLedger, StoreForeign (the journal contradicts the store).
        """
        if store.position.next_offset >= until:
            return 0
        count = 0
        self._consumer.seek(self._tp, store.position.next_offset)
        while store.position.next_offset < until:
            count += await self.step(store, pepper_check=pepper_check)
            progress(until - store.position.next_offset)
        return count

    async def step(self, store: Store, *, pepper_check: str) -> int:
        """One fetch into the store, one atomic write; may find nothing."""
        found = await self._consumer.getmany(self._tp, timeout_ms=500)
        records = found.get(self._tp, [])
        position = await self._consumer.position(self._tp)
        changes = Changes()
        if self._stale is None:
            self._stale = set(store.stale_keys())
        fold = Fold(changes, store.position, pepper_check, stale=self._stale)
        fold.all(records)
        if position != store.position.next_offset:
            store.apply(changes, fold.position(int(position)))
        return len(records)

    def seek(self, offset: int) -> None:
        self._consumer.seek(self._tp, offset)


class Fold:
    """One run of records into changes; `position` afterwards says what is covered.

    `stale`: keys whose newest record a fenced owner wrote; kept up by the fold.
    """

    def __init__(
        self, changes: Changes, position: Position, pepper_check: str, *, stale: set[bytes]
    ) -> None:
        self._changes = changes
        self._stale = stale
        self._pepper_check = pepper_check
        self._start = position
        self._epoch = position.epoch
        self._watermark = position.watermark
        self._commit = position.commit

    def position(self, next_offset: int) -> Position:
        return Position(self._start.ledger, next_offset, self._epoch, self._watermark, self._commit)

    def all(self, records: Iterable[ConsumerRecord]) -> None:
        for record in records:
            if record.key in (wire.META_KEY, wire.EPOCH_KEY):
                self._meta(record)
            elif record.key:
                self._entity(record.key, record.value)

    def _meta(self, record: ConsumerRecord) -> None:
        try:
            meta = wire.decode_meta(record.value)
        except (msgspec.DecodeError, TypeError):
            log.warning("foreign meta record ignored", offset=record.offset)
            return
        if meta.epoch < self._epoch:
            return
        require_pepper(meta, self._pepper_check)
        self._epoch = meta.epoch
        if record.key == wire.META_KEY:
            if meta.commit <= self._commit:
                raise StoreForeign("the journal's commits are older than the store's")
            self._watermark = meta.watermark
            self._commit = meta.commit

    def _entity(self, key: bytes, value: bytes | None) -> None:
        try:
            record = wire.decode_journal(value or b"")
        except msgspec.DecodeError:
            self._mark_stale(key)
            return
        if record.epoch < self._epoch:
            self._mark_stale(key)
            return
        assert value is not None
        self._epoch = record.epoch
        self._changes.put(key, value)
        if key in self._stale:
            self._stale.discard(key)
            self._changes.drop(STALE + key)
        self._changes.due(key, old=None, new=record.next_due)

    def _mark_stale(self, key: bytes) -> None:
        self._stale.add(key)
        self._changes.put(STALE + key, b"")
