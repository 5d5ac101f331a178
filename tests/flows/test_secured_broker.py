"""Brokers that ask who comes: workers and commands are let in, or told why they are not."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import cli
from app.embedded_postgres import PostgresServer
from app.kafka_settings import KafkaSettings
from app.migrations import migrate
from app.settings import settings
from tests.flows.secured import (
    BY_PLAIN,
    BY_SCRAM,
    PASSWORD,
    PROTOCOLS,
    SecuredCluster,
    Words,
    authority,
)

Way = tuple[str, Words]
Run = Callable[..., Result]
WAYS: dict[str, Way] = {
    "password in clear": ("CLEAR", BY_PLAIN),
    "SCRAM in clear": ("CLEAR", BY_SCRAM),
    "password over TLS": ("SEALED", BY_PLAIN),
    "certificate": ("MUTUAL", {}),
}
WRONG: Words = {"PASSWORD": "another-word"}
OTHER: Words = {"SASL_MECHANISM": "SCRAM-SHA-256"}
NO_PAPERS: Words = {"CERTIFICATE_FILE": None, "KEY_FILE": None}
REFUSED: dict[str, tuple[Way, str]] = {
    "wrong password": (("SEALED", BY_PLAIN | WRONG), "SaslAuthenticationFailed"),
    "wrong SCRAM password": (("SEALED", BY_SCRAM | WRONG), "SaslAuthenticationFailed"),
    "mechanism": (("CLEAR", BY_SCRAM | OTHER), "UnsupportedSaslMechanism"),
    "no certificate": (("MUTUAL", NO_PAPERS), "_ALERT_"),
}
NOBODY: Words = {"SECURITY_PROTOCOL": None, "CA_FILE": None, **NO_PAPERS}


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[SecuredCluster]:
    """A worker of each role, known by SCRAM over TLS."""
    folder, dsn = tmp_path_factory.mktemp("secured"), postgres_server.dsn()
    migrate(dsn)  # that of the server itself: all other tests have databases of their own
    cluster = SecuredCluster(folder, workers=1, services=1, database=dsn, partitions=1)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def run(cluster: SecuredCluster) -> Iterator[Run]:
    """Runs a command beside the worker that comes to the broker by a way of its own."""
    common = {name: cluster.env[name] for name in cluster.env if "KAFKA_" not in name}
    del common["GIFTMARK_SANDBOX_URL"]  # or the demo would order marking codes too
    common |= {"GIFTMARK_PUBLIC_URL": cluster.workers[0].url, "COLUMNS": "200"}

    def run(way: Way, *words: str) -> Result:
        settings.cache_clear()
        return CliRunner().invoke(cli, words, env={**common, **cluster.broker.told(*way)})

    yield run
    settings.cache_clear()


def test_workers_and_commands_work_by_scram_over_tls(cluster: SecuredCluster, run: Run) -> None:
    """From topics and tills through the journal to the public topics and the mart."""
    asyncio.run(cluster.ready())
    ledger = run(("SEALED", BY_SCRAM), "demo", "--certificates=10")
    assert "audit: 0 differences" in ledger.output
    mart = run(("SEALED", BY_SCRAM), "verify", "--mart")
    assert "reconciliation: 0 differences, 0 behind" in mart.output
    assert PASSWORD not in ledger.output + mart.output + cluster.logs()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_whom_the_broker_knows_it_lets_in(way: Way, run: Run) -> None:
    done = run(way, "topics")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("command", ["topics", "worker"])
@pytest.mark.parametrize("case", REFUSED)
def test_whom_it_does_not_know_is_told_why(case: str, command: str, run: Run) -> None:
    way, cause = REFUSED[case]
    done = run(way, command)
    assert done.exit_code == 2, done.output
    assert "cannot reach the broker at 127.0.0.1:" in done.output
    assert cause in done.output
    assert str(WRONG["PASSWORD"]) not in done.output


def test_a_broker_of_a_foreign_authority_is_not_trusted(run: Run, tmp_path: Path) -> None:
    foreign: Words = {"CA_FILE": str(authority(tmp_path / "foreign").certificate_file)}
    done = run(("SEALED", BY_PLAIN | foreign), "topics")
    assert done.exit_code == 2, done.output
    assert "CERTIFICATE_VERIFY_FAILED" in done.output


@pytest.mark.parametrize("listener", PROTOCOLS)
def test_who_does_not_say_who_it_is_comes_to_nothing(listener: str, run: Run) -> None:
    done = run((listener, NOBODY), "topics")
    assert done.exit_code == 2, done.output
    assert "cannot reach the broker at 127.0.0.1:" in done.output


def test_a_connection_is_closed_without_the_brokers_consent(tmp_path: Path) -> None:
    centre = authority(tmp_path / "authority")
    broker = centre.issue(tmp_path / "broker")
    known = KafkaSettings(
        kafka_security_protocol="SSL", kafka_ca_file=centre.certificate_file
    ).kafka
    asked = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    asked.load_cert_chain(broker.certificate_file, broker.key_file)
    forth, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = known.security["ssl_context"].wrap_bio(back, forth, server_hostname="127.0.0.1")
    theirs = asked.wrap_bio(forth, back, server_side=True)
    for side in (ours, theirs, ours, theirs):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    theirs.write(b"an answer on its way")
    assert ours.read() == b"an answer on its way"
    ours.unwrap()
    assert theirs.read() == b""
