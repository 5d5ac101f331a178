"""The embedded broker and database of one data folder, unless others are named."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from app.embedded_kafka import KafkaBroker
from app.embedded_postgres import PostgresServer
from app.processes import RestartPolicy


class Server(Protocol):
    @property
    def running(self) -> bool: ...
    def start(self) -> str: ...
    def stop(self) -> None: ...


class TendedServer:
    """A server that is started again on its own port when it ends by itself."""

    def __init__(self, name: str, variable: str, *, server: Server) -> None:
        self.name = name
        self.variable = variable
        self.server = server
        self._policy = RestartPolicy()
        self._next_start: float | None = None

    def start(self) -> str:
        address = self.server.start()
        self._policy.started(time.monotonic())
        self._next_start = None
        return address

    def tend(self) -> None:
        now = time.monotonic()
        if self.server.running:
            return
        if self._next_start is None:
            self._next_start = self._policy.next_start(now)
        elif now >= self._next_start:
            self.start()


class EmbeddedServers:
    """Starts what the environment does not name; `environment` then names it."""

    def __init__(self, data: Path, given: Mapping[str, str]) -> None:
        self.broker_is_ours = not named(given, "KAFKA_URL")
        self.servers: list[TendedServer] = []
        if self.broker_is_ours:
            broker = KafkaBroker(data / "broker")
            self.servers.append(TendedServer("kafka", "GIFTMARK_KAFKA_URL", server=broker))
        if not named(given, "DATABASE_URL"):
            database = PostgresServer(data / "postgres")
            tended = TendedServer("postgres", "GIFTMARK_DATABASE_URL", server=database)
            self.servers.append(tended)

    def start(self) -> dict[str, str]:
        """The environment variables that name the started servers."""
        return {tended.variable: tended.start() for tended in self.servers}

    def tend(self) -> None:
        for tended in self.servers:
            tended.tend()

    def stop(self) -> None:
        """Asks all at once: each has its own patience."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda tended: tended.server.stop(), self.servers))


def named(environment: Mapping[str, str], variable: str) -> bool:
    return bool(environment.get(f"GIFTMARK_{variable}") or environment.get(variable))
