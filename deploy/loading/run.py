"""One load: the file, the command, the kills, and the proof of what became of every row."""

import asyncio
import csv
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
from aiokafka import ConsumerRecord, TopicPartition

from app.certificates.audit_reading import Reach, partitions_of, reader
from app.contracts.topics import TRANSACTION
from app.domain.certificates.codes import RANDOM_BYTES, Code, certificate_id, generate, parse
from app.kafka_access import KafkaAccess
from app.tether import end, spawn
from deploy.loading.machinery import Cost, Costs
from deploy.proving.cluster import CHECKOUT, Cluster, Worker

POLL_S = 1.0
PAUSES = 10  # a pause is that many times as long as the answer before it took
SOON_S, SOON = 0.2, 2  # the same while the loader is to be killed with rows left to send
PATIENCE_S = 120.0
SLOWEST = 400  # rows a second: below it the run is over
LOADER = "loader"
ISSUED = b'"transactionType":"Issued"'


class Plan(NamedTuple):
    """`kills`: the loader, a ledger worker and a services worker die on the way."""

    rows: int
    kills: bool


class Progress(msgspec.Struct, frozen=True):
    queued: int = 0
    issued: int = 0

    @property
    def taken(self) -> int:
        return self.queued + self.issued


class Loaded(NamedTuple):
    """Seconds from the command's start until the last row was taken, until it was issued.

    `killed`: who was, and how far the load had come.
    """

    taken_s: float
    issued_s: float
    killed: dict[str, Progress]
    said: str
    costs: dict[str, Cost]


class Issued(NamedTuple):
    """`told`: events of issues, repetitions included; `twice`: certificates issued twice."""

    certificates: int
    told: int
    twice: int


def write_file(path: Path, rows: int) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["code", "nominal", "currency", "validityDays", "productId"])
        for _ in range(rows):
            writer.writerow([generate(secrets.token_bytes(RANDOM_BYTES)), 300_000, "RUB", 365, "P"])


