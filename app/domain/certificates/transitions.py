"""Which command may do what in which lifecycle: certificates.md §3.2 as data."""

import msgspec

from app.domain.certificates.state import Lifecycle

ACTIVE = Lifecycle.ACTIVE
EXPIRED = Lifecycle.EXPIRED
REFUNDED = Lifecycle.REFUNDED
SAME = "="
NOTHING = "·"


class Cell(msgspec.Struct, frozen=True):
    """`refusal`: refused at once; `to`: lifecycles that may follow; `events` that may come.

    `note` says in words what neither of them tells; it is for the docs alone.
    """

    refusal: str | None = None
    to: tuple[Lifecycle, ...] = ()
    events: tuple[str, ...] = ()
    note: str = ""


Row = dict[Lifecycle, Cell]


def _no(code: str, note: str = "") -> Cell:
    return Cell(refusal=code, note=note)


def _to(*to: Lifecycle, on: str, note: str = "") -> Cell:
    events = tuple(on.split())
    if ACTIVE in to and EXPIRED not in to:
        # After any move to Active a term that is over ends it in the same commit.
        to, events = (*to, EXPIRED), (*events, "Expired")
    return Cell(to=to, events=events, note=note)


def _stays(on: str = "", note: str = "") -> Cell:
    return Cell(events=tuple(on.split()), note=note)


def _row(*cells: Cell) -> Row:
    """Cells by lifecycle; too few: the last one holds for the rest."""
    missing = len(Lifecycle) - len(cells)
    return dict(zip(Lifecycle, (*cells, *cells[-1:] * missing), strict=True))


_UNKNOWN = _no("CertificateUnknown")
_NOT_ACTIVE = _no("CertificateNotActive")
_IN_PROGRESS = _no("RefundInProgress")
_REFUNDED = _no("CertificateRefunded")
_CANCELLED = _no("CertificateCancelled")
_NOT_ALLOCATED = _no("NotAllocated")
_NO_HOLD = _stays(note="AuthorizationUnknown: it has no holds")
_HOLD_ASKED = "see the table of holds"
_SOLD = _stays(note="own: `=`; else CodeAlreadySold")
_ISSUED_BEFORE = _stays(
    note="same batch and row: `=` or RowChanged if fields differ; else CodeAlreadyExists"
)
_PAID_OUT = _to(REFUNDED, ACTIVE, on="Refund RefundFailed Blocked", note="by the message")
_LATE = _to(
    REFUNDED, ACTIVE, on="Refund RefundFailed Blocked", note="late or repeated; else RefundUnknown"
)
_CLOSED = _stays(note="RefundNotOpen if known, else RefundUnknown")
_REFUND_UNKNOWN = _stays(note="RefundUnknown")

