"""Situations of an order, shortly written."""

from typing import Any

from app.domain.marking.document import DocumentPurpose, DocumentStatus
from app.domain.marking.order import OrderStatus, Profile
from app.domain.marking.station import Buffer, RemoteBuffer, RemoteOrder
from app.domain.marking.steps import (
    Intent,
)
from app.domain.marking.view import (
    Call,
    CallState,
    Document,
    Operation,
    OrderView,
    Rules,
    StationOrder,
    Subject,
)

NOW = 1_000_000
RULES = Rules(
    self_close_ms=120_000, created_limit_ms=600_000, code_refresh_ms=30_000, suz_poll_ms=30_000
)
GTIN = "04600000000015"
S, OP, D = OrderStatus, Operation, DocumentStatus


def call(state: str, operation: Operation = OP.CREATE_ORDER, due: int | None = None) -> Call:
    return Call("c", operation, "s", CallState(state), due=due)


def subject(operation: Operation = OP.CREATE_ORDER, **facts: Any) -> Subject:
    return Subject(**{"id": "s", "operation": operation, "signed": True, "sent": False, **facts})


def document(status: DocumentStatus = D.SIGNING, **facts: Any) -> Document:
    own = {name: facts.pop(name) for name in ("attempt", "resends", "later") if name in facts}
    purpose = facts.pop("purpose", DocumentPurpose.PREORDER)
    return Document(subject(OP.SUBMIT_DOCUMENT, **facts), purpose, status, **own)


def buffer(remote: str | None = "ACTIVE", **facts: Any) -> Buffer:
    known = {"total": 100, "available": 100, "passed": 0, "stored": 0, "counted_at": NOW}
    word = None if remote is None else RemoteBuffer(remote)
    return Buffer(**{"gtin": GTIN, "ordered": 100, "remote": word, **known, **facts})


def station(*buffers: Buffer, remote: str | None = "READY", **facts: Any) -> StationOrder:
    word = None if remote is None else RemoteOrder(remote)
    base = {"subject": subject(sent=True), "attempt": 1, "remote": word, "buffers": buffers}
    return StationOrder(**{**base, **facts})


def view(status: OrderStatus, **facts: Any) -> OrderView:
    base = {"id": "o", "status": status, "profile": Profile.DOCUMENT_FIRST}
    return OrderView(**{**base, "automatic_signer": True, **facts})


SEND_INTENT = (Intent(OP.CREATE_ORDER, "s"),)
DOCUMENT_INTENT = (Intent(OP.SUBMIT_DOCUMENT, "s"),)
FULL = buffer(stored=100, passed=100, available=0)