class Load:
    """`database`: the process id of the server, for its costs."""

    def __init__(self, cluster: Cluster, path: Path, *, plan: Plan, database: int) -> None:
        self._cluster = cluster
        self._path = path
        self._plan = plan
        self._database = database
        self._output = path.with_suffix(".output")
        self._loader: subprocess.Popen[bytes] | None = None
        self._killed: dict[str, Progress] = {}
        self.batch = f"load-{secrets.token_hex(4)}"

    async def run(self) -> Loaded:
        costs = Costs(self._pids)
        costs.begin()
        watching = asyncio.create_task(costs.watch())
        started = time.monotonic()
        self._start_loader()
        try:
            taken = await self._until(started, lambda known: known.taken)
            done = await self._until(started, lambda known: known.issued)
            await asyncio.to_thread(self._must_end_well)
        finally:
            watching.cancel()
            await asyncio.wait({watching})
            if self._loader is not None:
                end(self._loader, stop_signal=signal.SIGKILL, patience_s=5)
        return Loaded(taken, done, self._killed, self._output.read_text(), costs.of())

    async def _until(self, started: float, count: Callable[[Progress], int]) -> float:
        """Seconds since the start when all rows are counted; kills on the way."""
        async with httpx.AsyncClient(timeout=60) as client:
            asked = time.monotonic()
            while count(known := await self._progress(client)) < self._plan.rows:
                pause = self._pause(time.monotonic() - asked)
                self._still_running(time.monotonic() - started)
                await self._hurt(known)
                await asyncio.sleep(pause)
                asked = time.monotonic()
            await self._hurt(known)  # who was faster than the look at it is killed at the end
        return time.monotonic() - started

    def _pause(self, took: float) -> float:
        if self._plan.kills and LOADER not in self._killed:
            return max(SOON_S, SOON * took)
        return max(POLL_S, PAUSES * took)

    def _start_loader(self) -> None:
        url = self._cluster.workers[0].url
        command = [sys.executable, "-m", "app", "load", str(self._path), f"--url={url}"]
        options = [f"--data={self._cluster.data}", f"--batch-id={self.batch}"]
        with self._output.open("ab") as output:
            self._loader = spawn(
                [*command, *options], output=output, env=dict(os.environ), cwd=CHECKOUT
            )

    async def _hurt(self, known: Progress) -> None:
        """Each of the three once, at its share of the rows."""
        if not self._plan.kills:
            return
        marks: list[tuple[str, int, Callable[[], None]]] = [
            ("ledger worker", known.issued * 100 // 20, self._kill(self._cluster.workers[-1])),
            (LOADER, known.taken * 100 // 40, self._kill_loader),
            ("services worker", known.issued * 100 // 60, self._kill(self._cluster.services[0])),
        ]
        for name, reached, kill in marks:
            if name not in self._killed and reached >= self._plan.rows:
                kill()
                self._killed[name] = known

    def _kill(self, worker: Worker) -> Callable[[], None]:
        def kill() -> None:
            worker.end(signal.SIGKILL)
            worker.start()

        return kill

    def _kill_loader(self) -> None:
        assert self._loader is not None
        end(self._loader, stop_signal=signal.SIGKILL, patience_s=5)
        self._start_loader()

    async def _progress(self, client: httpx.AsyncClient) -> Progress:
        """What the public route says; nothing while nobody answers or the batch is unknown."""
        headers = {"Authorization": self._cluster.bearer("loader")}
        url = f"{self._cluster.workers[0].url}/certificates/batches/{self.batch}"
        try:
            answer = await client.get(url, headers=headers)
        except httpx.TransportError:
            return Progress()
        if answer.status_code != 200:
            return Progress()
        return msgspec.json.decode(answer.content, type=Progress)

    def _still_running(self, seconds: float) -> None:
        assert self._loader is not None
        failed = self._loader.poll() not in (None, 0)
        slow = seconds > PATIENCE_S + self._plan.rows / SLOWEST
        if failed or slow:
            raise RuntimeError(f"the load has not come to its end: {self._output.read_text()}")

    def _must_end_well(self) -> None:
        assert self._loader is not None
        code = self._loader.wait(PATIENCE_S)
        if code:
            raise RuntimeError(f"the loader ended with {code}: {self._output.read_text()}")

    def _pids(self) -> dict[str, int]:
        parts: dict[str, int | None] = {
            worker.name: worker.pid for worker in self._cluster.everyone
        }
        parts |= {"broker": self._cluster.broker.pid, "database": self._database}
        parts["loader"] = None if self._loader is None else self._loader.pid
        return {name: pid for name, pid in parts.items() if pid is not None}


def ids_of(path: Path, pepper: bytes) -> set[bytes]:
    """The certificates of a file, as the topics call them."""
    with path.open(newline="") as file:
        codes = [parse(line["code"]) for line in csv.DictReader(file)]
    return {certificate_id(code, pepper).encode() for code in codes if isinstance(code, Code)}


async def issued(bootstrap: str, wanted: set[bytes]) -> Issued:
    """What the public topic says of these, read from its beginning: each issue by certificate."""
    issues: Counter[bytes] = Counter()
    told: set[bytes] = set()
    total = 0

    def take(record: ConsumerRecord) -> None:
        nonlocal total
        value = record.value or b""
        if record.key in wanted and ISSUED in value:
            total += 1
            name = value[: value.index(b",")]  # the event's id, its first member
            issues[record.key] += name not in told
            told.add(name)

    async with reader(KafkaAccess(bootstrap), lambda _count: None) as reading:
        for number in await partitions_of(KafkaAccess(bootstrap), TRANSACTION):
            tp = TopicPartition(TRANSACTION, number)
            await reading.read({tp: take}, Reach(await reading.ends([tp]), PATIENCE_S))
            told.clear()
    return Issued(len(issues), total, sum(count > 1 for count in issues.values()))
