"""What one owned partition does with commands, poison, due work and too much at once."""

import asyncio
import time
from pathlib import Path

import pytest

from app import tills
from app.contracts import wire
from app.metrics import LEDGER
from tables.clock import MAX_AHEAD_MS
from tables.errors import OwnerUnavailable
from tests.contracts.engine import (
    Deposit,
    Read,
    balances,
    command,
    fresh_partition,
    journal,
    key_on,
    opened,
    until,
    worker,
)


async def test_commands_of_a_batch_become_one_commit(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    async with worker(kafka, tmp_path) as one:
        partition, key, feed = await opened(one)
        deposits = [command(key, Deposit(1), id=f"e:{n}") for n in range(500)]
        before = commit_sizes()
        one.ledger.submit(feed.batch(partition, *deposits))
        await until(lambda: feed.done(partition) == 500)
        count, size = (now - then for now, then in zip(commit_sizes(), before, strict=True))
        assert await one.read(key) == 500
        records = await journal(kafka, partition)
        assert [r.key for r in records[:3]] == [wire.EPOCH_KEY, b"a" + key.encode(), wire.META_KEY]
        assert wire.decode_meta(records[2].value).watermark == 500
        assert (count, size) == (2, sum(len(record.value or b"") for record in records[1:3]))


def commit_sizes() -> tuple[float, float]:
    """Records and bytes of all commits of this process so far."""
    return LEDGER.commit_records._sum.get(), LEDGER.commit_bytes._sum.get()


async def test_commands_read_again_change_nothing(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    async with worker(kafka, tmp_path) as one:
        partition, key, feed = await opened(one)
        values = [command(key, Deposit(1), id=f"e:{n}") for n in range(100)]
        one.ledger.submit(feed.batch(partition, *values))
        one.ledger.submit(feed.batch(partition, *values, at=0))
        one.ledger.submit(feed.batch(partition, command(key, Deposit(1), id="e:100"), at=100))
        await until(lambda: feed.done(partition) == 101)
        assert await one.read(key) == 101


async def test_a_batch_that_does_not_follow_is_read_again_from_the_watermark(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    async with worker(kafka, tmp_path) as one:
        partition, key, feed = await opened(one)
        one.ledger.submit(feed.batch(partition, command(key, Deposit(1), id="e:0")))
        await until(lambda: feed.done(partition) == 1)
        one.ledger.submit(feed.batch(partition, command(key, Deposit(1), id="e:7"), at=7))
        await until(lambda: feed.rewound == [1])
        assert await one.read(key) == 1


async def test_poison_goes_to_the_dead_letters_and_the_rest_goes_on(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    async with worker(kafka, tmp_path) as one:
        partition, key, feed = await opened(one)
        one.ledger.submit(
            feed.batch(
                partition,
                b"\xff not a command",
                command(key, Deposit(1), id="e:0"),
                command(key, Deposit(1, fail=True), id="e:1"),
                command(key, Deposit(1), id="e:2"),
            )
        )
        await until(lambda: feed.done(partition) == 4)
        assert await one.read(key) == 2
        assert [(d.record.offset, d.stage) for d in one.dead] == [(0, "DECODE"), (2, "DECIDE")]


async def test_a_newer_schema_pauses_the_partition_after_what_came_before_it(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    async with worker(kafka, tmp_path) as one:
        partition, key, feed = await opened(one)
        newer = command(key, Deposit(1), id="e:1", schema=wire.SCHEMA + 1)
        one.ledger.submit(feed.batch(partition, command(key, Deposit(1), id="e:0"), newer))
        await until(lambda: partition not in one.ledger.open)
        with pytest.raises(OwnerUnavailable):
            await one.read(key)
        assert not one.dead
    assert balances(await journal(kafka, partition)) == {b"a" + key.encode(): 1}


@pytest.mark.parametrize(("asked", "least", "most"), [(False, 1, 2), (True, 100, 102)])
async def test_commits_are_short_while_a_till_may_wait(
    kafka: str,
    journal_topic: None,
    tmp_path: Path,
    *,
    asked: bool,
    least: int,
    most: int,
) -> None:
    async with worker(kafka, tmp_path) as one:
        partition, key, feed = await opened(one)
        if asked:
            await one.read(key)
        before = one.ledger.open[partition].store.position.commit
        many = [command(key, Deposit(1), id=f"e:{n}") for n in range(1_000)]
        one.ledger.submit(feed.batch(partition, *many))
        await until(lambda: feed.done(partition) == 1_000)
        assert least <= one.ledger.open[partition].store.position.commit - before <= most


async def test_a_till_waits_for_no_turn(
    kafka: str, journal_topic: None, tmp_path: Path, *, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tills, "PAUSE_S", 3_600)
    async with worker(kafka, tmp_path) as one:
        partition, key, feed = await opened(one)
        await one.read(key)
        one.ledger.submit(feed.batch(partition, command(key, Deposit(1), id="e:0")))
        await asyncio.sleep(0.1)
        assert feed.done(partition) == 0
        await one.read(key)
        await until(lambda: feed.done(partition) == 1)


async def test_bulk_work_takes_turns_while_a_till_may_wait() -> None:
    asked = tills.Tills()
    asked.ask()
    first, second, third = (asyncio.ensure_future(asked.first("events")) for _ in range(3))
    await first
    assert not second.done()
    await second
    assert not third.done()
    await third


async def test_nobody_asks_or_the_other_lane_is_taken_and_bulk_work_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tills, "PAUSE_S", 3_600)
    await tills.Tills().first("events")
    asked = tills.Tills()
    asked.ask()
    stuck = asyncio.ensure_future(asked.first("events"))
    await asyncio.sleep(0)
    monkeypatch.setattr(tills, "PAUSE_S", 0)
    await asked.first("commands")
    assert not stuck.done()
    stuck.cancel()


async def test_commands_that_retention_took_stop_an_open_partition(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    async with worker(kafka, tmp_path) as one:
        partition, key, feed = await opened(one)
        told = one.ledger.open[partition]
        one.ledger.submit(feed.batch(partition, command(key, Deposit(1), id="e:9"), lost=3))
        await until(lambda: one.ledger.open.get(partition) is not told)
        assert feed.done(partition) == 0
    assert balances(await journal(kafka, partition)) == {}


async def test_a_commit_beyond_the_soft_limit_is_split(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    async with worker(kafka, tmp_path) as one:
        partition, _, feed = await opened(one)
        keys = [key_on(partition, n) for n in range(12)]
        for number in range(2):
            big = [command(k, Deposit(1, padding=500_000), id=f"e:{number}{k}") for k in keys]
            one.ledger.submit(feed.batch(partition, *big))
            await until(lambda: feed.done(partition) >= 12)
        await until(lambda: feed.done(partition) == 24)
        metas = [r for r in await journal(kafka, partition) if r.key == wire.META_KEY]
        assert len(metas) > 2
        assert [await one.read(k) for k in keys] == [2] * 12


async def test_an_entity_beyond_a_megabyte_is_dead_lettered_and_stays_as_it_was(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    async with worker(kafka, tmp_path) as one:
        partition, key, feed = await opened(one)
        other = key_on(partition, 1)
        one.ledger.submit(
            feed.batch(
                partition,
                command(key, Deposit(1), id="e:0"),
                command(key, Deposit(1, padding=2 << 20), id="e:1"),
                command(other, Deposit(1), id="e:2"),
            )
        )
        await until(lambda: feed.done(partition) == 3)
        assert (await one.read(key), await one.read(other)) == (1, 1)
        assert [(d.record.offset, d.code) for d in one.dead] == [(1, "EntityTooLarge")]
        soon = asyncio.get_running_loop().time() + 5
        big = Deposit(1, padding=2 << 20)
        reply = await one.ledger.request(key, big, command_id="h1", deadline=soon)
        assert (reply.status, reply.code) == (409, "EntityTooLarge")
        assert await one.read(key) == 1


async def test_a_request_is_decided_at_the_time_it_was_accepted_never_far_ahead(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    async with worker(kafka, tmp_path) as one:
        _, key, _ = await opened(one)
        soon, times = asyncio.get_running_loop().time() + 5, []
        for now in (1_000, 1 << 50):
            reply = await one.ledger.request(key, Read(), command_id="r", deadline=soon, now=now)
            times.append(reply.fields["now"])
    assert times[0] == 1_000
    assert times[1] <= time.time() * 1_000 + MAX_AHEAD_MS + 1_000


async def test_a_wiped_store_is_rebuilt_and_a_foreign_one_set_aside(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    partition, other = fresh_partition(), fresh_partition()
    key = key_on(partition)
    async with worker(kafka, tmp_path, name="a") as a:
        await a.own(partition, other)
        await a.serving(partition)
        await a.serving(other)
        await a.deposit(key, 5, id="d1")
        await a.deposit(key_on(other), 7, id="d1")
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / f"partition-{other}").rename(tmp_path / "b" / f"partition-{partition}")
    async with worker(kafka, tmp_path, name="b") as b:
        await b.own(partition)
        await b.serving(partition)
        assert await b.read(key) == 5
        assert list((tmp_path / "b").glob(f"partition-{partition}.aside-*"))


async def test_the_1001st_waiting_request_is_refused_at_once(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    async with worker(kafka, tmp_path) as one:
        _partition, key, _ = await opened(one)
        asked = [asyncio.create_task(one.deposit(key, 1, id=f"d{n}")) for n in range(1_100)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [a for a in answers if isinstance(a, OwnerUnavailable)]
        assert len(refused) == 100
        assert await one.read(key) == 1_000
