"""What certificates answer to their order."""

from app.domain.certificates.commands import LineReport
from app.domain.certificates.order_notices import activated
from app.domain.certificates.order_state import Ask, Line, LineStatus
from app.domain.certificates.order_turn import CERTIFICATE_UNKNOWN, Turn

ALREADY_ACTIVATED = "AlreadyActivated"
# With these the certificate cannot be tied to our line by an earlier attempt.
_NEVER_TIED = frozenset({CERTIFICATE_UNKNOWN, "CodeAlreadySold", "CertificateCancelled"})
_WAITING = frozenset({LineStatus.PENDING, LineStatus.REFUSED})


def apply_report(turn: Turn, report: LineReport) -> None:
    match report.what:
        case "allocate":
            _allocated(turn, report)
        case "activate":
            _activated(turn, report)
        case "release":
            _released(turn, report)
        case "block" | "unblock":
            _blocked(turn, report)
        case what:
            raise ValueError(f"a certificate reports {what!r}, which no order asks")


def _meant(turn: Turn, report: LineReport) -> Line | None:
    """The line, if the report answers its present question and not an older one."""
    line = turn.order.lines.get(report.order_line_id)
    if line is None or line.attempt != report.attempt or not line.attempt:
        return None
    return line if line.certificate_id == report.certificate_id else None


def _allocated(turn: Turn, report: LineReport) -> None:
    line = _meant(turn, report)
    if line is None or line.status not in _WAITING:
        if report.code is None and not _is_wanted(turn, report):
            turn.give_back(report.order_line_id, report.certificate_id, report.attempt)
    elif report.code is None:
        if not _is_given_back(turn, report):
            last4 = line.last4 or report.last4
            turn.move(report.order_line_id, LineStatus.ALLOCATED, last4=last4)
    else:
        _refuse(turn, report, line=line, code=report.code)


def _is_given_back(turn: Turn, report: LineReport) -> bool:
    """A release of this very attempt is under way: the answer is older than it."""
    given_back = ("release", report.order_line_id, report.certificate_id, report.attempt)
    return any(
        (ask.what, ask.order_line_id, ask.certificate_id, ask.attempt) == given_back
        for ask in turn.order.asks
    )


def _is_wanted(turn: Turn, report: LineReport) -> bool:
    """A line that is giving the certificate back has asked for it already."""
    line = turn.order.lines.get(report.order_line_id)
    if line is None or line.certificate_id != report.certificate_id:
        return False
    return line.attempt > 0 and line.status is not LineStatus.RELEASED


def _refuse(turn: Turn, report: LineReport, *, line: Line, code: str) -> None:
    final = line.status is LineStatus.REFUSED and line.refusal != CERTIFICATE_UNKNOWN
    if final or (line.status is LineStatus.REFUSED and line.refusal == code):
        return
    asks, ask_at = (line.asks, line.ask_at) if code == CERTIFICATE_UNKNOWN else (0, None)
    line_id = report.order_line_id
    turn.move(line_id, LineStatus.REFUSED, refusal=code, asks=asks, ask_at=ask_at)
    if line.attempt > 1 and code not in _NEVER_TIED:
        turn.give_back(line_id, report.certificate_id, line.attempt)


def _activated(turn: Turn, report: LineReport) -> None:
    line = _meant(turn, report)
    if line is None or line.status is not LineStatus.ACTIVATING:
        return
    if report.code is None:
        activated(turn, report.order_line_id, valid_until=report.valid_until)
        return
    turn.move(report.order_line_id, LineStatus.REFUSED, refusal=report.code)
    turn.note("PaidNotDeliverable", report.order_line_id)


def _released(turn: Turn, report: LineReport) -> None:
    ask = _answered(turn, report)
    if ask is not None:
        turn.close(ask)
    line = _meant(turn, report)
    if line is not None and line.status is LineStatus.RELEASING:
        if report.code == ALREADY_ACTIVATED:
            activated(turn, report.order_line_id, valid_until=report.valid_until)
        else:
            turn.move(report.order_line_id, LineStatus.RELEASED)
    elif ask is not None and report.code == ALREADY_ACTIVATED:
        turn.note("ReleaseImpossible", report.order_line_id)


def _blocked(turn: Turn, report: LineReport) -> None:
    ask = _answered(turn, report)
    if ask is None:
        return
    turn.close(ask)
    if report.code is not None:
        turn.note("BlockRefused", report.order_line_id)


def _answered(turn: Turn, report: LineReport) -> Ask | None:
    return next((ask for ask in turn.order.asks if _answers(report, ask)), None)


def _answers(report: LineReport, ask: Ask) -> bool:
    if (report.what, report.order_line_id) != (ask.what, ask.order_line_id):
        return False
    if report.certificate_id != ask.certificate_id:
        return False
    if ask.what == "release":
        return report.attempt == ask.attempt
    return report.reason in {ask.reason, None}
