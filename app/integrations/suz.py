"""Calls of SUZ, the station that emits codes."""

import base64
from typing import Final

import msgspec
from msgspec import Struct

from app.integrations.answers import Answer, read_json
from app.integrations.errors import RetryClass, Upstream
from app.integrations.http import UpstreamClient
from app.integrations.requests import Access, Claim, Operation, Outgoing, Patience
from app.integrations.suz_answers import (
    BlockList,
    Buffer,
    CloseAccepted,
    CodesBlock,
    OrderAccepted,
    OrderList,
    OrderPage,
    Pong,
    ProviderList,
    ReceiptPage,
    ReportAccepted,
    ReportInfo,
)

MOST_CODES_A_CALL: Final = 150_000
MOST_ORDERS_A_PAGE: Final = 100
MOST_RECEIPTS_A_PAGE: Final = 100


def _read(name: str, path: str, *, patience: Patience = "read") -> Operation:
    return Operation(Upstream.SUZ, name, RetryClass.SAFE, "GET", path, patience)


def _write(name: str, path: str, *, retry_class: RetryClass = RetryClass.RECONCILE) -> Operation:
    return Operation(Upstream.SUZ, name, retry_class, "POST", path, "suz_write")


CREATE_ORDER: Final = _write("create_order", "/api/v3/order")
CLOSE_ORDER: Final = _write("close_order", "/api/v3/order/close")
UTILISATION: Final = _write("utilisation", "/api/v3/utilisation", retry_class=RetryClass.NEVER)
DROPOUT: Final = _write("dropout", "/api/v3/dropout", retry_class=RetryClass.NEVER)
# A GET with an effect: every answer hands out other codes.
FETCH_CODES: Final = Operation(
    Upstream.SUZ, "fetch_codes", RetryClass.RECONCILE, "GET", "/api/v3/codes", "suz_write"
)
ORDER_STATUS: Final = _read("order_status", "/api/v3/order/status")
ORDER_LIST: Final = _read("order_list", "/api/v3/order/list", patience="suz_list")
ORDERS_SEARCH: Final = Operation(
    Upstream.SUZ, "orders_search", RetryClass.SAFE, "POST", "/api/v3/orders/search", "suz_list"
)
CODE_BLOCKS: Final = _read("code_blocks", "/api/v3/order/codes/blocks")
CODES_RETRY: Final = _read("codes_retry", "/api/v3/order/codes/retry", patience="suz_write")
REPORT_INFO: Final = _read("report_info", "/api/v3/report/info")
RECEIPT_SEARCH: Final = Operation(
    Upstream.SUZ, "receipt_search", RetryClass.SAFE, "POST", "/api/v3/receipts/receipt/search"
)
PING: Final = _read("ping", "/api/v3/ping")
PROVIDERS: Final = _read("providers", "/api/v3/providers")


