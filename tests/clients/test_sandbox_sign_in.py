"""Only the right signer gets tokens, and they serve as long and for what they should."""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from deploy.sandbox.driver import V3, V4, Player, playing, running

INN, PERSON = "7700000016", "500100732259"


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture
def player(origin: str) -> Iterator[Player]:
    with playing(origin, persons=[PERSON]) as someone:
        yield someone


def codes_of(answer: httpx.Response) -> list[int]:
    return [problem["errorCode"] for problem in answer.json()["globalErrors"]]


def test_a_foreign_token_is_1140_and_a_dead_one_401(origin: str, player: Player) -> None:
    with playing(origin, inn="7707083893", seed="other") as other:
        foreign = other.suz("GET", "/ping", headers={"clientToken": player.client_token})
    missing = player.suz("GET", "/ping", headers={"clientToken": ""})
    former = player.client_token
    player.sign_in()
    superseded = player.suz("GET", "/ping", headers={"clientToken": former})
    assert (foreign.status_code, codes_of(foreign)) == (400, [1140])
    assert (missing.status_code, superseded.status_code) == (401, 401)
    assert player.suz("GET", "/ping").status_code == 200
    player.assert_clean()


def test_tokens_expire(player: Player) -> None:
    player.pass_time(10 * 3600 + 1)
    dead = player.true_api("GET", f"{V4}/doc/list", params={"pg": "lp", "senderInn": INN})
    bare = player.http.get(f"{V4}/doc/list", params={"pg": "lp", "senderInn": INN})
    assert player.suz("GET", "/ping").status_code == 401
    assert dead.status_code == 401
    assert dead.text.startswith("<InvalidTokenException>")
    assert "error_message" in bare.json()


SIGN_IN_FLAWS = [
    ("empty", None, 400, "Тело запроса не может быть пустым"),
    ("no uuid", {"data": "x"}, 400, "идентификатор авторизации"),
    ("no data", {"uuid": "x"}, 400, "параметр data"),
    ("no CMS", {"uuid": "x", "data": "AAAA"}, 400, "Подпись не валидна"),
    ("bad inn", {"uuid": "x", "data": "AAAA", "inn": "12"}, 400, "В параметре inn"),
    (
        "inn beside unitedToken",
        {"data": "AAAA", "inn": INN, "unitedToken": True},
        400,
        "Одновременное заполнение",
    ),
    ("unknown field", {"uuid": "x", "data": "AAAA", "a": 1}, 400, "Unrecognized field"),
]


@pytest.mark.parametrize(
    ("form", "status", "text"), [r[1:] for r in SIGN_IN_FLAWS], ids=[r[0] for r in SIGN_IN_FLAWS]
)
def test_a_flawed_sign_in_is_explained(
    player: Player, *, form: Any, status: int, text: str
) -> None:
    body = b"" if form is None else msgspec.json.encode(form)
    headers = {"Content-Type": "application/json"}
    answer = player.http.post(f"{V3}/auth/simpleSignIn", content=body, headers=headers)
    assert answer.status_code == status
    assert text in answer.json()["error_message"]


SIGNERS = [
    ("organisation", False, None, 200),
    ("organisation", True, None, 400),
    ("expired", False, None, 403),
    ("foreign", False, None, 403),
    ("untrusted", False, None, 403),
    ("person", False, INN, 200),
    ("person", False, None, 403),
    ("person", False, "7707083893", 403),
]


@pytest.mark.parametrize(("kind", "detached", "inn", "status"), SIGNERS)
def test_only_the_right_signer_gets_a_token(
    player: Player, *, kind: str, detached: bool, inn: str | None, status: int
) -> None:
    pair = player.challenge()
    data = player.sign(pair["data"].encode(), detached=detached, kind=kind)
    form = {"uuid": pair["uuid"], "data": data, "inn": inn}
    connection = player.passport["oms_connection"]
    for path in (f"{V3}/auth/simpleSignIn", f"{V3}/auth/simpleSignIn/{connection}"):
        answer = player.http.post(path, json=form)
        assert answer.status_code == status, answer.text
        pair = player.challenge()
        form["uuid"] = pair["uuid"]
        form["data"] = player.sign(pair["data"].encode(), detached=detached, kind=kind)


def test_a_challenge_serves_once_and_dies(player: Player) -> None:
    pair = player.challenge()
    form = {"uuid": pair["uuid"], "data": player.sign(pair["data"].encode(), detached=False)}
    statuses = [player.http.post(f"{V3}/auth/simpleSignIn", json=form).status_code for _ in "12"]
    other = player.challenge()
    form["uuid"] = other["uuid"]
    mismatch = player.http.post(f"{V3}/auth/simpleSignIn", json=form)
    assert statuses == [200, 400]
    assert "Ошибка при проверке подписи" in mismatch.json()["error_message"]


def test_a_united_token_is_a_uuid_with_its_end(player: Player) -> None:
    form = {"data": player.sign(b"anything", detached=False), "unitedToken": True}
    answer = player.http.post(f"{V3}/auth/simpleSignIn", json=form).json()
    assert set(answer) == {"uuidToken", "expireDate"}
    assert answer["expireDate"].endswith("Z")
