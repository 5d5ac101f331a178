"""`doc/list` of True API: filters, order, keyset paging."""

import re
from datetime import UTC, datetime

from deploy.sandbox.answers import Answer, as_json, true_api_refusal
from deploy.sandbox.call import Call
from deploy.sandbox.document_forms import is_inn
from deploy.sandbox.documents import Document, shown
from deploy.sandbox.true_api import iso, product_group

QUERY = {
    name: name == "pg"
    for name in (
        "pg",
        "number",
        "dateFrom",
        "dateTo",
        "documentFormat",
        "documentStatus",
        "documentType",
        "senderInn",
        "receiverInn",
        "limit",
        "order",
        "orderColumn",
        "did",
        "orderedColumnValue",
        "pageDir",
    )
}
STATUSES = {
    "IN_PROGRESS",
    "WAIT_FOR_CONTINUATION",
    "CHECKED_OK",
    "CHECKED_NOT_OK",
    "PROCESSING_ERROR",
    "PARSE_ERROR",
    "ACCEPTED",
    "WAIT_ACCEPTANCE",
    "WAIT_PARTICIPANT_REGISTRATION",
    "CANCELLED",
    "CANCELED",
}
CHOICES = {
    "documentFormat": {"MANUAL", "XML", "CSV", "UPD"},
    "documentStatus": STATUSES,
    "order": {"ASC", "DESC"},
    "orderColumn": {"docDate"},
    "pageDir": {"NEXT", "PREV"},
}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def doc_list(call: Call) -> Answer:
    product_group(call)
    _check(call)
    limit = _limit(call)
    chosen = sorted(
        (d for d in call.who.documents.values() if _fits(d, call)),
        key=lambda d: (d.created_ms, d.sequence),
        reverse=call.query.get("order", "DESC") == "DESC",
    )
    chosen = _page(chosen, call, limit)
    items = [shown(d, call.who, iso(d.created_ms)) for d in chosen[:limit]]
    return as_json({"results": items, "nextPage": len(chosen) > limit})


def _check(call: Call) -> None:
    query = call.query
    if "senderInn" in query and "receiverInn" in query:
        text = "Параметры senderInn и receiverInn не могут быть указаны одновременно"
        raise true_api_refusal(400, text)
    neither = "senderInn" not in query and "receiverInn" not in query
    if neither and call.who.switches.sender_inn_required:
        raise true_api_refusal(400, "Отсутствует обязательный параметр: senderInn или receiverInn")
    for name in ("senderInn", "receiverInn"):
        if name in query and not is_inn(query[name]):
            raise true_api_refusal(400, f"Неверное значение параметра {name}")
    for name, allowed in CHOICES.items():
        if name in query and query[name] not in allowed:
            raise true_api_refusal(400, f"Неверное значение параметра {name}")
    for name in ("dateFrom", "dateTo"):
        _moment(query.get(name), 0)
    if ("did" in query) != ("orderedColumnValue" in query):
        raise true_api_refusal(400, "Параметры did и orderedColumnValue указываются вместе")


def _limit(call: Call) -> int:
    text = call.query.get("limit", "50")
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise true_api_refusal(400, "Неверное значение параметра limit")
    return int(text)


def _fits(document: Document, call: Call) -> bool:
    query = call.query
    if document.hidden_until_ms > call.now_ms:
        return False
    if query.get("number", document.number) != document.number:
        return False
    if query.get("senderInn", call.who.inn) != call.who.inn or "receiverInn" in query:
        return False
    if query.get("documentStatus", document.status) != document.status:
        return False
    kinds = query["documentType"].split(",") if "documentType" in query else [document.kind]
    if document.kind not in kinds or query.get("documentFormat", "MANUAL") != "MANUAL":
        return False
    return (
        _moment(query.get("dateFrom"), 0)
        <= document.created_ms
        <= _moment(query.get("dateTo"), 1 << 62)
    )


def _moment(text: str | None, default: int) -> int:
    if text is None:
        return default
    try:
        whole = datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise true_api_refusal(400, f"Неверная дата: {text}") from error
    if not _MOMENT.fullmatch(text):
        raise true_api_refusal(400, f"Неверная дата: {text}")
    return int(whole.timestamp()) * 1000 + int(text[20:23])


def _page(chosen: list[Document], call: Call, limit: int) -> list[Document]:
    """What comes after the anchor (NEXT), or the page just before it (PREV)."""
    did = call.query.get("did")
    if did is None or "number" in call.query:
        return chosen
    places = [n for n, document in enumerate(chosen) if document.number == did]
    if not places:
        raise true_api_refusal(400, "Документ did не найден")
    if call.query.get("pageDir", "NEXT") == "PREV":
        return chosen[max(0, places[0] - limit) : places[0]]
    return chosen[places[0] + 1 :]
