"""Orders and buffers as SUZ shows them."""

from typing import Any

from deploy.sandbox.orders import Buffer, Order
from deploy.sandbox.switches import Switches

UNKNOWN = -1


def counters(buffer: Buffer, now_ms: int) -> dict[str, int]:
    """All −1 while pending and when rejected; all 0 while no code has appeared."""
    if buffer.status in {"PENDING", "REJECTED"}:
        total = available = passed = unavailable = UNKNOWN
    elif now_ms < buffer.codes_from_ms:
        total = available = passed = unavailable = 0
    else:
        total, available = buffer.quantity, buffer.available
        passed, unavailable = buffer.passed, buffer.annulled
    return {
        "totalCodes": total,
        "availableCodes": available,
        "leftInBuffer": available,
        "totalPassed": passed,
        "unavailableCodes": unavailable,
    }


def buffer_info(
    order: Order, buffer: Buffer, switches: Switches, *, oms_id: str, now_ms: int
) -> dict[str, Any]:
    """A whole BufferInfo, as `order/status` gives it."""
    info: dict[str, Any] = {
        "gtin": buffer.gtin,
        "bufferStatus": buffer.status,
        **counters(buffer, now_ms),
        "poolsExhausted": buffer.status in {"EXHAUSTED", "CLOSED"},
        "templateId": buffer.product["templateId"],
        "cisType": buffer.product["cisType"],
        "orderId": order.order_id,
        "omsId": oms_id,
    }
    if buffer.rejection:
        info["rejectionReason"] = buffer.rejection
    if buffer.expires_ms is not None:
        text = switches.expired_date_as_text
        info["expiredDate"] = str(buffer.expires_ms) if text else buffer.expires_ms
    if order.production_order_id:
        info["productionOrderId"] = order.production_order_id
    if switches.buffer_key_missing and order.status in {"CREATED", "PENDING", "DECLINED"}:
        del info["bufferStatus"]
    return info


PARTIAL = (
    "gtin",
    "bufferStatus",
    "leftInBuffer",
    "totalCodes",
    "unavailableCodes",
    "templateId",
    "orderId",
    "omsId",
    "rejectionReason",
)


def order_info(order: Order, switches: Switches, *, oms_id: str, now_ms: int) -> dict[str, Any]:
    """An item of `order/list`; its buffers lack availableCodes and totalPassed."""
    buffers = [
        buffer_info(order, buffer, switches, oms_id=oms_id, now_ms=now_ms)
        for buffer in order.buffers.values()
    ]
    info: dict[str, Any] = {
        "orderId": order.order_id,
        "orderStatus": order.status,
        "createdTimestamp": order.created_ms,
        "productGroup": "lp",
        "buffers": [{key: b[key] for key in PARTIAL if key in b} for b in buffers],
    }
    if order.decline_reason:
        info["declineReason"] = order.decline_reason
    if order.production_order_id:
        info["productionOrderId"] = order.production_order_id
    return info


def inspected(order: Order, now_ms: int) -> dict[str, Any]:
    """An order as the inspection shows it: everything, with history."""
    return {
        "orderId": order.order_id,
        "status": order.status,
        "production_order_id": order.production_order_id,
        "created_ms": order.created_ms,
        "history": order.history,
        "decline_reason": order.decline_reason,
        "closed_by": order.closed_by,
        "foreign": order.foreign,
        "body": order.body,
        "buffers": [
            {
                "gtin": b.gtin,
                "quantity": b.quantity,
                "status": b.status,
                "history": b.history,
                "passed": b.passed,
                "annulled": b.annulled,
                "rejection": b.rejection,
                "expires_ms": b.expires_ms,
                **counters(b, now_ms),
            }
            for b in order.buffers.values()
        ],
    }
