"""Due work of one owned partition: done once, in time, whatever becomes of a single one."""

import asyncio
import time
from pathlib import Path

import pytest

from app.contracts import wire
from tests.contracts.engine import (
    accounts,
    fresh_partition,
    journal,
    key_on,
    opened,
    until,
    worker,
)


async def test_due_work_is_done_without_traffic_and_once(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    async with worker(kafka, tmp_path) as one:
        partition, key, _ = await opened(one)
        await one.deposit(key, 1, id="d1", due=int(time.time() * 1_000) + 300)
        await until(lambda: one.ledger.open[partition].store.first_due() is None)
        events = [
            wire.decode_journal(r.value).events
            for r in await journal(kafka, partition)
            if r.key[:1] == b"a"
        ]
        assert [bytes(e).count(b"fired") for e in events] == [0, 1]


@pytest.mark.parametrize("at_due", [-1, 2 << 20])
async def test_due_work_that_fails_stops_nobody_else_s(
    kafka: str, journal_topic: None, tmp_path: Path, *, at_due: int
) -> None:
    async with worker(kafka, tmp_path) as one:
        partition, key, _ = await opened(one)
        other, soon = key_on(partition, 1), int(time.time() * 1_000) + 300
        await one.deposit(key, 1, id="d1", due=soon, at_due=at_due)
        await one.deposit(other, 1, id="d2", due=soon)
        await until(lambda: one.ledger.open[partition].store.first_due() is None)
        assert (await one.read(key), await one.read(other)) == (1, 1)
        assert not one.fatal
    fired = {k: one.fired for k, one in accounts(await journal(kafka, partition)).items()}
    assert fired == {b"a" + key.encode(): 0, b"a" + other.encode(): 1}


async def test_much_due_work_lets_tills_in_between(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    async with worker(kafka, tmp_path) as one:
        partition, _, _ = await opened(one)
        keys, soon = [key_on(partition, n) for n in range(25)], int(time.time() * 1_000) + 2_000
        for key in keys:  # each of them is asked for, as by a till
            await one.deposit(key, 1, id=f"d{key}", due=soon)
        await until(lambda: one.ledger.open[partition].store.first_due() is None)
    commits = [0]
    for record in await journal(kafka, partition):
        if record.key[:1] != b"a":  # the last record of a commit
            commits.append(0)
        else:
            commits[-1] += bytes(wire.decode_journal(record.value).events).count(b"fired")
    assert sum(commits) == 25
    assert max(commits) <= 10


async def test_more_due_work_than_one_commit_holds_is_done_in_several(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    async with worker(kafka, tmp_path) as one:
        partition, _, _ = await opened(one)
        keys, soon = [key_on(partition, n) for n in range(10)], int(time.time() * 1_000) + 500
        for key in keys:
            await one.deposit(key, 1, id=f"d{key}", due=soon, at_due=900_000)
        await until(lambda: one.ledger.open[partition].store.first_due() is None)
        assert not one.fatal
    fired = {k: one.fired for k, one in accounts(await journal(kafka, partition)).items()}
    assert fired == {b"a" + key.encode(): 1 for key in keys}


async def test_due_work_waits_while_this_clock_is_off_and_survives_a_rebuild(
    kafka: str, journal_topic: None, tmp_path: Path
) -> None:
    partition = fresh_partition()
    key = key_on(partition)
    hour = 3_600_000
    async with worker(kafka, tmp_path, name="ahead", offset_ms=hour) as ahead:
        await ahead.own(partition)
        await ahead.serving(partition)
        await ahead.deposit(key, 1, id="d1", due=int(time.time() * 1_000) + 1_500)
        await asyncio.sleep(0.7)
        assert ahead.ledger.open[partition].clock.skewed()
        assert ahead.ledger.open[partition].store.first_due() is not None
    async with worker(kafka, tmp_path, name="right") as right:
        await right.own(partition)
        await right.serving(partition)
        await until(lambda: right.ledger.open[partition].store.first_due() is None)
