"""Calls of SUZ as they go out, and its answers as we read them."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.integrations import suz
from app.integrations.answers import Answer
from app.integrations.errors import (
    AnswerUnreadable,
    Upstream,
)
from app.integrations.http import UpstreamClient
from app.integrations.redaction import Secret
from app.integrations.requests import by_station
from tests.clients.conftest import Claims, Connect
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


def asked(name: str, **named: Any) -> Call:
    call = getattr(suz, name)
    return lambda client, _: call(client, STATION, **named)


def codes(quantity: int = 2) -> Call:
    return lambda client, claim: suz.fetch_codes(
        client, STATION, order_id=ORDER, gtin=GTIN, quantity=quantity, claim=claim
    )


SHEET = [
    (signed("create_order"), "POST", "/api/v3/order", {}, "suz_order_accepted.json"),
    (signed("close_order"), "POST", "/api/v3/order/close", {}, "suz_close.json"),
    (signed("report_utilisation"), "POST", "/api/v3/utilisation", {}, "suz_report_accepted.json"),
    (signed("report_dropout"), "POST", "/api/v3/dropout", {}, "suz_report_accepted.json"),
    (
        codes(),
        "GET",
        "/api/v3/codes",
        {"orderId": ORDER, "gtin": GTIN, "quantity": "2"},
        "suz_codes.json",
    ),
    (
        asked("order_status", order_id=ORDER),
        "GET",
        "/api/v3/order/status",
        {"orderId": ORDER},
        "suz_order_status.json",
    ),
    (
        asked("order_status", order_id=ORDER, gtin=GTIN),
        "GET",
        "/api/v3/order/status",
        {"orderId": ORDER, "gtin": GTIN},
        "suz_order_status.json",
    ),
    (asked("order_list"), "GET", "/api/v3/order/list", {}, "suz_order_list.json"),
    (
        asked("orders_search", wanted=suz.OrderFilter(production_order_ids=("mk-1",))),
        "POST",
        "/api/v3/orders/search",
        {},
        "suz_orders_search.json",
    ),
    (
        asked("code_blocks", order_id=ORDER, gtin=GTIN),
        "GET",
        "/api/v3/order/codes/blocks",
        {"orderId": ORDER, "gtin": GTIN},
        "suz_blocks.json",
    ),
    (
        asked("codes_retry", block_id="c3"),
        "GET",
        "/api/v3/order/codes/retry",
        {"blockId": "c3"},
        "suz_codes.json",
    ),
    (
        asked("report_info", report_id="d4"),
        "GET",
        "/api/v3/report/info",
        {"reportId": "d4"},
        "suz_report_info.json",
    ),
    (
        asked("search_receipts", wanted=suz.ReceiptFilter(production_order_ids=("mk-1",))),
        "POST",
        "/api/v3/receipts/receipt/search",
        {},
        "suz_receipts.json",
    ),
    (asked("ping"), "GET", "/api/v3/ping", {}, "suz_ping.json"),
    (asked("providers"), "GET", "/api/v3/providers", {}, "suz_providers.json"),
]


@pytest.mark.parametrize(
    ("call", "method", "path", "query", "answer"), SHEET, ids=[f"{row[2]}{row[3]}" for row in SHEET]
)
async def test_a_call_goes_out_as_published(
    *,
    remote: Remote,
    connect: Connect,
    claim: Claims,
    call: Call,
    method: str,
    path: str,
    query: dict[str, str],
    answer: str,
) -> None:
    remote.says(sample(answer))
    got = await call(connect(Upstream.SUZ), claim)
    seen = remote.seen[0]
    assert (seen.method, seen.path) == (method, path)
    assert seen.query == {"omsId": OMS, **query}
    assert seen.headers["clientToken"] == "client-token-1"
    assert seen.headers["Accept"] == "application/json"
    assert "Authorization" not in seen.headers
    assert got.body == sample(answer)


@pytest.mark.parametrize(
    "name", ["create_order", "close_order", "report_utilisation", "report_dropout"]
)
async def test_a_signed_call_sends_the_exact_body_and_a_signature_in_one_line(
    *, remote: Remote, connect: Connect, claim: Claims, name: str
) -> None:
    remote.says("{}")
    with pytest.raises(AnswerUnreadable):
        await signed(name)(connect(Upstream.SUZ), claim)
    seen = remote.seen[0]
    assert seen.body == BODY
    assert seen.headers["Content-Type"] == "application/json"
    assert base64.b64decode(seen.headers["X-Signature"], validate=True) == CMS
    assert len(claim.digests) == 1
