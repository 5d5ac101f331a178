"""What the ledger knows of a sale order with certificate lines.

NOTE: field order is storage format; add at the end, with a default, never change.
"""

import enum

import msgspec

from app.domain.certificates.commands import PaymentEntry, Sealed
from app.domain.certificates.order_results import StoredAnswer


class LineStatus(enum.StrEnum):
    PENDING = "Pending"
    ALLOCATED = "Allocated"
    PARTIALLY_PAID = "PartiallyPaid"
    PAID = "Paid"
    ACTIVATING = "Activating"
    AWAITING_CONTACT = "AwaitingContact"
    ACTIVATED = "Activated"
    RELEASING = "Releasing"
    RELEASED = "Released"
    REFUSED = "Refused"


TIED = frozenset({LineStatus.ALLOCATED, LineStatus.PARTIALLY_PAID, LineStatus.PAID})
SPENT = frozenset({LineStatus.ACTIVATING, LineStatus.ACTIVATED})
_TO_TIED = TIED | {LineStatus.ACTIVATING, LineStatus.AWAITING_CONTACT}
_WITHDRAWN = frozenset({LineStatus.PENDING, LineStatus.RELEASING, LineStatus.REFUSED})

# Which status may follow which: certificates.md §5.2; the diagram in the docs is made of it.
TRANSITIONS: dict[LineStatus, frozenset[LineStatus]] = {
    LineStatus.PENDING: TIED | {LineStatus.REFUSED, LineStatus.RELEASING},
    LineStatus.ALLOCATED: _TO_TIED | _WITHDRAWN,
    LineStatus.PARTIALLY_PAID: _TO_TIED | _WITHDRAWN,
    LineStatus.PAID: _TO_TIED | _WITHDRAWN,
    LineStatus.ACTIVATING: frozenset({LineStatus.ACTIVATED, LineStatus.REFUSED}),
    LineStatus.AWAITING_CONTACT: _TO_TIED | _WITHDRAWN,
    LineStatus.ACTIVATED: frozenset(),
    LineStatus.RELEASING: frozenset(
        {LineStatus.RELEASED, LineStatus.PENDING, LineStatus.REFUSED, LineStatus.ACTIVATED}
    ),
    LineStatus.RELEASED: frozenset({LineStatus.PENDING, LineStatus.REFUSED}),
    LineStatus.REFUSED: TIED
    | {LineStatus.PENDING, LineStatus.RELEASING, LineStatus.RELEASED, LineStatus.REFUSED},
}


class Sale(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest sale message; an empty `body_hash`: the record has shrunk."""

    version: int
    occurred_at: int
    body_hash: bytes
    order_status: str
    store_id: str | None
    channel: str | None


class Payment(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest message of one payment; `received`: some version of it brought the money."""

    version: int
    occurred_at: int
    body_hash: bytes
    status: str
    amount: int
    currency: str
    entries: tuple[PaymentEntry, ...] | None
    received: bool


class Settlement(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Flags of the newest message that carries both; the first three fields order them."""

    occurred_at: int
    payment_id: str
    version: int
    is_order_settled: bool
    outstanding_amount: int


class Notification(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`state`: ASKED, SENT or FAILED; `n` counts the messages of the line from 1."""

    state: str
    n: int
    at: int


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One certificate line.

    `since`: when the status was reached (all of Allocated, PartiallyPaid and Paid count as
    one); `dropped`: the newest sale has it no more; `blocks`: reasons that this order has put
    on the certificate; `asks`: how often the question of the status was repeated.
    """

    position: int
    certificate_id: str | None
    last4: str | None
    nominal: int
    price: int
    currency: str
    attempt: int
    status: LineStatus
    since: int
    refusal: str | None = None
    asks: int = 0
    ask_at: int | None = None
    paid: int = 0
    blocks: tuple[str, ...] = ()
    delivery: str = "NONE"
    sealed: Sealed | None = None
    content: bytes = b""
    notification: Notification | None = None
    dropped: bool = False
    valid_until: int | None = None


class Ask(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A question beside the lines' own that has no answer yet: release, block or unblock."""

    what: str
    order_line_id: str
    certificate_id: str
    attempt: int
    reason: str | None
    asks: int
    ask_at: int | None


class Order(msgspec.Struct, frozen=True, array_like=True):
    """`since`: when the record began to wait for its sale, `sale_missed`: for too long;
    `asks`: open questions beside those of the lines; `currency`: that of the first line.
    """

    clock: int
    next_due: int | None
    since: int
    sale: Sale | None = None
    lines: dict[str, Line] = {}
    payments: dict[str, Payment] = {}
    settlement: Settlement | None = None
    unapplied: int = 0
    settlement_mismatch: bool = False
    paid_after_cancel: bool = False
    asks: tuple[Ask, ...] = ()
    requests: tuple[StoredAnswer, ...] = ()
    sale_missed: bool = False
    currency: str | None = None

    @property
    def settled(self) -> bool:
        """Payments says so, and the order is not cancelled."""
        return self.flagged_settled and not self.cancelled

    @property
    def flagged_settled(self) -> bool:
        flags = self.settlement
        return flags is not None and flags.is_order_settled and flags.outstanding_amount == 0

    @property
    def cancelled(self) -> bool:
        return self.sale is not None and self.sale.order_status == "Cancelled"

    @property
    def shrunk(self) -> bool:
        return self.sale is not None and not self.sale.body_hash

    @property
    def is_stub(self) -> bool:
        """Nothing of it concerns certificates so far: not published."""
        return self.sale is None and all(one.entries is None for one in self.payments.values())
