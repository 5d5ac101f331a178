"""SUZ: utilisation and dropout reports, and what became of them."""

from deploy.sandbox import reports
from deploy.sandbox.answers import Answer, suz_refusal
from deploy.sandbox.call import Call
from deploy.sandbox.reports import Report
from deploy.sandbox.station_forms import DropoutForm, UtilisationForm, read_form
from deploy.sandbox.station_signature import of_request
from deploy.sandbox.suz import answer

NOT_AVAILABLE = 1300


def utilisation(call: Call) -> Answer:
    return _report(call, UtilisationForm)


def dropout(call: Call) -> Answer:
    return _report(call, DropoutForm)


def _report(call: Call, form: type[UtilisationForm] | type[DropoutForm]) -> Answer:
    who, kind = call.who, call.operation.rsplit(".", 1)[-1]
    verdict = of_request(call)
    body = read_form(form, call.body)
    if who.switches.lp_reports == "refuse":
        text = f"Метод {kind} is not available for product group lp"
        raise suz_refusal(400, text, NOT_AVAILABLE)
    attributes = body.attributes
    report = Report(
        report_id=who.ids.uuid("report"),
        number=who.ids.number("report-number"),
        kind=kind,
        created_ms=call.now_ms,
        sntins=body.sntins,
        production_order_id=attributes.production_order_id if attributes else None,
        rejection=verdict.problem,
        status="DRAFT" if verdict.state == "absent" else "PENDING",
    )
    report.history.append((call.now_ms, report.status))
    spec = call.effect("verdict")
    if spec and spec.state == "REJECTED":
        report.rejection = "; ".join(spec.errors) or "Отчёт отклонён"
    elif spec:
        report.verdict = spec.state or "FAILED"
    who.reports[report.report_id] = report
    return answer({"omsId": who.oms_id, "reportId": report.report_id})


def report_info(call: Call) -> Answer:
    report = call.who.reports.get(call.query["reportId"])
    if report is None:
        raise suz_refusal(404, "Отчёт не найден", 404)
    return answer(reports.shown(report, call.who.oms_id))
