"""What people and programs see of orders: lists, one order with its lines, what may be done."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from app.domain.marking.order import CANCELLABLE, Hold, OrderStatus, Profile
from app.marking.database import Database, Row, Transaction
from app.marking.errors import NotFoundError
from app.marking.messages_ru import STATUS_TEXTS, declined_text, hold_text

S = OrderStatus
CORRECTABLE = frozenset({S.INIT, S.DOC_SIGNING, S.SUZ_SIGNING, S.DOC_REJECTED, S.DECLINED})
UNFINISHED_LINES = frozenset({"REJECTED", "EXPIRED", "INCOMPLETE"})
SHOWN = """
o.id, o.participant_id, o.external_id, o.part, o.batch_id, o.origin, o.profile, o.status,
o.status_at, o.hold, o.hold_detail, o.attributes, o.postprocess, o.created_by, o.created_at,
o.escalated_at, o.version
"""
LINES = """
select l.order_id, l.gtin, l.quantity, l.serial_number_type, l.card, l.tnved,
       b.status as buffer, b.remote_status, b.total, b.available, b.passed, b.unavailable,
       b.waived, b.lost, b.expires_at, b.rejection_reason,
       coalesce(c.stored, 0) as stored, coalesce(c.issued, 0) as issued,
       coalesce(c.malformed, 0) as malformed, coalesce(c.statuses, '{}') as statuses
