"""Reserving codes of one line for an export or for labels, so that none is issued twice unasked."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from app.domain.marking.draft import Problem
from app.marking import audit
from app.marking.audit import Entry
from app.marking.database import Database, Row, Transaction, as_json
from app.marking.desk import Desk
from app.marking.errors import IssueRefused, NotFoundError
from app.marking.ids import new_id
from app.marking.issues import GsForm, IssueKind, codes_sha256
from app.marking.label_formats import LabelFormat
from app.marking.labels import MOST_LABELS, Goods

MOST_EXPORTED: Final = 150_000

_NUMBERED: Final = """
with numbered as (
    select c.id, c.ki, c.block_id, c.pos, c.malformed, c.spoiled, c.reserved_by,
           row_number() over (order by b.received_at, b.block_id, c.pos) as number,
           count(*) over () as total
    from marking.codes c join marking.code_blocks b on b.block_id = c.block_id
    where c.order_id = %(order)s and c.gtin = %(gtin)s
)
"""
_NEXT: Final = f"""{_NUMBERED}
select * from numbered
where reserved_by is null and not spoiled and not (malformed and %(print)s)
order by number limit %(most)s
"""  # noqa: S608  (a constant)
_BETWEEN: Final = f"""{_NUMBERED}
select * from numbered where number between %(first)s and %(last)s order by number
"""  # noqa: S608  (a constant)


class Label(Struct, frozen=True):
    """How the file is made: the same words give the same file again."""

    gs: GsForm = GsForm.RAW
    format: LabelFormat = LabelFormat.W58_H40
    goods: Goods = Goods()


class IssueRequest(Struct, frozen=True, kw_only=True):
    """Either `next` codes never issued, or numbers `first`…`last`; `reason` to issue again."""

    kind: IssueKind
    gtin: str
    next: int | None = None
    first: int | None = None
    last: int | None = None
    reason: str | None = None
    label: Label = Label()


class Range(Struct, frozen=True):
    """Positions `first`…`last` of one block; `number` is that of its first code on the line."""

    block_id: str
    first: int
    last: int
    number: int


class Issue(Struct, frozen=True, kw_only=True):
    id: str
    order_id: str
    gtin: str
    kind: IssueKind
    ranges: tuple[Range, ...]
    count: int
    total: int
    label: Label
    codes_sha256: str
    state: str
    file_sha256: str | None = None
    reissue_of: str | None = None


# Keeps the answer of an idempotency key in the transaction of the issue.
Record = Callable[[Transaction, Issue], Awaitable[None]]


async def reserve(
    desk: Desk, order_id: str, *, request: IssueRequest, by: str, record: Record | None = None
) -> Issue:
    """The codes are ours from the commit on, whether or not a file is ever made of them."""
    _check(request)
    async with desk.database.transaction() as tx:
        await _lock_line(tx, order_id, request.gtin)
        rows = await _chosen(tx, order_id, request)
        issue = _issue(order_id, request, rows)
        await _store(tx, issue, request=request, by=by)
        await _mark(tx, issue, rows)
        if record is not None:
            await record(tx, issue)
    desk.crash.passed("issue", "committed")
    return issue


def _check(request: IssueRequest) -> None:
    between = request.first is not None and request.last is not None
    if (request.next is not None) == between:
        raise _refused("/next", "Укажите либо число следующих кодов, либо номера с и по.")
    if between and not 1 <= (request.first or 0) <= (request.last or 0):
        raise _refused("/from", "Номера идут с 1, первый не больше последнего.")
    count = request.next if request.next is not None else _span(request)
    most = MOST_LABELS if request.kind is IssueKind.PDF else MOST_EXPORTED
    if not 1 <= count <= most:
        raise _refused("/next", f"За один раз можно выпустить от 1 до {most} кодов.")


def _span(request: IssueRequest) -> int:
    return (request.last or 0) - (request.first or 0) + 1


def _refused(pointer: str, text: str) -> IssueRefused:
    return IssueRefused(text, errors=[Problem(pointer, text)])


async def _lock_line(tx: Transaction, order_id: str, gtin: str) -> None:
    line = await tx.one(
        """select gtin from marking.order_lines
           where order_id = %(order)s and gtin = %(gtin)s for update""",
        order=order_id,
        gtin=gtin,
    )
    if line is None:
        raise NotFoundError(f"В заказе нет строки с GTIN {gtin}.", order_id=order_id)


async def _chosen(tx: Transaction, order_id: str, request: IssueRequest) -> list[Row]:
    line = {"order": order_id, "gtin": request.gtin}
    printed = request.kind is IssueKind.PDF
    if request.next is not None:
        rows = await tx.rows(_NEXT, **line, print=printed, most=request.next)
        if len(rows) < request.next:
            raise _refused("/next", f"Не выпущено ещё только {len(rows)} кодов.")
        return rows
    rows = await tx.rows(_BETWEEN, **line, first=request.first, last=request.last)
    if len(rows) < _span(request):
        raise _refused("/to", "Кодов с такими номерами ещё нет.")
    if printed and (wrong := [row["number"] for row in rows if row["malformed"]]):
        raise _refused("/from", f"Код {wrong[0]} не по формату: выгрузить можно, печатать нельзя.")
    if any(row["reserved_by"] for row in rows) and not (request.reason or "").strip():
        raise _refused("/reason", "Среди кодов есть уже выпущенные. Укажите причину повтора.")
    return rows


def _issue(order_id: str, request: IssueRequest, rows: Sequence[Row]) -> Issue:
    former = (row["reserved_by"] for row in rows if row["reserved_by"])
    return Issue(
        id=new_id(),
        order_id=order_id,
        gtin=request.gtin,
        kind=request.kind,
        ranges=tuple(_ranges(rows)),
        count=len(rows),
        total=rows[0]["total"],
        label=request.label,
        codes_sha256=codes_sha256(row["ki"] for row in rows),
        state="READY",
        reissue_of=next(former, None),
    )


def _ranges(rows: Sequence[Row]) -> Iterator[Range]:
    """Neighbours in one block as one range."""
    open_range: Range | None = None
    for row in rows:
        if open_range and _follows(open_range, row):
            open_range = msgspec.structs.replace(open_range, last=row["pos"])
            continue
        if open_range:
            yield open_range
        open_range = Range(row["block_id"], row["pos"], row["pos"], row["number"])
    if open_range:
        yield open_range


def _follows(before: Range, row: Row) -> bool:
    number = before.number + before.last - before.first + 1
    expected = (before.block_id, before.last + 1, number)
    return (row["block_id"], row["pos"], row["number"]) == expected


async def _store(tx: Transaction, issue: Issue, *, request: IssueRequest, by: str) -> None:
    await tx.execute(
        """insert into marking.issues (id, order_id, gtin, kind, ranges, count, reissue_of,
               reason, label, codes_sha256, state, created_by)
           values (%(id)s, %(order)s, %(gtin)s, %(kind)s, %(ranges)s, %(count)s, %(former)s,
               %(reason)s, %(label)s, %(sha)s, %(state)s, %(by)s)""",
        id=issue.id,
        order=issue.order_id,
        gtin=issue.gtin,
        kind=str(issue.kind),
        ranges=as_json(issue.ranges),
        count=issue.count,
        former=issue.reissue_of,
        reason=request.reason,
        label=as_json({"how": issue.label, "total": issue.total}),
        sha=issue.codes_sha256,
        state=issue.state,
        by=by,
    )
    action = "codes.reissued" if issue.reissue_of else "codes.issued"
    details: dict[str, Any] = {
        "kind": str(issue.kind),
        "gtin": issue.gtin,
        "count": issue.count,
        "codes_sha256": issue.codes_sha256,
        "reason": request.reason,
        "by": by,
    }
    entry = Entry(action, "user", order_id=issue.order_id, subject=issue.id, details=details)
    await audit.write(tx, entry)


async def _mark(tx: Transaction, issue: Issue, rows: Sequence[Row]) -> None:
    await tx.execute(
        """update marking.codes set reserved_by = %(issue)s, print_count = print_count + 1
           where id = any(%(ids)s)""",
        issue=issue.id,
        ids=[row["id"] for row in rows],
    )


async def load_issue(database: Database, issue_id: str) -> Issue:
    row = await database.one(
        """select id, order_id, gtin, kind, ranges, count, reissue_of, label, codes_sha256, state,
               file_sha256 from marking.issues where id = %(id)s""",
        id=issue_id,
    )
    if row is None:
        raise NotFoundError("Такой выгрузки или печати нет.")
    kept = row.pop("label")
    return msgspec.convert({**row, "label": kept["how"], "total": kept["total"]}, Issue)
