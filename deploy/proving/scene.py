"""What a fault has at hand, and what it leaves behind for the report."""

import asyncio
import contextlib
import random
import signal
import time
from dataclasses import dataclass, field

import aiohttp

from app.embedded_postgres import PostgresServer
from deploy.proving.cluster import Worker
from deploy.proving.links import LinkedCluster
from deploy.proving.load import Load

END_S = 10.0
ASK = aiohttp.ClientTimeout(total=2)
READY_S = 30.0
STANDBY_LAG = "giftmark_ledger_standby_lag_records"
LAG = 5_000


@dataclass
class Scene:
    """`takeovers_s`: from a worker's kill until every partition had answered a new question.

    `note`: what the last fault has to say beside its name.
    """

    cluster: LinkedCluster
    database: PostgresServer
    load: Load
    rng: random.Random
    takeovers_s: list[float] = field(default_factory=list)
    no_takeover: int = 0
    slow_ends: list[str] = field(default_factory=list)
    schema: int = 0
    note: str = ""

    def any_worker(self) -> Worker:
        return self.rng.choice(self.cluster.workers)

    async def any_serving(self) -> Worker:
        """One that has partitions open, if there is one."""
        workers = self.rng.sample(self.cluster.workers, k=len(self.cluster.workers))
        async with aiohttp.ClientSession(timeout=ASK) as session:
            for worker in workers:
                if await self._serves(session, worker):
                    return worker
        return workers[0]

    async def caught_up(self) -> None:
        """All copies that stand by have next to nothing to read; or not within half a minute."""
        until = time.monotonic() + READY_S
        async with aiohttp.ClientSession(timeout=ASK) as session:
            for worker in self.cluster.workers:
                while await self._lags(session, worker) and time.monotonic() < until:
                    await asyncio.sleep(0.2)

    async def _lags(self, session: aiohttp.ClientSession, worker: Worker) -> bool:
        figures = await self._figures(session, worker)
        return any(n > LAG for name, n in figures.items() if name.startswith(STANDBY_LAG))

    async def _serves(self, session: aiohttp.ClientSession, worker: Worker) -> bool:
        figures = await self._figures(session, worker)
        return figures.get("giftmark_ledger_open_partitions", 0) > 0

    async def _figures(self, session: aiohttp.ClientSession, worker: Worker) -> dict[str, float]:
        """None at all from one that does not answer."""
        try:
            async with session.get(worker.metrics) as response:
                return self.cluster.figures(await response.text())
        except (aiohttp.ClientError, TimeoutError):
            return {}

    async def pause(self, least_s: float, most_s: float) -> None:
        await asyncio.sleep(self.rng.uniform(least_s, most_s))

    async def end(self, worker: Worker) -> None:
        """As an operator would; over ten seconds is noted."""
        began = time.monotonic()
        await asyncio.to_thread(worker.end, signal.SIGTERM)
        if time.monotonic() - began > END_S:
            self.slow_ends.append(worker.name)

    async def ready_again(self, worker: Worker) -> None:
        """Or not within half a minute: the next fault does not wait for this one."""
        with contextlib.suppress(TimeoutError):
            await self.cluster.ready_again(worker, READY_S)
