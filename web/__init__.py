"""Every route of the certificate half, on one screen."""

from web import answers as a
from web import batches_api as batches
from web import batches_models as b
from web import certificates_api as certificates
from web import certificates_models as c
from web import mart_api as mart
from web import mart_models as m
from web import orders_api as orders
from web import refunds_api as refunds
from web import refunds_models as r
from web.access import Scope
from web.batches_reading import CSV, JSON_LINES
from web.routing import ACT, ASK, GET, Handler, Route

POS: frozenset[Scope] = frozenset({"pos"})
OPERATOR: frozenset[Scope] = frozenset({"operator"})
SHOP = POS | OPERATOR
READERS: frozenset[Scope] = SHOP | {"payments"}
LOADER: frozenset[Scope] = frozenset({"loader"})
BATCHERS: frozenset[Scope] = LOADER | OPERATOR

SALES = "/certificates/sales"
HOLDS = "/certificates/authorizations"
HOLD = f"{HOLDS}/{{authorizationId}}"
REFUNDS = "/certificates/refunds"
REFUND = f"{REFUNDS}/{{refundRequestId}}"
REVERSALS = "/certificates/reversals"
BY_CODE = "/certificates/{code}/refund"
ORDER = "/certificates/orders/{orderId}"
LINE = f"{ORDER}/lines/{{orderLineId}}"
ONE = "/certificates/{certificateId}"
UPLOAD = "/certificates/upload/batch"
BATCH = "/certificates/batches/{batchId}"
CANCEL = f"{BATCH}/chunks/{{chunk}}/cancel"

# Fixed words stand before the placeholders that would swallow them.
ROUTES: tuple[Route[Handler], ...] = (
    Route(ASK, "/certificates/lookup", SHOP, certificates.lookup, c.Lookup, 200, a.Found),
    Route(ACT, f"{SALES}/check", POS, certificates.check_sale, c.SaleCheck, 200, a.SaleChecked),
    Route(ACT, f"{SALES}/release", POS, certificates.release_sale, c.SaleRelease, 200, a.State),
    Route(ACT, HOLDS, POS, certificates.authorize, c.Authorization, 201, a.Authorized),
    Route(GET, HOLD, SHOP, certificates.read_authorization, None, 200, a.Hold),
    Route(ACT, f"{HOLD}/capture", POS, certificates.capture, c.Capture, 200, a.HoldChanged),
    Route(ACT, f"{HOLD}/void", POS, certificates.void, c.Void, 200, a.HoldChanged),
    Route(ACT, f"{HOLD}/restore", POS, certificates.restore, c.Restore, 200, a.HoldChanged),
    Route(ACT, REVERSALS, POS, certificates.reverse, c.Reversal, 200, a.Reversed, 202),
    Route(ACT, REFUNDS, SHOP, refunds.request_refund, r.RefundRequest, 202, a.Refund),
    Route(GET, REFUND, READERS, refunds.read_refund, None, 200, a.Refund),
    Route(ACT, f"{REFUND}/details", SHOP, refunds.provide_details, r.RefundDetails, 202, a.Refund),
    Route(ACT, f"{REFUND}/cancel", SHOP, refunds.cancel_refund, r.CancelRefund, 200, a.Refund),
    Route(ACT, f"{REFUND}/resolve", OPERATOR, refunds.resolve_refund, r.Resolve, 200, a.Refund),
    Route(GET, ORDER, READERS, orders.read_order, None, 200, a.Order),
    Route(ACT, f"{LINE}/notify", OPERATOR, orders.resend_notification, c.Resend, 202, a.Line),
    Route(ACT, f"{LINE}/contact", OPERATOR, orders.supply_contact, c.SupplyContact, 202, a.Line),
    Route(ACT, BY_CODE, SHOP, refunds.request_refund, r.RefundOfCode, 202, a.Refund),
    Route(GET, ONE, OPERATOR, certificates.read_certificate, None, 200, a.State),
    Route(ACT, f"{ONE}/block", OPERATOR, certificates.block, c.Block, 200, a.State),
    Route(ACT, f"{ONE}/unblock", OPERATOR, certificates.unblock, c.Reason, 200, a.State),
    Route(ACT, f"{ONE}/extend", OPERATOR, certificates.extend, c.Extend, 200, a.State),
    Route(ACT, f"{ONE}/cancel", OPERATOR, certificates.cancel, c.Reason, 200, a.State),
)

FORMATS = (CSV, *JSON_LINES)
IN_QUERY = ("batchId", "chunk", "firstRow", "rowsTotal", "dryRun")
PAGE = ("outcome", "after", "limit")
FIND = ("orderId", "last4", "batchId", "after", "limit")
REPORT = "/certificates/reports/{name}"
DAYS = ("from", "to", "format")

# These ask the registry of batches and the mart, which is PostgreSQL, and not the ledger.
BATCH_ROUTES: tuple[Route[batches.BatchHandler], ...] = (
    Route(
        *(ACT, UPLOAD, LOADER, batches.upload_batch, b.BatchUpload, 202, b.ChunkTaken, 200),
        media=FORMATS,
        query=IN_QUERY,
    ),
    Route(GET, BATCH, BATCHERS, batches.read_batch, None, 200, b.BatchProgress),
    Route(
        *(GET, f"{BATCH}/rows", BATCHERS, batches.read_batch_rows, None, 200, b.BatchRows),
        query=PAGE,
    ),
    Route(
        *(GET, f"{ONE}/operations", OPERATOR, mart.read_operations, None, 200, m.Operations),
        query=("after", "limit"),
    ),
    Route(
        *(GET, "/certificates", OPERATOR, mart.find_certificates, None, 200, m.Certificates),
        query=FIND,
    ),
    Route(*(GET, REPORT, OPERATOR, mart.read_report, None, 200, m.Report), query=DAYS),
    Route(ACT, CANCEL, LOADER, batches.cancel_chunk, b.CancelChunk, 200, b.ChunkCancelled),
)
