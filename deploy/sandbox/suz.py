"""SUZ: orders placed, listed, asked for, closed."""

from typing import Any

import msgspec

from deploy.sandbox import order_views, orders
from deploy.sandbox.answers import (
    NO_STORE,
    SUZ_INVALID_ORDER,
    SUZ_LIMIT,
    Answer,
    as_json,
    suz_field_refusal,
    suz_refusal,
)
from deploy.sandbox.call import Call
from deploy.sandbox.orders import QUEUED, Buffer, Order
from deploy.sandbox.participant import Participant
from deploy.sandbox.placing import place, plan_of
from deploy.sandbox.station_forms import CloseForm, OrderForm, read_form
from deploy.sandbox.station_signature import of_request

NOT_FOUND = 404
VERSIONS = {"apiVersion": "3.0.33", "omsVersion": "4.56.0"}


def answer(value: Any) -> Answer:
    whole = as_json(value)
    return Answer(whole.status, whole.body, whole.content_type, NO_STORE)


def create_order(call: Call) -> Answer:
    """200 means only "accepted for checking"; without a signature it stays CREATED."""
    who = call.who
    verdict = of_request(call)
    form = read_form(OrderForm, call.body)
    if who.switches.create_method_required and form.attributes.create_method_type is None:
        raise suz_field_refusal([("attributes.createMethodType", "Обязательное поле")])
    _check_limits(who)
    body = form.model_dump(by_alias=True, exclude_none=True)
    plan = plan_of(call, body)
    plan.signed = verdict.state != "absent"
    plan.decline = plan.decline or verdict.problem
    order = place(who, body, plan, now_ms=call.now_ms)
    expected = who.clock.span_ms(who.switches.delays.active)
    return answer(
        {
            "omsId": who.oms_id,
            "orderId": order.order_id,
            "expectedCompleteTimestamp": expected,
        }
    )


def _check_limits(who: Participant) -> None:
    limits = who.switches.limits
    if sum(o.status in QUEUED for o in who.orders.values()) >= limits.queued_orders:
        text = f"Достигнут предел: не более {limits.queued_orders} заказов в очереди"
        raise suz_refusal(400, text, SUZ_LIMIT)
    if sum(o.active for o in who.orders.values()) >= limits.active_orders:
        text = f"Достигнут предел: не более {limits.active_orders} активных заказов"
        raise suz_refusal(400, text, SUZ_LIMIT)


def order_list(call: Call) -> Answer:
    infos = [_info(call, order) for order in _visible(call)]
    return answer({"omsId": call.who.oms_id, "orderInfos": infos})


def orders_search(call: Call) -> Answer:
    """The search of API 3.0.33, with filters and pages."""
    if not call.who.switches.orders_search:
        raise suz_refusal(404, "Метод не найден", NOT_FOUND)
    form = _search_form(call.body)
    wanted = form.filter
    found = [
        order
        for order in _visible(call)
        if (wanted.startCreatedTimestamp or 0) <= order.created_ms
        and order.created_ms <= (wanted.endCreatedTimestamp or orders.NEVER_MS)
        and (not wanted.orderStatuses or order.status in wanted.orderStatuses)
        and (not wanted.orderIds or order.order_id in wanted.orderIds)
        and (
            not wanted.productionOrderIds or order.production_order_id in wanted.productionOrderIds
        )
        and (not wanted.productGroups or "lp" in wanted.productGroups)
    ]
    start = form.page * form.limit
    infos = [_info(call, order) for order in found[start : start + form.limit]]
    return answer({"totalCount": len(found), "results": infos})


class SearchFilter(msgspec.Struct, forbid_unknown_fields=True):
    startCreatedTimestamp: int | None = None  # noqa: N815 - wire name
    endCreatedTimestamp: int | None = None  # noqa: N815 - wire name
    orderStatuses: list[str] = []  # noqa: N815 - wire name
    productGroups: list[str] = []  # noqa: N815 - wire name
    productionOrderIds: list[str] = []  # noqa: N815 - wire name
    serviceProviderIds: list[str] = []  # noqa: N815 - wire name
    orderIds: list[str] = []  # noqa: N815 - wire name


class SearchForm(msgspec.Struct, forbid_unknown_fields=True):
    filter: SearchFilter = msgspec.field(default_factory=SearchFilter)
    limit: int = 10
    page: int = 0


def _search_form(body: bytes) -> SearchForm:
    try:
        form = msgspec.json.decode(body, type=SearchForm)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise suz_field_refusal([("body", str(error))]) from error
    if not 1 <= form.limit <= 100 or form.page < 0:
        raise suz_field_refusal([("limit", "от 1 до 100, page не меньше 0")])
    return form


def _visible(call: Call) -> list[Order]:
    now = call.now_ms
    return [o for o in call.who.orders.values() if o.plan.hidden_until_ms <= now]


def _info(call: Call, order: Order) -> dict[str, Any]:
    who = call.who
    return order_views.order_info(order, who.switches, oms_id=who.oms_id, now_ms=call.now_ms)


def order_status(call: Call) -> Answer:
    who, order = call.who, known_order(call, call.query["orderId"])
    chosen = [known_buffer(order, call.query["gtin"])] if "gtin" in call.query else None
    infos = [
        order_views.buffer_info(order, buffer, who.switches, oms_id=who.oms_id, now_ms=call.now_ms)
        for buffer in chosen or order.buffers.values()
    ]
    return answer(infos)


def close_order(call: Call) -> Answer:
    """Closes the order or one buffer; what was not fetched is annulled."""
    verdict = of_request(call)
    form = read_form(CloseForm, call.body)
    if verdict.state == "absent":
        raise suz_field_refusal([("X-Signature", "Подпись обязательна")])
    if verdict.problem:
        raise suz_field_refusal([("X-Signature", verdict.problem)])
    order = known_order(call, form.order_id)
    buffer = known_buffer(order, form.gtin) if form.gtin else None
    open_buffer = buffer is None or buffer.status in {"ACTIVE", "EXHAUSTED"}
    if order.status != "READY" or not open_buffer:
        raise invalid_order(order)
    orders.close(order, call.now_ms, "API", gtin=form.gtin)
    return answer({"omsId": call.who.oms_id})


def invalid_order(order: Order) -> Exception:
    text = f"Заказ {order.order_id} недействителен или закрыт"
    return suz_refusal(400, text, SUZ_INVALID_ORDER)


def known_order(call: Call, order_id: str) -> Order:
    order = call.who.orders.get(order_id)
    if order is None:
        raise suz_refusal(404, f"Заказ {order_id} не найден", NOT_FOUND)
    return order


def known_buffer(order: Order, gtin: str) -> Buffer:
    buffer = order.buffers.get(gtin)
    if buffer is None:
        raise suz_refusal(404, f"GTIN {gtin} не найден в заказе", NOT_FOUND)
    return buffer


def ping(call: Call) -> Answer:
    return answer({"omsId": call.who.oms_id, **VERSIONS})


def providers(call: Call) -> Answer:
    item = {
        "serviceProviderId": str(call.who.ids.uuid_of("provider", 1)),
        "providerName": "ООО Типография Пример",
        "taxIdentificationNumber": "7700000016",
        "country": "RU",
        "address": "Москва",
        "contactPerson": "Петров П.",
        "email": "print@example.org",
        "role": "CEM",
        "productGroups": ["lp"],
    }
    return answer({"providers": [item]})
