"""The paths of the three systems and what serves each of them."""

from deploy.sandbox import nk, receipts, sign_in, suz, suz_codes, suz_reports, true_api
from deploy.sandbox.access import (
    needs_bearer,
    needs_catalogue_access,
    needs_client_token,
    open_to_all,
)
from deploy.sandbox.call import Handler, Route
from deploy.sandbox.doc_list import QUERY, doc_list

V3, V4, SUZ = "/api/v3/true-api", "/api/v4/true-api", "/api/v3"
PICKER = dict.fromkeys(
    ("limit", "offset", "from_date", "to_date", "good_status", "format", "apikey"), False
)
DOCUMENT = {"pg": False, "body": False, "content": False, "limit": False, "pageNumber": False}


def _nk(place: str, operation: str, handler: Handler, **query: bool) -> Route:
    method, path = place.split()
    return Route(method, path, f"nk.{operation}", handler, needs_catalogue_access, query)


def _suz(place: str, operation: str, handler: Handler, **query: bool) -> Route:
    method, path = place.split()
    named = {"omsId": True} | query
    return Route(method, SUZ + path, f"suz.{operation}", handler, needs_client_token, named)


def _true(place: str, operation: str, handler: Handler, **query: bool) -> Route:
    method, path = place.split()
    return Route(method, path, f"true_api.{operation}", handler, needs_bearer, query)


ROUTES = [
    _nk("GET /v3/product", "product", nk.product, **nk.CARD_QUERY),
    _nk(f"GET {V3}/nk/product", "product", nk.product, **nk.CARD_QUERY),
    _nk(
        "GET /v3/feed-product",
        "feed_product",
        nk.feed_product,
        **nk.CARD_QUERY,
        subaccount=False,
    ),
    _nk("GET /v4/product-list", "product_list", nk.product_list, **PICKER),
    _nk("POST /v3/mark-check", "mark_check", nk.mark_check, apikey=False, format=False),
    _nk(f"POST {V3}/nk/mark-check", "mark_check", nk.mark_check),
    Route("GET", f"{V3}/auth/key", "true_api.auth_key", sign_in.auth_key, open_to_all),
    Route(
        "POST", f"{V3}/auth/simpleSignIn", "true_api.sign_in_true_api", sign_in.sign_in, open_to_all
    ),
    Route(
        "POST",
        V3 + "/auth/simpleSignIn/{connection}",
        "true_api.sign_in_suz",
        sign_in.sign_in_suz,
        open_to_all,
    ),
    Route(
        "POST",
        f"{V3}/lk/documents/create",
        "true_api.submit_document",
        true_api.create_document,
        needs_bearer,
        {"pg": False},
        "text/plain",
    ),
    _true(f"GET {V4}/doc/list", "document_list", doc_list, **QUERY | {"pg": False}),
    _true(f"GET {V3}/doc/listV2", "document_list", doc_list, **QUERY | {"pg": False}),
    _true("GET " + V4 + "/doc/{number}/info", "document_info", true_api.doc_info, **DOCUMENT),
    _true(f"POST {V3}/cises/info", "cises_info", true_api.cises_info, pg=False),
    _true(
        f"GET {V3}/elk/product-groups/balance",
        "balance",
        true_api.balance,
        productGroupId=True,
    ),
    _suz("POST /order", "create_order", suz.create_order),
    _suz("POST /orders", "create_order", suz.create_order),
    _suz("GET /order/list", "order_list", suz.order_list),
    _suz("POST /orders/search", "orders_search", suz.orders_search),
    _suz("GET /order/status", "order_status", suz.order_status, orderId=True, gtin=False),
    _suz(
        "GET /codes",
        "fetch_codes",
        suz_codes.codes,
        orderId=True,
        gtin=True,
        quantity=True,
        lastBlockId=False,
    ),
    _suz("GET /order/codes/blocks", "code_blocks", suz_codes.blocks, orderId=True, gtin=True),
    _suz("GET /order/codes/retry", "codes_retry", suz_codes.retry, blockId=True),
    _suz("POST /order/close", "close_order", suz.close_order),
    _suz("POST /utilisation", "utilisation", suz_reports.utilisation),
    _suz("POST /dropout", "dropout", suz_reports.dropout),
    _suz("GET /report/info", "report_info", suz_reports.report_info, reportId=True),
    _suz("GET /receipts/receipt", "receipt", receipts.receipt, resultDocId=True),
    _suz("POST /receipts/receipt/search", "receipt_search", receipts.receipt_search),
    _suz("GET /ping", "ping", suz.ping),
    _suz("GET /providers", "providers", suz.providers),
]
