"""Commands of certificates and orders: the storage format of `certificate-commands`.

NOTE: names and field order are wire format; add at the end, with a default, never change.
"""

from app.domain.certificates.command_parts import Call, Command, Origin, Sealed
from app.domain.certificates.order_commands import (
    ORDER_COMMANDS,
    ApplyPayment,
    ApplySalesOrder,
    LineReport,
    NotificationResult,
    PaymentEntry,
    ReadOrder,
    RefundNotice,
    ResendNotification,
    SaleLine,
    SupplyContact,
)


class IssueCertificate(Command, frozen=True):
    last4: str
    weak: bool
    nominal: int
    currency: str
    valid_until: int | None
    validity_days: int | None
    product_id: str | None
    metadata: str | None  # JSON text <= 1 KiB, never interpreted
    batch_id: str
    chunk: int
    row: int
    attempt: int


class AllocateCertificate(Command, frozen=True):
    """From an order: `call` None; from `sales/check`: `call` and `reserve_s`."""

    order_id: str
    order_line_id: str
    attempt: int
    nominal: int
    currency: str
    reserve_s: int | None = None
    call: Call | None = None


class ReleaseCertificate(Command, frozen=True):
    order_id: str
    order_line_id: str
    attempt: int
    call: Call | None = None


class ActivateCertificate(Command, frozen=True):
    order_id: str
    order_line_id: str
    attempt: int


class Authorize(Command, frozen=True):
    amount: int
    currency: str
    reference: str
    partial_approval: bool
    hold_s: int | None
    call: Call


class Capture(Command, frozen=True):
    hold: int
    amount: int | None
    final: bool
    receipt_number: str | None
    call: Call


class VoidHold(Command, frozen=True):
    hold: int
    call: Call


class Restore(Command, frozen=True):
    hold: int
    amount: int
    receipt_number: str | None
    call: Call


class Reverse(Command, frozen=True):
    reference: str
    occurred_at: int
    call: Call


class RequestRefund(Command, frozen=True):
    channel: str
    method: str
    expected_amount: int | None
    details: Sealed | None
    contact: Sealed | None
    reason: str | None
    call: Call


class RefundUpdate(Command, frozen=True):
    """`kind`: RefundInitiated, RefundSettled, RefundFailed or AlternateDetailsRequired.

    `refund_request_id` is empty if the message named only an order line: then the open
    request is meant, else the last one.
    """

    refund_request_id: str
    attempt: int | None
    kind: str
    version: int | None
    occurred_at: int
    amount: int | None
    reason: str | None
    provider_reference: str | None
    origin: Origin | None = None


class ProvideRefundDetails(Command, frozen=True):
    refund_request_id: str
    method: str
    details: Sealed | None
    call: Call


class CancelRefund(Command, frozen=True):
    refund_request_id: str
    reason: str | None
    call: Call


class ResolveRefund(Command, frozen=True):
    """`outcome`: Settled (with the amount really paid) or Failed."""

    refund_request_id: str
    outcome: str
    amount: int | None
    reason: str
    call: Call


class BlockCertificate(Command, frozen=True):
    """From an order: `order_line_id` set, `call` None."""

    reason: str
    freeze_holds: bool = False
    order_line_id: str | None = None
    note: str | None = None
    call: Call | None = None


class UnblockCertificate(Command, frozen=True):
    reason: str
    order_line_id: str | None = None
    note: str | None = None
    call: Call | None = None


class ExtendValidity(Command, frozen=True):
    valid_until: int
    reason: str
    call: Call


class CancelCertificate(Command, frozen=True):
    """From a chunk cancel: `batch_id` and `row` set; another origin is left alone."""

    reason: str
    batch_id: str | None = None
    row: int | None = None
    call: Call | None = None


class ReadCertificate(Command, frozen=True):
    """Answered after a commit like all others; changes nothing.

    `client` None: the whole state for an operator; else the lookup of a shown code, with the
    open holds that the client may see (`stores` None: all of them).
    """

    instance: str
    client: str | None = None
    stores: tuple[str, ...] | None = None


class ReadHold(Command, frozen=True):
    hold: int
    client: str
    stores: tuple[str, ...] | None
    instance: str


class ReadRefund(Command, frozen=True):
    refund_request_id: str
    with_details: bool
    instance: str


class Due(Command, frozen=True):
    """The owner's tick, for either entity; never on a topic."""


CERTIFICATE_COMMANDS: dict[str, type[Command]] = {
    command.__name__: command
    for command in (
        IssueCertificate,
        AllocateCertificate,
        ReleaseCertificate,
        ActivateCertificate,
        Authorize,
        Capture,
        VoidHold,
        Restore,
        Reverse,
        RequestRefund,
        RefundUpdate,
        ProvideRefundDetails,
        CancelRefund,
        ResolveRefund,
        BlockCertificate,
        UnblockCertificate,
        ExtendValidity,
        CancelCertificate,
        ReadCertificate,
        ReadHold,
        ReadRefund,
    )
}
__all__ = [
    "CERTIFICATE_COMMANDS",
    "ORDER_COMMANDS",
    "ActivateCertificate",
    "AllocateCertificate",
    "ApplyPayment",
    "ApplySalesOrder",
    "Authorize",
    "BlockCertificate",
    "Call",
    "CancelCertificate",
    "CancelRefund",
    "Capture",
    "Command",
    "Due",
    "ExtendValidity",
    "IssueCertificate",
    "LineReport",
    "NotificationResult",
    "Origin",
    "PaymentEntry",
    "ProvideRefundDetails",
    "ReadCertificate",
    "ReadHold",
    "ReadOrder",
    "ReadRefund",
    "RefundNotice",
    "RefundUpdate",
    "ReleaseCertificate",
    "RequestRefund",
    "ResendNotification",
    "ResolveRefund",
    "Restore",
    "Reverse",
    "SaleLine",
    "Sealed",
    "SupplyContact",
    "UnblockCertificate",
    "VoidHold",
]
