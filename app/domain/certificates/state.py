"""What the ledger knows of one certificate.

NOTE: names and field order are the journal's format; add at the end, with a default, never
change. Enum values are stored too.
"""

import enum
from typing import Any

import msgspec

from app.domain.certificates.commands import Sealed
from app.domain.policy import DAY_MS, Policy


class Lifecycle(enum.StrEnum):
    ABSENT = "Absent"
    ISSUED = "Issued"
    ALLOCATED = "Allocated"
    ACTIVE = "Active"
    EXPIRED = "Expired"
    REFUND_PENDING = "RefundPending"
    REFUNDED = "Refunded"
    CANCELLED = "Cancelled"


class HoldState(enum.StrEnum):
    HELD = "Held"
    CAPTURED = "Captured"
    VOIDED = "Voided"
    EXPIRED = "Expired"
    REVERSED = "Reversed"


class RefundStatus(enum.StrEnum):
    REQUESTED = "Requested"
    INITIATED = "Initiated"
    DETAILS_REQUIRED = "AlternateDetailsRequired"
    SETTLED = "Settled"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


class Block(msgspec.Struct, frozen=True, array_like=True, gc=False):
    reason: str
    by: str | None
    at: int
    freeze_holds: bool = False


class Allocation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`reserved_until` None: the sale has come; else only the till has spoken for it."""

    order_id: str
    order_line_id: str
    attempt: int
    reserved_until: int | None = None


class Hold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Money set aside; `rest` is what may still be captured, 0 unless Held."""

    n: int
    reference: str
    client: str
    store_id: str | None
    terminal_id: str | None
    channel: str
    requested: int
    approved: int
    rest: int
    created_at: int
    expires_at: int
    captured: int = 0
    restored: int = 0
    state: HoldState = HoldState.HELD
    last_capture_at: int | None = None
    closed_at: int | None = None
    closed_by: str | None = None


class ClosedHold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A hold that is not Held any more; `at`: when it was last captured, else closed."""

    n: int
    at: int
    hold: Hold


ClosedHolds = dict[str, bytes]  # packed ClosedHold by client and reference, by `at`; never changed


class Settlement(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One attempt that Payments paid: what it took from us, what it lacked (`short`)."""

    attempt: int
    taken: int
    short: int = 0
    bounced: bool = False


class RefundRequest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """(`attempt`, `version`) is the newest message; `failures` the failed (attempt, version)."""

    n: int
    amount: int
    channel: str
    method: str
    requested_at: int
    status: RefundStatus = RefundStatus.REQUESTED
    attempt: int = 1
    version: int = -1
    settlements: tuple[Settlement, ...] = ()
    failures: tuple[tuple[int, int], ...] = ()
    initiated_at: int | None = None
    closed_at: int | None = None
    waiting_since: int | None = None
    waited_ms: int = 0
    details: Sealed | None = None
    contact: Sealed | None = None
    reason: str | None = None
    provider_reference: str | None = None
    asks: int = 0
    ask_at: int | None = None
    reminders: int = 0
    notices: int = 0
    overdue: bool = False

    def deadline(self, policy: Policy) -> int:
        """The legal term for the pay-out; time spent waiting for the holder does not count."""
        return self.requested_at + policy.refund_deadline_days * DAY_MS + self.waited_ms

    def due_at(self, policy: Policy) -> int | None:
        """The deadline as it may be shown: none while the holder is waited for, it moves then."""
        return self.deadline(policy) if self.waiting_since is None else None

    def next_due(self, policy: Policy) -> int | None:
        """When time alone concerns the open request: certificates.md §6.4."""
        if self.waiting_since is not None:
            days = (*policy.refund_details_remind_days, policy.refund_details_cancel_days)
            return self.waiting_since + days[self.reminders] * DAY_MS
        clocks = [] if self.overdue else [self.deadline(policy)]
        if self.ask_at is not None:
            clocks.append(self.ask_at)
        return min(clocks, default=None)


class StoredResult(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An answer kept for replay: `values` are those of the members that `shape` names."""

    body_hash: bytes
    at: int
    status: int
    code: str | None
    instance: str
    shape: str
    values: tuple[Any, ...]


Results = dict[bytes, bytes]  # packed StoredResult by the request's key hash; never changed


class Tombstone(msgspec.Struct, frozen=True, array_like=True, gc=False):
    client: str
    reference: str
    at: int


class Sender(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest follow-up seen of an order."""

    order_id: str
    sequence: int
    n: int


class Certificate(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The state of certificates.md §3.1.

    Its `holds` are the open ones in `holds` and those in `closed`; its `requests` are `refusals`
    and, of the successes, the newest in `results` and those before them on pages, of which
    `pages` has the numbers and `marks` what `results.py` makes of each result.
    """

    lifecycle: Lifecycle = Lifecycle.ABSENT
    last4: str = ""
    weak: bool = False
    nominal: int = 0
    currency: str = ""
    batch_id: str = ""
    row: int = 0
    row_attempt: int = 0
    row_digest: bytes = b""
    product_id: str | None = None
    valid_until: int | None = None
    validity_days: int | None = None
    order: Allocation | None = None
    loaded: int = 0
    captured: int = 0
    restored: int = 0
    refunded: int = 0
    written_off: int = 0
    available: int = 0
    held: int = 0
    refund_held: int = 0
    shortfall: int = 0
    blocks: tuple[Block, ...] = ()
    holds: tuple[Hold, ...] = ()
    refund: RefundRequest | None = None
    refunds: tuple[RefundRequest, ...] = ()
    results: Results = {}
    refusals: Results = {}
    tombstones: tuple[Tombstone, ...] = ()
    senders: tuple[Sender, ...] = ()
    clock: int = 0
    next_due: int | None = None
    next_hold: int = 1
    next_refund: int = 1
    pages: bytes = b""
    marks: bytes = b""
    closed: ClosedHolds = {}

    @property
    def balance(self) -> int:
        return self.available + self.held + self.refund_held

    @property
    def status(self) -> str:
        """The status shown: the first that matches, in the order of certificates.md §3.1."""
        lifecycle = self.lifecycle
        if lifecycle in _SHOWN_FIRST:
            return lifecycle.value
        if self.blocks:
            return "Blocked"
        if lifecycle is Lifecycle.ACTIVE and self.balance == 0:
            return "Exhausted"
        return lifecycle.value

    @property
    def open_holds(self) -> int:
        """Counted, because of schema 1 (`kept_holds.upgraded`)."""
        return sum(hold.state is HoldState.HELD for hold in self.holds)


ABSENT = Certificate()
_SHOWN_FIRST = frozenset({Lifecycle.CANCELLED, Lifecycle.REFUNDED, Lifecycle.REFUND_PENDING})
