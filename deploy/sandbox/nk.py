"""The National Catalogue: cards, flags, whether goods are subject to marking."""

import re
from typing import Any

import msgspec

from deploy.sandbox import cards
from deploy.sandbox.answers import Answer, as_json, nk_refusal
from deploy.sandbox.call import Call
from deploy.sandbox.cards import Card
from deploy.sandbox.identifiers import is_gtin

MAX_GOODS, MAX_CHECKED = 25, 100
BAD_PARAMETERS = "Ошибка в параметрах запроса"
NO_DATA = "Данные не найдены"
LP_CHAPTERS = ("4203", "61", "62", "63", "64")
TEXTS = {
    0: "Товар не подлежит маркировке",
    1: "Товар подлежит маркировке",
    2: "Товар не найден",
    3: "Невозможно определить. Уточните код ТНВЭД товара",
}
CARD_QUERY = dict.fromkeys(
    ("gtin", "good_id", "gtins", "good_ids", "cat_id", "format", "apikey"), False
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def product(call: Call) -> Answer:
    """Published and archived cards."""
    found = [c for c in _chosen(call) if c.good_status in {"published", "archived"}]
    return _result([cards.product(card) for card in found], call)


def feed_product(call: Call) -> Answer:
    """Own cards in any state, with the flags."""
    return _result([cards.feed_product(card, call.who.inn) for card in _chosen(call)], call)


def product_list(call: Call) -> Answer:
    limit, offset = _number(call, "limit", 1000), _number(call, "offset", 0)
    if not 1 <= limit <= 1000:
        raise nk_refusal(400, BAD_PARAMETERS, 4)
    if limit + offset > 10_000:
        raise nk_refusal(413, "limit + offset больше 10000", 4)
    for name in ("from_date", "to_date"):
        if name in call.query and not _MOMENT.fullmatch(call.query[name]):
            raise nk_refusal(400, BAD_PARAMETERS, 4)
    status = call.query.get("good_status")
    chosen = [c for c in call.who.cards.values() if status is None or c.good_status == status]
    result = {
        "limit": limit,
        "offset": offset,
        "total": len(chosen),
        "goods": [cards.listed(card) for card in chosen[offset : offset + limit]],
    }
    return as_json({"apiversion": 4, "result": result})


def mark_check(call: Call) -> Answer:
    form = _form(call.body)
    gtins, tnveds = form.get("gtins", []), form.get("tnveds", [])
    if not gtins and not tnveds:
        raise nk_refusal(400, BAD_PARAMETERS)
    if len(gtins) + len(tnveds) > MAX_CHECKED:
        raise nk_refusal(400, f"Больше {MAX_CHECKED} значений в запросе")
    result: dict[str, Any] = {}
    if gtins:
        result["gtins"] = [_checked_gtin(call, gtin) for gtin in gtins]
    if tnveds:
        result["tnveds"] = [_checked_tnved(tnved) for tnved in tnveds]
    return as_json({"apiversion": 3, "result": result})


def _checked_gtin(call: Call, gtin: str) -> dict[str, Any]:
    card = call.who.cards.get(cards.padded(gtin))
    code = card.marked_code if card else 2
    return {
        "gtin": gtin,
        "tnved": card.tnved[:4] if card else None,
        "is_marked": TEXTS[code],
        "is_marked_code": code,
    }


def _checked_tnved(tnved: str) -> dict[str, Any]:
    if not tnved.isdigit() or len(tnved) > 10:
        code = 2
    elif len(tnved) < 4:
        code = 3
    else:
        code = int(tnved.startswith(LP_CHAPTERS))
    return {"tnved": tnved, "is_marked": TEXTS[code], "is_marked_code": code}


def _form(body: bytes) -> dict[str, list[str]]:
    try:
        form = msgspec.json.decode(body, type=dict[str, list[str]])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise nk_refusal(400, f"{BAD_PARAMETERS}: {error}") from error
    if set(form) - {"gtins", "tnveds"}:
        raise nk_refusal(400, BAD_PARAMETERS)
    return form


def _chosen(call: Call) -> list[Card]:
    query = call.query
    single, many = {"gtin", "good_id"} & set(query), {"gtins", "good_ids"} & set(query)
    if bool(single) == bool(many):
        raise nk_refusal(400, BAD_PARAMETERS)
    if single:
        card = _by_id(call, query["good_id"]) if "good_id" in query else _by_gtin(call, query)
        if card is None:
            raise nk_refusal(404, NO_DATA)
        return [card]
    ids = [v for name in many for v in query[name].split(";") if v]
    if not 1 <= len(ids) <= MAX_GOODS:
        raise nk_refusal(400, f"{BAD_PARAMETERS}: больше {MAX_GOODS} товаров")
    found = [_by_gtin(call, {"gtin": v}) for v in query.get("gtins", "").split(";") if v]
    found += [_by_id(call, v) for v in query.get("good_ids", "").split(";") if v]
    return [card for card in found if card]


def _by_gtin(call: Call, query: Any) -> Card | None:
    gtin = cards.padded(query["gtin"])
    if not is_gtin(gtin):
        raise nk_refusal(400, f"{BAD_PARAMETERS}: gtin")
    return call.who.cards.get(gtin)


def _by_id(call: Call, text: str) -> Card | None:
    if not text.isdigit():
        raise nk_refusal(400, f"{BAD_PARAMETERS}: good_id")
    return next((c for c in call.who.cards.values() if c.good_id == int(text)), None)


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, str(default))
    if not text.isdigit():
        raise nk_refusal(400, f"{BAD_PARAMETERS}: {name}", 4)
    return int(text)


def _result(found: list[dict[str, Any]], call: Call) -> Answer:
    single = "gtin" in call.query or "good_id" in call.query
    if single and not found:
        raise nk_refusal(404, NO_DATA)
    return as_json({"apiversion": 3, "result": found})
