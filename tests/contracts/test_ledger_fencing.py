"""Who may write the journal, on a real broker: one owner at a time, proven and fenced."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from app.contracts import wire
from app.contracts.topics import JOURNAL
from app.kafka_access import KafkaAccess
from tables import ledger
from tables.errors import LedgerError, OutcomeUnknown, OwnerUnavailable, WrongLedger
from tables.journal import Appended, AppendUnknown, BrokerLink, Fenced, FencedWriter
from tables.opening import Opened, Site, open_partition
from tests.contracts.engine import balances, fresh_partition, journal, key_on, until, worker


async def test_a_second_opener_fences_the_first(kafka: str, journal_topic: None) -> None:
    partition = fresh_partition()
    link = BrokerLink(KafkaAccess(kafka))
    await link.start()
    first, second = FencedWriter(link, f"f{partition}"), FencedWriter(link, f"f{partition}")
    one = await _first_append(first, partition)
    await second.open()
    two = await second.append(JOURNAL, partition, [(b"k", b"2", ())])
    with pytest.raises(Fenced):
        await first.append(JOURNAL, partition, [(b"k", b"3", ())])
    await link.stop()
    assert (one.offset, two.offset) == (0, 1)
    assert [r.value for r in await journal(kafka, partition)] == [b"1", b"2"]


async def _first_append(writer: FencedWriter, partition: int) -> Appended:
    """A broker learns of a new topic's leaders a moment after it was made."""
    async with asyncio.timeout(60):
        while True:
            await writer.open()
            try:
                return await writer.append(JOURNAL, partition, [(b"k", b"1", ())])
            except AppendUnknown:
                await asyncio.sleep(0.1)


async def test_what_was_acknowledged_is_there_after_another_opened(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    partition = fresh_partition()
    key = key_on(partition)
    async with worker(kafka, tmp_path, name="a") as a, worker(kafka, tmp_path, name="b") as b:
        await a.own(partition)
        await a.serving(partition)
        assert await a.deposit(key, 5, id="d1") == 5
        assert await a.deposit(key, 5, id="d1") == 5
        await b.own(partition)
        await b.serving(partition)
        assert await b.read(key) == 5
        assert await b.deposit(key, 2, id="d2") == 7


@pytest.mark.parametrize("as_owner", [True, False])
async def test_a_worker_with_another_pepper_ends(
    kafka: str, journal_topic: None, tmp_path: Path, *, as_owner: bool
) -> None:
    partition = fresh_partition()
    key = key_on(partition)
    a = worker(kafka, tmp_path, name="a")
    b = worker(kafka, tmp_path, name="b", pepper="other")
    async with a as right, b as wrong:
        await right.own(partition)
        await right.serving(partition)
        await right.deposit(key, 5, id="d1")
        mine, none = frozenset({partition}), frozenset[int]()
        await wrong.ledger.assign(mine if as_owner else none, none if as_owner else mine)
        await until(lambda: bool(wrong.fatal))
        assert isinstance(wrong.fatal[0], WrongLedger)
        assert "GIFTMARK_CODE_PEPPER" in str(wrong.fatal[0])
        assert await right.read(key) == 5, "it took the partition"


async def test_an_old_owner_answers_nobody_reads_included(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    partition = fresh_partition()
    key = key_on(partition)
    async with worker(kafka, tmp_path, name="a") as a, worker(kafka, tmp_path, name="b") as b:
        await a.own(partition)
        await a.serving(partition)
        await a.deposit(key, 1, id="d1")
        a.member = False
        await b.own(partition)
        await b.serving(partition)
        await b.deposit(key, 1, id="d2")
        with pytest.raises(LedgerError):
            await a.read(key)
        with pytest.raises(OwnerUnavailable):
            await a.deposit(key, 1, id="d3")
        assert await b.read(key) == 2
        assert balances(await journal(kafka, partition)) == {b"a" + key.encode(): 2}


async def test_a_worker_cut_off_from_the_group_cannot_open(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    partition = fresh_partition()
    async with worker(kafka, tmp_path, name="a") as a, worker(kafka, tmp_path, name="b") as b:
        await a.own(partition)
        await a.serving(partition)
        b.member = False
        await b.own(partition)
        await asyncio.sleep(1.0)
        assert not b.ledger.open
        assert await a.deposit(key_on(partition), 1, id="d1") == 1


async def test_a_fenced_owner_whom_the_group_still_wants_opens_again(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    partition = fresh_partition()
    key = key_on(partition)
    async with worker(kafka, tmp_path, name="a") as a, worker(kafka, tmp_path, name="b") as b:
        await a.own(partition)
        await a.serving(partition)
        await b.own(partition)
        await b.serving(partition)
        await b.deposit(key, 1, id="d1")
        await b.own()
        with pytest.raises(LedgerError):
            await a.read(key)
        await until(lambda: partition in a.ledger.open)
        assert await a.deposit(key, 1, id="d2") == 2


async def test_a_hole_closes_and_reopening_repairs_the_slipped_in_record(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    partition = fresh_partition()
    key = key_on(partition)
    entity_key = b"a" + key.encode()
    async with worker(kafka, tmp_path, name="a") as a:
        await a.own(partition)
        await a.serving(partition)
        await a.deposit(key, 5, id="d1")
        stale = wire.encode([1, 0, 9, [1_000_000, []], [], []])
        foreign = FencedWriter(a.link, "foreign")
        await foreign.open()
        await foreign.append(JOURNAL, partition, [(entity_key, stale, ())])
        with pytest.raises(OutcomeUnknown):
            await a.deposit(key, 1, id="d2")
        await until(lambda: partition in a.ledger.open)
        assert await a.deposit(key, 1, id="d2") == 6
    records = [r for r in await journal(kafka, partition) if r.key == entity_key]
    slipped = next(i for i, r in enumerate(records) if r.value == stale)
    assert len(records) > slipped + 1
    assert balances(records[slipped + 1 :])[entity_key] == 6


async def test_the_epoch_is_renewed_without_interrupting_service(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    partition = fresh_partition()
    key = key_on(partition)
    async with worker(kafka, tmp_path, renewal_s=0.2) as a:
        await a.own(partition)
        await a.serving(partition)
        for n in range(20):
            assert await a.deposit(key, 1, id=f"d{n}") == n + 1
            await asyncio.sleep(0.05)
    epochs = [r for r in await journal(kafka, partition) if r.key == wire.EPOCH_KEY]
    assert len(epochs) > 2


async def test_a_partition_is_let_go_though_its_opening_forgets_the_cancellation(
    kafka: str, journal_topic: None, tmp_path: Path, *, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = asyncio.Event()

    async def forgetful(site: Site, partition: int) -> Opened:
        opened = await open_partition(site, partition)
        opening.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3_600)
        return opened

    monkeypatch.setattr(ledger, "open_partition", forgetful)
    async with worker(kafka, tmp_path) as one:
        partition = fresh_partition()
        await one.own(partition)
        await opening.wait()
        async with asyncio.timeout(20):
            await one.own()
        assert not one.ledger.open
