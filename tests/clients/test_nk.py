"""Calls of NK as they go out, and its answers as we read them."""

import pytest

from app.integrations import nk
from app.integrations.errors import NotFound, Upstream
from app.integrations.redaction import Secret
from app.integrations.requests import by_apikey, by_bearer
from tests.clients.conftest import Connect, Watcher
from tests.clients.remote import Remote, sample

KEY = by_apikey("participant", Secret("key-1"))
BEARER = by_bearer("participant", Secret("token-1"))
GTIN = "04600000000015"


async def test_the_key_goes_into_the_query_and_excludes_the_token(
    remote: Remote, connect: Connect
) -> None:
    remote.says(sample("nk_feed_product.json")).says(sample("nk_feed_product.json"))
    client = connect(Upstream.NK)
    await nk.product(client, KEY, [GTIN])
    await nk.product(client, BEARER, [GTIN])
    by_key, by_token = remote.seen
    assert (by_key.path, by_key.query) == ("/v3/product", {"gtin": GTIN, "apikey": "key-1"})
    assert "Authorization" not in by_key.headers
    assert by_token.query == {"gtin": GTIN}
    assert by_token.headers["Authorization"] == "Bearer token-1"


async def test_several_cards_are_asked_in_one_list(remote: Remote, connect: Connect) -> None:
    remote.says(sample("nk_feed_product.json"))
    await nk.feed_product(connect(Upstream.NK), KEY, [GTIN, "04600000000022"])
    seen = remote.seen[0]
    assert seen.path == "/v3/feed-product"
    assert seen.query == {"gtins": f"{GTIN};04600000000022", "apikey": "key-1"}


async def test_a_card_is_read_with_its_flags_and_its_code_of_14_digits(
    *, remote: Remote, connect: Connect, watcher: Watcher
) -> None:
    remote.says(sample("nk_feed_product.json"))
    card = (await nk.feed_product(connect(Upstream.NK), KEY, [GTIN])).value[0]
    assert card.gtins == (GTIN,)
    assert (card.good_mark_flag, card.good_turn_flag, card.is_tech_gtin) == (True, True, False)
    assert card.good_status is nk.CardWord.PUBLISHED
    assert card.tnved == "6109100000"
    assert card.attribute(1) is None
    assert watcher.unknown == [(Upstream.NK, "CardWord")]


async def test_an_unknown_card_is_not_found(remote: Remote, connect: Connect) -> None:
    remote.says('{"apiversion":3,"error_message":"Данные не найдены"}', status=404)
    with pytest.raises(NotFound, match="Данные не найдены"):
        await nk.product(connect(Upstream.NK), KEY, [GTIN])


async def test_a_page_of_cards_is_read(remote: Remote, connect: Connect) -> None:
    remote.says(sample("nk_product_list.json"))
    page = (
        await nk.product_list(
            connect(Upstream.NK), KEY, limit=50, offset=100, good_status=nk.CardWord.PUBLISHED
        )
    ).value
    seen = remote.seen[0]
    assert seen.path == "/v4/product-list"
    assert seen.query == {
        "limit": "50",
        "offset": "100",
        "good_status": "published",
        "apikey": "key-1",
    }
    assert (page.total, page.goods[0].gtin14, page.goods[0].tnved) == (1, GTIN, "6109")


async def test_a_check_sends_only_the_lists_it_has(remote: Remote, connect: Connect) -> None:
    remote.says(sample("nk_mark_check.json"))
    got = (await nk.mark_check(connect(Upstream.NK), BEARER, gtins=[GTIN])).value
    seen = remote.seen[0]
    assert (seen.method, seen.path, seen.json()) == ("POST", "/v3/mark-check", {"gtins": [GTIN]})
    assert [one.is_marked_code for one in got.gtins] == [1, 2]
    assert [one.is_marked_code for one in got.tnveds] == [3]


@pytest.mark.parametrize("count", [0, 26])
async def test_cards_out_of_range_are_refused_before_the_call(
    remote: Remote, connect: Connect, count: int
) -> None:
    with pytest.raises(ValueError, match="gtins"):
        await nk.product(connect(Upstream.NK), KEY, [GTIN] * count)
    assert remote.seen == []


@pytest.mark.parametrize(("gtins", "tnveds"), [(0, 0), (101, 0), (60, 41)])
async def test_checks_out_of_range_are_refused_before_the_call(
    *, remote: Remote, connect: Connect, gtins: int, tnveds: int
) -> None:
    with pytest.raises(ValueError, match="gtins, tnveds"):
        await nk.mark_check(
            connect(Upstream.NK), KEY, gtins=[GTIN] * gtins, tnveds=["6109"] * tnveds
        )
    assert remote.seen == []
