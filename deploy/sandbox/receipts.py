"""Receipts of SUZ, derived from what happened to orders, blocks and reports."""

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from deploy.sandbox.answers import Answer, suz_field_refusal
from deploy.sandbox.call import Call
from deploy.sandbox.orders import Order
from deploy.sandbox.participant import Participant
from deploy.sandbox.reports import Report, error_reason
from deploy.sandbox.suz import answer

STATES = {"SUCCESS": 0, "FAILED": 1, "IN_PROGRESS": 2, "PARTIALLY": 3}
WORKFLOWS = {
    "CREATE_ORDER",
    "REPORT_UTILIZE",
    "REPORT_AGGREGATION",
    "REPORT_DROPOUT",
    "ANNULMENT_CODES",
    "GET_CODES",
    "REPORT_QUALITY",
    "CLOSE_ORDER",
    "REPORT_SURPLUS",
}
WEEK_MS = 7 * 86_400_000
DONE = "Document was successfully processed"


class ReceiptFilter(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    start_create_doc_date: int | None = None
    end_create_doc_date: int | None = None
    start_start_doc_date: int | None = None
    end_start_doc_date: int | None = None
    result_doc_ids: list[str] = []
    source_doc_ids: list[str] = []
    order_ids: list[str] = []
    service_provider_ids: list[str] = []
    result_codes: list[int] = []
    product_groups: list[str] = []
    production_order_ids: list[str] = []
    workflow_types: list[str] = []


class ReceiptSearch(msgspec.Struct, forbid_unknown_fields=True):
    filter: ReceiptFilter
    limit: int = 10
    skip: int = 1


def receipt(call: Call) -> Answer:
    wanted = call.query["resultDocId"]
    return answer({"results": [r for r in _all(call.who) if r["resultDocId"] == wanted]})


def receipt_search(call: Call) -> Answer:
    form = _form(call.body)
    found = [r for r in _all(call.who) if _fits(r, form.filter)]
    start = (form.skip - 1) * form.limit
    return answer({"totalCount": len(found), "results": found[start : start + form.limit]})


def _form(body: bytes) -> ReceiptSearch:
    try:
        form = msgspec.json.decode(body, type=ReceiptSearch)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise suz_field_refusal([("body", str(error))]) from error
    wanted = form.filter
    if not 1 <= form.limit <= 100 or form.skip < 1 or form.skip * form.limit > 10_000:
        raise suz_field_refusal([("limit", "от 1 до 100; skip от 1; skip×limit до 10000")])
    spans = (
        (wanted.start_create_doc_date, wanted.end_create_doc_date),
        (wanted.start_start_doc_date, wanted.end_start_doc_date),
    )
    for start, end in spans:
        if start is not None and end is not None and not 0 <= end - start <= WEEK_MS:
            raise suz_field_refusal([("filter", "период не больше 7 дней")])
    lists = (wanted.result_doc_ids, wanted.source_doc_ids, wanted.order_ids)
    if any(len(ids) > 100 for ids in lists):
        raise suz_field_refusal([("filter", "не больше 100 идентификаторов")])
    if set(wanted.workflow_types) - WORKFLOWS:
        raise suz_field_refusal([("filter.workflowTypes", "неизвестный тип")])
    return form


def _fits(item: dict[str, Any], wanted: ReceiptFilter) -> bool:
    details = item["details"]
    pairs = (
        (item["resultDocId"], wanted.result_doc_ids),
        (item["sourceDocId"], wanted.source_doc_ids),
        (details.get("orderId"), wanted.order_ids),
        (details.get("productionOrderId"), wanted.production_order_ids),
        (item["workflow"], wanted.workflow_types),
        (item["code"], wanted.result_codes),
        ("lp", wanted.product_groups),
    )
    if any(allowed and value not in allowed for value, allowed in pairs):
        return False
    spans = (
        (details["createDocDate"], wanted.start_create_doc_date, wanted.end_create_doc_date),
        (details["startDocDate"], wanted.start_start_doc_date, wanted.end_start_doc_date),
    )
    return all((start or 0) <= at_ms <= (end or 1 << 62) for at_ms, start, end in spans)


def _all(who: Participant) -> Iterator[dict[str, Any]]:
    for order in who.orders.values():
        yield from _of_order(who, order)
    for block in who.blocks.values():
        order = who.orders[block.order_id]
        yield _receipt(
            who, "GET_CODES", order, source=block.block_id, at_ms=block.issued_ms, state="SUCCESS"
        )
    for report in who.reports.values():
        yield _of_report(who, report)


def _of_order(who: Participant, order: Order) -> Iterator[dict[str, Any]]:
    states = {"READY": "SUCCESS", "CLOSED": "SUCCESS", "DECLINED": "FAILED"}
    state = states.get(order.status, "IN_PROGRESS")
    if state == "SUCCESS" and order.plan.rejects:
        state = "PARTIALLY"
    source, at_ms = order.order_id, order.created_ms
    yield _receipt(who, "CREATE_ORDER", order, source=source, at_ms=at_ms, state=state)
    if order.status == "CLOSED":
        at_ms = order.history[-1][0]
        closed = _receipt(who, "CLOSE_ORDER", order, source=source, at_ms=at_ms, state="SUCCESS")
        closed["operations"][0]["details"]["reason"] = order.closed_by
        yield closed
        if any(buffer.annulled for buffer in order.buffers.values()):
            yield _receipt(
                who, "ANNULMENT_CODES", order, source=source, at_ms=at_ms, state="SUCCESS"
            )


def _of_report(who: Participant, report: Report) -> dict[str, Any]:
    workflow = "REPORT_DROPOUT" if report.kind == "dropout" else "REPORT_UTILIZE"
    state = report.status if report.status in STATES else "IN_PROGRESS"
    state = "FAILED" if report.status == "REJECTED" else state
    item = _receipt(
        who, workflow, None, source=report.report_id, at_ms=report.created_ms, state=state
    )
    item["description"] = error_reason(report) or DONE
    if report.production_order_id:
        item["details"]["productionOrderId"] = report.production_order_id
    return item


def _receipt(
    who: Participant, workflow: str, order: Order | None, *, source: str, at_ms: int, state: str
) -> dict[str, Any]:
    details: dict[str, Any] = {
        "participantInn": who.inn,
        "productGroupIds": [1],
        "txType": workflow,
        "startDocDate": at_ms,
        "createDocDate": at_ms,
    }
    if order:
        details["orderId"] = order.order_id
    if order and order.production_order_id:
        details["productionOrderId"] = order.production_order_id
    result = hashlib.sha256(f"{workflow}/{source}".encode()).hexdigest()
    operation = {
        "operationId": f"{result[:8]}-{result[8:12]}",
        "operationType": workflow,
        "operationDate": at_ms,
        "docId": source,
        "docDate": at_ms,
        "docHash": result,
        "details": {"state": state, "omsId": who.oms_id, "createDocDate": at_ms},
    }
    return {
        "resultDocId": str(who.ids.uuid_of(f"receipt/{workflow}/{source}", 1)),
        "resultDocDate": at_ms,
        "sourceDocId": source,
        "sourceDocDate": at_ms,
        "state": state,
        "code": STATES[state],
        "description": DONE,
        "workflow": workflow,
        "workflowVersion": 1,
        "details": details,
        "operations": [operation],
    }
