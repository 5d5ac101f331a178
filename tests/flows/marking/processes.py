"""The processes of the marking half and the callers of its API."""

import itertools
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from app.domain.marking.code import is_inn
from app.free_port import free_port
from app.secrets_store import NAMES, new_key, variable
from app.tether import spawn

ROOT = Path(__file__).resolve().parents[3]
PREFIX = "/api/v1/marking"
SCALE = 20
READY_S = 60.0
# By command, as the settings are by default: 60 and 100.
PATIENCE_MINUTES = float(os.environ.get("MARKING_PATIENCE_MINUTES", "3"))
STATION_PLACES = int(os.environ.get("MARKING_STATION_PLACES", "24"))


def inns() -> Iterator[str]:
    """Organisations with right check digits, no two alike; several threads may ask."""
    return map(_inn, itertools.count(770_100_001))


def _inn(number: int) -> str:
    return next(f"{number}{digit}" for digit in range(10) if is_inn(f"{number}{digit}"))


@dataclass
class Worker:
    """A services process with its public and internal port."""

    name: str
    env: dict[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    internal: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, **more: str) -> None:
        own = {
            "GIFTMARK_WORKER_NAME": self.name,
            "GIFTMARK_SERVICES_PORT": str(self.port),
            "GIFTMARK_INTERNAL_PORT": str(self.internal),
        }
        with self.log.open("ab") as output:
            self.process = spawn(
                [sys.executable, "-m", "app", "worker", "--role", "services"],
                env={**os.environ, **self.env, **own, **more},
                cwd=ROOT,
                output=output,
            )

    def wait_ready(self) -> None:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()[-4_000:]
            if self._answers():
                return
            time.sleep(0.1)
        raise AssertionError(f"{self.name} is not ready\n{self.log.read_text()[-4_000:]}")

    def _answers(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.internal}/health/ready"
            return httpx.get(url, timeout=2, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(10)

    def send(self, number: signal.Signals) -> None:
        """To the whole session: the trampoline has become the worker itself."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> int:
        assert self.process is not None
        self.send(signal.SIGTERM)
        return self.process.wait(20)

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels; 0 when it was never counted."""
        text = httpx.get(f"http://127.0.0.1:{self.internal}/metrics", trust_env=False).text
        found = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return sum(float(value) for key, value in found if key.split("{", 1)[0] == name)


@dataclass
class Caller:
    """A user with an API key; every POST has a key of its own unless one is given."""

    http: httpx.Client

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.http.get(PREFIX + path, params=query)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return self.http.post(PREFIX + path, json={} if body is None else body, headers=headers)

    def put(self, path: str, body: Any) -> httpx.Response:
        return self.http.put(PREFIX + path, json=body)

    def delete(self, path: str) -> httpx.Response:
        return self.http.delete(PREFIX + path)

    def ok(self, answer: httpx.Response) -> Any:
        assert answer.is_success, f"{answer.status_code} {answer.text}"
        return answer.json()


def environment(dsn: str, kafka: str, sandbox: str) -> dict[str, str]:
    """What every worker of a session shares; time runs twenty times as fast as said."""
    return {
        **{variable(name): new_key() for name in NAMES},
        "GIFTMARK_KAFKA_URL": kafka,
        "GIFTMARK_DATABASE_URL": dsn,
        "GIFTMARK_SANDBOX_URL": sandbox,
        "GIFTMARK_MARKING_TIME_SCALE": str(SCALE),
        "GIFTMARK_ORDER_TIMEOUT_MINUTES": str(PATIENCE_MINUTES),
        "GIFTMARK_SUZ_MAX_QUEUED_ORDERS": str(STATION_PLACES),
        "GIFTMARK_CREATED_LIMIT_S": "100",
        "GIFTMARK_MARKING_RECONCILE_DELAYS_S": "10,30,121",
        "GIFTMARK_HTTP_READ_S": "100",
        "GIFTMARK_HTTP_CONNECT_S": "60",
        "GIFTMARK_MARKING_SEND_WINDOW_S": "40",
        "GIFTMARK_MARKING_DRAIN_S": "3",
        "GIFTMARK_SESSION_TIMEOUT_S": "6",
        "GIFTMARK_LOG_LEVEL": "INFO",
    }
