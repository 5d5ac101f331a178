"""Everything about one order that the next step depends on, as read under its lease."""

from enum import StrEnum

import msgspec

from app.domain.marking.document import DocumentPurpose, DocumentStatus
from app.domain.marking.draft import PostprocessPlan
from app.domain.marking.order import Hold, OrderStatus, Profile
from app.domain.marking.station import Buffer, RemoteOrder


class Operation(StrEnum):
    """Calls that change something outside; each leaves an intent before it is made."""

    SUBMIT_DOCUMENT = "submit_document"
    CREATE_ORDER = "create_order"
    FETCH_CODES = "fetch_codes"
    CLOSE_ORDER = "close_order"
    SEND_REPORT = "send_report"


class CallState(StrEnum):
    PLANNED = "PLANNED"
    CLAIMED = "CLAIMED"
    ANSWERED = "ANSWERED"
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"
    FOUND = "FOUND"
    ABSENT = "ABSENT"


MAX_ABSENT_RESENDS = 3


class Call(msgspec.Struct, frozen=True):
    """An open intent. `due`: ms UTC of its next try or lookup, None: at once."""

    id: str
    operation: Operation
    subject_id: str
    state: CallState
    attempt: int = 1
    quantity: int | None = None
    due: int | None = None


class Subject(msgspec.Struct, frozen=True):
    """Frozen bytes that are signed, then sent: document, station order, its closing, report.

    `sent`: the foreign side has given its number. `absent`: how often a lookup proved that
    nothing had arrived.
    """

    id: str
    operation: Operation
    signed: bool
    sent: bool
    call: Call | None = None
    absent: int = 0
    sent_at: int | None = None


class Document(msgspec.Struct, frozen=True):
    """The newest attempt of one part of one purpose.

    `later`: asked for after closing, whatever the order goes on to do.
    """

    subject: Subject
    purpose: DocumentPurpose
    status: DocumentStatus
    attempt: int = 1
    resends: int = 0
    later: bool = False


class Report(msgspec.Struct, frozen=True):
    """`error`: why the station did not take it, in its own words."""

    subject: Subject
    kind: str
    status: str
    error: str | None = None


class StationOrder(msgspec.Struct, frozen=True):
    """The newest attempt at the station; times are ms UTC."""

    subject: Subject
    attempt: int
    remote: RemoteOrder | None = None
    remote_since: int | None = None
    buffers: tuple[Buffer, ...] = ()
    fetches: tuple[Call, ...] = ()
    closing: Subject | None = None
    collected_at: int | None = None
    seen_at: int | None = None


class OrderView(msgspec.Struct, frozen=True):
    """`applied`: every stored, well-formed code of the order has left `STORED`.

    `doubtful`: open calls that may have gone out, also those of attempts no longer current.
    `settled_at`: when the last document or report about codes became final; their states are
    then asked for once more, unless `codes_seen_at` is later (ms UTC).
    `waited_s`: the escalation clock of the present status.
    """

    id: str
    status: OrderStatus
    profile: Profile
    hold: Hold | None = None
    documents: tuple[Document, ...] = ()
    reports: tuple[Report, ...] = ()
    station: StationOrder | None = None
    doubtful: tuple[Call, ...] = ()
    plan: PostprocessPlan = PostprocessPlan()
    reports_as_specified: bool = True
    automatic_signer: bool = False
    introduce: bool = False
    applied: bool = False
    codes_seen_at: int | None = None
    settled_at: int | None = None
    waited_s: int = 0


class Rules(msgspec.Struct, frozen=True):
    """Settings the law depends on; durations in ms.

    `list_mode`: polls read the list of orders, which tells nothing of available codes.
    `sending_limit_s`: by the escalation clock of the order, in its seconds.
    """

    self_close_ms: int = 0
    created_limit_ms: int = 600_000
    code_refresh_ms: int = 30_000
    suz_poll_ms: int = 30_000
    list_mode: bool = True
    sending_limit_s: float = 900
