"""Events in the journal: what publishing turns into public messages.

NOTE: names and field order are wire format; add at the end, with a default, never change.
"""

from typing import Final, Literal

import msgspec

from app.domain.certificates.commands import Origin, Sealed

# What a person has to see of an order; and causes of dead letters from decisions.
OrderAlert = Literal[
    "BlockRefused",
    "ContactErased",
    "NotificationFailed",
    "PaidAfterCancel",
    "PaidNotDeliverable",
    "ReleaseImpossible",
    "SaleMissing",
    "SettlementMismatch",
    "Unanswered",
]
OrderNote = Literal[OrderAlert, "OrderStateChanged", "SettlementContradiction"]
DeadCode = Literal["RefundAmountMismatch", "RefundUnknown", "TooManyPayments", "VersionConflict"]
ORDER_STATE_CHANGED: Final = "OrderStateChanged"
SETTLEMENT_CONTRADICTION: Final = "SettlementContradiction"


class Audit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who asked for what and what came of it; `code` is the refusal, `key_hash` hex."""

    command: str
    outcome: str = "ok"  # ok or refused
    code: str | None = None
    client: str | None = None
    actor: str | None = None
    channel: str | None = None
    store_id: str | None = None
    terminal_id: str | None = None
    key_hash: str | None = None


class Moved(msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="event", tag="m"):
    """A change of a certificate: the type of certificates.md §3.3, deltas, balances after it."""

    type: str
    at: int
    amount: int
    d_available: int
    d_held: int
    d_refund_held: int
    available: int
    held: int
    refund_held: int
    audit: Audit
    hold: int | None = None
    released: int | None = None
    reference: str | None = None
    refund_request_id: str | None = None
    order_id: str | None = None
    order_line_id: str | None = None
    receipt_number: str | None = None
    reason: str | None = None
    late: bool = False
    bounced: bool = False
    metadata: str | None = None


class Declined(msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="event", tag="d"):
    """A refused mutation on an existing certificate, for the audit; nothing moved."""

    at: int
    audit: Audit


class BatchRow(msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="event", tag="b"):
    """`outcome`: issued, duplicate or rejected (with `code`)."""

    at: int
    batch_id: str
    chunk: int
    row: int
    attempt: int
    certificate_id: str
    last4: str
    outcome: str
    code: str | None = None


class RefundAsked(
    msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="event", tag="r"
):
    """For Payments; `action`: Refund or Cancel."""

    at: int
    action: str
    refund_request_id: str
    attempt: int
    order_id: str | None
    order_line_id: str | None
    amount: int
    currency: str
    channel: str
    method: str
    details: Sealed | None
    due_at: int


class NotificationAsked(
    msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="event", tag="n"
):
    """`id`: `<orderId>:<line>:<template>:<n>` or `<refundRequestId>:<template>:<n>`.

    `sealed` holds code and contact (associated data `order_id` + `order_line_id`) or, for
    refunds, the contact alone; the rest is what the text says.
    """

    at: int
    id: str
    template: str
    sealed: Sealed
    certificate_id: str
    last4: str
    amount: int
    currency: str
    valid_until: int | None
    order_id: str | None
    order_line_id: str | None


class DeadLettered(
    msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="event", tag="x"
):
    """A refusal marked "dead letter": the command itself is kept for replay."""

    at: int
    code: str
    reason: str
    kind: str
    command: bytes  # msgpack of the command's fields
    origin: Origin | None


class LineChanged(
    msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="event", tag="l"
):
    """An order line got another status; `status`, `code` as in certificates.md §5.2."""

    at: int
    order_line_id: str
    status: str
    code: str | None = None
    audit: Audit | None = None


class Noted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="event", tag="o"):
    """Something about an order for people and metrics; its name is an `OrderNote` or, with
    `audit`, what an operator did. `ORDER_STATE_CHANGED`: publish it.
    """

    at: int
    name: str
    order_line_id: str | None = None
    audit: Audit | None = None
    reason: str | None = None


CertificateEvent = Moved | Declined | BatchRow | RefundAsked | NotificationAsked | DeadLettered
OrderEvent = LineChanged | Noted | NotificationAsked | DeadLettered | Declined
