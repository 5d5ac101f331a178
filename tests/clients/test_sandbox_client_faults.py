"""Our clients against the faults of the emulator, over real sockets."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest

from app.integrations import suz, true_api
from app.integrations.errors import (
    AnswerUnreadable,
    ConnectionBroken,
    InvalidRequest,
    RateLimited,
    ServerFailed,
    SignatureRefused,
    Unauthorized,
    Unexpected,
    UpstreamError,
)
from deploy.sandbox.driver import Player, order_form, running
from tests.clients.conftest import Claims, Watcher
from tests.clients.emulated import (
    INN,
    NUMBER,
    SHIRT,
    Upstreams,
    bearer,
    cms,
    order,
    order_body,
    orders_posted,
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


async def test_a_lost_answer_is_unknown_and_the_order_is_found_by_our_number(
    *, clients: Upstreams, player: Player, claim: Claims
) -> None:
    player.control(
        "POST", "/faults", {"operation": "suz.create_order", "when": "after", "action": "drop"}
    )
    with pytest.raises(ConnectionBroken):
        await order(clients, player, claim)
    listed = (await suz.order_list(clients.suz, station(player))).value.order_infos
    assert [one.production_order_id for one in listed] == [NUMBER]
    assert orders_posted(player) == 1


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"action": "status", "status": 502}, ServerFailed),
        ({"action": "status", "status": 500}, ServerFailed),
        ({"action": "status", "status": 408}, ServerFailed),
        ({"action": "status", "status": 503}, ServerFailed),
        ({"action": "status", "status": 401}, Unauthorized),
        ({"action": "status", "status": 406}, Unexpected),
        ({"action": "status", "status": 429, "retry_after_s": 3}, RateLimited),
        ({"action": "truncated_json"}, AnswerUnreadable),
        ({"action": "wrong_type"}, AnswerUnreadable),
    ],
)
async def test_a_fault_is_told_apart(
    *,
    clients: Upstreams,
    player: Player,
    claim: Claims,
    fault: dict[str, Any],
    expected: type[UpstreamError],
) -> None:
    player.control("POST", "/faults", {"operation": "suz.create_order", "when": "after"} | fault)
    with pytest.raises(expected) as caught:
        await order(clients, player, claim)
    assert player.client_token not in f"{caught.value}{caught.value.failure}"
    if expected is RateLimited:
        assert caught.value.retry_after_s == 3


async def test_a_field_nobody_knows_is_no_trouble(
    *, clients: Upstreams, player: Player, claim: Claims
) -> None:
    player.control(
        "POST",
        "/faults",
        {"operation": "suz.create_order", "when": "after", "action": "extra_field"},
    )
    assert await order(clients, player, claim)


async def test_a_dead_token_is_told_in_xml(clients: Upstreams, player: Player) -> None:
    player.control("POST", "/tokens", {"action": "expire", "kind": "true_api"})
    with pytest.raises(Unauthorized):
        await true_api.document_list(clients.true_api, bearer(player), sender_inn=INN)


async def test_an_attached_signature_is_told_as_such(
    *, clients: Upstreams, player: Player, claim: Claims
) -> None:
    body = order_body()
    with pytest.raises(SignatureRefused):
        await suz.create_order(
            clients.suz,
            station(player),
            body=body,
            signature=cms(player, body, detached=False),
            claim=claim,
        )


async def test_a_refused_order_names_its_fields(
    *, clients: Upstreams, player: Player, claim: Claims
) -> None:
    body = msgspec.json.encode(order_form((SHIRT[:-1] + "9", 1), (SHIRT, 0)))
    with pytest.raises(InvalidRequest) as caught:
        await suz.create_order(
            clients.suz,
            station(player),
            body=body,
            signature=cms(player, body),
            claim=claim,
        )
    assert any("products" in one.field for one in caught.value.failure.fields)


async def test_the_reports_are_taken_and_their_end_is_told(
    *, clients: Upstreams, player: Player, claim: Claims
) -> None:
    access = station(player)
    order_id = await order(clients, player, claim, count=2)
    pass_time(player, 60)
    block = await suz.fetch_codes(
        clients.suz, access, order_id=order_id, gtin=SHIRT, quantity=1, claim=claim
    )
    form = {"productGroup": "lp", "sntins": block.value.codes}
    for call, more in (
        (suz.report_utilisation, {"utilisationType": "UTILISATION"}),
        (suz.report_dropout, {"dropoutReason": "DEFECT"}),
    ):
        body = msgspec.json.encode(form | more)
        taken = await call(clients.suz, access, body=body, signature=cms(player, body), claim=claim)
        pass_time(player, 60)
        info = await suz.report_info(clients.suz, access, report_id=taken.value.report_id)
        assert info.value.report_status.known
