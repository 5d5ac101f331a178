"""Opening a partition: replay, prove membership, take the epoch, mark it, replay the rest."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import structlog

from app.contracts import wire
from app.contracts.topics import JOURNAL
from app.kafka_access import KafkaAccess
from app.metrics import LEDGER
from tables.clock import Clock
from tables.journal import BrokerLink, FencedWriter
from tables.recovery import JournalReader
from tables.store import Changes, Position, SharedMemory, Store, StoreForeign, open_store, set_aside

log = structlog.get_logger("opening")


class NotMember(Exception):
    """The group does not confirm this worker: it must not take the partition."""


class Site(msgspec.Struct, frozen=True):
    """Where a worker keeps and finds its ledger; the same for all its partitions.

    `prove(partition)` commits an offset with the present group generation: True if accepted.
    """

    kafka: KafkaAccess
    data_dir: Path
    app_name: str
    owner: str
    pepper_check: str
    link: BrokerLink
    memory: SharedMemory
    prove: Callable[[int], Awaitable[bool]]
    clock_offset_ms: int = 0

    def path(self, partition: int) -> Path:
        return self.data_dir / f"partition-{partition}"

    def ledger_id(self, partition: int) -> str:
        return f"{self.link.cluster_id}/{self.app_name}/{JOURNAL}/{partition}/{self.pepper_check}"

    def open_store(self, partition: int, end_offset: int) -> Store:
        return open_store(
            self.path(partition),
            ledger=self.ledger_id(partition),
            end_offset=end_offset,
            memory=self.memory,
        )


class Opened(msgspec.Struct):
    """What opening hands to the sequencer."""

    store: Store
    writer: FencedWriter
    clock: Clock


async def open_partition(site: Site, partition: int) -> Opened:
    """Raises NotMember, Fenced, KafkaError, NewerSchema or WrongLedger; then nothing is held."""
    async with JournalReader(site.kafka, partition) as journal:
        store = site.open_store(partition, await journal.end_offset())
        try:
            return await _take_over(site, partition, journal=journal, store=store)
        except StoreForeign as reason:
            store.close()
            set_aside(site.path(partition), str(reason))
            raise
        except BaseException:
            store.close()
            raise


async def _take_over(site: Site, partition: int, *, journal: JournalReader, store: Store) -> Opened:
    started = asyncio.get_running_loop().time()
    left = LEDGER.restore_left.labels(str(partition))
    clock = Clock(site.clock_offset_ms)
    end = await journal.end_offset()
    count = await journal.replay(store, end, pepper_check=site.pepper_check, progress=left.set)
    if not await site.prove(partition):
        raise NotMember(f"partition {partition}: the group did not take our offset commit")
    writer = FencedWriter(site.link, f"{site.app_name}-journal-{partition}")
    await writer.open()
    while True:
        epoch = store.position.epoch + 1
        marker = await _mark(site, writer, partition=partition, epoch=epoch, clock=clock)
        check = site.pepper_check
        count += await journal.replay(store, marker, pepper_check=check, progress=left.set)
        highest = store.position.epoch < epoch
        count += await journal.replay(store, marker + 1, pepper_check=check, progress=left.set)
        if highest:
            break
        # Another owner's marker lay in between: ours must be above it.
    LEDGER.opened.inc()
    log.info(
        "partition open",
        partition=partition,
        epoch=epoch,
        replayed=count,
        watermark=store.position.watermark,
        took_ms=round((asyncio.get_running_loop().time() - started) * 1_000),
    )
    return Opened(store, writer, clock)


async def _mark(
    site: Site, writer: FencedWriter, *, partition: int, epoch: int, clock: Clock
) -> int:
    meta = wire.MetaRecord(wire.SCHEMA, epoch, site.owner, -1, 0, site.pepper_check)
    record = (wire.EPOCH_KEY, wire.encode(meta), ())
    appended = await writer.append(JOURNAL, partition, [record])
    clock.seen(appended.time_ms)
    return appended.offset


async def renew(site: Site, partition: int, opened: Opened) -> None:
    """The broker forgets producers: take a new epoch while nobody else has one.

    Raises what `open_partition` raises, or Fenced: the partition then opens anew.
    """
    if not await site.prove(partition):
        raise NotMember(f"partition {partition}: renewal refused by the group")
    await opened.writer.open()
    before = opened.store.position
    epoch = before.epoch + 1
    marker = await _mark(site, opened.writer, partition=partition, epoch=epoch, clock=opened.clock)
    if marker != before.next_offset:
        raise NotMember(f"partition {partition}: somebody wrote before the renewal")
    opened.store.apply(
        Changes(),
        Position(before.ledger, marker + 1, epoch, before.watermark, before.commit),
    )
