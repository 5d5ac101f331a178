"""Placing of SUZ orders: ours, and those of the cabinet or of another program."""

from typing import Any

from deploy.sandbox.call import Call
from deploy.sandbox.faults import FaultSpec
from deploy.sandbox.orders import NEVER_MS, Buffer, Order, Plan
from deploy.sandbox.participant import Participant

LOGIC = "Контрольно-логическая проверка заказа не пройдена. "
ATTRIBUTES = {"releaseMethodType": "PRODUCTION", "createMethodType": "SELF_MADE"}


def plan_of(call: Call, body: dict[str, Any]) -> Plan:
    """What the checks and the faults of this request have in store for the order."""
    who, now = call.who, call.now_ms
    plan = Plan(rejects=_rejects(who, body))
    for spec in call.effects:
        match spec.action:
            case "decline":
                plan.decline = spec.text or f"{LOGIC}0101: Заказ отклонён"
            case "reject":
                gtins = [spec.gtin] if spec.gtin else [body["products"][0]["gtin"]]
                plan.rejects |= dict.fromkeys(gtins, spec.text or f"{LOGIC}0107: GTIN отклонён")
            case "stay":
                plan.stay_state = spec.state or "PENDING"
                plan.stay_until_ms = _until(who, spec, now)
            case "list_lag":
                plan.hidden_until_ms = _until(who, spec, now)
    named = {product["gtin"] for product in body["products"]}
    plan.rejects = {g: text for g, text in plan.rejects.items() if g in named}
    return plan


def _until(who: Participant, spec: FaultSpec, now_ms: int) -> int:
    return NEVER_MS if spec.for_s is None else now_ms + who.clock.span_ms(spec.for_s)


def _rejects(who: Participant, body: dict[str, Any]) -> dict[str, str]:
    rejects: dict[str, str] = {}
    remains = body["attributes"]["releaseMethodType"] == "REMAINS"
    for product in body["products"]:
        gtin = product["gtin"]
        card = who.cards.get(gtin)
        published = card is not None and "published" in card.detailed_status
        used = [s for s in product.get("serialNumbers", []) if (gtin, s) in who.serials]
        if card is None:
            rejects[gtin] = f"{LOGIC}0106: Значение {gtin} в поле 'GTIN' не найдено в реестре GTIN."
        elif not card.mark_flag or (who.switches.require_published_card and not published):
            rejects[gtin] = f"{LOGIC}0108: Карточка {gtin} не готова к заказу кодов."
        elif card.technical and not remains:
            rejects[gtin] = f"{LOGIC}0109: Технический GTIN {gtin} только для остатков."
        elif used:
            rejects[gtin] = (
                "All pools in statuses: REJECTED or REQUEST_ERROR. "
                f"Following sGTINs were marked as duplicates [{gtin}215{used[0]}]"
            )
    return rejects


def place(
    who: Participant, body: dict[str, Any], plan: Plan, *, now_ms: int, foreign: bool = False
) -> Order:
    order = Order(
        order_id=who.ids.uuid("order"),
        number=who.ids.number("order-number"),
        created_ms=now_ms,
        production_order_id=body["attributes"].get("productionOrderId"),
        body=body,
        plan=plan,
        buffers={
            p["gtin"]: Buffer(p["gtin"], p["quantity"], p, history=[(now_ms, "PENDING")])
            for p in body["products"]
        },
        foreign=foreign,
        history=[(now_ms, "CREATED")],
    )
    taken = [p for p in body["products"] if not plan.decline and p["gtin"] not in plan.rejects]
    for product in taken:
        who.serials |= {(product["gtin"], s) for s in product.get("serialNumbers", [])}
    who.orders[order.order_id] = order
    return order


def place_foreign(
    who: Participant, spec: FaultSpec, products: list[dict[str, Any]], *, now_ms: int
) -> Order:
    """An order the service does not know: from the cabinet, 1C or another program."""
    lines = [
        {
            "gtin": product["gtin"],
            "quantity": product["quantity"],
            "serialNumberType": "OPERATOR",
            "templateId": 10,
            "cisType": "UNIT",
        }
        for product in products
    ]
    attributes = dict(ATTRIBUTES)
    if spec.production_order_id:
        attributes["productionOrderId"] = spec.production_order_id
    body = {"productGroup": "lp", "products": lines, "attributes": attributes}
    plan = Plan(fetched=spec.fetched, fetched_by=spec.fetched_by)
    return place(who, body, plan, now_ms=now_ms, foreign=True)
