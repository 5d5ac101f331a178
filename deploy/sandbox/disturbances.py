"""What faults do: answers that stand in, answers spoilt, events elsewhere."""

from typing import Any

import msgspec

from deploy.sandbox import orders
from deploy.sandbox.answers import (
    Answer,
    as_json,
    html,
    nk_refusal,
    suz_refusal,
    true_api_refusal,
    xml_unauthorized,
)
from deploy.sandbox.call import Call
from deploy.sandbox.faults import FaultSpec
from deploy.sandbox.participant import Participant
from deploy.sandbox.placing import place_foreign
from deploy.sandbox.tokens import Kind, Token

TEXTS = {
    400: "Неверный запрос",
    401: "Требуется полная аутентификация. Проверьте токен",
    402: "Недостаточно средств",
    403: "Отсутствует доступ к ресурсу",
    404: "Не найдено",
    408: "Request Timeout",
    409: "Conflict",
    413: "Request Entity Too Large",
    425: "Too Early",
    429: "Превышен лимит запросов",
    500: "Ошибка при выполнении запроса",
    502: "Bad Gateway",
    503: "Удаленная система недоступна",
    504: "Отсутствует ответ системы",
}
SHAPES = {401: "xml", 406: "empty", 502: "html", 504: "html"}


def stand_in(spec: FaultSpec, upstream: str) -> Answer:
    """An answer of the asked status, shaped as the system or its gateway would shape it."""
    text = spec.text or TEXTS.get(spec.status, "Ошибка")
    match spec.shape or SHAPES.get(spec.status, "json"):
        case "xml":
            answer = xml_unauthorized("unauthorized", text)
            answer = Answer(spec.status, answer.body, answer.content_type)
        case "html":
            answer = html(spec.status, text)
        case "empty":
            answer = Answer(spec.status)
        case _:
            answer = _json(spec.status, text, upstream)
    if spec.retry_after_s is None:
        return answer
    headers = {**answer.headers, "Retry-After": str(spec.retry_after_s)}
    return Answer(answer.status, answer.body, answer.content_type, headers)


def _json(status: int, text: str, upstream: str) -> Answer:
    if upstream == "suz":
        return suz_refusal(status, text, status).answer
    if upstream == "nk":
        return nk_refusal(status, text).answer
    return true_api_refusal(status, text).answer


def spoil(spec: FaultSpec, answer: Answer) -> Answer:
    """The same answer, cut, with a wrong type or with fields nobody knows."""
    if spec.action == "truncated_json":
        return Answer(
            answer.status,
            answer.body[: max(1, len(answer.body) // 2)],
            answer.content_type,
            answer.headers,
        )
    try:
        document = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return answer
    if spec.action == "extra_field":
        document = _extended(document)
    elif spec.field is None:
        document = "unexpected" if spec.value is None else spec.value
    else:
        new = {"unexpected": True} if spec.value is None else spec.value
        document = _retyped(document, spec.field, new)
    whole = as_json(document)
    return Answer(answer.status, whole.body, answer.content_type, answer.headers)


def _extended(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _extended(v) for k, v in value.items()} | {"sandboxExtra": {"n": [1]}}
    if isinstance(value, list):
        return [_extended(item) for item in value]
    return value


def _retyped(value: Any, field: str, new: Any) -> Any:
    if isinstance(value, dict):
        return {k: new if k == field else _retyped(v, field, new) for k, v in value.items()}
    if isinstance(value, list):
        return [_retyped(item, field, new) for item in value]
    return value


def happen(spec: FaultSpec, call: Call) -> None:
    """An event outside the service that falls into this request."""
    who, now = call.who, call.now_ms
    match spec.action:
        case "expire" | "steal":
            kind = spec.token or ("suz" if call.upstream == "suz" else "true_api")
            end_tokens(who, kind, stolen=spec.action == "steal")
        case "foreign_order":
            place_foreign(who, spec, spec.products or _products(call), now_ms=now)
        case "close":
            order_id = spec.order_id or call.query.get("orderId") or _order_id(call)
            close_elsewhere(who, order_id, now, gtin=spec.gtin)


def end_tokens(who: Participant, kind: Kind, *, stolen: bool) -> int:
    """Ends the live tokens of a kind; stolen: another program has signed in."""
    now = who.clock.now_ms()
    live = who.tokens.live(kind, now)
    for token in live:
        token.end(now, "superseded" if stolen else "expired")
    if stolen and kind == "suz":
        life = who.clock.span_ms(who.switches.lifetimes.token)
        value = who.ids.uuid("other-program")
        who.tokens.add(Token(value, "suz", who.oms_connection, now, now + life))
    return len(live)


def close_elsewhere(
    who: Participant, order_id: str, now_ms: int, *, gtin: str | None = None
) -> bool:
    """The order, or one buffer of it, is closed in the cabinet; False when it cannot be."""
    who.settle(now_ms)
    order = who.orders.get(order_id)
    if order is None or order.status != "READY":
        return False
    orders.close(order, now_ms, "UI", gtin=gtin)
    return True


def _products(call: Call) -> list[dict[str, Any]]:
    body = msgspec.json.decode(call.body)
    return [{"gtin": p["gtin"], "quantity": p["quantity"]} for p in body["products"]]


def _order_id(call: Call) -> str:
    try:
        return str(msgspec.json.decode(call.body)["orderId"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""
