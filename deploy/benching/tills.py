"""Servers that authorize – ours, and FastAPI with PostgreSQL – and what tills send to them."""

import asyncio
import itertools
import os
import random
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Protocol, Self

import msgspec
import psutil
import psycopg2
from psycopg2.extras import execute_values

from app.clients_store import bearer
from app.contracts.topics import COMMANDS
from app.contracts.wire import SCHEMA, CommandRecord, encode
from app.domain.certificates.codes import RANDOM_BYTES, certificate_id, generate, parse
from app.domain.certificates.commands import (
    ActivateCertificate,
    AllocateCertificate,
    Command,
    IssueCertificate,
)
from app.embedded_postgres import PostgresServer
from app.free_port import free_port, listens
from app.settings import Settings
from deploy.benching.day import CURRENCY, Message
from deploy.benching.generator import Job, Outcome, requests
from deploy.benching.ground import Ground, Program, RowFailed
from deploy.benching.peer_tools import PEERS, peer_python

PATH = "/certificates/authorizations"
LOOPBACK = "127.0.0.1"
NOMINAL = 100_000_000
AMOUNT = 100
READY_S = 120.0
SETTLED_S = 1.5
SCHEMA_SQL = """
CREATE TABLE certificates (code text PRIMARY KEY, balance bigint NOT NULL, held bigint NOT NULL);
CREATE TABLE answers (
  key text PRIMARY KEY, code text NOT NULL, amount bigint NOT NULL,
  approved boolean NOT NULL, available bigint NOT NULL
)"""
_pack = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode


class Server(Protocol):
    """Something that authorizes; `pids` are its processes, the broker's not among them."""

    name: str
    port: int

    @property
    def headers(self) -> Sequence[str]: ...

    def pids(self) -> list[int]: ...


class Tills:
    """Bodies over the certificates in turn: none gets more open holds than the law allows."""

    def __init__(self, certificates: int, seed: int) -> None:
        rng = random.Random(seed)
        self.codes = [generate(rng.randbytes(RANDOM_BYTES)) for _ in range(certificates)]
        self._turn = itertools.cycle(self.codes)
        self._numbers = itertools.count()

    def bodies(self, count: int) -> list[tuple[str, bytes]]:
        return [self._body() for _ in range(count)]

    def _body(self) -> tuple[str, bytes]:
        n = next(self._numbers)
        body = {
            "code": next(self._turn),
            "amount": AMOUNT,
            "currency": CURRENCY,
            "reference": f"till-{n}",
        }
        return f"key-{n:012}", _json(body)


async def drive(server: Server, bodies: list[tuple[str, bytes]], job: Job) -> tuple[Outcome, float]:
    """Sends the bodies from a process of its own; also the CPU seconds the server took."""
    prepared = requests(PATH, bodies, host=f"{LOOPBACK}:{server.port}", headers=server.headers)
    spec = msgspec.structs.replace(job, port=server.port, requests=prepared)
    before = cpu_of(server.pids())
    command = (sys.executable, "-m", "deploy.benching.generator")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    out, _ = await process.communicate(msgspec.msgpack.encode(spec))
    if process.returncode != 0:
        raise RowFailed(f"the load generator ended with {process.returncode}")
    return msgspec.msgpack.decode(out, type=Outcome), cpu_of(server.pids()) - before


def cpu_of(pids: Sequence[int]) -> float:
    """CPU seconds of these processes and all below them."""
    total = 0.0
    for pid in pids:
        try:
            top = psutil.Process(pid)
            for process in (top, *top.children(recursive=True)):
                times = process.cpu_times()
                total += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return total


