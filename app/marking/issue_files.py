"""The file of an issue: made from the sealed blocks, the same bytes however often it is asked."""

import hashlib
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from prometheus_client import Counter

from app.domain.marking.code import ki_of
from app.domain.marking.order import Hold
from app.marking import audit, store
from app.marking.audit import Entry
from app.marking.blocks import block_codes
from app.marking.database import Database, Transaction, raw
from app.marking.desk import Desk
from app.marking.errors import IssueFailed
from app.marking.issues import (
    CodeNotExportable,
    IssueKind,
    codes_sha256,
    csv_heading,
    csv_rows,
    txt,
)
from app.marking.issuing import Issue, Range
from app.marking.labels import PrintJob
from app.marking.messages_ru import hold_text
from app.marking.press import LabelsFailed, Press
from app.marking.sealing import Sealer, issue_place

FAILED: Final = "FAILED"
MISMATCH: Final = "label-mismatch"
PDF_KEPT_HOURS: Final = 24
MEDIA_TYPES: Final = {
    IssueKind.CSV: "text/csv; charset=utf-8",
    IssueKind.TXT: "text/plain; charset=utf-8",
    IssueKind.PDF: "application/pdf",
}
ISSUES: Final = Counter("marking_issues", "Files of codes made", ["kind"])
LABELS: Final = Counter("marking_labels", "Labels made or refused", ["outcome"])


async def prepared(desk: Desk, press: Press, *, issue: Issue) -> str:
    """SHA-256 of the file, made once and kept; raises IssueFailed when it cannot be made."""
    if issue.state == FAILED:
        raise IssueFailed("Файл не готов: символ не читается.", order_id=issue.order_id)
    try:
        if issue.kind is IssueKind.PDF:
            digest = hashlib.sha256(await _pdf(desk, press, issue)).hexdigest()
        else:
            digest = await _digest(_lines(desk, issue))
    except (LabelsFailed, CodeNotExportable) as error:
        await _failed(desk, issue, error)
        raise IssueFailed(f"Файл не готов: {error}.", order_id=issue.order_id) from error
    if issue.file_sha256 is None:
        ISSUES.labels(issue.kind).inc()
        await desk.database.execute(
            "update marking.issues set file_sha256 = %(sha)s where id = %(id)s",
            sha=digest,
            id=issue.id,
        )
    return digest


async def content(desk: Desk, press: Press, *, issue: Issue) -> AsyncIterator[bytes]:
    """The bytes of the file, block by block; those of a PDF in one piece."""
    if issue.kind is IssueKind.PDF:
        yield await _pdf(desk, press, issue)
        return
    async for chunk in _lines(desk, issue):
        yield chunk


async def _digest(chunks: AsyncIterator[bytes]) -> str:
    digest = hashlib.sha256()
    async for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


async def _lines(desk: Desk, issue: Issue) -> AsyncIterator[bytes]:
    if issue.kind is IssueKind.CSV:
        yield csv_heading()
    async for part, codes in _parts(desk.database, desk.sealer, issue):
        if issue.kind is IssueKind.CSV:
            yield b"".join(csv_rows(codes, issue.label.gs))
        else:
            yield b"".join(txt(codes, first=part.number))


async def _parts(
    database: Database, sealer: Sealer, issue: Issue
) -> AsyncIterator[tuple[Range, list[str]]]:
    """Ranges with their full codes; a block is opened once while its ranges follow each other."""
    opened: tuple[str, list[str]] = ("", [])
    for part in issue.ranges:
        if opened[0] != part.block_id:
            opened = part.block_id, await block_codes(database, sealer, part.block_id)
        yield part, opened[1][part.first : part.last + 1]


async def _pdf(desk: Desk, press: Press, issue: Issue) -> bytes:
    kept = await desk.database.one(
        """select file_enc from marking.issues
           where id = %(id)s and file_enc is not null and file_until > now()""",
        id=issue.id,
    )
    place = issue_place(issue.id)
    if kept is not None:
        return desk.sealer.open(raw(kept["file_enc"]), place=place)
    printed = await press.print(await _job(desk, issue))
    LABELS.labels("printed").inc(issue.count)
    await desk.database.execute(
        """update marking.issues set file_enc = %(file)s,
               file_until = now() + %(hours)s * interval '1 hour' where id = %(id)s""",
        file=desk.sealer.seal(printed, place=place),
        hours=PDF_KEPT_HOURS,
        id=issue.id,
    )
    return printed


async def _job(desk: Desk, issue: Issue) -> PrintJob:
    parts = [part async for part in _parts(desk.database, desk.sealer, issue)]
    codes = tuple(code for _, some in parts for code in some)
    numbers = [part.number + at for part, some in parts for at in range(len(some))]
    assert codes_sha256(map(ki_of, codes)) == issue.codes_sha256, "blocks never change"
    return PrintJob(
        codes=codes,
        numbers=tuple(numbers),
        total=issue.total,
        format=issue.label.format,
        goods=issue.label.goods,
    )


async def _failed(desk: Desk, issue: Issue, error: LabelsFailed | CodeNotExportable) -> None:
    """A symbol that reads wrong ends the issue; a broken process may be tried again."""
    kind = error.kind if isinstance(error, LabelsFailed) else "refused"
    LABELS.labels(kind).inc()
    async with desk.database.transaction() as tx:
        if kind == "mismatch":
            await tx.execute(
                "update marking.issues set state = %(state)s where id = %(id)s",
                state=FAILED,
                id=issue.id,
            )
            await _hold(tx, issue.order_id)
        details = {"kind": str(issue.kind), "why": kind, "number": error.number}
        entry = Entry("issue.failed", "worker", order_id=issue.order_id, subject=issue.id)
        await audit.write(tx, msgspec.structs.replace(entry, details=details))


async def _hold(tx: Transaction, order_id: str) -> None:
    """A person looks before anything else of the order is printed."""
    lease, _ = await store.operator_lease(tx, order_id, actor="worker")
    detail = {"code": MISMATCH, "text": hold_text(MISMATCH)}
    await store.set_hold(tx, lease, Hold.ATTENTION, detail=detail)


async def forget_old_files(database: Database) -> int:
    """Drops PDFs past their day; they can be made again from the same ranges."""
    return await database.execute(
        """update marking.issues set file_enc = null
           where file_until <= now() and file_enc is not null"""
    )
