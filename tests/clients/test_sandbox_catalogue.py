"""The catalogue refuses flawed requests, and all three systems those that come too fast."""

from collections.abc import Iterator

import pytest

from deploy.sandbox.cards import (
    NOT_PUBLISHED,
    gtin_of,
)
from deploy.sandbox.driver import V3, Player, playing, running

SHIRT = gtin_of(1)


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture
def player(origin: str) -> Iterator[Player]:
    with playing(origin) as someone:
        yield someone


CATALOGUE = [
    ({"gtin": SHIRT}, {"Authorization": "Bearer x"}, 400),
    ({"apikey": "", "gtin": SHIRT}, {}, 400),
    ({"apikey": "wrong", "gtin": SHIRT}, {}, 401),
    ({"gtin": gtin_of(777)}, {}, 404),
    ({"gtin": gtin_of(NOT_PUBLISHED)}, {}, 404),
    ({"gtin": "04600000000016"}, {}, 400),
    ({"gtin": SHIRT, "gtins": SHIRT}, {}, 400),
    ({"gtins": ";".join(gtin_of(n) for n in range(1, 27))}, {}, 400),
    ({}, {}, 400),
]


@pytest.mark.parametrize(("params", "headers", "status"), CATALOGUE)
def test_a_flawed_catalogue_request_is_refused(
    player: Player, *, params: dict[str, str], headers: dict[str, str], status: int
) -> None:
    answer = player.catalogue("GET", "/v3/product", params=params, headers=headers)
    assert answer.status_code == status
    assert answer.json()["apiversion"] == 3


def test_mark_check_takes_a_hundred(player: Player) -> None:
    gtins = [gtin_of(n) for n in range(1, 101)]
    full = player.catalogue("POST", "/v3/mark-check", json={"gtins": gtins})
    over = player.catalogue("POST", "/v3/mark-check", json={"gtins": gtins, "tnveds": ["6109"]})
    assert (full.status_code, over.status_code) == (200, 400)


def test_calls_beyond_the_rate_are_429(player: Player) -> None:
    player.control(
        "PUT", "/switches", {"limits": {"suz_rps": 2, "nk_method": 1, "true_api_rps": 1}}
    )
    suz = [player.suz("GET", "/ping") for _ in range(3)][-1]
    card = [player.catalogue("GET", "/v3/product", params={"gtin": SHIRT}) for _ in "12"][-1]
    path, params = f"{V3}/elk/product-groups/balance", {"productGroupId": "1"}
    money = [player.true_api("GET", path, params=params) for _ in "12"][-1]
    assert [a.status_code for a in (suz, card, money)] == [429, 429, 429]
    assert int(card.headers["Retry-After"]) > 200
    assert suz.headers["Retry-After"] == "1"
