"""One invocation: every row on one broker, ours and the peers' rounds in turn."""

import asyncio
import math
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
from aiokafka.errors import KafkaError

from app.embedded_postgres import PostgresError
from deploy.benching import authorize
from deploy.benching.bars import UNEQUAL, bars
from deploy.benching.day import Shape
from deploy.benching.figures import Latency, Pace, Report, Row
from deploy.benching.ground import Ground, RowFailed
from deploy.benching.machine import machine
from deploy.benching.ours import OurLedger
from deploy.benching.peer_rows import Peers
from deploy.benching.takeover import takeover
from deploy.benching.tills import FastapiTill, OurTill, Server, Tills
from tables.journal import AppendRefused, AppendUnknown

BROKEN = (
    RowFailed,
    KafkaError,
    PostgresError,
    AppendRefused,
    AppendUnknown,
    OSError,
    TimeoutError,
)
SLOW = ("Quix Streams", "stock Faust table", "aiokafka → PostgreSQL, batched")
PER_S = "commands/s"
T = TypeVar("T")
Till = TypeVar("Till", OurTill, FastapiTill)
Say = Callable[[str], None]


class Plan(msgspec.Struct, frozen=True):
    """How much of everything; `growth`: numbers of certificates, the first is the smallest.

    What a peer does must last for seconds: it writes its changelog once a second.
    """

    quick: bool
    seed: int
    certificates: int
    commands: int
    growth: tuple[int, ...]
    growth_commands: int
    rounds: int
    faust: int
    quix: int
    tills: int
    till_s: float
    rows: int
    exactly_once: bool
    limit_s: float = 300.0


def plan(*, quick: bool, seed: int, grow: int) -> Plan:
    if quick:
        sizes = (10_000, 100_000)
        return Plan(True, seed, 50_000, 240_000, sizes, 30_000, 2, 40_000, 240_000, 6_000, 3.0,
                    20_000, False, 90.0)  # fmt: skip
    growth = tuple(10**n for n in range(4, grow + 1))
    return Plan(False, seed, 200_000, 600_000, growth, 50_000, 5, 40_000, 600_000, 48_000, 10.0,
                100_000, True)  # fmt: skip