class OurTill:
    """The product's own ledger worker, everything on, over certificates made by commands."""

    name = "ours, 1 worker"

    def __init__(self, ground: Ground, tills: Tills) -> None:
        self._ground = ground
        self._tills = tills
        env = ground.env(app="benchhttp", data=ground.scratch("data"))
        self._internal = int(env["GIFTMARK_INTERNAL_PORT"])
        self.port = int(env["GIFTMARK_PUBLIC_PORT"])
        self.pepper = base64_pepper(env)
        self.headers: Sequence[str] = (f"Authorization: {bearer(ground.folder, 'till')}",)
        command = [sys.executable, "-m", "app", "worker", "--role", "ledger"]
        self.program = Program(command, folder=ground.scratch("worker"), env=env)

    def pids(self) -> list[int]:
        return [self.program.process.pid]

    async def __aenter__(self) -> Self:
        await self._ground.fresh_ledger()
        await self._ground.load(COMMANDS, self._commands(self._tills.codes))
        self.program.__enter__()
        await self._settled(3 * len(self._tills.codes))
        return self

    async def __aexit__(self, *error: object) -> None:
        self.program.__exit__(*error)

    async def figures(self) -> dict[str, float]:
        """Sums of the metrics by name without labels; empty while it does not answer."""
        url = f"http://{LOOPBACK}:{self._internal}/metrics"
        try:
            text = await asyncio.to_thread(_fetched, url)
        except (urllib.error.URLError, OSError):
            return {}
        found: dict[str, float] = {}
        for line in text.splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                short = name.partition("{")[0]
                found[short] = found.get(short, 0.0) + float(value)
        return found

    async def _settled(self, commands: int) -> None:
        """All is decided and published, follow-ups included: nothing moves any more."""
        deadline, before = time.monotonic() + READY_S, -1.0
        while time.monotonic() < deadline:
            self.program.must_run()
            found = await self.figures()
            decided = found.get("giftmark_ledger_commands_total", 0.0)
            lag = found.get("giftmark_publishing_lag_records", 1.0)
            if decided >= commands and decided == before and lag == 0:
                return
            before = decided
            await asyncio.sleep(SETTLED_S)
        raise RowFailed(f"does not settle: {self.program.said[-600:]}")

    def _commands(self, codes: Sequence[str]) -> Iterator[Message]:
        for row, code in enumerate(codes):
            key, order = identified(code, self.pepper), f"SO-{row}"
            yield command_for(key, issue(code, row), f"issue/{row}")
            allocate = AllocateCertificate(order, "1", 1, NOMINAL, CURRENCY)
            yield command_for(key, allocate, f"{order}:1:0")
            yield command_for(key, ActivateCertificate(order, "1", 1), f"{order}:2:0")


class FastapiTill:
    """FastAPI, asyncpg, row locks; `durable`: PostgreSQL waits for the disk."""

    def __init__(self, ground: Ground, tills: Tills, *, durable: bool) -> None:
        self.name = f"FastAPI + PostgreSQL, fsync {'on' if durable else 'off'}"
        self._tills = tills
        self._database = PostgresServer(ground.scratch("postgres"), durable=durable)
        self._folder = ground.scratch("uvicorn")
        self.port = free_port()
        self.headers: Sequence[str] = ()

    def pids(self) -> list[int]:
        database = self._database.pid
        return [self.program.process.pid, *([] if database is None else [database])]

    async def __aenter__(self) -> Self:
        python = await asyncio.to_thread(peer_python)
        self._folder.parent.chmod(0o755)  # the server's own account has to reach its data
        dsn = await asyncio.to_thread(self._database.start)
        await asyncio.to_thread(self._fill, dsn)
        command = [str(python), "-m", "uvicorn", f"{PEERS}.fastapi_authorize:app"]
        quiet = ["--log-level", "warning", "--no-access-log"]
        place = ["--host", LOOPBACK, "--port", str(self.port)]
        env = {**os.environ, "BENCH_DSN": dsn}
        self.program = Program([*command, *quiet, *place], folder=self._folder, env=env)
        self.program.__enter__()
        deadline = time.monotonic() + READY_S
        while not listens(self.port):
            self.program.must_run()
            if time.monotonic() > deadline:
                raise RowFailed("uvicorn does not listen")
            await asyncio.sleep(0.1)
        return self

    async def __aexit__(self, *error: object) -> None:
        self.program.__exit__(*error)
        self._database.stop()

    def _fill(self, dsn: str) -> None:
        connection = psycopg2.connect(dsn)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(SCHEMA_SQL)
                rows = [(code, NOMINAL, 0) for code in self._tills.codes]
                execute_values(cursor, "INSERT INTO certificates VALUES %s", rows)
        finally:
            connection.close()


def issue(code: str, row: int) -> IssueCertificate:
    return IssueCertificate(
        code[-4:], False, NOMINAL, CURRENCY, None, 365, None, None, "B-tills", row // 500, row, 1
    )


def command_for(key: str, command: Command, command_id: str) -> Message:
    kind, fields = type(command).__name__, msgspec.Raw(_pack(command))
    now = time.time_ns() // 1_000_000
    return key.encode(), encode(CommandRecord(SCHEMA, command_id, now, kind, key, fields))


def identified(code: str, pepper: bytes) -> str:
    parsed = parse(code)
    assert not isinstance(parsed, str)
    return certificate_id(parsed, pepper)


def base64_pepper(env: dict[str, str]) -> bytes:
    names = {name.lower().removeprefix("giftmark_"): value for name, value in env.items()}
    known = {name: names[name] for name in Settings.model_fields if name in names}
    return Settings(**known).code_pepper.get_secret_value()  # type: ignore[arg-type]


def _fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
        return str(answer.read().decode())
