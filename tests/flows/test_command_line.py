"""Foreseeable mistakes end in a sentence, not in a traceback."""

import io
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner, Result

from app import dead_letters_cli
from app.certificates.dead_letters.desk import HANDLED_MOST, Outcome, Who
from app.certificates.dead_letters.letters import Letter, Name, Wanted
from app.certificates.dead_letters.shelf import Listing
from app.cli import cli
from app.clients_store import embedded_clients
from app.command_progress import records_read
from app.contracts.topics import SALES, dead_letters_of
from app.marking_settings import marking_settings
from app.migrations import migrate
from app.secrets_store import NAMES, new_key, variable
from app.settings import settings

SALES_LETTERS = dead_letters_of(SALES)
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
    [("verify",), ("topics",), ("topics", "--create"), ("dead-letters", "list")],
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


def test_a_services_worker_needs_the_address_of_its_sandbox(run: Run, postgres: str) -> None:
    migrate(postgres)
    done = run("worker", "--role", "services", DATABASE_URL=postgres)
    assert done.exit_code == 2
    assert "settings: GIFTMARK_SANDBOX_URL: needed" in done.output


@pytest.mark.parametrize("policy", ["{", '{"hold_days": 1}', '{"results_max": 0}'])
def test_a_report_names_the_setting_that_is_no_policy(run: Run, postgres: str, policy: str) -> None:
    done = run("report", "liability", DATABASE_URL=postgres, GIFTMARK_POLICY=policy)
    assert done.exit_code == 2
    assert "settings: GIFTMARK_POLICY: " in done.output


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


class FullDesk:
    """Holds more open letters than are handled at once, and sends each again."""

    def __init__(self, count: int) -> None:
        names = [Name(SALES_LETTERS, 0, offset) for offset in range(count)]
        self.letters = [Letter(name, b"", b"", {}, 0) for name in names]

    async def listing(self, _wanted: Wanted, *, limit: int) -> Listing:
        return Listing(self.letters[:limit], Counter({"Undecodable": len(self.letters)}))

    async def replay(self, names: list[Name], _who: Who) -> list[Outcome]:
        assert len(names) <= HANDLED_MOST
        return [Outcome(str(name), "replayed") for name in names]


@pytest.mark.parametrize(("count", "said"), [(0, False), (1, True)])
def test_a_replay_and_a_list_say_what_they_leave_out(
    run: Run, monkeypatch: pytest.MonkeyPatch, *, count: int, said: bool
) -> None:
    monkeypatch.setattr(dead_letters_cli, "_desk", lambda: FullDesk(HANDLED_MOST + count))
    done = run("dead-letters", "replay", "--topic", SALES)
    assert done.exit_code == 0, done.output
    assert f"{HANDLED_MOST} done, 0 refused" in done.output
    assert ("1 more are open: repeat the command" in done.output) is said
    done = run("dead-letters", "list", "--limit", str(HANDLED_MOST))
    assert f"{HANDLED_MOST + count} open" in done.output
    assert (f"the first {HANDLED_MOST} shown" in done.output) is said


def test_records_are_counted_while_they_are_read() -> None:
    terminal = io.StringIO()
    with records_read(Console(file=terminal, force_terminal=True)) as told:
        told(5_000)
        told(10)
    assert "5,010 records read" in terminal.getvalue()


def without_help(command: Any, name: str) -> list[str]:
    """Commands, options and arguments below this command that say nothing of themselves."""
    silent = [f"{name} {one.name}" for one in command.params if not one.help]
    for word, below in getattr(command, "commands", {}).items():
        silent += [] if below.help else [word]
        silent += without_help(below, word)
    return silent


def test_every_command_and_option_has_a_help_text() -> None:
    assert without_help(get_command(cli), "app") == []
