"""Reads of the mart for operators: operations, certificates found, reports."""

import asyncio
import io
import re
from datetime import date

import msgspec
from aiohttp import web

from app.certificates.database import Row
from app.certificates.reports import REPORTS, report_rows, write_csv
from app.domain.decision import Reply
from web.batches_api import LIMIT, LIMIT_MOST, BatchAsked, Work, whole
from web.problems import Problem, invalid

FILTERS = {"orderId": "order_id", "last4": "last4", "batchId": "batch_id"}
TEXT_MAX = 64
AS_OF = "As-Of"  # what `asOf` is in JSON
_PLACE = re.compile(r"(\d{1,18}):(-?\d{1,9})")
_json = msgspec.json.Encoder().encode


async def read_operations(asked: BatchAsked) -> Work:
    text = asked.query.get("after", "0:-1")
    place = _PLACE.fullmatch(text)
    if place is None:
        raise invalid("/query/after", "the next of a page before is expected")
    limit = _limit(asked)

    async def work() -> Reply:
        views = asked.registry.mart
        found = await views.operations(
            asked.path["certificateId"], after=(int(place[1]), int(place[2])), limit=limit
        )
        return Reply(200, None, asked.instance, found)

    return work


async def find_certificates(asked: BatchAsked) -> Work:
    wanted = {column: asked.query.get(name) for name, column in FILTERS.items()}
    if not any(wanted.values()):
        raise invalid("/query", f"one of {', '.join(FILTERS)} is required")
    if any(len(text or "") > TEXT_MAX for text in wanted.values()):
        raise invalid("/query", f"at most {TEXT_MAX} characters")
    limit = _limit(asked)

    async def work() -> Reply:
        views = asked.registry.mart
        found = await views.certificates(wanted, after=asked.query.get("after", ""), limit=limit)
        return Reply(200, None, asked.instance, found)

    return work


async def read_report(asked: BatchAsked) -> Work:
    name, form = asked.path["name"], asked.query.get("format", "json")
    if name not in REPORTS:
        raise Problem("RouteUnknown")
    if form not in {"json", "csv"}:
        raise invalid("/query/format", "json or csv")
    since, until = _day(asked, "from"), _day(asked, "to")

    async def work() -> Reply | web.Response:
        as_of = await asked.registry.mart.as_of()
        rows = await report_rows(asked.registry.database, name, since=since, until=until)
        # In a thread: a till may wait for this loop.
        if form == "json":
            encoded = await asyncio.to_thread(_encoded, rows)
            fields = {"name": name, "asOf": as_of, "rows": encoded}
            return Reply(200, None, asked.instance, fields)
        text = await asyncio.to_thread(_csv, rows)
        headers = {} if as_of is None else {AS_OF: as_of}
        return web.Response(text=text, content_type="text/csv", headers=headers)

    return work


def _encoded(rows: list[Row]) -> list[msgspec.Raw]:
    """Row by row: encoding all at once would let no other thread in."""
    return [msgspec.Raw(_json(row)) for row in rows]


def _csv(rows: list[Row]) -> str:
    text = io.StringIO()
    write_csv(rows, text)
    return text.getvalue()


def _limit(asked: BatchAsked) -> int:
    limit = whole(asked.query, "limit") if "limit" in asked.query else LIMIT
    if not 0 < limit <= LIMIT_MOST:
        raise invalid("/query/limit", f"1 … {LIMIT_MOST}")
    return limit


def _day(asked: BatchAsked, name: str) -> date | None:
    text = asked.query.get(name)
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise invalid(f"/query/{name}", "a day like 2026-09-01 is expected") from None
