"""What the processes of a run cost: processor time and the most memory each has held."""

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

import psutil

STEP_S = 0.5
MIB = 1 << 20
Pids = Callable[[], Mapping[str, int]]


class Cost(NamedTuple):
    """Of one part of the product, all its processes together, those before a kill included."""

    cpu_s: float
    peak_mib: float


class Costs:
    """`pids`: the processes that run now by the name of their part."""

    def __init__(self, pids: Pids) -> None:
        self._pids = pids
        self._before: dict[tuple[str, int], float] = {}
        self._cpu: dict[tuple[str, int], float] = {}
        self._peak: dict[str, float] = {}

    def begin(self) -> None:
        """What the processes have spent on their start is no cost of the run."""
        for name, pid in self._pids().items():
            for process in _family(pid):
                self._before[name, process.pid] = _spent(process)[0]

    async def watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(STEP_S)

    def look(self) -> None:
        for name, pid in self._pids().items():
            held = 0.0
            for process in _family(pid):
                seconds, memory = _spent(process)
                known = self._cpu.get((name, process.pid), 0.0)
                self._cpu[name, process.pid] = max(known, seconds)
                held += memory
            self._peak[name] = max(self._peak.get(name, 0.0), held)

    def of(self) -> dict[str, Cost]:
        spent: dict[str, float] = dict.fromkeys(self._peak, 0.0)
        for (name, pid), seconds in self._cpu.items():
            spent[name] += seconds - self._before.get((name, pid), 0.0)
        return {name: Cost(spent[name], peak) for name, peak in self._peak.items()}


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _spent(process: psutil.Process) -> tuple[float, float]:
    """Seconds of processor, MiB that are not shared with others of the family."""
    try:
        times, memory = process.cpu_times(), process.memory_info()
    except psutil.NoSuchProcess:
        return 0.0, 0.0
    return times.user + times.system, (memory.rss - memory.shared) / MIB
