"""Documents of True API: their states, and what an accepted one does to codes."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deploy.sandbox.document_checks import Finding, examine

if TYPE_CHECKING:
    from deploy.sandbox.participant import Participant

DOCUMENT_EDGES: dict[str, frozenset[str]] = {
    "IN_PROGRESS": frozenset(
        {
            "CHECKED_OK",
            "CHECKED_NOT_OK",
            "PARSE_ERROR",
            "PROCESSING_ERROR",
            "WAIT_FOR_CONTINUATION",
            "CANCELLED",
        }
    ),
    "WAIT_FOR_CONTINUATION": frozenset(
        {"CHECKED_OK", "CHECKED_NOT_OK", "PARSE_ERROR", "PROCESSING_ERROR", "CANCELLED"}
    ),
}
OPEN = frozenset(DOCUMENT_EDGES)
PURPOSES = {
    "LP_INTRODUCE_GOODS": "INTRODUCED",
    "LK_RECEIPT": "RETIRED",
    "WRITE_OFF": "WRITTEN_OFF",
}


@dataclass
class Document:
    number: str
    sequence: int
    created_ms: int
    kind: str
    body: bytes
    verdict: tuple[str, list[str]] | None = None
    hidden_until_ms: int = 0
    status: str = "IN_PROGRESS"
    history: list[tuple[int, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    kis: tuple[str, ...] = ()
    production_order_id: str | None = None

    @property
    def preorder(self) -> bool:
        return self.kind == "LP_INTRODUCE_GOODS" and not self.kis

    @property
    def bad_ms(self) -> int | None:
        """When the document stopped to count; None while it is open or accepted."""
        refused = self.status not in OPEN and self.status != "CHECKED_OK"
        return self.history[-1][0] if refused else None

    def move(self, status: str, at_ms: int) -> None:
        assert status in DOCUMENT_EDGES.get(self.status, ()), (self.status, status)
        self.status = status
        self.history.append((at_ms, status))


def settle(document: Document, who: "Participant", now_ms: int) -> None:
    """Gives the verdict when its time has come."""
    final_ms = document.created_ms + who.clock.span_ms(who.switches.delays.document)
    if document.status not in OPEN or now_ms < final_ms:
        return
    if document.verdict:
        status, errors = document.verdict
        if status == document.status:
            return
    else:
        finding = examine(document.kind, document.body, who, at_ms=final_ms)
        status, errors = finding.status, finding.errors
        _apply(document, finding, who, at_ms=final_ms)
    document.errors = errors
    document.move(status, final_ms)


def _apply(document: Document, finding: Finding, who: "Participant", *, at_ms: int) -> None:
    if finding.status != "CHECKED_OK":
        return
    for ki in finding.kis:
        who.codes[ki].history.append((at_ms, PURPOSES[document.kind]))


def shown(document: Document, who: "Participant", iso: str) -> dict[str, Any]:
    """An item of `doc/list`."""
    return {
        "number": document.number,
        "docDate": iso,
        "receivedAt": iso,
        "type": document.kind,
        "status": document.status,
        "senderInn": who.inn,
        "senderName": who.name,
        "receiverInn": None,
        "receiverName": None,
        "invoiceNumber": None,
        "relatedDocId": None,
        "downloadDesc": "; ".join(document.errors),
        "input": False,
        "errors": document.errors or None,
        "productGroup": "lp",
        "productGroupId": 1,
    }
