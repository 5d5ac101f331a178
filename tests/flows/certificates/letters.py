"""Foreign messages as the retailer's systems write them, made to measure."""

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

NOMINAL = 300_000
Message = tuple[str, bytes]
_json = msgspec.json.Encoder().encode


class Gift(NamedTuple):
    """One certificate in somebody's hand: `id` is what the public topics call it."""

    code: str
    id: str
    nominal: int = NOMINAL
    order_id: str = ""


def moment(seconds: float = 0) -> str:
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fresh(kind: str) -> str:
    """A name that no other test uses."""
    return f"{kind}-{secrets.token_hex(4)}"


def line(gift: Gift | str, line_id: str = "1", **more: Any) -> dict[str, Any]:
    """A sale line of the gift, or of a bare code; without delivery unless told."""
    code, nominal = (gift.code, gift.nominal) if isinstance(gift, Gift) else (gift, NOMINAL)
    fields = {
        "orderLineId": line_id,
        "code": code,
        "nominal": nominal,
        "currency": "RUB",
        "delivery": "NONE",
    }
    return {name: value for name, value in (fields | more).items() if value is not None}


def sale(order_id: str, *lines: dict[str, Any], version: int = 1, **more: Any) -> Message:
    fields = {
        "orderId": order_id,
        "version": version,
        "occurredAt": moment(),
        "orderStatus": "Confirmed",
        "storeId": "S17",
        "channel": "WEB",
        "certificateLines": list(lines),
    }
    return order_id, _json(_without_none(fields | more))


def payment(
    order_id: str,
    *allocations: dict[str, Any],
    number: int = 1,
    version: int = 1,
    settled: bool | None = True,
    outstanding: int | None = 0,
    **more: Any,
) -> Message:
    """By default it settles the order; None leaves a field out."""
    fields = {
        "orderId": order_id,
        "paymentId": f"{order_id}-P{number}",
        "version": version,
        "occurredAt": moment(),
        "paymentStatus": "Received",
        "amount": sum(one["amount"] for one in allocations) or NOMINAL,
        "currency": "RUB",
        "certificateAllocations": list(allocations) or None,
        "isOrderSettled": settled,
        "outstandingAmount": outstanding,
    }
    return order_id, _json(_without_none(fields | more))


def paid(amount: int = NOMINAL, line_id: str | None = "1") -> dict[str, Any]:
    """One entry of a payment's allocations."""
    named = {} if line_id is None else {"orderLineId": line_id}
    return {**named, "amount": amount}


def refund_word(
    order_id: str, status: str, amount: int, /, *, version: int = 1, line_id: str = "1", **more: Any
) -> Message:
    """What Payments says of a refund; `more` goes into its `refundDetails`."""
    fields = {
        "orderId": order_id,
        "paymentId": f"{order_id}-R",
        "version": version,
        "occurredAt": moment(),
        "paymentStatus": status,
        "amount": amount,
        "currency": "RUB",
        "orderLineId": line_id,
        "refundDetails": more,
    }
    return order_id, _json(fields)


def batch(batch_id: str, rows: Iterable[dict[str, Any]], *, chunk: int = 1) -> Message:
    return batch_id, _json({"batchId": batch_id, "chunk": chunk, "rows": list(rows)})


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
