"""A cluster under test: a broker and ledger workers as processes that can be hurt."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp

from app.clients_store import bearer, embedded_clients
from app.contracts.topics import manifest
from app.embedded_kafka import KafkaBroker
from app.free_port import free_port
from app.kafka_access import KafkaAccess
from app.secrets_store import embedded_secrets
from app.tether import end, spawn
from app.topics_admin import ensure_topics

CHECKOUT = Path(__file__).resolve().parents[2]
READY_S = 60.0
PUBLIC_PORTS = {"ledger": "GIFTMARK_PUBLIC_PORT", "services": "GIFTMARK_SERVICES_PORT"}


class Worker:
    """One process of a role; it keeps its name, ports and data through kills.

    `program`: the module that is run; `lasting`: variables of this and every later start.
    """

    def __init__(self, name: str, env: dict[str, str], log: Path, *, role: str = "ledger") -> None:
        self.name = name
        self.role = role
        self.program = "app"
        self.lasting: dict[str, str] = {}
        self.public = free_port()
        self.internal = free_port()
        self._log = log
        self._env = {
            **env,
            "GIFTMARK_WORKER_NAME": name,
            PUBLIC_PORTS[role]: str(self.public),
            "GIFTMARK_INTERNAL_PORT": str(self.internal),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.public}"

    @property
    def health(self) -> str:
        return f"http://127.0.0.1:{self.internal}/health/ready"

    @property
    def metrics(self) -> str:
        return f"http://127.0.0.1:{self.internal}/metrics"

    @property
    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def store(self) -> Path:
        return Path(self._env["GIFTMARK_DATA_DIR"]) / self.name

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, **more: str) -> None:
        with self._log.open("ab") as output:
            self._process = spawn(
                [sys.executable, "-m", self.program, "worker", "--role", self.role],
                env={**self._env, **self.lasting, **more},
                cwd=CHECKOUT,
                output=output,
            )

    def send(self, number: signal.Signals) -> None:
        """To the worker itself: the trampoline has become it."""
        assert self._process is not None
        self._process.send_signal(number)

    def end(self, number: signal.Signals, patience_s: float = 15.0) -> int:
        assert self._process is not None
        return end(self._process, stop_signal=number, patience_s=patience_s)


class Cluster:
    """`settings`: more GIFTMARK_ variables for all workers, short time-outs unless given.

    With a database (its DSN, its schema in place) `services` workers of that role run too;
    `workers` are those of the ledger, `everyone` is both.
    """

    def __init__(
        self,
        data: Path,
        *,
        workers: int,
        services: int = 0,
        database: str | None = None,
        partitions: int = 4,
        settings: dict[str, str] | None = None,
    ) -> None:
        assert database is not None or not services, "services need a database"
        self.data = data
        self.partitions = partitions
        self.broker = self.make_broker(data / "broker")
        self._counts = {"ledger": workers, "services": services}
        self._database = database
        self._settings = settings or {}
        self.workers: list[Worker] = []
        self.services: list[Worker] = []

    def make_broker(self, data: Path) -> KafkaBroker:
        return KafkaBroker(data)

    @property
    def everyone(self) -> list[Worker]:
        return [*self.workers, *self.services]

    def start(self) -> None:
        """Broker, topics, workers; returns before they are ready."""
        env = {**os.environ, **embedded_secrets(self.data, {})}
        address = self.broker.start()
        topics = manifest(self.partitions, self.partitions)
        asyncio.run(ensure_topics(KafkaAccess(address), topics))
        env |= {
            "KAFKA_URL": address,
            "GIFTMARK_DATA_DIR": str(self.data / "workers"),
            "GIFTMARK_CLIENTS_FILE": str(embedded_clients(self.data)),
            "GIFTMARK_LEDGER_PARTITIONS": str(self.partitions),
            "GIFTMARK_INBOUND_PARTITIONS": str(self.partitions),
            "GIFTMARK_SESSION_TIMEOUT_S": "3",
            "GIFTMARK_HEARTBEAT_S": "0.5",
            "GIFTMARK_REBALANCE_TIMEOUT_S": "6",
            "GIFTMARK_LOG_FORMAT": "json",
            "GIFTMARK_SANDBOX_URL": f"http://127.0.0.1:{free_port()}",  # nobody answers there
            **({} if self._database is None else {"GIFTMARK_DATABASE_URL": self._database}),
            **self._settings,
        }
        self.env = env
        self.workers = self._started("ledger")
        self.services = self._started("services")

    def _started(self, role: str) -> list[Worker]:
        names = [f"{role}-{number}" for number in range(1, self._counts[role] + 1)]
        workers = [self.make_worker(name, role=role) for name in names]
        for worker in workers:
            worker.start()
        return workers

    def make_worker(self, name: str, *, role: str = "ledger") -> Worker:
        """Not started, and none of `workers` yet."""
        logs = self.data / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        env = {**self.env, "KAFKA_URL": self.address_for(name)}
        return Worker(name, env, logs / f"{name}.log", role=role)

    def address_for(self, _name: str) -> str:
        """Where this worker finds the broker."""
        return self.broker.bootstrap

    def stop(self) -> None:
        for worker in self.everyone:
            if worker.running:
                worker.send(signal.SIGCONT)
                worker.send(signal.SIGTERM)
        for worker in self.everyone:
            if worker.running:
                worker.end(signal.SIGTERM)
        self.broker.stop()

    def bearer(self, client: str) -> str:
        return bearer(self.data, client)

    async def ready(self, seconds: float = READY_S) -> None:
        """Every running worker answers ready: all partitions of the group are open."""
        async with asyncio.timeout(seconds), aiohttp.ClientSession() as session:
            for worker in self.everyone:
                await _ready(session, worker)

    async def ready_again(self, worker: Worker, seconds: float = READY_S) -> None:
        async with asyncio.timeout(seconds), aiohttp.ClientSession() as session:
            await _ready(session, worker)

    def logs(self) -> str:
        return "".join(path.read_text(errors="replace") for path in (self.data / "logs").iterdir())

    def figures(self, text: str) -> dict[str, float]:
        """Samples of one metrics page by name with labels."""
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in lines}


async def _ready(session: aiohttp.ClientSession, worker: Worker) -> None:
    while worker.running and not await _ok(session, worker.health):
        await asyncio.sleep(0.1)


async def _ok(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=2)) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def secrets_of(data: Path) -> dict[str, str]:
    """The installation's keys, for audits that look for what must not be in clear."""
    loaded: dict[str, str] = json.loads((data / "secrets.json").read_text())
    return loaded
