"""SUZ: codes handed out, blocks listed and repeated."""

from typing import Any

from deploy.sandbox import codes as handing
from deploy.sandbox.answers import (
    SUZ_INVALID_ORDER,
    Answer,
    suz_field_refusal,
    suz_refusal,
)
from deploy.sandbox.call import Call
from deploy.sandbox.codes import Block, Harm
from deploy.sandbox.orders import Buffer, Order
from deploy.sandbox.suz import answer, invalid_order, known_buffer, known_order

MAX_BLOCK = 150_000


def codes(call: Call) -> Answer:
    """Hands out new codes at every call; fewer than asked when fewer are left."""
    who, now = call.who, call.now_ms
    asked = _quantity(call)
    order, buffer = _open(call)
    if buffer.status != "ACTIVE":
        raise invalid_order(order)
    count = min(asked, buffer.available) if now >= buffer.codes_from_ms else 0
    if count == 0:
        raise suz_refusal(400, "В буфере нет доступных кодов", SUZ_INVALID_ORDER)
    if who.switches.fewer_codes_than_asked:
        count = max(1, count // 2)
    block = handing.hand_out(
        who, buffer, order, count=count, by="api", harm=_harm(call), now_ms=now
    )
    return answer(_shown(call, block, block.codes))


def blocks(call: Call) -> Answer:
    order, buffer = _open(call)
    items = [
        {"blockId": b.block_id, "blockDateTime": b.issued_ms, "quantity": len(b.codes)}
        for b in call.who.blocks.values()
        if b.order_id == order.order_id and b.gtin == buffer.gtin and b.by == "api"
    ]
    return answer(
        {
            "omsId": call.who.oms_id,
            "orderId": order.order_id,
            "gtin": buffer.gtin,
            "blocks": items,
        }
    )


def retry(call: Call) -> Answer:
    """The same block again, as long as its order is open."""
    block = call.who.blocks.get(call.query["blockId"])
    if block is None or block.by != "api":
        raise suz_refusal(404, "Блок не найден", 404)
    order = call.who.orders[block.order_id]
    if order.status != "READY" or order.buffers[block.gtin].status not in {"ACTIVE", "EXHAUSTED"}:
        raise invalid_order(order)
    texts = list(block.codes)
    if call.effect("altered_block"):
        who = call.who
        texts[0] = who.ids.full_code(block.gtin, f"altered/{block.block_id}", None)
        who.excused.add(block.block_id)
    block.retried.append(handing.digest(texts))
    return answer(_shown(call, block, texts))


def _shown(call: Call, block: Block, texts: list[str]) -> dict[str, Any]:
    return {"omsId": call.who.oms_id, "codes": texts, "blockId": block.block_id}


def _open(call: Call) -> tuple[Order, Buffer]:
    order = known_order(call, call.query["orderId"])
    buffer = known_buffer(order, call.query["gtin"])
    if order.status != "READY" or buffer.status not in {"ACTIVE", "EXHAUSTED"}:
        raise invalid_order(order)
    return order, buffer


def _quantity(call: Call) -> int:
    text = call.query["quantity"]
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= MAX_BLOCK:
        raise suz_field_refusal([("quantity", f"от 1 до {MAX_BLOCK}")])
    return int(text)


def _harm(call: Call) -> Harm:
    counts = {spec.action: spec.count for spec in call.effects}
    return Harm(
        surplus=counts.get("surplus", 0),
        duplicates=counts.get("duplicate_code", 0),
        malformed=counts.get("malformed_code", 0),
    )
