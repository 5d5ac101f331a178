"""The machine that `up` starts: it keeps its data, comes back after kills and leaves nothing."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import psycopg2
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from rich.console import Console

from app import supervisor
from app.contracts.topics import Topic
from app.embedded_kafka import KafkaBroker
from app.embedded_postgres import PostgresError, PostgresServer
from app.kafka_access import KafkaAccess
from app.processes import ProcessSpec, TendedProcess
from app.supervisor import only_one
from app.topics_admin import ensure_topics
from app.up_view import UpView

UP = """
import sys
from pathlib import Path
from app.supervisor import up
sys.exit(up(workers=1, data=Path(sys.argv[1])))
"""


async def first_record(address: str) -> bytes | None:
    consumer = AIOKafkaConsumer("kept", bootstrap_servers=address, auto_offset_reset="earliest")
    async with consumer:
        value: bytes | None = (await consumer.getone()).value
        return value


async def test_a_killed_broker_keeps_its_records_and_its_port(broker: KafkaBroker) -> None:
    address = broker.bootstrap
    await ensure_topics(KafkaAccess(address), [Topic("kept", 1, {})])
    async with AIOKafkaProducer(bootstrap_servers=address, acks="all") as producer:
        await producer.send_and_wait("kept", b"before the kill")
    broker.kill()
    assert broker.start() == address
    assert await first_record(address) == b"before the kill"
    broker.stop()
    successor = KafkaBroker(broker.data)
    try:
        assert await first_record(successor.start()) == b"before the kill"
    finally:
        successor.stop()


def test_a_second_start_of_the_database_continues_its_data(tmp_path: Path) -> None:
    first = PostgresServer(tmp_path, durable=False)
    with closing(psycopg2.connect(first.start())) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 'before the kill' AS words")
        connection.commit()
    first.kill()
    second = PostgresServer(tmp_path, durable=False)
    with closing(psycopg2.connect(second.start())) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT words FROM kept")
        assert cursor.fetchone() == ("before the kill",)
    second.stop()


def test_every_test_gets_an_empty_database(postgres: str) -> None:
    with closing(psycopg2.connect(postgres)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert cursor.fetchone() == (0,)


@contextmanager
def running_up(data: Path) -> Iterator[subprocess.Popen[str]]:
    """`up` on that data, once its workers were started for the first time."""
    command = (sys.executable, "-c", UP, str(data))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            started = any("services:" in line for line in iter(parent.stdout.readline, ""))
            assert started, "up ended before it started its workers"
            yield parent
        finally:
            parent.kill()


def family(parent: subprocess.Popen[str]) -> list[psutil.Process]:
    children = psutil.Process(parent.pid).children(recursive=True)
    names = {child.name() for child in children}
    assert {"java", "postgres"} <= names
    return children


def left_after(parent: subprocess.Popen[str], stop_signal: int) -> list[psutil.Process]:
    """Who of the family is still there when ten seconds have passed since the signal."""
    members = [*family(parent), psutil.Process(parent.pid)]
    parent.send_signal(stop_signal)
    return psutil.wait_procs(members, timeout=10)[1]


def test_nothing_outlives_up(tmp_path: Path) -> None:
    with running_up(tmp_path) as parent:
        assert left_after(parent, signal.SIGKILL) == []
    secrets = (tmp_path / "secrets.json").read_bytes()
    with running_up(tmp_path) as parent:
        assert_commands_find_it(tmp_path / "env")
        assert left_after(parent, signal.SIGTERM) == []
        assert parent.wait() == 0
    assert (tmp_path / "secrets.json").read_bytes() == secrets
    assert not (tmp_path / "env").exists()


def assert_commands_find_it(env: Path) -> None:
    """A shell that has read the file runs commands on the topics and keys of this `up`."""
    assert env.stat().st_mode & 0o077 == 0
    shell = f'set -a; . {env}; "$0" -m app topics && "$0" -m app config'
    bare = {"PATH": os.environ["PATH"]}
    command = ("bash", "-c", shell, sys.executable)
    done = subprocess.run(command, env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "worker_name = 'worker-1'" in done.stdout
    secrets = json.loads((env.parent / "secrets.json").read_text())
    assert not [name for name, value in secrets.items() if value in done.stdout]
    assert re.search(r"database_url = 'postgresql://\*\*\*@", done.stdout)


def test_the_embedded_broker_is_not_asked_for_tls(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "app", "up", "--data", str(tmp_path))
    env = {"PATH": os.environ["PATH"], "GIFTMARK_KAFKA_SECURITY_PROTOCOL": "SSL"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "SECURITY_PROTOCOL is for a broker named by KAFKA_URL" in done.stdout


@pytest.mark.parametrize(("once", "code"), [(True, 130), (False, 0)])
def test_only_an_interrupted_demo_counts_as_not_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, once: bool, code: int
) -> None:
    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(supervisor, "run", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert supervisor.up(data=tmp_path, once=once) == code
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("live", [True, False])
def test_the_view_names_the_exit_code_and_the_log(tmp_path: Path, *, live: bool) -> None:
    dying = TendedProcess(ProcessSpec("dying", ("sh", "-c", "exit 7")), tmp_path / "dying.log")
    dying.start()
    assert dying.process is not None
    dying.process.wait()
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=live, width=300)
    with UpView(console, live=live) as view:
        assert not view.update([dying])
    assert f"exit code 7, see {dying.log}" in screen.getvalue()


def test_a_second_up_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with only_one(tmp_path):
        command = (sys.executable, "-c", UP, str(tmp_path))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "another `up` already runs on" in done.stdout


def test_a_server_comes_back_on_its_own_port_or_not_at_all(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path, durable=False)
    address = server.start()
    server.kill()
    with socket.create_server(("127.0.0.1", server.port)), pytest.raises(PostgresError):
        server.start()
    assert server.start() == address
    server.stop()
