"""Our clients against the emulator, over real sockets: the whole way."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest

from app.integrations import nk, suz, true_api
from app.integrations.errors import (
    ChallengeGone,
    InvalidRequest,
    NotFound,
    Unauthorized,
)
from app.integrations.redaction import Secret
from app.integrations.requests import anonymous, by_apikey, by_bearer, by_station
from app.integrations.suz_answers import BufferWord, SuzOrderWord
from app.integrations.true_api_answers import CodeWord, DocumentWord
from deploy.sandbox.cards import gtin_of
from deploy.sandbox.driver import Player, introduction, running
from tests.clients.conftest import Claims, Watcher
from tests.clients.emulated import (
    INN,
    NUMBER,
    PARTICIPANT,
    SHIRT,
    SOCKS,
    TNVED,
    Upstreams,
    bearer,
    cms,
    order,
    pass_time,
    playing,
    station,
)


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture
def player(origin: str) -> Iterator[Player]:
    with playing(origin) as someone:
        yield someone


@pytest.fixture
async def clients(origin: str, watcher: Watcher) -> AsyncIterator[Upstreams]:
    opened = Upstreams(origin, watcher)
    yield opened
    await opened.aclose()


async def test_the_catalogue_answers(clients: Upstreams, player: Player) -> None:
    key = by_apikey(PARTICIPANT, Secret(str(player.passport["apikey"])))
    for access in (key, bearer(player)):
        card = (await nk.feed_product(clients.nk, access, [SHIRT])).value[0]
        assert (card.gtins, card.good_mark_flag) == ((SHIRT,), True)
    found = (await nk.product(clients.nk, key, [SHIRT, SOCKS])).value
    assert {gtin for card in found for gtin in card.gtins} == {SHIRT, SOCKS}
    page = (await nk.product_list(clients.nk, key, limit=10)).value
    assert len(page.goods) == 10
    assert page.goods[0].gtin14.isdigit()
    check = (await nk.mark_check(clients.nk, key, gtins=[SHIRT], tnveds=["61"])).value
    assert (check.gtins[0].is_marked_code, check.tnveds[0].is_marked_code) == (1, 3)
    with pytest.raises(NotFound):
        await nk.product(clients.nk, key, [gtin_of(5_000)])


async def test_both_sign_ins_give_tokens_that_work(
    *, clients: Upstreams, player: Player, claim: Claims
) -> None:
    tokens = []
    for connection in (None, str(player.passport["oms_connection"])):
        challenge = (await true_api.auth_key(clients.true_api, anonymous(PARTICIPANT))).value
        proof: dict[str, Any] = {
            "uuid": challenge.uuid,
            "signature": cms(player, challenge.data.encode(), detached=False),
            "claim": claim,
        }
        call = (
            true_api.sign_in_suz(
                clients.true_api, anonymous(PARTICIPANT), oms_connection=connection, **proof
            )
            if connection
            else true_api.sign_in(clients.true_api, anonymous(PARTICIPANT), **proof)
        )
        tokens.append((await call).value.token)
    mine, of_station = tokens
    assert (await true_api.balance(clients.true_api, by_bearer(PARTICIPANT, mine))).value.balance
    access = by_station(PARTICIPANT, player.oms_id, client_token=of_station)
    assert (await suz.ping(clients.suz, access)).value.oms_id == player.oms_id
    assert (await suz.providers(clients.suz, access)).http_status == 200
    with pytest.raises(Unauthorized):
        await suz.ping(clients.suz, station(player))
    with pytest.raises(ChallengeGone):
        await true_api.sign_in(clients.true_api, anonymous(PARTICIPANT), **proof)


async def test_an_order_goes_from_its_body_to_its_closing(
    *, clients: Upstreams, player: Player, claim: Claims
) -> None:
    access = station(player)
    order_id = await order(clients, player, claim, count=3)
    pass_time(player, 60)
    buffer = (await suz.order_status(clients.suz, access, order_id=order_id)).value[0]
    assert (buffer.buffer_status, buffer.total, buffer.passed) == (BufferWord.ACTIVE, 3, 0)
    listed = (await suz.order_list(clients.suz, access)).value.order_infos
    wanted = suz.OrderFilter(production_order_ids=(NUMBER,))
    searched = (await suz.orders_search(clients.suz, access, wanted=wanted)).value.results
    assert [one.order_id for one in listed] == [one.order_id for one in searched] == [order_id]
    assert listed[0].order_status is SuzOrderWord.READY

    goods = {"order_id": order_id, "gtin": SHIRT}
    block = await suz.fetch_codes(clients.suz, access, **goods, quantity=2, claim=claim)
    blocks = (await suz.code_blocks(clients.suz, access, **goods)).value.blocks
    assert [(one.block_id, one.quantity) for one in blocks] == [(block.value.block_id, 2)]
    again = await suz.codes_retry(clients.suz, access, block_id=block.value.block_id)
    assert again.value.codes == block.value.codes
    ledger = player.control("GET", f"/ledger?order_id={order_id}")
    assert [one["codes"] for one in ledger] == [block.value.codes]

    body = msgspec.json.encode({"orderId": order_id})
    signature = cms(player, body)
    await suz.close_order(clients.suz, access, body=body, signature=signature, claim=claim)
    pass_time(player, 60)
    receipts = suz.ReceiptFilter(order_ids=(order_id,), workflow_types=("CLOSE_ORDER",))
    found = (await suz.search_receipts(clients.suz, access, wanted=receipts)).value.results
    assert found[0].details.order_id == order_id
    assert found[0].workflow == "CLOSE_ORDER"
    with pytest.raises(InvalidRequest) as caught:
        await suz.close_order(clients.suz, access, body=body, signature=signature, claim=claim)
    assert 3370 in caught.value.failure.codes


async def test_codes_are_introduced_by_a_document(
    *, clients: Upstreams, player: Player, claim: Claims
) -> None:
    order_id = await order(clients, player, claim, count=2)
    pass_time(player, 60)
    block = await suz.fetch_codes(
        clients.suz, station(player), order_id=order_id, gtin=SHIRT, quantity=2, claim=claim
    )
    pass_time(player, 60)
    kis = [code[:31] for code in block.value.codes]
    access = bearer(player)
    known = (await true_api.cises_info(clients.true_api, access, kis)).value
    assert {one.cis_info.status for one in known} == {CodeWord.APPLIED}

    certificate = {
        "certificate_type": "CONFORMITY_DECLARATION",
        "certificate_number": "ЕАЭС N RU Д-RU.РА01.В.00001/25",
        "certificate_date": "2025-01-15",
    }
    goods = [
        {"uit_code": ki, "tnved_code": TNVED, "certificate_document_data": [certificate]}
        for ki in kis
    ]
    document = msgspec.json.encode(introduction(INN, goods))
    number = (
        await true_api.submit_document(
            clients.true_api,
            access,
            document=document,
            document_type="LP_INTRODUCE_GOODS",
            signature=cms(player, document),
            claim=claim,
        )
    ).value
    pass_time(player, 60)
    listed = await true_api.document_list(clients.true_api, access, sender_inn=INN, date_from_ms=0)
    entry = next(one for one in listed.value.results if one.number == number)
    assert (entry.status, entry.texts) == (DocumentWord.CHECKED_OK, ())
    info = (await true_api.document_info(clients.true_api, access, number=number)).value
    assert info.document == msgspec.json.decode(document)
