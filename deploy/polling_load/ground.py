"""Broker, database, emulator and services workers of one run."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import msgspec

from app.contracts.topics import manifest
from app.embedded_kafka import KafkaBroker
from app.embedded_postgres import PostgresServer
from app.free_port import free_port
from app.kafka_access import KafkaAccess
from app.migrations import migrate
from app.secrets_store import embedded_secrets, variable
from app.tether import end, spawn
from app.topics_admin import ensure_topics
from deploy.polling_load.seeding import Load, Place
from deploy.sandbox.driver import ROOT, running

PARTITIONS = 4
READY_S = 90.0
STOP_S = 20.0


class Ground(msgspec.Struct, frozen=True):
    """What stands before the first worker does."""

    place: Place
    environment: dict[str, str]
    data: Path


@contextmanager
def standing(data: Path, load: Load) -> Iterator[Ground]:
    """Everything but the workers, fresh; all of it ends with the block."""
    with ExitStack() as stack:
        sandbox = stack.enter_context(running(load.scale))
        server = PostgresServer(data / "postgres", durable=False)
        dsn = server.start()
        stack.callback(server.stop)
        migrate(dsn)
        secrets = embedded_secrets(data, {})
        broker = KafkaBroker(data / "broker")
        kafka = broker.start()
        stack.callback(broker.stop)
        asyncio.run(ensure_topics(KafkaAccess(kafka), manifest(PARTITIONS, PARTITIONS)))
        environment = {
            **secrets,
            "GIFTMARK_KAFKA_URL": kafka,
            "GIFTMARK_DATABASE_URL": dsn,
            "GIFTMARK_DATA_DIR": str(data),
            "GIFTMARK_SANDBOX_URL": sandbox,
            "GIFTMARK_MARKING_TIME_SCALE": str(load.scale),
            "GIFTMARK_MARKING_SUZ_POLL_MODE": load.mode,
        }
        place = Place(dsn, sandbox, secrets[variable("marking_secret_keys")])
        yield Ground(place, environment, data)


@contextmanager
def working(ground: Ground, count: int) -> Iterator[list[int]]:
    """Process ids of services workers that are ready."""
    with ExitStack() as stack:
        started = [_start(ground, f"load-{number}") for number in range(1, count + 1)]
        for process, _ in started:
            stack.callback(end, process, stop_signal=signal.SIGTERM, patience_s=STOP_S)
        for process, port in started:
            _wait_ready(process, port)
        yield [process.pid for process, _ in started]


def _start(ground: Ground, name: str) -> tuple[subprocess.Popen[bytes], int]:
    internal = free_port()
    own = {
        "GIFTMARK_WORKER_NAME": name,
        "GIFTMARK_SERVICES_PORT": str(free_port()),
        "GIFTMARK_INTERNAL_PORT": str(internal),
    }
    with (ground.data / f"{name}.log").open("ab") as output:
        process = spawn(
            [sys.executable, "-m", "app", "worker", "--role", "services"],
            env={**os.environ, **ground.environment, **own},
            cwd=ROOT,
            output=output,
        )
    return process, internal


def _wait_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"a worker ended with {process.returncode}")
        try:
            url = f"http://127.0.0.1:{port}/health/ready"
            if httpx.get(url, timeout=2, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError("a worker is not ready")
