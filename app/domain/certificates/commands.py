"""Commands of certificates and orders: the storage format of `certificate-commands`.

NOTE: names and field order are wire format; add at the end, with a default, never change.
"""

import msgspec


class Command(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all commands; the key (certificateId or orderId) travels beside it."""


class Call(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who asks by HTTP and under which key; hashes are HMACs, `instance` the request id."""

    client: str
    channel: str
    operation: str
    key_hash: bytes
    body_hash: bytes
    instance: str
    actor: str | None = None
    store_id: str | None = None
    terminal_id: str | None = None
    stores: tuple[str, ...] | None = None  # whose foreign holds the client may see; None: all


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


class Sealed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """AES-GCM box: key id, nonce, ciphertext with tag; opened only where the key is."""

    kid: str
    nonce: bytes
    box: bytes


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
    origin: "Origin | None" = None


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


class Origin(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a foreign message lay: for dead letters and audit."""

    topic: str
    partition: int
    offset: int


class SaleLine(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entry of `certificateLines`; `fault` = refusal found by intake, else None.

    `content` is an HMAC of code and recipient in clear: re-sealing changes nothing.
    """

    order_line_id: str
    certificate_id: str | None
    last4: str | None
    nominal: int
    price: int
    currency: str
    delivery: str  # SMS, EMAIL or NONE
    sealed: Sealed | None
    content: bytes
    fault: str | None = None


class ApplySalesOrder(Command, frozen=True):
    """`version`: the message's own, else `occurred_at`; `body_hash`: HMAC of its content."""

    version: int
    occurred_at: int
    order_status: str
    store_id: str | None
    channel: str | None
    lines: tuple[SaleLine, ...]
    body_hash: bytes
    origin: Origin | None = None


class PaymentEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    order_line_id: str | None
    amount: int


class ApplyPayment(Command, frozen=True):
    """`entries` None: the message had no `certificateAllocations` section."""

    payment_id: str
    version: int
    occurred_at: int
    payment_status: str
    amount: int
    currency: str
    entries: tuple[PaymentEntry, ...] | None
    is_order_settled: bool | None
    outstanding_amount: int | None
    body_hash: bytes
    origin: Origin | None = None


class LineReport(Command, frozen=True):
    """`what`: allocate, release, activate, block or unblock; `code` None means ok.

    `reason`: that of a block; `valid_until`: the certificate's term after an activation;
    `last4`: of a certificate that exists, for lines that named only its id.
    """

    order_line_id: str
    attempt: int
    what: str
    certificate_id: str
    code: str | None
    blocks: tuple[str, ...] = ()
    reason: str | None = None
    valid_until: int | None = None
    last4: str | None = None


class RefundNotice(Command, frozen=True):
    """A refund message without a request id, routed by order line."""

    order_line_id: str
    attempt: int | None
    kind: str
    version: int | None
    occurred_at: int
    amount: int | None
    reason: str | None
    provider_reference: str | None
    origin: Origin | None = None


class SupplyContact(Command, frozen=True):
    """`contact` None: activate without notification."""

    order_line_id: str
    contact: Sealed | None
    reason: str
    call: Call


class NotificationResult(Command, frozen=True):
    """`state`: SENT or FAILED."""

    order_line_id: str
    n: int
    state: str


class ResendNotification(Command, frozen=True):
    order_line_id: str
    call: Call


class ReadOrder(Command, frozen=True):
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
ORDER_COMMANDS: dict[str, type[Command]] = {
    command.__name__: command
    for command in (
        ApplySalesOrder,
        ApplyPayment,
        LineReport,
        RefundNotice,
        SupplyContact,
        NotificationResult,
        ResendNotification,
        ReadOrder,
    )
}
