"""The processes that `up` keeps running beside the broker and the database."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from app.clients_store import embedded_clients
from app.free_port import free_port, usable_port
from app.processes import ProcessSpec

CHECKOUT = Path(__file__).resolve().parent.parent
PYTHON = (sys.executable, "-m")


def fleet(*, workers: int, data: Path) -> list[ProcessSpec]:
    """The emulators of foreign systems, N ledger workers on one public port, a services worker."""
    emulator, gateway = sandbox(data / "sandbox"), sms_gateway()
    public, services = usable_port(8080), usable_port(8081)
    shared = {
        "GIFTMARK_DATA_DIR": str(data / "workers"),
        "GIFTMARK_PUBLIC_PORT": str(public),
        "GIFTMARK_PUBLIC_URL": f"http://127.0.0.1:{public}",
        "GIFTMARK_SERVICES_PORT": str(services),
        "GIFTMARK_SERVICES_URL": f"http://127.0.0.1:{services}",
        "GIFTMARK_SANDBOX_URL": emulator.address,
        "GIFTMARK_SMS_URL": os.environ.get("GIFTMARK_SMS_URL", gateway.address),
        "GIFTMARK_CLIENTS_FILE": os.environ.get("GIFTMARK_CLIENTS_FILE")
        or str(embedded_clients(data)),
    }
    ledger = [
        worker(f"ledger-{number}", role="ledger", env=shared, port=public)
        for number in range(1, workers + 1)
    ]
    service = worker("services", role="services", env=shared, port=services)
    return [emulator, gateway, *ledger, service]


def worker(name: str, *, role: str, env: Mapping[str, str], port: int) -> ProcessSpec:
    internal = free_port()
    return ProcessSpec(
        name=name,
        command=(*PYTHON, "app", "worker", "--role", role),
        env={**env, "GIFTMARK_WORKER_NAME": name, "GIFTMARK_INTERNAL_PORT": str(internal)},
        cwd=CHECKOUT,
        address=f"http://127.0.0.1:{port}",
        health=f"http://127.0.0.1:{internal}/health/ready",
    )


def sandbox(data: Path) -> ProcessSpec:
    data.mkdir(parents=True, exist_ok=True)
    port = free_port()
    scale = os.environ.get("GIFTMARK_MARKING_TIME_SCALE", "1")
    files = ("--key-file", str(data / "demo-key"), "--state-file", str(data / "world"))
    options = ("--port", str(port), "--time-scale", scale, *files)
    address = f"http://127.0.0.1:{port}"
    return ProcessSpec(
        name="sandbox",
        command=(*PYTHON, "deploy.sandbox", *options),
        cwd=CHECKOUT,
        address=address,
        health=f"{address}/_sandbox/health",
    )


def sms_gateway() -> ProcessSpec:
    """Its first page shows what was sent to people."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    return ProcessSpec(
        name="sms",
        command=(*PYTHON, "deploy.sandbox_sms", "--port", str(port)),
        cwd=CHECKOUT,
        address=address,
        health=f"{address}/_sms/health",
    )


def demo(shared: Mapping[str, str]) -> ProcessSpec:
    """What `up --once` runs to its end, with the addresses that the workers have."""
    return ProcessSpec("demo", (*PYTHON, "app", "demo"), env=dict(shared), cwd=CHECKOUT)
