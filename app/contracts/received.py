"""What foreign systems send us, as the contract that is shown to them.

Intake reads more leniently, so that a fault in one line does not hold up the others.
Amounts are integers of minor units or, if so configured, decimal strings.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from app.contracts.topics import BATCHES, PAYMENTS, SALES

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Text = Annotated[str, msgspec.Meta(max_length=128)]
Phone = Annotated[str, msgspec.Meta(pattern=r"^\+[1-9][0-9]{6,14}$")]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
Amount = int | str


class Buyer(msgspec.Struct, frozen=True, rename="camel"):
    phone: Phone | None = None
    email: Text | None = None
    lang: str | None = None


class Recipient(msgspec.Struct, frozen=True, rename="camel"):
    phone: Phone | None = None
    email: Text | None = None
    lang: str | None = None


class CertificateLine(msgspec.Struct, frozen=True, rename="camel"):
    """A sold certificate, named by `code` or by `certificateId`; `price` defaults to `nominal`."""

    order_line_id: Id
    nominal: Amount
    currency: Currency
    code: str | None = None
    certificate_id: str | None = None
    price: Amount | None = None
    delivery: Literal["SMS", "EMAIL", "NONE"] | None = None
    recipient: Recipient | None = None


class SalesOrder(msgspec.Struct, frozen=True, rename="camel"):
    """The whole order as it stands; without `certificateLines` it is none of ours."""

    order_id: Id
    occurred_at: datetime
    order_status: Literal["Created", "Confirmed", "Cancelled"]
    version: int | None = None
    store_id: Id | None = None
    channel: Id | None = None
    buyer: Buyer | None = None
    certificate_lines: Annotated[list[CertificateLine], msgspec.Meta(max_length=500)] | None = None


class CertificateAllocation(msgspec.Struct, frozen=True, rename="camel"):
    amount: Amount
    order_line_id: Id | None = None


class RefundDetails(msgspec.Struct, frozen=True, rename="camel"):
    refund_request_id: Id | None = None
    attempt: int | None = None
    amount: Amount | None = None
    method: Text | None = None
    reason: Text | None = None
    provider_reference: Text | None = None


class Payment(msgspec.Struct, frozen=True, rename="camel"):
    """One payment as it stands, or news of a refund; other statuses need a mapping."""

    order_id: Id
    payment_id: Id
    occurred_at: datetime
    payment_status: Text
    amount: Amount
    currency: Currency
    version: int | None = None
    certificate_allocations: (
        Annotated[list[CertificateAllocation], msgspec.Meta(max_length=500)] | None
    ) = None
    is_order_settled: bool | None = None
    outstanding_amount: Amount | None = None
    order_line_id: Id | None = None
    refund_details: RefundDetails | None = None


class BatchRow(msgspec.Struct, frozen=True, rename="camel"):
    """A certificate to issue; at most one of `validUntil` and `validityDays`."""

    code: str
    nominal: Amount
    currency: Currency
    row: int | None = None
    valid_until: str | None = None
    validity_days: int | None = None
    product_id: Id | None = None
    metadata: Any = None


class Batch(msgspec.Struct, frozen=True, rename="camel"):
    """Rows of a batch; the same `batchId` and `row` again is a repetition, not a second issue.

    `rowsTotal` may be sent and is not read: by topic a batch has the rows that came.
    """

    batch_id: Id
    chunk: int
    rows: Annotated[list[BatchRow], msgspec.Meta(max_length=500)]
    attempt: int = 1
    rows_total: int | None = None


RECEIVED_DATA: dict[str, type[msgspec.Struct]] = {
    SALES: SalesOrder,
    PAYMENTS: Payment,
    BATCHES: Batch,
}
