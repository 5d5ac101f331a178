"""How long callers wait when an owner dies, and how soon workers that ended serve again."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec

from deploy.benching.ground import RowFailed
from deploy.proving.cluster import Cluster, Worker
from tables.partitioning import partition_of

PATIENCE_S = 60.0
EVERY_S = 0.02
ANSWERS = (200, 404)


class Takeover(msgspec.Struct, frozen=True):
    """`gap_s`: from the kill of an owner until every partition answers somebody who asks.

    `restart_s`: from the start of all workers on their own files until all partitions do.
    """

    gap_s: float
    restart_s: float


def takeover(folder: Path) -> Takeover:
    """Two workers, the shortest session time-out; RowFailed when nobody takes over."""
    cluster = Cluster(folder, workers=2, partitions=8)
    try:
        cluster.start()
        asyncio.run(cluster.ready())
        one, other = cluster.workers
        gap_s = asyncio.run(_timed(cluster, other, lambda: one.end(signal.SIGKILL)))
        one.start()
        asyncio.run(cluster.ready())
        for worker in cluster.workers:
            worker.end(signal.SIGTERM)
        restart_s = asyncio.run(_timed(cluster, other, lambda: _start(cluster)))
        return Takeover(gap_s, restart_s)
    finally:
        cluster.stop()


def _start(cluster: Cluster) -> None:
    for worker in cluster.workers:
        worker.start()


async def _timed(cluster: Cluster, asked: Worker, hurt: Callable[[], object]) -> float:
    headers = {"Authorization": cluster.bearer("desk")}
    async with aiohttp.ClientSession(headers=headers) as session:
        await asyncio.to_thread(hurt)
        began = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(*_questions(session, asked, cluster.partitions))
        except TimeoutError:
            raise RowFailed("not every partition answers again") from None
        return time.monotonic() - began


def _questions(
    session: aiohttp.ClientSession, asked: Worker, partitions: int
) -> list[Awaitable[None]]:
    """One reader of a certificate that nobody has issued for each partition."""
    names = (f"gc_{n:026}" for n in range(10_000))
    by_partition = {partition_of(name, partitions): name for name in names}
    return [_answered(session, f"{asked.url}/certificates/{n}") for n in by_partition.values()]


async def _answered(session: aiohttp.ClientSession, url: str) -> None:
    while await _status(session, url) not in ANSWERS:
        await asyncio.sleep(EVERY_S)


async def _status(session: aiohttp.ClientSession, url: str) -> int:
    """0 while nobody listens."""
    try:
        async with session.get(url) as answer:
            return answer.status
    except aiohttp.ClientError:
        return 0
