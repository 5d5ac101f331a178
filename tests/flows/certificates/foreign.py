"""Foreign messages for intake tests, and the intakes that read them."""

from typing import Any

import msgspec

from app.certificates.inbound import Amounts
from app.certificates.intake_batch import BatchIntake
from app.certificates.intake_payments import PaymentsIntake
from app.certificates.intake_sales import SalesIntake
from app.certificates.sealing import ContentMacs, Sealer
from app.domain.certificates.codes import Code, certificate_id, parse
from app.domain.certificates.commands import Origin
from app.domain.policy import Policy

PEPPER = bytes(range(32))
CODE = "GC7K-2M9T-XQ4P-0D8V-R6N4"
OTHER_CODE = "ABCDEFGH12345678"
PHONE = "+79990000001"
ORIGIN = Origin("topic", 3, 41)
NOW = 1_788_166_800_000
SEALER = Sealer([b"k" * 32])
POLICY = Policy()
ABSENT = object()
_MACS = ContentMacs(PEPPER)


def id_of(text: str) -> str:
    code = parse(text)
    assert isinstance(code, Code)
    return certificate_id(code, PEPPER)


def sales(unit: str = "minor") -> SalesIntake:
    return SalesIntake(SEALER, _MACS, Amounts(unit), pepper=PEPPER, policy=POLICY)


def payments(unit: str = "minor", **status_map: str) -> PaymentsIntake:
    return PaymentsIntake(Amounts(unit), _MACS, status_map=status_map, policy=POLICY)


def batches(unit: str = "minor") -> BatchIntake:
    return BatchIntake(Amounts(unit), pepper=PEPPER, policy=POLICY)


def line(**changes: Any) -> dict[str, Any]:
    return changed(
        {"orderLineId": "1", "code": CODE, "nominal": 300_000, "currency": "RUB"}, changes
    )


def sale(*lines: dict[str, Any], **changes: Any) -> bytes:
    message = {
        "orderId": "SO-1001",
        "version": 1,
        "occurredAt": "2026-08-31T09:00:00.000Z",
        "orderStatus": "Confirmed",
        "storeId": "S17",
        "channel": "WEB",
        "buyer": {"phone": PHONE, "lang": "ru"},
        "certificateLines": list(lines or (line(),)),
        "somethingElse": {"deep": [1, 2]},
    }
    return msgspec.json.encode(changed(message, changes))


def payment(**changes: Any) -> bytes:
    message = {
        "orderId": "SO-1001",
        "paymentId": "P-1",
        "version": 1,
        "occurredAt": "2026-08-31T09:01:00.000Z",
        "paymentStatus": "Received",
        "amount": 300_000,
        "currency": "RUB",
        "certificateAllocations": [{"orderLineId": "1", "amount": 300_000}],
        "isOrderSettled": True,
        "outstandingAmount": 0,
    }
    return msgspec.json.encode(changed(message, changes))


def row(**changes: Any) -> dict[str, Any]:
    return changed({"code": CODE, "nominal": 300_000, "currency": "RUB"}, changes)


def batch(*rows: Any, **changes: Any) -> bytes:
    return msgspec.json.encode(changed({"batchId": "B-1", "chunk": 1, "rows": rows}, changes))


def changed(members: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    both = members | changes
    return {name: value for name, value in both.items() if value is not ABSENT}
