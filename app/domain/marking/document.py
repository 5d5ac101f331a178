"""Documents of True API: their states, remote statuses, and whether one found is ours."""

from enum import StrEnum

MAX_TECHNICAL_RESENDS = 3


class DocumentPurpose(StrEnum):
    PREORDER = "preorder"
    INTRODUCE = "introduce"
    WITHDRAW = "withdraw"
    WRITE_OFF = "write_off"


class DocumentStatus(StrEnum):
    DRAFT = "DRAFT"
    SIGNING = "SIGNING"
    SENDING = "SENDING"
    UNKNOWN = "UNKNOWN"
    CHECKING = "CHECKING"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    TECH_ERROR = "TECH_ERROR"
    CANCELLED = "CANCELLED"


D = DocumentStatus
TRANSITIONS: dict[DocumentStatus, frozenset[DocumentStatus]] = {
    D.DRAFT: frozenset({D.SIGNING, D.CANCELLED}),
    D.SIGNING: frozenset({D.SENDING, D.CANCELLED}),
    D.SENDING: frozenset({D.CHECKING, D.UNKNOWN, D.SIGNING, D.REJECTED, D.CANCELLED}),
    D.UNKNOWN: frozenset({D.CHECKING, D.SENDING}),
    D.CHECKING: frozenset({D.ACCEPTED, D.REJECTED, D.TECH_ERROR}),
    D.ACCEPTED: frozenset(),
    D.REJECTED: frozenset(),
    D.TECH_ERROR: frozenset(),
    D.CANCELLED: frozenset(),
}
FINAL = frozenset(status for status, following in TRANSITIONS.items() if not following)
REMOTE_STATUSES: dict[str, DocumentStatus] = {
    "IN_PROGRESS": D.CHECKING,
    "WAIT_FOR_CONTINUATION": D.CHECKING,
    "CHECKED_OK": D.ACCEPTED,
    "CHECKED_NOT_OK": D.REJECTED,
    "PARSE_ERROR": D.REJECTED,
    "CANCELLED": D.REJECTED,
    "CANCELED": D.REJECTED,
    "PROCESSING_ERROR": D.TECH_ERROR,
}
DOCUMENT_TYPES = {
    DocumentPurpose.PREORDER: "LP_INTRODUCE_GOODS",
    DocumentPurpose.INTRODUCE: "LP_INTRODUCE_GOODS",
    DocumentPurpose.WITHDRAW: "LK_RECEIPT",
    DocumentPurpose.WRITE_OFF: "WRITE_OFF",
}


def may_follow(source: DocumentStatus, target: DocumentStatus) -> bool:
    return target in TRANSITIONS[source]


def remote_meaning(status: str) -> DocumentStatus | None:
    """What a remote status means for ours; None: unknown, the document is still checking."""
    return REMOTE_STATUSES.get(status)