class OrderFilter(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What `orders_search` looks for; moments in ms UTC."""

    start_created_timestamp: int | None = None
    end_created_timestamp: int | None = None
    production_order_ids: tuple[str, ...] = ()
    order_ids: tuple[str, ...] = ()


class ReceiptFilter(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What `search_receipts` looks for; moments in ms UTC, at most seven days apart."""

    start_create_doc_date: int | None = None
    end_create_doc_date: int | None = None
    order_ids: tuple[str, ...] = ()
    production_order_ids: tuple[str, ...] = ()
    workflow_types: tuple[str, ...] = ()


def x_signature(cms: bytes) -> tuple[str, str]:
    """The header of a detached signature over the exact body: base64 in one line."""
    return "X-Signature", base64.b64encode(cms).decode()


def _signed(
    operation: Operation, station: Access, *, body: bytes, signature: bytes, claim: Claim
) -> Outgoing:
    headers = (x_signature(signature),)
    return Outgoing(operation, station, headers=headers, body=body, claim=claim)


async def create_order(
    suz: UpstreamClient, station: Access, *, body: bytes, signature: bytes, claim: Claim
) -> Answer[OrderAccepted]:
    outgoing = _signed(CREATE_ORDER, station, body=body, signature=signature, claim=claim)
    return await suz.call(outgoing, lambda got: read_json(got, OrderAccepted))


async def close_order(
    suz: UpstreamClient, station: Access, *, body: bytes, signature: bytes, claim: Claim
) -> Answer[CloseAccepted]:
    """A second close of the same order is InvalidRequest with code 3370."""
    outgoing = _signed(CLOSE_ORDER, station, body=body, signature=signature, claim=claim)
    return await suz.call(outgoing, lambda got: read_json(got, CloseAccepted))


async def report_utilisation(
    suz: UpstreamClient, station: Access, *, body: bytes, signature: bytes, claim: Claim
) -> Answer[ReportAccepted]:
    outgoing = _signed(UTILISATION, station, body=body, signature=signature, claim=claim)
    return await suz.call(outgoing, lambda got: read_json(got, ReportAccepted))


async def report_dropout(
    suz: UpstreamClient, station: Access, *, body: bytes, signature: bytes, claim: Claim
) -> Answer[ReportAccepted]:
    outgoing = _signed(DROPOUT, station, body=body, signature=signature, claim=claim)
    return await suz.call(outgoing, lambda got: read_json(got, ReportAccepted))


async def fetch_codes(
    suz: UpstreamClient,
    station: Access,
    *,
    order_id: str,
    gtin: str,
    quantity: int,
    claim: Claim,
) -> Answer[CodesBlock]:
    """New codes of one buffer; after any doubt look at `code_blocks`, never ask again."""
    if not 1 <= quantity <= MOST_CODES_A_CALL:
        raise ValueError(f"quantity: {quantity} is not between 1 and {MOST_CODES_A_CALL}")
    query = (("orderId", order_id), ("gtin", gtin), ("quantity", str(quantity)))
    outgoing = Outgoing(FETCH_CODES, station, query=query, claim=claim)
    return await suz.call(outgoing, lambda got: read_json(got, CodesBlock))


async def order_status(
    suz: UpstreamClient, station: Access, *, order_id: str, gtin: str | None = None
) -> Answer[list[Buffer]]:
    query = (("orderId", order_id), *((("gtin", gtin),) if gtin else ()))
    outgoing = Outgoing(ORDER_STATUS, station, query=query)
    return await suz.call(outgoing, lambda got: read_json(got, list[Buffer]))


async def order_list(suz: UpstreamClient, station: Access) -> Answer[OrderList]:
    """Every order of the station; complete or an error, never a part."""
    outgoing = Outgoing(ORDER_LIST, station)
    return await suz.call(outgoing, lambda got: read_json(got, OrderList))


async def orders_search(
    suz: UpstreamClient, station: Access, *, wanted: OrderFilter, page: int = 0
) -> Answer[OrderPage]:
    body = msgspec.json.encode({"filter": wanted, "limit": MOST_ORDERS_A_PAGE, "page": page})
    outgoing = Outgoing(ORDERS_SEARCH, station, body=body)
    return await suz.call(outgoing, lambda got: read_json(got, OrderPage))


async def code_blocks(
    suz: UpstreamClient, station: Access, *, order_id: str, gtin: str
) -> Answer[BlockList]:
    outgoing = Outgoing(CODE_BLOCKS, station, query=(("orderId", order_id), ("gtin", gtin)))
    return await suz.call(outgoing, lambda got: read_json(got, BlockList))


async def codes_retry(suz: UpstreamClient, station: Access, *, block_id: str) -> Answer[CodesBlock]:
    """The same block again, byte for byte, while its order is open."""
    outgoing = Outgoing(CODES_RETRY, station, query=(("blockId", block_id),))
    return await suz.call(outgoing, lambda got: read_json(got, CodesBlock))


async def report_info(
    suz: UpstreamClient, station: Access, *, report_id: str
) -> Answer[ReportInfo]:
    outgoing = Outgoing(REPORT_INFO, station, query=(("reportId", report_id),))
    return await suz.call(outgoing, lambda got: read_json(got, ReportInfo))


async def search_receipts(
    suz: UpstreamClient, station: Access, *, wanted: ReceiptFilter, page: int = 1
) -> Answer[ReceiptPage]:
    body = msgspec.json.encode({"filter": wanted, "limit": MOST_RECEIPTS_A_PAGE, "skip": page})
    outgoing = Outgoing(RECEIPT_SEARCH, station, body=body)
    return await suz.call(outgoing, lambda got: read_json(got, ReceiptPage))


async def ping(suz: UpstreamClient, station: Access) -> Answer[Pong]:
    return await suz.call(Outgoing(PING, station), lambda got: read_json(got, Pong))


async def providers(suz: UpstreamClient, station: Access) -> Answer[ProviderList]:
    return await suz.call(Outgoing(PROVIDERS, station), lambda got: read_json(got, ProviderList))