from marking.order_lines l
left join marking.suz_orders s on s.order_id = l.order_id and s.current
left join marking.buffers b on b.suz_order_id = s.id and b.gtin = l.gtin
left join lateral (
    select sum(n)::int as stored, sum(n) filter (where issued)::int as issued,
           sum(n) filter (where malformed)::int as malformed,
           jsonb_object_agg(status, n) as statuses
    from (select status, malformed, reserved_by is not null as issued, count(*) as n
          from marking.codes where order_id = l.order_id and gtin = l.gtin
          group by 1, 2, 3) g
) c on true
where l.order_id = any(%(ids)s::uuid[]) order by l.order_id, l.position
"""


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """`after`: the id of the last order of the page before (newest first)."""

    participants: Sequence[str]
    status: str | None = None
    hold: str | None = None
    gtin: str | None = None
    external_id: str | None = None
    batch_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    after: str | None = None
    limit: int = 50


async def page(database: Database, filters: Filters) -> list[dict[str, Any]]:
    """Orders with their lines, the newest first."""
    rows = await database.rows(
        f"""select {SHOWN} from marking.orders o
            where o.participant_id = any(%(participants)s::uuid[])
              and (%(status)s is null or o.status = %(status)s)
              and (%(hold)s is null or o.hold = %(hold)s)
              and (%(external_id)s is null or o.external_id = %(external_id)s)
              and (%(batch_id)s is null or o.batch_id = %(batch_id)s::uuid)
              and (%(created_from)s is null or o.created_at >= %(created_from)s::timestamptz)
              and (%(created_to)s is null or o.created_at < %(created_to)s::timestamptz)
              and (%(after)s is null or o.id < %(after)s::uuid)
              and (%(gtin)s is null or exists (select 1 from marking.order_lines l
                   where l.order_id = o.id and l.gtin = %(gtin)s))
            order by o.id desc limit %(limit)s""",  # noqa: S608
        **{**msgspec.structs.asdict(filters), "participants": list(filters.participants)},
    )
    return await _with_lines(database, rows)


async def batch(database: Database, batch_id: str) -> list[dict[str, Any]]:
    """The orders of a split, by part."""
    statement = f"select {SHOWN} from marking.orders o where o.batch_id = %(id)s"  # noqa: S608
    statement += " order by o.part"
    rows = await database.rows(statement, id=batch_id)
    return await _with_lines(database, rows)


async def one(source: Database | Transaction, order_id: str) -> dict[str, Any]:
    """Raises NotFoundError."""
    rows = await source.rows(
        f"select {SHOWN} from marking.orders o where o.id = %(id)s",  # noqa: S608
        id=order_id,
    )
    if not rows:
        raise NotFoundError("Такого заказа нет.", order_id=order_id)
    (order,) = await _with_lines(source, rows)
    station = await source.one(
        """select suz_order_id, attempt, production_order_id, remote_status, decline_reason,
                  closed_at, closed_by from marking.suz_orders
           where order_id = %(id)s and current""",
        id=order_id,
    )
    documents = await source.rows(
        """select id, purpose, part, attempt, type, number, status, remote_status, errors,
                  sent_at, final_at from marking.documents
           where order_id = %(id)s order by purpose, part, attempt""",
        id=order_id,
    )
    reports = await source.rows(
        """select id, kind, part, report_id, status, remote_status, error
           from marking.suz_reports where order_id = %(id)s order by kind, part""",
        id=order_id,
    )
    busy = await source.one(
        """select 1 from marking.calls where order_id = %(id)s
               and state in ('CLAIMED', 'UNKNOWN') limit 1""",
        id=order_id,
    )
    if order["status"] == S.DECLINED and station is not None and station["decline_reason"]:
        order["status_text"] = declined_text(station["decline_reason"])
    return {
        **order,
        "station": station,
        "documents": documents,
        "reports": reports,
        "actions": actions(order, busy=busy is not None),
    }


async def _with_lines(source: Database | Transaction, rows: list[Row]) -> list[dict[str, Any]]:
    lines: dict[str, list[dict[str, Any]]] = {row["id"]: [] for row in rows}
    if rows:
        for line in await source.rows(LINES, ids=list(lines)):
            lines[line.pop("order_id")].append(_line(line))
    return [_order(row, lines[row["id"]]) for row in rows]


def _line(row: Row) -> dict[str, Any]:
    card = row.pop("card")
    shown = {name: card.get(name) for name in ("name", "article", "size", "color")}
    return {**row, **shown, "missing": max(0, row["quantity"] - row["stored"])}


def _order(row: Row, lines: list[dict[str, Any]]) -> dict[str, Any]:
    row["attributes"].pop("introduce_requested", None)
    detail = row.pop("hold_detail")
    hold = None
    if row["hold"] is not None:
        code = (detail or {}).get("code", "")
        hold = {"text": hold_text(code), **(detail or {}), "kind": row["hold"], "code": code}
    return {
        **row,
        "hold": hold,
        "status_text": STATUS_TEXTS[OrderStatus(row["status"])],
        "quantity": sum(line["quantity"] for line in lines),
        "stored": sum(line["stored"] for line in lines),
        "lines": lines,
    }


def actions(order: dict[str, Any], *, busy: bool) -> list[str]:
    """What an operator may ask for now."""
    status, lines = OrderStatus(order["status"]), order["lines"]
    order_first = order["profile"] == Profile.ORDER_FIRST
    hold = (order["hold"] or {}).get("kind")
    short = any(line["missing"] for line in lines)
    allowed = {
        "cancel": status in CANCELLABLE and not busy and not order["stored"],
        "retry": hold in {Hold.ATTENTION, Hold.UPSTREAM, Hold.UNKNOWN_OUTCOME, Hold.SUZ_LIMIT},
        "correct": status in CORRECTABLE and not busy,
        "close": status in {S.COLLECTING, S.READY_TO_CLOSE} and short,
        "give-up": status in {S.EMITTING, S.COLLECTING},
        "introduce": order_first
        and (status is S.CLOSED or (status is S.COMPLETED and _waits_for_introduction(lines))),
        "finish": status in {S.CLOSED, S.DOC_REJECTED} and order_first,
        "withdraw": status in {S.CLOSED, S.COMPLETED},
        "write-off": status in {S.CLOSED, S.COMPLETED},
        "issues": order["stored"] > 0,
        "reorder-rejected": any(line["buffer"] in UNFINISHED_LINES for line in lines),
    }
    return [name for name, possible in allowed.items() if possible]


def _waits_for_introduction(lines: list[dict[str, Any]]) -> bool:
    return any({"STORED", "APPLIED"} & set(line["statuses"]) for line in lines)
