"""Ledger workers as real processes: frozen, ended, slow to open, and robbed of commands.

One cluster for all of them; a test may leave one of its two workers ended.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import aiohttp
import pytest

from app.contracts import wire
from deploy.proving.cluster import Cluster, Worker
from tests.contracts.processes import FAILPOINTS, Answer, Card, Floor, available
from tests.domain.certificates.certificate_desk import ACTIVATE, NOMINAL

PARTITIONS = 4
CARDS = 2_000
SLOW_S = 6


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster"), workers=2, partitions=PARTITIONS)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
async def floor(cluster: Cluster) -> AsyncIterator[Floor]:
    await cluster.ready()
    async with aiohttp.ClientSession() as session:
        yield Floor(cluster, session)


async def becomes(condition: Callable[[], Awaitable[bool]], seconds: float = 90) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.1)


async def _both(floor: Floor) -> tuple[Worker, Worker]:
    """Both workers, running and ready."""
    one, other = floor.cluster.workers
    for worker in (one, other):
        if not worker.running:
            worker.start()
    await floor.cluster.ready()
    return one, other


async def _active(floor: Floor, count: int) -> list[Card]:
    cards = floor.cards(count)
    await floor.activate(cards)
    asked = next(worker for worker in floor.cluster.workers if worker.running)
    await becomes(lambda: floor.all_answer(asked, cards[-40:]))
    return cards


async def test_a_frozen_owner_appends_nothing_and_answers_nobody(floor: Floor) -> None:
    frozen, other = await _both(floor)
    cards = await _active(floor, 40)
    partitions = await floor.owned_by(frozen)
    theirs = [card for card in cards if card.partition in partitions][:10]
    assert len(theirs) == 10
    frozen.send(signal.SIGSTOP)
    try:
        reads = [asyncio.create_task(floor.lookup(frozen, c, patience_s=60)) for c in theirs]
        holds = [asyncio.create_task(floor.authorize(frozen, c, 7, patience_s=60)) for c in theirs]
        await becomes(lambda: _owned(floor, other, partitions))
        for card in theirs:
            assert (await floor.authorize(other, card, 100)).status == 201
        taken = {p: await floor.metas(p) for p in partitions}
    finally:
        frozen.send(signal.SIGCONT)
    for card, answer in zip(theirs, await asyncio.gather(*reads), strict=True):
        assert answer.status in {200, 503}, answer
        assert answer.status == 503 or available(answer) <= NOMINAL - 100, card.partition
    held = [answer.status == 201 for answer in await asyncio.gather(*holds)]
    await floor.cluster.ready()
    for partition in partitions:
        _nothing_of_an_older_epoch(await floor.metas(partition), after=len(taken[partition]))
    for card, was_held in zip(theirs, held, strict=True):
        answer = await floor.known(other, card)
        assert available(answer) == NOMINAL - 100 - 7 * was_held


async def _owned(floor: Floor, worker: Worker, partitions: set[int]) -> bool:
    return partitions <= await floor.owned_by(worker)


def _nothing_of_an_older_epoch(metas: list[tuple[bytes, wire.MetaRecord]], *, after: int) -> None:
    """From the takeover on, epochs never run backwards: the broker refused the former owner."""
    epochs = [meta.epoch for _, meta in metas[after - 1 :]]
    assert epochs == sorted(epochs)


async def test_an_ended_worker_is_gone_within_ten_seconds_and_its_partitions_served(
    floor: Floor,
) -> None:
    other, ended = await _both(floor)
    cards = await _active(floor, 40)
    began = time.monotonic()
    code = await asyncio.to_thread(ended.end, signal.SIGTERM)
    assert time.monotonic() - began < 10
    assert code == 0
    await becomes(lambda: floor.all_answer(other, cards))


async def test_a_worker_that_is_given_nothing_stands_by_for_all(floor: Floor) -> None:
    await _both(floor)
    spare = floor.cluster.make_worker("ledger-3")
    spare.start()
    try:
        await becomes(lambda: _stands_by(floor, spare))
        assert await floor.owned_by(spare) == set()
    finally:
        await asyncio.to_thread(spare.end, signal.SIGTERM)


async def _stands_by(floor: Floor, worker: Worker) -> bool:
    """Whether it tails every partition."""
    try:
        shown = await floor.page(worker.metrics)
    except aiohttp.ClientError:
        return False
    lag = "giftmark_ledger_standby_lag_records"
    return all(f'{lag}{{partition="{n}"}}' in shown for n in range(PARTITIONS))


async def test_a_slow_opening_neither_blocks_the_group_nor_the_open_partitions(
    floor: Floor,
) -> None:
    kept, slow = floor.cluster.workers
    if slow.running:
        await asyncio.to_thread(slow.end, signal.SIGTERM)
    cards = await _active(floor, 40)
    marks = {worker.name: floor.written(worker) for worker in (kept, slow)}
    slow.start(**FAILPOINTS, SLOW_REPLAY_S=str(SLOW_S))
    await becomes(lambda: _assigned(floor, slow, marks[slow.name]))
    theirs = set(floor.told(slow, "partitions assigned", after=marks[slow.name])[-1]["owned"])
    assert theirs
    assert theirs != set(range(PARTITIONS))
    answers = {card.partition: await floor.lookup(kept, card) for card in cards}
    served = {partition for partition, answer in answers.items() if answer.status == 200}
    assert served == set(range(PARTITIONS)) - theirs
    assert all(_comes_back(answers[partition]) for partition in theirs)
    assert floor.told(slow, "partition open", after=marks[slow.name]) == []
    await floor.cluster.ready()
    assert len(floor.told(slow, "partition open", after=marks[slow.name])) == len(theirs)
    for worker in (kept, slow):
        assignments = floor.told(worker, "partitions assigned", after=marks[worker.name])
        assert len(assignments) == 1, "a second rebalance"
    assert {(await floor.known(kept, card)).status for card in cards} == {200}


async def _assigned(floor: Floor, worker: Worker, mark: int) -> bool:
    return any(line["owned"] for line in floor.told(worker, "partitions assigned", after=mark))


def _comes_back(answer: Answer) -> bool:
    return answer.status == 503 and "Retry-After" in answer.headers


async def test_a_standby_replays_little_after_a_kill(floor: Floor) -> None:
    killed, other = await _both(floor)
    cards = await _active(floor, CARDS)
    partitions = await floor.owned_by(killed)
    records = {p: await floor.entities(p) for p in partitions}
    await becomes(lambda: _tailed(floor, other, partitions))
    seen = floor.written(other)
    killed.end(signal.SIGKILL)
    await becomes(lambda: floor.all_answer(other, cards[:40]))
    opened = floor.told(other, "partition open", after=seen)
    assert {line["partition"] for line in opened} == partitions
    assert all(line["replayed"] < 20 < records[line["partition"]] for line in opened)


async def _tailed(floor: Floor, worker: Worker, partitions: set[int]) -> bool:
    """Its standby copies lack nothing, by its own figures."""
    figures = floor.cluster.figures(await floor.page(worker.metrics))
    name = 'giftmark_ledger_standby_lag_records{{partition="{}"}}'
    return all(figures.get(name.format(p), 1) == 0 for p in partitions)


async def test_commands_lost_to_retention_stop_their_partition_which_says_so(
    floor: Floor,
) -> None:
    """The last one: the ledger then waits for somebody to decide."""
    _, one = floor.cluster.workers
    cards = await _active(floor, 20)
    for worker in floor.cluster.workers:
        if worker.running:
            await asyncio.to_thread(worker.end, signal.SIGTERM)
    before = [await floor.metas(partition) for partition in range(PARTITIONS)]
    await floor.command([(card, ACTIVATE) for card in cards])
    await floor.lose_commands()
    seen = floor.written(one)
    one.start()
    await becomes(lambda: _all_paused(floor, one, seen))
    reasons = {line["reason"] for line in floor.told(one, "partition paused", after=seen)}
    assert all("do not reach the watermark" in reason for reason in reasons)
    assert {(await floor.lookup(one, card)).status for card in cards} == {503}
    assert "not open" in await floor.page(one.health)
    for partition, metas in enumerate(before):
        added = (await floor.metas(partition))[len(metas) :]
        assert [key for key, _ in added] == [wire.EPOCH_KEY], "it went on"


async def _all_paused(floor: Floor, worker: Worker, mark: int) -> bool:
    paused = floor.told(worker, "partition paused", after=mark)
    return {line["partition"] for line in paused} == set(range(PARTITIONS))
