"""Foreseeable mistakes end in a sentence, not in a traceback."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from app.cli import cli
from app.clients_store import embedded_clients
from app.command_progress import records_read
from app.marking_settings import marking_settings
from app.migrations import migrate
from app.secrets_store import NAMES, new_key, variable
from app.settings import settings

NOWHERE = "127.0.0.1:1"
Run = Callable[..., Result]


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs a command with the keys of an installation whose broker is away."""
    keys = {variable(name): new_key() for name in NAMES}
    absent = dict.fromkeys(("GIFTMARK_DATABASE_URL", "DATABASE_URL", "GIFTMARK_CLIENTS_FILE"))

    def run(*words: str, **env: str) -> Result:
        settings.cache_clear()
        given = {**keys, **absent, "GIFTMARK_KAFKA_URL": NOWHERE, "COLUMNS": "200", **env}
        return CliRunner().invoke(cli, words, env=given)

    yield run
    settings.cache_clear()
    marking_settings.cache_clear()


@pytest.mark.parametrize(
    "words",
    [("verify",), ("topics",), ("topics", "--create")],
)
def test_a_broker_that_is_away_is_named(run: Run, words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert f"cannot reach the broker at {NOWHERE}" in done.output


def test_it_is_named_beside_a_database_too(run: Run, postgres: str) -> None:
    migrate(postgres)
    for words in (("verify", "--mart"), ("mart", "rebuild", "--kafka", NOWHERE)):
        done = run(*words, GIFTMARK_DATABASE_URL=postgres)
        assert done.exit_code == 2, done.output
        assert f"cannot reach the broker at {NOWHERE}" in done.output


@pytest.mark.parametrize("words", [("migrate",), ("users", "add", "anna")])
def test_a_database_that_is_away_is_said(run: Run, words: tuple[str, ...]) -> None:
    done = run(*words, GIFTMARK_DATABASE_URL=f"postgresql://x@{NOWHERE}/x")
    assert done.exit_code == 2
    assert "the database does not answer" in done.output


def test_the_demo_needs_callers_and_their_secrets(run: Run, tmp_path: Path) -> None:
    done = run("demo")
    assert done.exit_code == 2
    assert "GIFTMARK_CLIENTS_FILE names no callers" in done.output
    foreign = tmp_path / "clients.json"
    done = run("demo", GIFTMARK_CLIENTS_FILE=str(foreign))
    assert done.exit_code == 2
    assert "holds no secret of the client till" in done.output
    done = run("demo", GIFTMARK_CLIENTS_FILE=str(embedded_clients(tmp_path)))
    assert done.exit_code == 2
    assert f"cannot reach the broker at {NOWHERE}" in done.output


def test_a_services_worker_needs_a_database(run: Run) -> None:
    done = run("worker", "--role", "services")
    assert done.exit_code == 2
    assert "set DATABASE_URL" in done.output


def test_a_load_before_any_up_asks_for_a_token(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "gifts.csv"
    file.write_text("code,nominal\n")
    done = run("load", str(file), "--data", str(tmp_path / "none"))
    assert done.exit_code == 2
    assert "give --token, or --data, the folder of a running `up`" in done.output


def test_a_file_in_another_encoding_is_refused(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "gifts.csv"
    file.write_bytes("code,nominal,причина\n".encode("cp1251"))
    done = run("load", str(file), "--token", "loader.of-a-test")
    assert done.exit_code == 1
    assert "not loaded: 'utf-8' codec" in done.output


def test_records_are_counted_while_they_are_read() -> None:
    terminal = io.StringIO()
    with records_read(Console(file=terminal, force_terminal=True)) as told:
        told(5_000)
        told(10)
    assert "5,010 records read" in terminal.getvalue()
