"""Orders of marking codes by HTTP: making, seeing, and what operators do with them."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from app.domain.marking.draft import (
    Attributes,
    DraftLine,
    DropoutPlan,
    OrderDraft,
    PostprocessPlan,
    WithdrawPlan,
)
from app.domain.marking.order import Profile
from app.marking import idempotency, introducing, operations, order_pages, waivers
from app.marking.corrections import correct as correct_order
from app.marking.database import Transaction
from app.marking.errors import OrderStateError
from app.marking.order_pages import Filters
from app.marking.reordering import lines_to_reorder
from app.marking.store import OrderRow
from web import marking_models as m
from web.marking_routing import Asked, Reply


async def create_order(asked: Asked) -> Reply:
    body: m.NewOrder = asked.body
    attributes = _attributes(body.attributes, body.release_method_type)
    draft = OrderDraft(
        participant_id=body.participant_id,
        external_id=body.external_id,
        lines=_lines(body.lines),
        attributes=attributes,
        postprocess=_plan(body.postprocess),
        profile=body.profile,
        split=body.split,
    )
    return await place(asked, draft)


async def place(asked: Asked, draft: OrderDraft) -> Reply:
    """The order's answer is kept in the order's own transaction."""
    made: list[dict[str, Any]] = []

    async def record(tx: Transaction, rows: list[OrderRow]) -> None:
        order = await order_pages.one(tx, rows[0].id)
        made.append({**order, "orders": [row.id for row in rows]})
        if asked.held is not None:
            await idempotency.keep(tx, asked.held, status=201, body=made[0])

    origin = "api" if asked.person.csrf is None else "console"
    gtin = draft.lines[0].gtin if draft.lines else ""
    try:
        await asked.desks.flow.start_order_flow(
            asked.person.id, gtin, draft=draft, origin=origin, record=record
        )
    except OrderStateError as error:
        raise await _with_link(asked, draft, error) from None
    return Reply(made[0], _tags(made[0]), kept=True)


async def _with_link(asked: Asked, draft: OrderDraft, error: OrderStateError) -> OrderStateError:
    """Two requests with one external id at the same moment: the loser learns of the winner."""
    if error.order_id is not None or draft.external_id is None:
        return error
    participants = await asked.chosen(draft.participant_id, may="operate")
    known = await asked.desk.database.one(
        """select id from marking.orders where participant_id = any(%(participants)s::uuid[])
               and external_id = %(external)s order by part limit 1""",
        participants=participants,
        external=draft.external_id,
    )
    return OrderStateError(error.text, order_id=None if known is None else known["id"])


def _lines(lines: list[m.Line]) -> tuple[DraftLine, ...]:
    return tuple(
        DraftLine(line.gtin, line.quantity, line.serial_number_type, tuple(line.serial_numbers))
        for line in lines
    )


def _attributes(facts: m.GoodsFacts, release: Any) -> Attributes:
    given = {**facts.model_dump(), "release_method_type": release}
    return msgspec.convert(given, Attributes)


def _plan(body: m.Postprocess) -> PostprocessPlan:
    return PostprocessPlan(
        body.utilisation,
        None if body.dropout is None else _dropout(body.dropout),
        None if body.withdraw is None else _withdrawal(body.withdraw),
    )


def _dropout(body: m.Dropout) -> DropoutPlan:
    return msgspec.convert(_chosen_codes(body.model_dump()), DropoutPlan)


def _withdrawal(body: m.Withdrawal) -> WithdrawPlan:
    return msgspec.convert(_chosen_codes(body.model_dump()), WithdrawPlan)


def _chosen_codes(given: dict[str, Any]) -> dict[str, Any]:
    return {**given, "codes": _codes(given["codes"])}


def _codes(given: list[str] | Literal["all"]) -> tuple[str, ...]:
    return () if given == "all" else tuple(given)


def _tags(order: dict[str, Any]) -> dict[str, str]:
    return {
        "ETag": f'"{order["version"]}"',
        "Location": f"/api/v1/marking/orders/{order['id']}",
    }


async def list_orders(asked: Asked) -> Reply:
    query: m.OrdersQuery = asked.query
    named = query.model_dump(exclude={"participant"}, exclude_none=True)
    participants = await asked.chosen(query.participant)
    found = await order_pages.page(asked.desk.database, Filters(participants=participants, **named))
    full = len(found) == query.limit
    return Reply({"items": found, "next": found[-1]["id"] if full else None})


async def read_order(asked: Asked) -> Reply:
    return await _shown(asked, asked.path["order_id"])


async def read_batch(asked: Asked) -> Reply:
    found = await order_pages.batch(asked.desk.database, asked.path["batch_id"])
    return Reply({"items": found, "next": None})


async def _shown(asked: Asked, order_id: str) -> Reply:
    order = await order_pages.one(asked.desk.database, order_id)
    return Reply(order, {"ETag": f'"{order["version"]}"'})


async def _done(asked: Asked, act: Callable[..., Any], *words: Any, **more: Any) -> Reply:
    """Run an operation of the order of the path, then show the order."""
    order_id = asked.path["order_id"]
    await act(asked.desk, order_id, *words, user_id=asked.person.id, **more)
    return await _shown(asked, order_id)


async def cancel_order(asked: Asked) -> Reply:
    return await _done(asked, operations.cancel)


async def retry_order(asked: Asked) -> Reply:
    return await _done(asked, operations.retry)


async def correct(asked: Asked) -> Reply:
    body: m.Correction = asked.body
    present = (await order_pages.one(asked.desk.database, asked.path["order_id"]))["attributes"]
    attributes = None
    if body.attributes is not None or body.release_method_type is not None:
        facts = present if body.attributes is None else body.attributes.model_dump()
        release = body.release_method_type or present.get("release_method_type", "PRODUCTION")
        attributes = msgspec.convert({**facts, "release_method_type": release}, Attributes)
    lines = None if body.lines is None else _lines(body.lines)
    return await _done(asked, correct_order, attributes=attributes, lines=lines)


async def close_order(asked: Asked) -> Reply:
    body: m.Close = asked.body
    return await _done(asked, waivers.close_with_rest, expected_annulled=body.expected_annulled)


async def give_up_order(asked: Asked) -> Reply:
    body: m.GiveUp = asked.body
    return await _done(asked, waivers.give_up, expected_lost=body.expected_lost)


async def introduce(asked: Asked) -> Reply:
    body: m.Introduction = asked.body
    return await _done(asked, introducing.introduce, _codes(body.codes))


async def finish_order(asked: Asked) -> Reply:
    return await _done(asked, operations.finish_without_introduction)


async def withdraw(asked: Asked) -> Reply:
    return await _done(asked, operations.withdraw, _withdrawal(asked.body))


async def write_off(asked: Asked) -> Reply:
    return await _done(asked, operations.write_off, _dropout(asked.body))


async def set_postprocess(asked: Asked) -> Reply:
    return await _done(asked, operations.set_postprocess, _plan(asked.body))


async def settle_report(asked: Asked) -> Reply:
    body: m.ReportVerdict = asked.body
    report = asked.path["report_id"]
    return await _done(asked, operations.decide_report, report, sent=body.sent)


async def reorder_rejected(asked: Asked) -> Reply:
    """A new order of the lines that the former one did not get whole."""
    former = await order_pages.one(asked.desk.database, asked.path["order_id"])
    draft = OrderDraft(
        participant_id=former["participant_id"],
        lines=await lines_to_reorder(asked.desk.database, former),
        attributes=msgspec.convert(former["attributes"], Attributes),
        profile=Profile(former["profile"]),
    )
    return await place(asked, draft)
