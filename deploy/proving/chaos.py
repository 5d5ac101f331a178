"""Faults, seeded: processes killed, frozen, ended; the broker killed and started again."""

import asyncio
import random
import signal
import time
from collections import Counter

from deploy.proving.cluster import Cluster, Worker

KINDS = ("kill", "kill", "kill", "freeze", "freeze long", "end", "end", "restart broker")
CALM_S = (1.0, 4.0)


class Chaos:
    """`done` counts faults by kind; `slow_ends` names workers that took over 10 s to end."""

    def __init__(self, cluster: Cluster, *, seed: int, kinds: tuple[str, ...] = KINDS) -> None:
        self.done: Counter[str] = Counter()
        self.slow_ends: list[str] = []
        self._cluster = cluster
        self._rng = random.Random(seed)
        self._kinds = kinds

    async def run(self, *, faults: int) -> None:
        for _ in range(faults):
            await asyncio.sleep(self._rng.uniform(*CALM_S))
            self._revive()
            kind = self._rng.choice(self._kinds)
            await self._fault(kind, self._rng.choice(self._cluster.workers))
            self.done[kind] += 1
        self._revive()

    def _revive(self) -> None:
        """A worker that ended by itself (a fault it met) is started again, and counted."""
        for worker in self._cluster.workers:
            if not worker.running:
                self.done[f"exit {worker.exit_code}"] += 1
                worker.start()

    async def _fault(self, kind: str, worker: Worker) -> None:
        match kind:
            case "kill":
                worker.end(signal.SIGKILL)
                await asyncio.sleep(self._rng.uniform(0, 2))
                worker.start()
            case "freeze" | "freeze long":
                worker.send(signal.SIGSTOP)
                await asyncio.sleep(1 if kind == "freeze" else self._rng.uniform(4, 9))
                worker.send(signal.SIGCONT)
            case "end":
                began = time.monotonic()
                await asyncio.to_thread(worker.end, signal.SIGTERM)
                if time.monotonic() - began > 10:
                    self.slow_ends.append(worker.name)
                worker.start()
            case "restart broker":
                await asyncio.to_thread(self._cluster.broker.kill)
                await asyncio.sleep(self._rng.uniform(0, 1))
                await asyncio.to_thread(self._cluster.broker.start)
