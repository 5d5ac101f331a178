"""Every message the ledger publishes, as structs; JSON Schema and AsyncAPI are made of them.

NOTE: names are wire format; add fields with a default, never rename, retype or remove one.
Structs that say `omit_defaults` leave out what does not apply; the others write null.
"""

from typing import Generic, Literal, TypeVar

import msgspec

SCHEMA = 1
SOURCE = "gift-certificates"
Data = TypeVar("Data")


class Envelope(msgspec.Struct, Generic[Data], frozen=True, rename="camel", gc=False):
    """`id` = `<entity>:<sequence>:<n>`, the same after any repetition; readers drop seen ones."""

    id: str
    type: str
    schema: int
    occurred_at: str
    sequence: int
    n: int
    source: str
    data: Data


class GiftCertificateState(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The certificate after a journal record that changed any of these fields."""

    certificate_id: str
    last4: str
    status: str
    lifecycle: str
    blocks: tuple[str, ...]
    currency: str
    nominal: int
    available: int
    held: int
    refund_held: int
    balance: int
    loaded: int
    captured: int
    restored: int
    refunded: int
    written_off: int
    shortfall: int
    open_holds: int
    valid_until: str | None
    order_id: str | None
    order_line_id: str | None
    batch_id: str
    product_id: str | None
    refund_request_id: str | None


class Delta(msgspec.Struct, frozen=True, rename="camel", gc=False):
    available: int
    held: int
    refund_held: int


class After(msgspec.Struct, frozen=True, rename="camel", gc=False):
    available: int
    held: int
    refund_held: int
    balance: int


class GiftCertificateTransaction(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False
):
    """One event of a certificate: what moved, and the balances after it."""

    certificate_id: str
    last4: str
    transaction_type: str
    amount: int
    currency: str
    delta: Delta
    after: After
    released: int | None = None
    authorization_id: str | None = None
    reference: str | None = None
    refund_request_id: str | None = None
    order_id: str | None = None
    order_line_id: str | None = None
    receipt_number: str | None = None
    reason: str | None = None
    late: bool = False
    bounced: bool = False
    metadata: msgspec.Raw | None = None
    client: str | None = None
    actor: str | None = None
    channel: str | None = None
    store_id: str | None = None
    terminal_id: str | None = None


class CertificatePart(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    certificate_id: str
    last4: str
    status: str
    currency: str
    nominal: int
    available: int
    held: int
    refund_held: int
    balance: int
    batch_id: str | None = None
    order_id: str | None = None
    order_line_id: str | None = None


class OperationPart(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """`event_id`: the id of the GiftCertificateTransaction event of the same change."""

    event_id: str
    transaction_type: str
    amount: int
    released: int | None = None
    authorization_id: str | None = None
    reference: str | None = None
    receipt_number: str | None = None
    refund_request_id: str | None = None
    reason: str | None = None
    late: bool = False
    bounced: bool = False
    delta: Delta | None = None
    metadata: msgspec.Raw | None = None


class AuditPart(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """`outcome`: ok or refused, then with the refusal's `code`; `reason`: an operator's own."""

    client: str | None = None
    actor: str | None = None
    channel: str | None = None
    store_id: str | None = None
    terminal_id: str | None = None
    command: str | None = None
    key_hash: str | None = None
    outcome: str | None = None
    code: str | None = None
    reason: str | None = None


class LinePart(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    order_id: str
    order_line_id: str
    nominal: int
    price: int
    paid: int
    currency: str
    allocation_status: str
    settled: bool
    blocks: tuple[str, ...]
    certificate_id: str | None = None
    last4: str | None = None
    refusal: str | None = None
    notification: str | None = None


class RefundPart(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """While it waits for its holder it has no `due_at`, and `waited_ms` does not grow yet."""

    refund_request_id: str
    certificate_id: str
    amount: int
    currency: str
    channel: str
    method: str
    status: str
    attempt: int
    requested_at: str
    waited_ms: int
    shortfall: int
    order_id: str | None = None
    order_line_id: str | None = None
    initiated_at: str | None = None
    closed_at: str | None = None
    due_at: str | None = None
    reason: str | None = None
    provider_reference: str | None = None
    waiting_since: str | None = None


class RowPart(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """`outcome`: issued, duplicate or rejected, then with a `code`."""

    batch_id: str
    chunk: int
    row: int
    attempt: int
    outcome: str
    certificate_id: str | None = None
    last4: str | None = None
    code: str | None = None


class NotificationPart(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    notification_id: str
    template: str
    certificate_id: str
    last4: str
    state: str
    order_id: str | None = None
    order_line_id: str | None = None


# Access: somebody opened what was sealed; the audit, and the notification if it was a contact.
BIKind = Literal[
    "Operation", "Declined", "OrderLine", "Refund", "BatchRow", "Notification", "Access"
]


class GiftCertificateBI(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A self-contained record for the mart; which parts it has depends on `kind`."""

    kind: BIKind
    certificate: CertificatePart | None = None
    operation: OperationPart | None = None
    audit: AuditPart | None = None
    line: LinePart | None = None
    refund: RefundPart | None = None
    row: RowPart | None = None
    notification: NotificationPart | None = None


class OrderLine(msgspec.Struct, frozen=True, rename="camel", gc=False):
    order_line_id: str
    certificate_id: str | None
    last4: str | None
    nominal: int
    price: int
    paid: int
    currency: str
    allocation_status: str
    refusal: str | None
    blocks: tuple[str, ...]
    notification: str | None


class GiftCertificateOrderState(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The certificate lines of an order after a journal record that changed any of them."""

    order_id: str
    sale_version: int | None
    order_status: str | None
    awaiting_sale: bool
    settled: bool
    outstanding_amount: int | None
    unapplied: int
    settlement_mismatch: bool
    paid_after_cancel: bool
    lines: tuple[OrderLine, ...]


class SealedDetails(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """AES-256-GCM under the key shared with Payments; `nonce` and `box` in Base64."""

    kid: str
    nonce: bytes
    box: bytes


class GiftCertificateRefundRequests(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """For Payments only, which drops repetitions by (`refundRequestId`, `attempt`, `action`)."""

    action: Literal["Refund", "Cancel"]
    refund_request_id: str
    attempt: int
    certificate_id: str
    order_id: str | None
    order_line_id: str | None
    amount: int
    currency: str
    channel: str
    method: str
    sealed_details: SealedDetails | None
    due_at: str


PUBLISHED_DATA: dict[str, type[msgspec.Struct]] = {
    data.__name__: data
    for data in (
        GiftCertificateState,
        GiftCertificateTransaction,
        GiftCertificateBI,
        GiftCertificateOrderState,
        GiftCertificateRefundRequests,
    )
}
