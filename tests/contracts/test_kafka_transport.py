"""The batch transport in real Faust apps on a real broker: nothing skipped, commits exact."""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

from faust.types import TP
from prometheus_client import Gauge

from agents.handling import TryAgain
from app.batches import Batch
from app.lag import Lag
from tests.contracts.engine import until
from tests.contracts.membership import Group, drop, group, numbers, write

WAITING = 25_000


def everything(one: Group, per_partition: int) -> Callable[[], bool]:
    """All offsets of all partitions were handled, in whatever way they were split up."""

    def reached() -> bool:
        count = sum(len(member.handled) for member in one.members)
        if count < per_partition * one.topic.partitions:
            return False
        offsets = {entry for member in one.members for entry in member.handled}
        return len(offsets) == per_partition * one.topic.partitions

    return reached


def breaks(offsets: list[int]) -> list[tuple[int, int]]:
    """Places where handling did not go on with the next offset."""
    return [(a, b) for a, b in itertools.pairwise(offsets) if b != a + 1]


async def test_a_fresh_group_handles_a_hundred_thousand_waiting_commands(
    kafka: str, tmp_path: Path
) -> None:
    async with group(kafka, tmp_path, partitions=4) as one:
        await write(kafka, one.topic.name, {p: numbers(WAITING) for p in range(4)})
        await one.join()
        await until(everything(one, WAITING), 60)
        await one.leave()
        for partition in range(4):
            assert one.handled(partition) == list(range(WAITING))
        assert await one.committed() == dict.fromkeys(range(4), WAITING)


async def test_two_workers_two_seconds_apart_skip_nothing(kafka: str, tmp_path: Path) -> None:
    async def slowly(_batch: Batch) -> None:
        await asyncio.sleep(0.05)

    async with group(kafka, tmp_path, partitions=4) as one:
        await write(kafka, one.topic.name, {p: numbers(WAITING) for p in range(4)})
        first = await one.join(slowly)
        await until(lambda: bool(first.handled))
        await asyncio.sleep(2)
        assert len(first.handled) < 4 * WAITING, "the first was done before the second came"
        second = await one.join(slowly)
        await until(everything(one, WAITING), 60)
        await one.leave()
        assert second.handled
        assert await one.committed() == dict.fromkeys(range(4), WAITING)
        for member, partition in itertools.product(one.members, range(4)):
            offsets = [o for p, o in member.handled if p == partition]
            assert all(after <= before for before, after in breaks(offsets)), "a skip"


async def test_a_batch_dropped_on_the_way_is_read_again_and_counted(
    kafka: str, tmp_path: Path
) -> None:
    async with group(kafka, tmp_path) as one:
        member = await one.join()
        dropped = drop(member, 2)
        await write(kafka, one.topic.name, {0: numbers(5_000)})
        await until(everything(one, 5_000))
        await one.leave()
        assert len(dropped) == 1
        assert member.consumer.gaps == 1
        assert one.handled(0) == list(range(5_000))
        assert await one.committed() == {0: 5_000}


async def test_a_held_partition_does_not_stop_the_others(kafka: str, tmp_path: Path) -> None:
    async with group(kafka, tmp_path, partitions=3) as one:
        await write(kafka, one.topic.name, {0: numbers(1)})
        member = await one.join()
        await until(lambda: one.handled(0) == [0])
        member.consumer.hold(member.tp(0))
        await write(kafka, one.topic.name, {p: numbers(5_000) for p in range(3)})
        await until(lambda: len(one.handled(1)) == len(one.handled(2)) == 5_000)
        assert one.handled(0) == [0]
        member.consumer.rewind(member.tp(0), 1)
        await until(lambda: len(one.handled(0)) == 5_001)
        await one.leave()
        assert await one.committed() == {0: 5_001, 1: 5_000, 2: 5_000}


async def test_offsets_are_told_at_once_though_nothing_comes(kafka: str, tmp_path: Path) -> None:
    async with group(kafka, tmp_path, partitions=4) as one:
        await write(kafka, one.topic.name, {p: numbers(1) for p in range(4)})
        member = await one.join()
        await until(everything(one, 1))
        tp = TP(one.topic.name, 0)
        async with asyncio.timeout(10):  # behind fetches of 1.5 s it would be thirty
            for _ in range(20):
                assert await member.consumer.highwaters(tp)
        await one.leave()


async def test_try_again_delays_its_partition_only(kafka: str, tmp_path: Path) -> None:
    refused = iter(range(3))
    others: list[int] = []

    async def away(batch: Batch) -> None:
        if batch.tp.partition == 0 and next(refused, None) is not None:
            raise TryAgain("the dependency is away", after_s=0.5)
        if batch.tp.partition == 0 and not others:
            others.extend(len(one.handled(p)) for p in (1, 2))

    async with group(kafka, tmp_path, partitions=3) as one:
        await write(kafka, one.topic.name, {p: numbers(5_000) for p in range(3)})
        await one.join(away)
        await until(everything(one, 5_000))
        await one.leave()
        assert others == [5_000, 5_000]
        assert one.handled(0) == list(range(5_000))
        assert await one.committed() == dict.fromkeys(range(3), 5_000)


async def test_a_handler_that_hangs_delays_a_rebalance_two_seconds_and_loses_nothing(
    kafka: str, tmp_path: Path
) -> None:
    hanging = asyncio.Event()

    async def hang_once(_batch: Batch) -> None:
        if not hanging.is_set():
            hanging.set()
            await asyncio.Event().wait()

    async with group(kafka, tmp_path, partitions=2) as one:
        await write(kafka, one.topic.name, {p: numbers(2_000) for p in range(2)})
        first = await one.join(hang_once)
        await hanging.wait()
        assert not first.handled
        await one.join()
        await until(everything(one, 2_000), 30)
        await one.leave()
        assert not first.faults
        assert await one.committed() == {0: 2_000, 1: 2_000}


async def test_lag_is_told_of_what_stands_still_and_not_of_what_was_handed_away(
    kafka: str, tmp_path: Path
) -> None:
    async def away(_batch: Batch) -> None:
        raise TryAgain("away")

    gauge = Gauge("lag", "Told here", ["partition"], registry=None)
    lag = Lag([gauge], lambda tp: gauge.labels(str(tp.partition)))
    async with group(kafka, tmp_path, partitions=2) as one:
        await write(kafka, one.topic.name, {0: numbers(7), 1: numbers(5)})
        first = await one.join(away)

        def told() -> dict[int, float]:
            lag.tell(first.consumer)
            return {
                int(s.labels["partition"]): s.value for s in next(iter(gauge.collect())).samples
            }

        await until(lambda: told() == {0: 7, 1: 5})
        await one.join(away)
        await until(lambda: len(first.consumer.assignment()) == 1)
        (left,) = first.consumer.assignment()
        await until(lambda: told() == {left.partition: (7, 5)[left.partition]})
