"""Answers and refusals of SUZ as we read them."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.integrations import suz
from app.integrations.answers import Answer
from app.integrations.errors import (
    AnswerUnreadable,
    InvalidRequest,
    OutcomeUnknown,
    RetryClass,
    SignatureRefused,
    Unauthorized,
    Upstream,
)
from app.integrations.http import UpstreamClient
from app.integrations.redaction import Secret
from app.integrations.requests import Operation, by_station
from app.integrations.suz_answers import BufferWord, SuzOrderWord, WorkflowWord
from tests.clients.conftest import Claims, Connect, Watcher
from tests.clients.remote import Remote, sample

OMS = "0a0a0a0a-0000-4000-8000-00000000b001"
ORDER = "b2b2b2b2-0000-4000-8000-00000000e001"
GTIN = "04600000000015"
STATION = by_station("participant", OMS, client_token=Secret("client-token-1"))
BODY = '{"orderId": "…",  "odd":"spacing"}'.encode()
CMS = bytes(range(256)) * 12
Call = Callable[[UpstreamClient, Claims], Awaitable[Answer[Any]]]


def signed(name: str) -> Call:
    call = getattr(suz, name)
    return lambda client, claim: call(client, STATION, body=BODY, signature=CMS, claim=claim)


def codes(quantity: int = 2) -> Call:
    return lambda client, claim: suz.fetch_codes(
        client, STATION, order_id=ORDER, gtin=GTIN, quantity=quantity, claim=claim
    )


async def test_an_accepted_order_says_when_to_look(
    remote: Remote, connect: Connect, claim: Claims
) -> None:
    remote.says(sample("suz_order_accepted.json"))
    got = await signed("create_order")(connect(Upstream.SUZ), claim)
    assert (got.value.order_id, got.value.ready_after_ms) == (ORDER, 5_100)


@pytest.mark.parametrize(
    "body",
    [
        b'{"omsId":"x"}',
        b'{"orderId":7}',
        b'{"orderId":""}',
        b'{"orderId":"not-a-uuid"}',
        b'{"orderId":null}',
    ],
)
async def test_an_order_without_its_number_is_unknown_and_not_lost(
    *, remote: Remote, connect: Connect, claim: Claims, body: bytes
) -> None:
    remote.says(body)
    with pytest.raises(OutcomeUnknown):
        await signed("create_order")(connect(Upstream.SUZ), claim)


async def test_counters_of_minus_one_are_unknown_and_new_words_are_kept_and_counted(
    *, remote: Remote, connect: Connect, watcher: Watcher
) -> None:
    remote.says(sample("suz_order_status.json"))
    answer = await suz.order_status(connect(Upstream.SUZ), STATION, order_id=ORDER)
    active, rejected, keyless, odd = answer.value
    assert active.buffer_status is BufferWord.ACTIVE
    assert (active.total, active.available, active.passed, active.left) == (100, 60, 40, 60)
    assert active.expires_at_ms == 1_767_225_600_000
    assert (rejected.total, rejected.available, rejected.unavailable) == (None, None, None)
    assert rejected.rejection_reason is not None
    assert (keyless.buffer_status, keyless.passed) == (None, None)
    assert odd.buffer_status == "RESTING"
    assert odd.buffer_status is not None
    assert not odd.buffer_status.known
    assert odd.expires_at_ms == 1_767_225_600_000
    assert watcher.unknown == [(Upstream.SUZ, "BufferWord")]


async def test_a_list_is_read_whole_with_partial_buffers(remote: Remote, connect: Connect) -> None:
    remote.says(sample("suz_order_list.json"))
    got = (await suz.order_list(connect(Upstream.SUZ), STATION)).value
    declined, ready = got.order_infos
    assert declined.order_status is SuzOrderWord.DECLINED
    assert declined.production_order_id == "mk-0123456789abcdef0123456789abcdef-1"
    assert declined.buffers[0].buffer_status is None
    assert (ready.production_order_id, ready.created_at_ms) == (None, 1_760_000_001_000)


@pytest.mark.parametrize("body", [b"{}", b'{"omsId":"x"}', b'{"orderInfos":[{}]}'])
async def test_a_list_that_is_not_whole_is_no_lookup(
    remote: Remote, connect: Connect, body: bytes
) -> None:
    remote.says(body)
    with pytest.raises(AnswerUnreadable):
        await suz.order_list(connect(Upstream.SUZ), STATION)


async def test_codes_keep_every_symbol_and_show_none(
    remote: Remote, connect: Connect, claim: Claims
) -> None:
    remote.says(sample("suz_codes.json"))
    got = await codes()(connect(Upstream.SUZ), claim)
    first, second = got.value.codes
    assert first.startswith('0104600000000015215"(10)<&;,abcd\x1d91EE12\x1d92')
    assert len(second) == 85
    assert "0104600000000015" not in f"{got!r}{got.value!r}{got}{got.value}"


@pytest.mark.parametrize("quantity", [0, -1, 150_001])
async def test_a_quantity_out_of_range_is_refused_before_the_claim(
    *, remote: Remote, connect: Connect, claim: Claims, quantity: int
) -> None:
    with pytest.raises(ValueError, match="quantity"):
        await codes(quantity)(connect(Upstream.SUZ), claim)
    assert (remote.seen, claim.digests) == ([], [])


async def test_blocks_are_listed_with_their_quantity(remote: Remote, connect: Connect) -> None:
    remote.says(sample("suz_blocks.json"))
    got = await suz.code_blocks(connect(Upstream.SUZ), STATION, order_id=ORDER, gtin=GTIN)
    assert [one.quantity for one in got.value.blocks] == [40, 60]


async def test_a_search_names_only_what_it_looks_for(remote: Remote, connect: Connect) -> None:
    remote.says(sample("suz_orders_search.json")).says(sample("suz_receipts.json"))
    client = connect(Upstream.SUZ)
    await suz.orders_search(
        client, STATION, wanted=suz.OrderFilter(production_order_ids=("mk-1", "mk-2"))
    )
    got = await suz.search_receipts(
        client,
        STATION,
        wanted=suz.ReceiptFilter(order_ids=(ORDER,), workflow_types=("CLOSE_ORDER",)),
    )
    assert remote.seen[0].json()["filter"] == {"productionOrderIds": ["mk-1", "mk-2"]}
    assert remote.seen[1].json()["filter"] == {
        "orderIds": [ORDER],
        "workflowTypes": ["CLOSE_ORDER"],
    }
    assert got.value.results[0].workflow is WorkflowWord.CLOSE_ORDER
    assert got.value.results[0].operations[0].details["reason"] == "EXHAUSTED"


async def test_closing_twice_is_told_by_its_number(
    remote: Remote, connect: Connect, claim: Claims
) -> None:
    remote.says(sample("suz_close_refused.json"), status=400)
    with pytest.raises(InvalidRequest) as caught:
        await signed("close_order")(connect(Upstream.SUZ), claim)
    assert 3370 in caught.value.failure.codes


async def test_a_token_of_another_station_is_no_token(
    remote: Remote, connect: Connect, claim: Claims
) -> None:
    remote.says(sample("suz_foreign_token.json"), status=400)
    with pytest.raises(Unauthorized) as caught:
        await signed("create_order")(connect(Upstream.SUZ), claim)
    assert "3f0e0d0c" not in str(caught.value)


async def test_an_attached_signature_is_told_as_such(
    remote: Remote, connect: Connect, claim: Claims
) -> None:
    remote.says(status=413)
    with pytest.raises(SignatureRefused):
        await signed("create_order")(connect(Upstream.SUZ), claim)


def test_what_changes_something_outside_is_never_safe() -> None:
    operations = [one for one in vars(suz).values() if isinstance(one, Operation)]
    classes = {one.path: one.retry_class for one in operations}
    assert len(classes) == 14
    assert {path for path, kind in classes.items() if kind is not RetryClass.SAFE} == {
        "/api/v3/order",
        "/api/v3/order/close",
        "/api/v3/codes",
        "/api/v3/utilisation",
        "/api/v3/dropout",
    }
    assert classes["/api/v3/utilisation"] is classes["/api/v3/dropout"] is RetryClass.NEVER
