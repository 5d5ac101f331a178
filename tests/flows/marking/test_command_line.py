"""The command of the marking half: what it asks of the service, and how it ends."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app import marking_cli
from app.cli import cli
from app.embedded_postgres import PostgresServer
from app.marking import people
from app.marking.database import connect
from app.migrations import migrate
from deploy.sandbox.cards import gtin_of
from tests.flows.marking.stack import Stack

GTIN = gtin_of(1)


class Service(ThreadingHTTPServer):
    """Answers a POST with `made`, each GET with the next of `shown`, and keeps what was asked."""

    daemon_threads = False

    def __init__(self, shown: list[dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.shown = shown
        self.asked: list[tuple[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        self._answer(self.server.shown.pop(0))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path.removeprefix(marking_cli.PREFIX), body))
        self._answer(shown("INIT"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
        """Says nothing."""

    def _answer(self, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def shown(status: str, hold: str | None = None, *actions: str) -> dict[str, Any]:
    held = {"kind": hold, "text": f"text of {hold}"} if hold else None
    counts = {"stored": 0, "quantity": 1}
    return {
        "id": "42", "status": status, "status_text": "", "hold": held, "actions": actions, **counts
    }  # fmt: skip


@contextmanager
def service(*answers: dict[str, Any]) -> Iterator[Service]:
    with Service(list(answers)) as made:
        serving = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield made
        finally:
            made.shutdown()
            serving.join()


def run(*words: str, url: str = "http://127.0.0.1:1", key: str | None = "gmk_of_a_test") -> Result:
    env = {"GIFTMARK_SERVICES_URL": url, marking_cli.KEY: key, "COLUMNS": "200"}
    return CliRunner().invoke(cli, ["marking", *words], env=env)


@pytest.mark.parametrize("word", [f"{GTIN}:", f"{GTIN}:10x", f"{GTIN}:-1", f"{GTIN}:1:2"])
def test_a_quantity_that_is_none_orders_nothing(word: str) -> None:
    with service() as asked:
        refused = run("order", f"{GTIN}:3", word, url=asked.url)
    assert refused.exit_code == 2
    assert f"{word} is neither GTIN nor GTIN:QUANTITY" in refused.output
    assert asked.asked == []


def test_lines_are_ordered_as_they_are_named() -> None:
    with service() as asked:
        done = run("order", GTIN, f"{GTIN}:30", "--profile", "order_first", url=asked.url)
    assert done.exit_code == 0, done.output
    lines = [{"gtin": GTIN, "quantity": 1}, {"gtin": GTIN, "quantity": 30}]
    assert asked.asked == [("/orders", {"lines": lines, "profile": "order_first"})]


@pytest.mark.parametrize("words", [("order", GTIN), ("orders",), ("status", "42")])
def test_without_a_key_it_says_where_one_comes_from(words: tuple[str, ...]) -> None:
    refused = run(*words, key=None)
    assert refused.exit_code == 2
    assert "users add LOGIN --key" in refused.output
    assert "--key" in refused.output
    assert marking_cli.KEY in refused.output


@pytest.mark.parametrize("what", ["codes", "label"])
def test_no_code_is_issued_for_a_file_that_cannot_be_written(tmp_path: Path, what: str) -> None:
    for out in (tmp_path, tmp_path / "none" / "codes.txt"):
        with service() as asked:
            refused = run(what, "42", GTIN, "--out", str(out), url=asked.url)
        assert refused.exit_code == 2
        assert asked.asked == []


def test_a_service_that_is_away_is_named() -> None:
    away = run("orders")
    assert away.exit_code == 2
    assert "no answer from http://127.0.0.1:1: ConnectError" in away.output


@pytest.mark.parametrize(
    ("last", "code", "said"),
    [
        (shown("COMPLETED"), 0, "COMPLETED"),
        (shown("DECLINED"), 1, "DECLINED"),
        (shown("DOC_REJECTED"), 1, "DOC_REJECTED"),
        (shown("CANCELLED"), 1, "CANCELLED"),
        (shown("DOC_CHECKING", "attention", "retry"), 1, "waits for an operator"),
        (shown("DOC_CHECKING", "sign_in"), 1, "waits for a person who signs in"),
        (shown("EMITTING", "signature"), 1, "waits for a signature"),
        (shown("CLOSED", None, "introduce", "finish"), 1, "waits for an operator"),
    ],
)
def test_an_order_is_followed_to_its_end_or_to_a_person(
    monkeypatch: pytest.MonkeyPatch, last: dict[str, Any], *, code: int, said: str
) -> None:
    monkeypatch.setattr(marking_cli, "FOLLOW_S", 0.0)
    with service(shown("INIT"), shown("DOC_CHECKING", "upstream"), last) as asked:
        ended = run("order", GTIN, "--wait", url=asked.url)
        assert asked.shown == []
    assert ended.exit_code == code, ended.output
    assert "text of upstream" in ended.output
    assert said in ended.output


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("cancel",), {}),
        (("reorder-rejected",), {}),
        (("close", "--lost", "60"), {"waive_remaining": True, "expected_annulled": 60}),
        (("give-up", "--lost", "0"), {"expected_lost": 0}),
    ],
)
def test_an_action_is_asked_for(words: tuple[str, ...], body: dict[str, Any]) -> None:
    with service() as asked:
        done = run("do", "42", *words, url=asked.url)
    assert done.exit_code == 0, done.output
    assert asked.asked == [(f"/orders/42/{words[0]}", body)]


@pytest.mark.parametrize(
    "words", [("close",), ("give-up",), ("cancel", "--lost", "1"), ("withdraw",)]
)
def test_an_action_without_what_belongs_to_it_is_refused(words: tuple[str, ...]) -> None:
    with service() as asked:
        assert run("do", "42", *words, url=asked.url).exit_code == 2
    assert asked.asked == []


def test_beside_up_a_user_and_its_key_are_made_without_an_address(tmp_path: Path) -> None:
    words = ["users", "add", "anna", "--key", "--data", str(tmp_path)]
    env: dict[str, str | None] = {"GIFTMARK_DATABASE_URL": None, "DATABASE_URL": None}
    refused = CliRunner().invoke(cli, words, env=env)
    assert refused.exit_code == 2
    assert "none is set and none runs" in refused.output
    server = PostgresServer(tmp_path / "postgres", durable=False)
    try:
        migrate(server.start())
        made = CliRunner().invoke(cli, words, env=env)
        assert made.exit_code == 0, made.output
        key = made.output.partition("API key: ")[2].strip()
        person = asyncio.run(person_of(server.dsn(), key))
        listed = keys_of(tmp_path, env)
        for _ in range(2):
            revoke = ["users", "revoke", listed.split()[0], "--data", str(tmp_path)]
            assert CliRunner().invoke(cli, revoke, env=env).exit_code == 0
        stranger = asyncio.run(person_of(server.dsn(), key))
        unknown = ["users", "revoke", "42", "--data", str(tmp_path)]
        assert CliRunner().invoke(cli, unknown, env=env).exit_code == 1
        gone = keys_of(tmp_path, env)
    finally:
        server.stop()
    assert person is not None
    assert (person.login, person.is_admin) == ("anna", False)
    assert stranger is None
    assert [line.split()[1:] for line in (listed, gone)] == [
        ["anna", "first", "active"],
        ["anna", "first", "revoked"],
    ]


def keys_of(data: Path, env: dict[str, str | None]) -> str:
    told = CliRunner().invoke(cli, ["users", "keys", "--data", str(data)], env=env)
    assert told.exit_code == 0, told.output
    return told.output


async def person_of(dsn: str, key: str) -> people.Person | None:
    database = await connect(dsn, most=1)
    try:
        return await people.by_key(database, key)
    finally:
        await database.close()


def test_an_order_is_cancelled_by_its_operator(stack: Stack) -> None:
    shop = stack.shop(signer="browser")
    shop.sign_in()
    order = shop.order((GTIN, 1))["id"]
    shop.until_status(order, "DOC_SIGNING")
    url, key = stack.main.url, shop.key
    status = run("status", order, url=url, key=key)
    assert "cancel" in status.output
    done = run("do", order, "cancel", url=url, key=key)
    assert done.exit_code == 0, done.output
    assert done.output == f"{order} CANCELLED\n"
    assert shop.read(order)["status"] == "CANCELLED"
    assert run("do", order, "cancel", url=url, key=key).exit_code == 1
