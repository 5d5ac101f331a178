"""Rows of the peers: the plain step on the same bytes, each in a process of its own."""

import asyncio
import os
import sys
import time
import uuid
from collections.abc import Sequence

import msgspec

from app.embedded_postgres import PostgresServer
from deploy.benching.day import Day, Shape
from deploy.benching.figures import Pace
from deploy.benching.ground import Ends, Ground, Program, RowFailed
from deploy.benching.peer_tools import PEERS, peer_python, streams_classpath

TOPIC = "bench-day"
WARM = 0.1
JVM = ("-Xms256m", "-Xmx1g")
LOGGING = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"


class Peers:
    """`load` lays the day once; every round of every peer reads it anew."""

    def __init__(self, ground: Ground, shape: Shape) -> None:
        self._ground = ground
        self._shape = shape
        self._dawn: Ends = {}

    async def load(self) -> None:
        day = Day(self._shape)
        await self._ground.make(TOPIC)
        self._dawn = await self._ground.load(TOPIC, day.night())
        await self._ground.load(TOPIC, day.hours())

    async def streams(self, guarantee: str, *, limit_s: float) -> Pace:
        """Reads the night too: the JVM is warm when the day begins."""
        shape, name = self._shape, _fresh("streams")
        warm, total = shape.night + int(WARM * shape.commands), shape.night + shape.commands
        state = self._ground.scratch("streams")
        counts = (str(warm), str(total), name, guarantee, str(state))
        classpath = await asyncio.to_thread(streams_classpath)
        java = ["java", *JVM, LOGGING, "-cp", classpath, "StreamsTable"]
        found = await self._run([*java, self._ground.broker.bootstrap, TOPIC, *counts], limit_s)
        await self._tidy(f"{name}-ledger-changelog")
        return found

    async def faust(self, commands: int, *, limit_s: float) -> Pace:
        """The first commands of the day; a whole day would take this peer too long."""
        name = _fresh("faust")
        command = [sys.executable, "-m", f"{PEERS}.faust_table"]
        found = await self._python(command, name, commands, limit_s=limit_s)
        await self._tidy(f"{name}-ledger-changelog")
        return found

    async def quix(self, commands: int, *, limit_s: float) -> Pace:
        name = _fresh("quix")
        python = await asyncio.to_thread(peer_python)
        command = [str(python), "-m", f"{PEERS}.quix_table"]
        found = await self._python(command, name, commands, limit_s=limit_s)
        await self._tidy(f"changelog__{name}--{TOPIC}--default")
        return found

    async def postgres(self, commands: int, *, limit_s: float) -> Pace:
        """The whole day; nobody waits for the disk of the database, nor for our broker's."""
        name, python = _fresh("postgres"), await asyncio.to_thread(peer_python)
        database = PostgresServer(self._ground.scratch("postgres"), durable=False)
        self._ground.folder.chmod(0o755)  # the server's own account has to reach its data
        dsn = await asyncio.to_thread(database.start)
        command = [str(python), "-m", f"{PEERS}.postgres_table"]
        env = {"BENCH_DSN": dsn, "BENCH_DATABASE": str(database.pid)}
        try:
            return await self._python(command, name, commands, limit_s=limit_s, env=env)
        finally:
            await asyncio.to_thread(database.stop)

    async def _python(
        self,
        command: list[str],
        name: str,
        commands: int,
        /,
        *,
        limit_s: float,
        env: dict[str, str] | None = None,
    ) -> Pace:
        """A group that begins with the day."""
        await self._ground.begin_at(name, TOPIC, self._dawn)
        state = self._ground.scratch(name)
        counts = (str(int(WARM * commands)), str(commands), name, str(state))
        bootstrap = self._ground.broker.bootstrap
        return await self._run([*command, bootstrap, TOPIC, *counts], limit_s, env=env)

    async def _run(
        self, command: Sequence[str], limit_s: float, *, env: dict[str, str] | None = None
    ) -> Pace:
        folder = self._ground.scratch("peer")
        deadline = time.monotonic() + limit_s
        with Program(command, folder=folder, env={**os.environ, **(env or {})}) as program:
            while program.running and time.monotonic() < deadline:
                await asyncio.sleep(0.1)
            late = program.running
        said = program.said
        found = [line for line in said.splitlines() if line.startswith('{"done"')]
        if not found:
            reason = f"no figure within {limit_s:.0f} s" if late else "ended without a figure"
            raise RowFailed(f"{reason}: {said[-600:].strip()}")
        return msgspec.json.decode(found[-1], type=Pace)

    async def _tidy(self, changelog: str) -> None:
        await self._ground.drop([changelog])


def _fresh(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:6]}"
