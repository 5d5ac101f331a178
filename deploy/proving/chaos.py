"""Faults one after the other, in an order that the seed decides; every kind before any twice."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from deploy.proving.faults import FAULTS
from deploy.proving.scene import Scene

CALM_S = (0.3, 2.0)


class Chaos:
    """`done` counts faults by kind, and exits of workers that ended by themselves by code."""

    def __init__(
        self, scene: Scene, told: Callable[[str], None], *, kinds: Sequence[str] = tuple(FAULTS)
    ) -> None:
        self.done: Counter[str] = Counter()
        self.exits: Counter[int] = Counter()
        self._told = told
        self._scene = scene
        self._kinds = kinds

    async def run(self, *, faults: int, until: float) -> None:
        """`until`: monotonic time after which no other fault begins."""
        deck: list[str] = []
        for _ in range(faults):
            if not deck:
                deck = self._scene.rng.sample(self._kinds, k=len(self._kinds))
            if time.monotonic() > until:
                break
            await self._scene.pause(*CALM_S)
            self._revive()
            kind = deck.pop()
            began = time.monotonic()
            self._scene.note = ""
            await FAULTS[kind](self._scene)
            self.done[kind] += 1
            lasted, so_far = time.monotonic() - began, f"{self._scene.load.operations:,} operations"
            what = f"{self.done.total()} of {faults}: {kind}{self._scene.note}"
            self._told(f"{what}, {lasted:.1f} s; {so_far}")
        self._revive()

    def _revive(self) -> None:
        """A worker that ended by itself (a fault it met) is started again, and counted."""
        for worker in self._scene.cluster.everyone:
            if not worker.running:
                self.exits[worker.exit_code or 0] += 1
                self._told(f"{worker.name} had ended by itself: {worker.exit_code}")
                worker.start()
