"""One command for the whole product: servers, topics, schema, workers, a live view, a clean end."""

import asyncio
import os
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from rich.console import Console

from app.command_errors import broker_needed
from app.contact_keys import KEYS, ContactKeys
from app.embedded import EmbeddedServers
from app.embedded_kafka import BrokerError
from app.embedded_postgres import PostgresError
from app.fleet import demo, fleet
from app.kafka_jars import KafkaMissing
from app.kafka_settings import KafkaSettings
from app.migrations import MigrationRefused, migrate
from app.processes import ProcessSpec, Supervisor
from app.secrets_store import (
    SecretsMissing,
    embedded_secrets,
    required_secrets,
    variable,
    write_private,
)
from app.settings import Settings
from app.tether import end, spawn
from app.topics_admin import TopicRefused, ensure_topics
from app.up_view import UpView
from app.users_cli import first_admin

TICK_S = 0.5
READY_TIMEOUT_S = 120.0
INTERRUPTED = 128 + signal.SIGINT
OURS = ("GIFTMARK_", "KAFKA_URL", "DATABASE_URL")
ONE_WORKER = frozenset({"GIFTMARK_WORKER_NAME", "GIFTMARK_INTERNAL_PORT"})


class UpRefused(RuntimeError):
    """The product cannot run like this; the text says why."""


REFUSALS = (
    BrokerError,
    KafkaMissing,
    MigrationRefused,
    PostgresError,
    SecretsMissing,
    TopicRefused,
    UpRefused,
)


def up(*, workers: int = 2, data: Path = Path(".data"), once: bool = False) -> int:
    """Runs the product until a signal or, with `once`, until the demo ends; the exit code."""
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with only_one(data.resolve()) as folder:
            return run(folder, console, workers=workers, once=once)
    except KeyboardInterrupt:
        return INTERRUPTED if once else 0
    except REFUSALS as error:
        console.print(f"cannot run: {error}", style="red", highlight=False, markup=False)
        return 1


@contextmanager
def only_one(data: Path) -> Iterator[Path]:
    data.mkdir(parents=True, exist_ok=True)
    with (data / "up.lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError as error:
            raise UpRefused(f"another `up` already runs on {data}") from error
        yield data


def run(data: Path, console: Console, *, workers: int, once: bool) -> int:
    with ExitStack() as stack:
        servers = EmbeddedServers(data, os.environ)
        stack.callback(servers.stop)
        stack.callback(ignore_signals)
        prepare(data, servers, console=console)
        supervisor = Supervisor(fleet(workers=workers, data=data), logs=data / "logs")
        stack.callback(supervisor.stop)
        stack.callback(ignore_signals)
        supervisor.start()
        stack.callback(write_environment(data, supervisor).unlink)
        view = stack.enter_context(UpView(console, live=console.is_terminal and not once))
        if once:
            wait_until_ready(servers, supervisor, view=view)
            return run_to_end(
                demo(supervisor.processes[-1].spec.env), servers, supervisor=supervisor
            )
        while True:
            tick(servers, supervisor)
            view.update(supervisor.processes)


def write_environment(data: Path, supervisor: Supervisor) -> Path:
    """For commands beside this one: `set -a; . FILE`. Keys are in it: nobody else may read it."""
    told = {name: value for name, value in os.environ.items() if name.startswith(OURS)}
    told |= supervisor.processes[-1].spec.env or {}
    names = sorted(told.keys() - ONE_WORKER)
    write_private(data / "env", "".join(f"{name}={shlex.quote(told[name])}\n" for name in names))
    return data / "env"


def ignore_signals() -> None:
    """An impatient second Ctrl-C must not leave the end half done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def prepare(data: Path, servers: EmbeddedServers, *, console: Console) -> None:
    """Secrets, servers, topics and schema; their names go to the environment of all children."""
    if servers.broker_is_ours and KafkaSettings().kafka.security:
        raise UpRefused("GIFTMARK_KAFKA_SECURITY_PROTOCOL is for a broker named by KAFKA_URL")
    secrets = own_secrets(data) if servers.broker_is_ours else required_secrets(os.environ)
    console.print("starting the broker and the database")
    addresses = servers.start()
    os.environ.update(secrets | addresses)
    for address in addresses.values():
        console.print(f"  {without_password(address)}", highlight=False)
    console.print(f"  data and logs in {data}", highlight=False, soft_wrap=True)
    settings = Settings()
    with broker_needed(settings.kafka):
        report = asyncio.run(ensure_topics(settings.kafka, settings.topics()))
    for difference in report.differences:
        if difference.field == "partitions":
            raise UpRefused(f"{difference}: the number of partitions never changes")
        console.print(f"topic {difference}", style="yellow", highlight=False)
    if settings.database_url:
        migrate(settings.database_url)
        password = asyncio.run(first_admin(settings.database_url))
        if password is not None:
            console.print(f"  marking: user admin, password {password} (shown once)")


def own_secrets(data: Path) -> dict[str, str]:
    """Those of the folder, unless the environment has others."""
    secrets = embedded_secrets(data, os.environ)
    contacts = ContactKeys(data)
    if secrets[variable(KEYS)] == contacts.text:
        contacts.note_use(datetime.now(UTC).date())
    return secrets


def without_password(address: str) -> str:
    """The part behind the sign that ends a user's name and password."""
    scheme, _, place = address.rpartition("@")
    return f"{scheme.partition(':')[0]}://{place}" if scheme else f"kafka://{place}"


def tick(servers: EmbeddedServers, supervisor: Supervisor) -> None:
    servers.tend()
    supervisor.tend()
    time.sleep(TICK_S)


def wait_until_ready(servers: EmbeddedServers, supervisor: Supervisor, *, view: UpView) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not view.update(supervisor.processes):
        if time.monotonic() > deadline:
            raise UpRefused(f"not ready after {READY_TIMEOUT_S:.0f} s: {view.late()}")
        tick(servers, supervisor)


def run_to_end(spec: ProcessSpec, servers: EmbeddedServers, *, supervisor: Supervisor) -> int:
    """The exit code of a command that speaks to the terminal while the others are tended."""
    process = spawn(spec.command, env={**os.environ, **spec.env}, cwd=spec.cwd)
    try:
        while process.poll() is None:
            tick(servers, supervisor)
    finally:
        code = end(process, stop_signal=signal.SIGTERM, patience_s=1.0)
    return code
