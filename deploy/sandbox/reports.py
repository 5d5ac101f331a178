"""Utilisation and dropout reports of SUZ: their states and effects."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deploy.sandbox.participant import Participant

REPORT_EDGES: dict[str, frozenset[str]] = {
    "DRAFT": frozenset(),
    "PENDING": frozenset({"READY_TO_SEND", "REJECTED"}),
    "READY_TO_SEND": frozenset({"SENT", "REJECTED"}),
    "SENT": frozenset({"SUCCESS", "FAILED", "PARTIALLY"}),
}
NOT_EXISTS, ALREADY_OUT, CRYPTO = 2, 1, 103
PROBLEMS = {
    NOT_EXISTS: "Код не существует",
    ALREADY_OUT: "Код уже выбыл",
    CRYPTO: "Код проверки не совпадает",
}


@dataclass
class Report:
    report_id: str
    number: int
    kind: str
    created_ms: int
    sntins: list[str]
    production_order_id: str | None
    rejection: str | None = None
    verdict: str | None = None
    status: str = "PENDING"
    history: list[tuple[int, str]] = field(default_factory=list)
    results: dict[str, int] = field(default_factory=dict)

    def move(self, status: str, at_ms: int) -> None:
        assert status in REPORT_EDGES.get(self.status, ()), (self.status, status)
        self.status = status
        self.history.append((at_ms, status))


def settle(report: Report, who: "Participant", now_ms: int) -> None:
    """PENDING, READY_TO_SEND, SENT and the end share the delay in equal parts."""
    delay = who.clock.span_ms(who.switches.delays.report)
    steps = {"PENDING": 1, "READY_TO_SEND": 2, "SENT": 3}
    while report.status in steps:
        at_ms = report.created_ms + delay * steps[report.status] // 3
        if at_ms > now_ms:
            return
        _step(report, who, at_ms)


def _step(report: Report, who: "Participant", at_ms: int) -> None:
    match report.status:
        case "PENDING" if report.rejection:
            report.move("REJECTED", at_ms)
        case "PENDING":
            report.move("READY_TO_SEND", at_ms)
        case "READY_TO_SEND":
            report.move("SENT", at_ms)
        case _:
            report.move(report.verdict or _outcome(report, who, at_ms), at_ms)


def _outcome(report: Report, who: "Participant", at_ms: int) -> str:
    """Applies the report to each good code; says how much of it was good."""
    applied = who.clock.span_ms(who.switches.delays.applied)
    good = 0
    for text in report.sntins:
        code = who.codes.get(text[:31])
        if code is None:
            report.results[text[:31]] = NOT_EXISTS
        elif code.full != text:
            report.results[text[:31]] = CRYPTO
        elif (status := code.status(at_ms, applied)) in {"RETIRED", "WRITTEN_OFF"}:
            report.results[text[:31]] = ALREADY_OUT
        else:
            good += 1
            if report.kind == "dropout":
                code.history.append((at_ms, "WRITTEN_OFF"))
            elif status == "EMITTED":
                code.history.append((at_ms, "APPLIED"))
    if good == len(report.sntins):
        return "SUCCESS"
    return "PARTIALLY" if good else "FAILED"


def error_reason(report: Report) -> str | None:
    if report.rejection and report.status == "REJECTED":
        return report.rejection
    codes = sorted(set(report.results.values()))
    return "; ".join(f"{code}: {PROBLEMS[code]}" for code in codes) or None


def shown(report: Report, oms_id: str) -> dict[str, Any]:
    info: dict[str, Any] = {
        "omsId": oms_id,
        "reportId": report.report_id,
        "reportStatus": report.status,
    }
    reason = error_reason(report)
    if reason:
        info["errorReason"] = reason
    return info
