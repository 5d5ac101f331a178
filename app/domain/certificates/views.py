"""How a certificate, its holds and its refunds are shown to those who may read them."""

from base64 import b64encode
from typing import Any

from app.domain.certificates.commands import Sealed
from app.domain.certificates.ids import authorization_id, refund_request_id
from app.domain.certificates.kept_holds import all_holds
from app.domain.certificates.state import (
    ABSENT,
    Block,
    Certificate,
    Hold,
    RefundRequest,
)
from app.domain.certificates.times import maybe_rfc3339, rfc3339
from app.domain.policy import Policy


def is_visible(hold: Hold, client: str, stores: tuple[str, ...] | None) -> bool:
    """Own holds always; foreign ones within the client's stores; None: all stores."""
    return hold.client == client or stores is None or hold.store_id in stores


def state_view(key: str, state: Certificate) -> dict[str, Any]:
    """The state without hashes, holds and refunds.

    NOTE: answers are stored as its values alone; add members at the end, never change others.
    """
    order = state.order
    return {
        "certificateId": key,
        "last4": state.last4,
        "weak": state.weak,
        "status": state.status,
        "lifecycle": state.lifecycle.value,
        "blocks": [_block_view(block) for block in state.blocks],
        "currency": state.currency,
        "nominal": state.nominal,
        "available": state.available,
        "held": state.held,
        "refundHeld": state.refund_held,
        "balance": state.balance,
        "loaded": state.loaded,
        "captured": state.captured,
        "restored": state.restored,
        "refunded": state.refunded,
        "writtenOff": state.written_off,
        "shortfall": state.shortfall,
        "openHolds": state.open_holds,
        "validUntil": maybe_rfc3339(state.valid_until),
        "validityDays": state.validity_days,
        "orderId": None if order is None else order.order_id,
        "orderLineId": None if order is None else order.order_line_id,
        "reservedUntil": None if order is None else maybe_rfc3339(order.reserved_until),
        "batchId": state.batch_id,
        "row": state.row,
        "productId": state.product_id,
        "refundRequestId": current_refund_id(key, state),
    }


def current_refund_id(key: str, state: Certificate) -> str | None:
    """The open refund request, else the last closed one."""
    request = state.refund or (state.refunds[-1] if state.refunds else None)
    return None if request is None else refund_request_id(key, request.n)


def certificate_view(key: str, state: Certificate, policy: Policy) -> dict[str, Any]:
    """All that an operator sees."""
    requests = (*state.refunds, state.refund) if state.refund else state.refunds
    return state_view(key, state) | {
        "holds": [hold_view(key, state, hold) for hold in all_holds(state)],
        "refunds": [refund_view(key, state, request, policy=policy) for request in requests],
    }


def lookup_view(
    key: str, state: Certificate, client: str, *, stores: tuple[str, ...] | None
) -> dict[str, Any]:
    """What a till sees of a shown code: the sums and the open holds it may know of."""
    return {
        "certificateId": key,
        "status": state.status,
        "last4": state.last4,
        "currency": state.currency,
        "nominal": state.nominal,
        "available": state.available,
        "held": state.held,
        "validUntil": maybe_rfc3339(state.valid_until),
        "holds": [
            hold_view(key, state, hold) for hold in state.holds if is_visible(hold, client, stores)
        ],
    }


def hold_view(key: str, state: Certificate, hold: Hold) -> dict[str, Any]:
    return {
        "authorizationId": authorization_id(key, hold.n),
        "certificateId": key,
        "state": hold.state.value,
        "reference": hold.reference,
        "client": hold.client,
        "channel": hold.channel,
        "storeId": hold.store_id,
        "terminalId": hold.terminal_id,
        "requested": hold.requested,
        "approved": hold.approved,
        "captured": hold.captured,
        "restored": hold.restored,
        "rest": hold.rest,
        "currency": state.currency,
        "createdAt": rfc3339(hold.created_at),
        "expiresAt": rfc3339(hold.expires_at),
        "lastCaptureAt": maybe_rfc3339(hold.last_capture_at),
        "closedBy": hold.closed_by,
    }


def refund_view(
    key: str, state: Certificate, request: RefundRequest, *, policy: Policy
) -> dict[str, Any]:
    """The request without its sealed parts."""
    order = state.order
    return {
        "refundRequestId": refund_request_id(key, request.n),
        "certificateId": key,
        "status": request.status.value,
        "amount": request.amount,
        "currency": state.currency,
        "channel": request.channel,
        "method": request.method,
        "attempt": request.attempt,
        "orderId": None if order is None else order.order_id,
        "orderLineId": None if order is None else order.order_line_id,
        "requestedAt": rfc3339(request.requested_at),
        "initiatedAt": maybe_rfc3339(request.initiated_at),
        "closedAt": maybe_rfc3339(request.closed_at),
        "waitedMs": request.waited_ms,
        "dueAt": maybe_rfc3339(request.due_at(policy)),
        "shortfall": sum(one.short for one in request.settlements if not one.bounced),
        "reason": request.reason,
        "providerReference": request.provider_reference,
    }


def sealed_view(sealed: Sealed | None) -> dict[str, str] | None:
    if sealed is None:
        return None
    return {
        "kid": sealed.kid,
        "nonce": b64encode(sealed.nonce).decode(),
        "box": b64encode(sealed.box).decode(),
    }


def _block_view(block: Block) -> dict[str, Any]:
    return {
        "reason": block.reason,
        "by": block.by,
        "at": rfc3339(block.at),
        "freezeHolds": block.freeze_holds,
    }


STATE_MEMBERS = tuple(state_view("", ABSENT))
