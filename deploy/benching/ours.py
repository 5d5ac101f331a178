"""Rows of our own ledger: the step, publishing, intake, restore, size."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from app.contracts.topics import BATCHES, COMMANDS, JOURNAL, PAYMENTS, SALES
from app.demo.traffic import Day as Traffic
from app.demo.traffic import batch_messages
from app.demo.traffic import day as traffic_day
from deploy.benching.day import Day, Message, Shape
from deploy.benching.figures import Pace
from deploy.benching.ground import PARTITIONS, Ground, Program, RowFailed, size_of, wipe
from deploy.benching.worker import Sample

WARM = 0.1  # of the day, before the figure starts
STUCK_S = 60.0
TAIL_S = 0.1
_samples = msgspec.json.Decoder(Sample)
Count = Callable[[Sample], float]


class Restored(msgspec.Struct, frozen=True):
    records: int
    seconds: float
    store_bytes: int
    journal_bytes: int


class Worker:
    """A metered worker of chosen topics; its figures are read from the file it writes."""

    def __init__(self, ground: Ground, topics: Sequence[str], *, app: str, data: Path) -> None:
        folder = ground.scratch("worker")
        self._meter = folder / "meter"
        command = [sys.executable, "-m", "deploy.benching.worker", str(self._meter), *topics]
        self.program = Program(command, folder=folder, env=ground.env(app=app, data=data))

    def samples(self) -> list[Sample]:
        if not self._meter.exists():
            return []
        whole = self._meter.read_bytes().rpartition(b"\n")[0]
        return [_samples.decode(line) for line in whole.splitlines()]

    async def until(self, count: Count, total: float) -> list[Sample]:
        """All samples, once the count is reached; RowFailed when it does not move any more."""
        last, moved = -1.0, time.monotonic()
        while True:
            self.program.must_run()
            samples = self.samples()
            reached = count(samples[-1]) if samples else 0.0
            if reached >= total:
                return samples
            if reached != last:
                last, moved = reached, time.monotonic()
            elif time.monotonic() - moved > STUCK_S:
                raise RowFailed(
                    f"stuck at {reached:.0f} of {total:.0f}: {self.program.said[-600:]}"
                )
            await asyncio.sleep(0.2)

    async def opened(self) -> list[dict[str, int]]:
        """What the worker said about each partition it opened."""
        deadline = time.monotonic() + 10 * STUCK_S
        while time.monotonic() < deadline:
            self.program.must_run()
            lines = [line for line in self.program.said.splitlines() if '"partition open"' in line]
            if len(lines) >= PARTITIONS:
                return [json.loads(line) for line in lines]
            await asyncio.sleep(0.2)
        raise RowFailed(f"not open: {self.program.said[-600:]}")


def pace(samples: Sequence[Sample], count: Count, *, begin: float, total: float) -> Pace:
    """Between the first sample past `begin` and the last one that still had work to do."""
    first = next(sample for sample in samples if count(sample) >= begin)
    last = next(sample for sample in samples if count(sample) >= total)
    busy = [sample for sample in samples if first.at < sample.at and count(sample) < total]
    if busy and last.at - busy[-1].at > TAIL_S:
        last = busy[-1]
    done = count(last) - count(first)
    return Pace(done, last.at - first.at, last.cpu_s - first.cpu_s, last.peak_kb)


class OurLedger:
    """The last step's topics and data stay for the rows that build on them."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._rounds = 0
        self.app = ""

    async def step(self, shape: Shape) -> Pace:
        """Commands decided with the full law; nothing is published meanwhile."""
        ground = self._ground
        await ground.fresh_ledger()
        self._rounds += 1
        self.app = f"bench{self._rounds}"
        day = Day(shape)
        await ground.load(COMMANDS, day.night())
        await ground.load(COMMANDS, day.hours())
        worker = Worker(ground, [COMMANDS], app=self.app, data=ground.scratch("data"))
        total = shape.night + shape.commands
        with worker.program:
            samples = await worker.until(_commands, total)
        return pace(samples, _commands, begin=shape.night + WARM * shape.commands, total=total)

    async def publishing(self) -> tuple[Pace, float]:
        """Journal records made public, and events a record."""
        ground = self._ground
        total = sum((await ground.ends(JOURNAL)).values())
        worker = Worker(ground, [JOURNAL], app=self.app, data=ground.scratch("data"))
        with worker.program:
            samples = await worker.until(_records, total)
        events = samples[-1].published / total
        return pace(samples, _records, begin=WARM * total, total=total), events

    async def batch_rows(self, rows: int, seed: int) -> Pace:
        """Rows of the batch topic turned into commands."""
        messages = _encoded(batch_messages(traffic_day(rows, seed)))
        return await self._intake([BATCHES], {BATCHES: messages}, done=rows)

    async def sales(self, certificates: int, seed: int) -> Pace:
        """Sales and payments turned into commands."""
        made: Traffic = traffic_day(certificates, seed)
        loads = {SALES: _encoded(made.sales), PAYMENTS: _encoded(made.payments)}
        return await self._intake(list(loads), loads, done=len(made.sales) + len(made.payments))

    async def _intake(
        self, topics: list[str], loads: dict[str, list[Message]], *, done: int
    ) -> Pace:
        """The worker waits for the load, so that its CPU time holds all of the work."""
        ground = self._ground
        await ground.fresh_ledger()
        worker = Worker(ground, topics, app=f"{self.app}-intake", data=ground.scratch("data"))
        first, total = topics[0], sum(map(len, loads.values()))
        with worker.program:
            await ground.load(first, loads[first][:1])
            before = (await worker.until(_records, 1))[-1]
            loads[first] = loads[first][1:]
            for topic, messages in loads.items():
                await ground.load(topic, messages)
            after = next(s for s in await worker.until(_records, total) if _records(s) >= total)
        cpu_s, wall_s = after.cpu_s - before.cpu_s, after.at - before.at
        return Pace(done * (total - 1) / total, wall_s, cpu_s, after.peak_kb)

    async def restore(self) -> Restored:
        """Opening all partitions of the last step on an empty disk."""
        ground, data = self._ground, self._ground.scratch("data")
        worker = Worker(ground, [COMMANDS], app=self.app, data=data)
        with worker.program:
            opened = await worker.opened()
        logs = ground.folder / "broker" / "logs"
        journal = sum(size_of(folder) for folder in logs.glob(f"{JOURNAL}-*"))
        records = sum(one["replayed"] for one in opened)
        seconds = max(one["took_ms"] for one in opened) / 1_000
        restored = Restored(records, seconds, size_of(data), journal)
        wipe(data)
        return restored


def _commands(sample: Sample) -> float:
    return sample.commands


def _records(sample: Sample) -> float:
    return sample.records


def _encoded(messages: Sequence[tuple[str, bytes]]) -> list[Message]:
    return [(key.encode(), value) for key, value in messages]
