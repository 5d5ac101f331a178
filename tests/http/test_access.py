"""The clients file: secrets, rotation, reload, and files that are refused."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.http.worker import SECRET
from web.access import Client, Clients, ClientsFileInvalid
from web.problems import Problem
from web.velocity import PAIRS_MAX, Velocity


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def entry(**change: Any) -> dict[str, Any]:
    return {"id": "c", "secrets": [digest(SECRET)], "scopes": ["pos"], "channel": "POS", **change}


def write(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"clients": entries}))
    return path


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        f"Basic c.{SECRET}",
        "Bearer c.wrong",
        f"Bearer d.{SECRET}",
        f"Bearer {SECRET}",
        "Bearer c.",
        f"Bearer c.{digest(SECRET)}",
        "Bearer c.\udce9",
    ],
)
def test_anything_but_the_secret_is_nobody(tmp_path: Path, header: str | None) -> None:
    assert Clients(write(tmp_path / "c.json", entry())).authenticated(header) is None


def test_two_secrets_live_while_one_replaces_the_other(tmp_path: Path) -> None:
    secrets = [digest("old"), digest("new")]
    clients = Clients(write(tmp_path / "c.json", entry(secrets=secrets)))
    assert clients.authenticated("Bearer c.old")
    assert clients.authenticated("bearer c.new")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"scopes": ["pos", "operator"]}, "pos and operator"),
        ({"scopes": ["root"]}, "scopes"),
        ({"secrets": []}, "secrets"),
        ({"secrets": ["plain"]}, "secrets"),
        ({"secrets": [digest("1"), digest("2"), digest("3")]}, "secrets"),
        ({"channel": "MAIL"}, "channel"),
        ({"surfaec": "public"}, "surfaec"),
        ({"id": "a.b"}, "id"),
    ],
)
def test_a_faulty_file_is_refused_by_field(
    tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    with pytest.raises(ClientsFileInvalid, match=word):
        Clients(write(tmp_path / "c.json", entry(**change)))


def test_a_missing_file_and_a_repeated_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ClientsFileInvalid, match=r"absent\.json"):
        Clients(tmp_path / "absent.json")
    with pytest.raises(ClientsFileInvalid, match="twice"):
        Clients(write(tmp_path / "c.json", entry(), entry()))


def test_without_a_file_nobody_is_known() -> None:
    assert Clients(None).authenticated(f"Bearer c.{SECRET}") is None


def test_a_changed_file_is_taken_over_and_a_broken_one_is_not(tmp_path: Path) -> None:
    path = write(tmp_path / "c.json", entry())
    clients = Clients(path)
    assert not clients.reload()
    write(path, entry(id="other-client"))
    assert clients.reload()
    assert clients.authenticated(f"Bearer c.{SECRET}") is None
    path.write_text("{")
    assert not clients.reload()
    assert clients.authenticated(f"Bearer other-client.{SECRET}")


def client(**change: Any) -> Client:
    return Client(id="c", secrets=(), scopes=frozenset(), channel="POS", **change)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_refills_with_time() -> None:
    clock = Clock()
    velocity = Velocity(clock)
    velocity.take(client(requests_per_s=1))
    with pytest.raises(Problem, match="TooManyRequests"):
        velocity.take(client(requests_per_s=1))
    clock.now += 1
    velocity.take(client(requests_per_s=1))


def test_a_blocked_pair_is_served_again_after_ten_minutes() -> None:
    clock = Clock()
    velocity = Velocity(clock)
    for _ in range(20):
        velocity.refuse_blocked("c", "T")
        velocity.missed("c", "T")
    with pytest.raises(Problem, match="TooManyRequests"):
        velocity.refuse_blocked("c", "T")
    clock.now += 600
    velocity.refuse_blocked("c", "T")


def test_misses_spread_over_more_than_ten_minutes_do_not_add_up() -> None:
    clock = Clock()
    velocity = Velocity(clock)
    for _ in range(40):
        velocity.missed("c", "T")
        clock.now += 61
    velocity.refuse_blocked("c", "T")


def test_the_memory_of_pairs_is_bounded() -> None:
    velocity = Velocity(Clock())
    for n in range(PAIRS_MAX + 5):
        velocity.missed("c", str(n))
    assert len(velocity._pairs) == PAIRS_MAX