TRANSITIONS: dict[str, Row] = {
    "IssueCertificate": _row(_to(Lifecycle.ISSUED, on="Issued"), _ISSUED_BEFORE),
    "AllocateCertificate": _row(
        _UNKNOWN,
        _to(Lifecycle.ALLOCATED, on="Allocated"),
        _stays(
            "Allocated",
            "own: `=`, newer attempt re-checked; a reservation of the same order is taken over; "
            "else CodeAlreadySold",
        ),
        *(_SOLD,) * 4,
        _CANCELLED,
    ),
    "ReleaseCertificate": _row(
        _stays(note=NOTHING),
        _stays(note=NOTHING),
        _to(Lifecycle.ISSUED, on="Released", note="own, attempt ≥ stored; else ·"),
        *(_stays(note="own: AlreadyActivated; else ·"),) * 4,
        _stays(note=NOTHING),
    ),
    "ActivateCertificate": _row(
        _UNKNOWN,
        _NOT_ALLOCATED,
        _to(ACTIVE, on="Activated", note="own; else NotAllocated"),
        *(_stays(note="own: `=`; else NotAllocated"),) * 4,
        _CANCELLED,
    ),
    "Authorize": _row(
        _UNKNOWN,
        _NOT_ACTIVE,
        _NOT_ACTIVE,
        _stays("Authorized"),
        _no("CertificateExpired"),
        _IN_PROGRESS,
        _REFUNDED,
        _CANCELLED,
    ),
    "Capture": _row(*(_NO_HOLD,) * 3, _stays("Captured", _HOLD_ASKED)),
    "VoidHold": _row(*(_NO_HOLD,) * 3, _stays("Voided", _HOLD_ASKED)),
    "Restore": _row(
        *(_NO_HOLD,) * 3,
        _stays("Restored", _HOLD_ASKED),
        _stays("Restored", "credited, stays Expired"),
        _IN_PROGRESS,
        _to(ACTIVE, on="Restored"),
        _CANCELLED,
    ),
    "Reverse": _row(
        _UNKNOWN,
        _stays(note="tombstone; older than the horizon: ReversalTooLate"),
        _stays(note="tombstone; older than the horizon: ReversalTooLate"),
        _stays("Reversed", "undo, or tombstone"),
        _stays("Reversed", "undo, stays Expired, or tombstone"),
        _stays("Reversed", "undo, the credit waits in `available`, or tombstone"),
        _to(ACTIVE, on="Reversed", note="undo, or tombstone"),
        _stays("Reversed", "undo, the credit is written off at once, or tombstone"),
    ),
    "RequestRefund": _row(
        _UNKNOWN,
        _NOT_ACTIVE,
        _NOT_ACTIVE,
        _to(Lifecycle.REFUND_PENDING, on="RefundRequested"),
        _to(Lifecycle.REFUND_PENDING, on="RefundRequested"),
        _IN_PROGRESS,
        _REFUNDED,
        _CANCELLED,
    ),
    "RefundUpdate": _row(
        *(_REFUND_UNKNOWN,) * 3,
        _LATE,
        _LATE,
        _to(
            REFUNDED,
            ACTIVE,
            on="RefundInitiated AlternateDetailsRequired Refund RefundFailed Blocked",
            note="Settled: Refunded (Active if `available` > 0); Failed: Active; others stay",
        ),
        _LATE,
        _stays("Refund RefundFailed Blocked", "late or repeated; else RefundUnknown"),
    ),
    "ProvideRefundDetails": _row(
        *(_REFUND_UNKNOWN,) * 3,
        _CLOSED,
        _CLOSED,
        _stays("RefundDetailsProvided", "RefundDetailsNotAsked unless they were"),
        _CLOSED,
        _CLOSED,
    ),
    "CancelRefund": _row(
        *(_REFUND_UNKNOWN,) * 3,
        _CLOSED,
        _CLOSED,
        _to(ACTIVE, on="RefundCancelled", note="RefundAlreadyStarted unless details are awaited"),
        _CLOSED,
        _CLOSED,
    ),
    "ResolveRefund": _row(
        *(_REFUND_UNKNOWN,) * 3,
        _CLOSED,
        _CLOSED,
        _PAID_OUT,
        _CLOSED,
        _CLOSED,
    ),
    "BlockCertificate": _row(
        _UNKNOWN,
        *(_stays("Blocked", "already so: `=`"),) * 6,
        _stays(note=NOTHING),
    ),
    "UnblockCertificate": _row(
        _UNKNOWN,
        *(_stays("Unblocked", "already so: `=`"),) * 6,
        _stays(note=NOTHING),
    ),
    "ExtendValidity": _row(
        _UNKNOWN,
        _stays("Extended"),
        _stays("Extended"),
        _stays("Extended"),
        _to(ACTIVE, on="Extended"),
        _IN_PROGRESS,
        _REFUNDED,
        _CANCELLED,
    ),
    "CancelCertificate": _row(
        _UNKNOWN,
        _to(Lifecycle.CANCELLED, on="Cancelled"),
        _no("CertificateAllocated"),
        *(
            _to(
                Lifecycle.CANCELLED,
                on="Cancelled",
                note="HoldsOpen if held > 0; `available` is written off; a chunk's cancel leaves "
                "what is sold: CertificateAllocated",
            ),
        )
        * 2,
        _IN_PROGRESS,
        _REFUNDED,
        _stays(note=SAME),
    ),
    "Due": _row(
        _stays(),
        _stays(),
        _to(Lifecycle.ISSUED, on="Released", note="reservation over"),
        _to(EXPIRED, on="HoldExpired Expired", note="holds over; term over"),
        _stays("HoldExpired", "holds over"),
        _to(ACTIVE, on="RefundOverdue RefundCancelled", note="clocks of the refund"),
        _stays(),
        _stays(),
    ),
}