class Bench:
    """Rows fill the report one after the other; one that fails says why and the next begins."""

    def __init__(self, chosen: Plan, folder: Path, say: Say) -> None:
        self._plan = chosen
        self._ground = Ground(folder)
        self._say = say
        self._now = time.time_ns() // 1_000_000
        began = datetime.now(UTC).isoformat(timespec="seconds")
        self.report = Report(began, 0.0, chosen.quick, chosen.seed, machine())

    async def run(self, only: frozenset[str]) -> Report:
        started = time.monotonic()
        parts = {
            "step": self._steps,
            "apart": self._apart,
            "growth": self._growth,
            "authorize": self._tills,
            "takeover": self._takeover,
        }
        await asyncio.to_thread(self._ground.start)
        try:
            for name, part in parts.items():
                if not only or name in only:
                    await part()
        finally:
            self._ground.stop()
        report = self.report
        report.seconds = time.monotonic() - started
        report.bars, report.unequal = bars(report), list(UNEQUAL)
        return report

    # The ledger step.

    async def _steps(self) -> None:
        chosen = self._plan
        shape = Shape(chosen.certificates, chosen.commands, chosen.seed, self._now)
        peers = Peers(self._ground, shape)
        self._ours = OurLedger(self._ground)
        await peers.load()
        limit = chosen.limit_s
        contest: dict[str, Callable[[], Awaitable[Pace]]] = {
            "ours, full law": lambda: self._ours.step(shape),
            "Kafka Streams": lambda: peers.streams("at_least_once", limit_s=limit),
            "Quix Streams": lambda: peers.quix(chosen.quix, limit_s=limit),
            "aiokafka → PostgreSQL, batched": lambda: peers.postgres(
                chosen.commands, limit_s=limit
            ),
            "stock Faust table": lambda: peers.faust(chosen.faust, limit_s=limit),
        }
        if chosen.exactly_once:
            contest["Kafka Streams, exactly once"] = lambda: peers.streams(
                "exactly_once_v2", limit_s=limit
            )
        rows = {name: self._row(name, PER_S) for name in contest}
        for number in range(chosen.rounds):
            for name, round_of in contest.items():
                # One round of the slow ones is enough for a first look.
                if not (chosen.quick and number and name in SLOW):
                    await self._round(rows[name], round_of)

    async def _apart(self) -> None:
        """What the step leaves out, on the journal and the topics that it left behind."""
        chosen, single = self._plan, self.report.single
        publishing = self._row("publishing, journal records", "records/s")

        async def published() -> Pace:
            pace, events = await self._ours.publishing()
            publishing.note = f"{events:.1f} events a record"
            return pace

        await self._round(publishing, published)
        if (restored := await self._guarded("restore", self._ours.restore)) is not None:
            single["restore_s_per_million"] = restored.seconds * 1e6 / restored.records
            single["restored_records"] = float(restored.records)
            single["store_bytes_per_certificate"] = restored.store_bytes / chosen.certificates
            single["journal_bytes_per_record"] = restored.journal_bytes / restored.records
        seed = chosen.seed
        intake = self._row("intake, rows of the batch topic", "rows/s")
        await self._round(intake, lambda: self._ours.batch_rows(chosen.rows, seed))
        sales = self._row("intake, sales and payments", "messages/s")
        await self._round(sales, lambda: self._ours.sales(chosen.rows // 2, seed))

    async def _growth(self) -> None:
        chosen, costs = self._plan, {}
        for size in chosen.growth:
            shape = Shape(size, chosen.growth_commands, chosen.seed, self._now)
            row = self._row(f"ours, {size:,} certificates", PER_S)
            for _ in range(chosen.rounds if not chosen.quick else 1):
                await self._round(row, partial(OurLedger(self._ground).step, shape))
            if row.rounds:
                costs[size] = 1 / row.per_cpu_s()
        sizes = sorted(costs)
        if len(sizes) > 1:
            small, large = sizes[0], sizes[-1]
            slope = math.log(costs[large] / costs[small]) / math.log(large / small)
            self.report.single["growth_exponent"] = slope

    # The till.

    async def _tills(self) -> None:
        """Both kinds of server stand side by side while the rounds alternate."""
        chosen = self._plan
        ours, theirs = (Tills(chosen.tills, chosen.seed) for _ in range(2))
        async with self._server("ours", OurTill(self._ground, ours), ours) as till:
            async with self._server(
                "fastapi", FastapiTill(self._ground, theirs, durable=False), theirs
            ) as peer:
                pairs: list[tuple[Server, Tills]] = [] if till is None else [(till, ours)]
                pairs += [] if peer is None else [(peer, theirs)]
                await self._till_rounds(pairs)
            if till is not None:
                await self._only_ours(till, ours)
        durable = Tills(chosen.tills, chosen.seed)
        made = FastapiTill(self._ground, durable, durable=True)
        async with self._server("fastapi", made, durable) as peer:
            if peer is not None:
                await self._till_rounds([(peer, durable)])

    async def _till_rounds(self, pairs: list[tuple[Server, Tills]]) -> None:
        seconds, rounds = self._plan.till_s, 1 if self._plan.quick else 3
        for _ in range(rounds):
            for connections in authorize.CONNECTIONS:
                for server, tills in pairs:
                    await self._latency(
                        authorize.saturated(server, tills, connections, seconds=seconds)
                    )
            for rate in authorize.RATES:
                for server, tills in pairs:
                    await self._latency(authorize.at_rate(server, tills, rate, seconds=seconds))

    async def _only_ours(self, till: OurTill, tills: Tills) -> None:
        chosen, ground = self._plan, self._ground
        await self._latency(authorize.event_lag(till, ground, seconds=chosen.till_s))
        alone = authorize.at_rate(till, tills, authorize.MIXED_RATE, seconds=chosen.till_s)
        quiet = await self._latency(alone)
        beside = await self._latency(
            authorize.mixed(till, tills, ground, commands=chosen.rows, seconds=chosen.till_s)
        )
        if quiet and beside:
            quiet.name += ", before that load"
            self.report.single["mixed_inflation"] = beside.p99_ms / quiet.p99_ms

    @asynccontextmanager
    async def _server(self, name: str, made: Till, tills: Tills) -> AsyncIterator[Till | None]:
        """None when it does not come up; the reason stands in the report."""
        async with AsyncExitStack() as stack:

            async def started() -> Till:
                server = await stack.enter_async_context(made)
                await authorize.warmed(server, tills)
                return server

            yield await self._guarded(name, started)

    async def _takeover(self) -> None:
        """Over a broker of its own, with the session time-out of the tests, three seconds."""
        folder, found = self._ground.scratch("takeover"), []
        for number in range(1 if self._plan.quick else 5):
            work = partial(asyncio.to_thread, takeover, folder / str(number))
            if (taken := await self._guarded("takeover", work)) is not None:
                found.append(taken)
                self._say(f"takeover: {taken.gap_s:.1f} s, restart {taken.restart_s:.1f} s")
        if found:
            single = self.report.single
            single["takeover_gap_s"] = statistics.median(one.gap_s for one in found)
            single["warm_restart_s"] = statistics.median(one.restart_s for one in found)

    # Rounds.

    def _row(self, name: str, unit: str) -> Row:
        row = Row(name, unit)
        self.report.rows.append(row)
        return row

    async def _round(self, row: Row, round_of: Callable[[], Awaitable[Pace]]) -> None:
        load = os.getloadavg()[0]
        pace = await self._guarded(row.name, round_of)
        if pace is None:
            row.failed = self.report.skipped[row.name]
            return
        row.rounds.append(pace)
        row.load.append(load)
        told = f"{pace.per_s:,.0f} {row.unit}, {pace.per_cpu_s:,.0f} a CPU second"
        self._say(f"{row.name}: {told} (load {load:.1f})")

    async def _latency(self, found: Awaitable[Latency]) -> Latency | None:
        async def measured() -> Latency:
            return await found

        latency = await self._guarded("latency", measured)
        if latency is not None:
            self.report.latencies.append(latency)
            at = f"at {latency.rate}/s" if latency.rate else f"{latency.connections} connections"
            tails = f"p50 {latency.p50_ms:.1f} p99 {latency.p99_ms:.1f} ms"
            told = f"{latency.per_s:,.0f}/s {tails} (load {latency.load:.1f})"
            self._say(f"{latency.name}, {at}: {told}")
        return latency

    async def _guarded(self, name: str, work: Callable[[], Awaitable[T]]) -> T | None:
        try:
            return await work()
        except BROKEN as reason:
            self.report.skipped[name] = f"{type(reason).__name__}: {reason}"
            self._say(f"{name}: no figure, {reason}")
            return None
