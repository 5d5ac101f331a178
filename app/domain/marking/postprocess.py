"""What happens after closing: reports, write-offs, withdrawals, one stage after another."""

from collections.abc import Iterator

from app.domain.marking.dictionaries import results_explained
from app.domain.marking.document import (
    FINAL,
    MAX_TECHNICAL_RESENDS,
    DocumentPurpose,
    DocumentStatus,
)
from app.domain.marking.order import Hold, OrderStatus
from app.domain.marking.sending import carry, first
from app.domain.marking.steps import (
    FreezeDocuments,
    FreezeReport,
    Move,
    Pause,
    RefreshCodes,
    Resend,
    Step,
    Wait,
)
from app.domain.marking.view import Document, OrderView, Report, Rules

FAILED_REPORTS = frozenset({"REJECTED", "FAILED", "PARTIALLY"})
ACCEPTED_REPORT = "SUCCESS"


def postprocess_step(view: OrderView, now: int, rules: Rules) -> Step:
    """The first stage that is not done decides; with all done the order is complete."""
    for stage in _stages(view, now, rules):
        if stage is not None:
            return stage
    return settled_step(view) or Move(OrderStatus.COMPLETED)


def settled_step(view: OrderView) -> Step | None:
    """Codes move only by what the remote side says of them, so it is asked after the end."""
    if view.settled_at is None:
        return None
    seen = view.codes_seen_at is not None and view.codes_seen_at > view.settled_at
    return None if seen else RefreshCodes()


def _stages(view: OrderView, now: int, rules: Rules) -> Iterator[Step | None]:
    plan, as_specified = view.plan, view.reports_as_specified
    if plan.utilisation:
        utilised = None if view.applied else refresh_step(view, now, rules)
        yield _report_stage(view, "utilisation", now) if as_specified else utilised
    if plan.dropout is not None:
        yield (
            _report_stage(view, "dropout", now)
            if as_specified
            else _document_stage(view, DocumentPurpose.WRITE_OFF, now)
        )
    if plan.withdraw is not None:
        yield _document_stage(view, DocumentPurpose.WITHDRAW, now)


def refresh_step(view: OrderView, now: int, rules: Rules) -> Step:
    """States of codes are asked for anew only after a while."""
    seen = view.codes_seen_at
    if seen is None or now >= seen + rules.code_refresh_ms:
        return RefreshCodes()
    return Wait(seen + rules.code_refresh_ms)


def _report_stage(view: OrderView, kind: str, now: int) -> Step | None:
    reports = [report for report in view.reports if report.kind == kind]
    if not reports:
        return FreezeReport(kind)
    return first(_report_step(report, view, now) for report in reports)


def _report_step(report: Report, view: OrderView, now: int) -> Step | None:
    if report.status == ACCEPTED_REPORT:
        return None
    if report.status in FAILED_REPORTS:
        reason = results_explained(report.error) if report.error else None
        return Pause(Hold.ATTENTION, f"{report.kind}-refused", reason=reason)
    return carry(report.subject, view, now) or Wait()


def _document_stage(view: OrderView, purpose: DocumentPurpose, now: int) -> Step | None:
    documents = [d for d in view.documents if d.purpose is purpose]
    if not documents:
        return FreezeDocuments(purpose)
    return first(_side_document_step(d, view, now) for d in documents)


def _side_document_step(document: Document, view: OrderView, now: int) -> Step | None:
    match document.status:
        case DocumentStatus.ACCEPTED | DocumentStatus.CANCELLED:
            return None
        case DocumentStatus.REJECTED:
            return Pause(Hold.ATTENTION, "document-rejected")
        case DocumentStatus.TECH_ERROR if document.resends >= MAX_TECHNICAL_RESENDS:
            return Pause(Hold.ATTENTION, "document-rejected")
        case DocumentStatus.TECH_ERROR:
            return Resend(document.subject.id)
        case _:
            return carry(document.subject, view, now) or Wait()


def later_step(view: OrderView, now: int) -> Step | None:
    """Documents asked for after closing are carried too; they never move the order.

    A document the order itself waited for is over once the order has gone on without it.
    """
    main = {DocumentPurpose.PREORDER, DocumentPurpose.INTRODUCE}
    pending = [
        d
        for d in view.documents
        if (d.later or d.purpose not in main)
        and (d.status is DocumentStatus.TECH_ERROR or d.status not in FINAL)
    ]
    return first(_side_document_step(d, view, now) for d in pending)
