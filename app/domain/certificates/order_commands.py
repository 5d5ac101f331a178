"""Commands of orders: the other half of the storage format of `certificate-commands`.

NOTE: names and field order are wire format; add at the end, with a default, never change.
"""

import msgspec

from app.domain.certificates.command_parts import Call, Command, Origin, Sealed


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
