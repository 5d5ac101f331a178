"""Codes on their way through circulation: their states, and documents and reports about them."""

from typing import Any

from app.domain.marking import bodies
from app.domain.marking.dictionaries import MAX_CODES_PER_DOCUMENT, ReleaseMethod
from app.domain.marking.document import DocumentPurpose
from app.domain.marking.draft import DropoutPlan, WithdrawPlan
from app.domain.marking.order import Cause, Hold, OrderStatus
from app.domain.marking.steps import FreezeDocuments, FreezeReport
from app.integrations.errors import Upstream
from app.marking import store
from app.marking.attempts import access_to
from app.marking.blocks import full_codes
from app.marking.code_states import asked_states, codes_in_life, keep_states
from app.marking.database import Transaction
from app.marking.desk import AGAIN, Desk, Next, Work
from app.marking.failures import pause
from app.marking.freezing import NewDocument, freeze_document, freeze_report, own_number
from app.marking.leases import StaleLease
from app.marking.order_lines import lines_of, wrong_in_document
from app.marking.store import Change, OrderRow
from app.marking.waited import add_lookup


async def refresh_codes(desk: Desk, work: Work) -> Next:
    """States of the codes of an order as True API gives them, never by assumption."""
    kis = await codes_in_life(desk, work.row.id)
    access = await access_to(desk, work, Upstream.TRUE_API)
    states = await asked_states(desk, access, kis)
    async with desk.database.transaction() as tx:
        await keep_states(tx, work.row.id, asked=len(kis), states=states)
    await add_lookup(desk, work.row.id, interval_ms=desk.rules.code_refresh_ms)
    return AGAIN


async def freeze_documents(desk: Desk, work: Work, step: FreezeDocuments) -> Next:
    """Documents over stored codes, in parts the upstream accepts."""
    if step.purpose is DocumentPurpose.INTRODUCE:
        if work.row.attributes.release_method_type is ReleaseMethod.IMPORT:
            return await pause(desk, work, Hold.ATTENTION, code="introduction-refused")
        return await _freeze_introduction(desk, work)
    return await _freeze_side_documents(desk, work, step.purpose)


async def _freeze_introduction(desk: Desk, work: Work) -> Next:
    async with desk.database.transaction() as tx:
        made = await freeze_introduction_parts(tx, desk, row=work.row, inn=work.participant.inn)
        if made:
            change = Change(OrderStatus.DOC_SIGNING, cause=Cause.WORKER, reason="introduce")
            moved = await store.move(tx, work.lease, change, row=work.row)
            if moved is None:
                raise StaleLease(work.row.id)
            return AGAIN
        if not await _left_to_introduce(tx, work.row.id):
            change = Change(OrderStatus.POSTPROCESSING, reason="introduced")
            await store.move(tx, work.lease, change, row=work.row)
            return AGAIN
    return await pause(desk, work, Hold.ATTENTION, code="introduction-refused")


async def _left_to_introduce(tx: Transaction, order_id: str) -> bool:
    """Codes that listed introductions have left out."""
    left = await tx.one(
        """select 1 from marking.codes c where c.order_id = %(id)s and not c.malformed
               and c.status in ('STORED', 'APPLIED')
               and not exists (select 1 from marking.document_codes d where d.ki = c.ki
                               and d.purpose = 'introduce' and d.live) limit 1""",
        id=order_id,
    )
    return left is not None


async def freeze_introduction_parts(
    tx: Transaction,
    desk: Desk,
    *,
    row: OrderRow,
    inn: str,
    wanted: tuple[str, ...] = (),
    later: bool = False,
) -> int:
    """Documents over every applied code, or the wanted ones, that is in no live one; how many.

    What the rules forbid is one document of the first codes, refused at once.
    """
    rows = await tx.rows(
        """select c.ki, c.gtin from marking.codes c
           where c.order_id = %(id)s and not c.malformed and c.status = 'APPLIED'
                 and (%(all)s or c.ki = any(%(wanted)s))
                 and not exists (select 1 from marking.document_codes d where d.ki = c.ki
                                 and d.purpose = 'introduce' and d.live)
           order by c.id""",
        id=row.id,
        all=not wanted,
        wanted=list(wanted),
    )
    lines = await lines_of(tx, row.id)
    tnveds = {line.line.gtin: line.tnved or "" for line in lines}
    wrong = tuple(problem.text for problem in await wrong_in_document(tx, row, lines))
    starts = range(0, len(rows), MAX_CODES_PER_DOCUMENT)
    chunks = [rows[start : start + MAX_CODES_PER_DOCUMENT] for start in starts]
    chunks = chunks[:1] if wrong else chunks
    first = await _next_part(tx, row.id, DocumentPurpose.INTRODUCE)
    for part, chunk in enumerate(chunks, start=first):
        pairs = tuple((code["ki"], tnveds[code["gtin"]]) for code in chunk)
        body = bodies.introduction_body(pairs, inn=inn, attributes=row.attributes)
        kis = tuple(ki for ki, _ in pairs)
        summary = {"codes": len(pairs), **({"later": True} if later else {})}
        purpose = DocumentPurpose.INTRODUCE
        document = NewDocument(purpose, body, part, kis, summary, wrong)
        await freeze_document(tx, desk, row=row, document=document)
    return len(chunks)


async def take_back_introductions(tx: Transaction, order_id: str) -> None:
    """What was not sent never will be; its codes are free for other documents."""
    rows = await tx.rows(
        """update marking.documents set status = 'CANCELLED'
           where order_id = %(id)s and purpose = 'introduce'
                 and status in ('DRAFT', 'SIGNING', 'SENDING') returning id::text""",
        id=order_id,
    )
    unsent = [row["id"] for row in rows]
    await tx.execute(
        """update marking.sign_requests set state = 'CANCELLED'
           where subject_id = any(%(ids)s) and state in ('PENDING', 'SIGNED')""",
        ids=unsent,
    )
    await tx.execute(
        """update marking.calls set state = 'REFUSED', error = 'finished without introduction'
           where subject_id = any(%(ids)s) and state = 'PLANNED'""",
        ids=unsent,
    )
    await tx.execute(
        """update marking.document_codes set live = false
           where document_id = any(%(ids)s::uuid[])""",
        ids=unsent,
    )


async def _freeze_side_documents(desk: Desk, work: Work, purpose: DocumentPurpose) -> Next:
    async with desk.database.transaction() as tx:
        made = await freeze_chosen(
            tx, desk, row=work.row, inn=work.participant.inn, purpose=purpose
        )
    if made:
        return AGAIN
    return await pause(desk, work, Hold.ATTENTION, code="document-rejected")


async def freeze_chosen(
    tx: Transaction, desk: Desk, *, row: OrderRow, inn: str, purpose: DocumentPurpose
) -> int:
    """Write-offs or withdrawals of the codes the plan of the row names; how many documents."""
    plan = row.postprocess
    chosen = plan.dropout if purpose is DocumentPurpose.WRITE_OFF else plan.withdraw
    assert chosen is not None, "the plan asks for this document"
    kis = await _chosen(tx, row.id, chosen.codes, purpose=purpose)
    first = await _next_part(tx, row.id, purpose)
    starts = range(0, len(kis), MAX_CODES_PER_DOCUMENT)
    for part, start in enumerate(starts, start=first):
        codes = tuple(kis[start : start + MAX_CODES_PER_DOCUMENT])
        body = _side_body(chosen, codes, inn=inn)
        document = NewDocument(purpose, body, part, codes, {"codes": len(codes)})
        await freeze_document(tx, desk, row=row, document=document)
    return len(starts)


async def _next_part(tx: Transaction, order_id: str, purpose: DocumentPurpose) -> int:
    """New documents about codes are parts of their own: they hold other codes than old ones."""
    return int(
        await tx.value(
            """select coalesce(max(part), 0) + 1 from marking.documents
               where order_id = %(id)s and purpose = %(purpose)s""",
            id=order_id,
            purpose=purpose,
        )
    )


def _side_body(plan: DropoutPlan | WithdrawPlan, codes: tuple[str, ...], *, inn: str) -> bytes:
    if isinstance(plan, DropoutPlan):
        return bodies.write_off_body(codes, inn=inn, plan=plan)
    return bodies.withdrawal_body(codes, inn=inn, plan=plan)


async def _chosen(
    tx: Transaction, order_id: str, wanted: tuple[str, ...], *, purpose: DocumentPurpose
) -> list[str]:
    """Named codes of the order, or all; none that is in a live document of this purpose."""
    rows = await tx.rows(
        """select ki from marking.codes c where order_id = %(id)s and not malformed
               and (%(all)s or ki = any(%(wanted)s))
               and not exists (select 1 from marking.document_codes d where d.ki = c.ki
                               and d.purpose = %(purpose)s and d.live)
           order by id""",
        id=order_id,
        all=not wanted,
        wanted=list(wanted),
        purpose=purpose,
    )
    return [row["ki"] for row in rows]


async def freeze_reports(desk: Desk, work: Work, step: FreezeReport) -> Next:
    """Reports hold full codes: opened from their blocks, sealed again with the report."""
    async with desk.database.transaction() as tx:
        codes = await _report_codes(tx, desk, work, kind=step.kind)
        if not codes:
            return await pause(desk, work, Hold.ATTENTION, code=f"{step.kind}-refused")
        number = await own_number(tx, work.row.id)
        for part, start in enumerate(range(0, len(codes), MAX_CODES_PER_DOCUMENT), start=1):
            chunk = tuple(codes[start : start + MAX_CODES_PER_DOCUMENT])
            body = _report_body(work, chunk, step.kind, number=number)
            await freeze_report(tx, desk, work=work, kind=step.kind, body=body, part=part)
    return AGAIN


async def _report_codes(tx: Transaction, desk: Desk, work: Work, *, kind: str) -> list[str]:
    dropout = work.row.postprocess.dropout
    wanted = dropout.codes if kind == "dropout" and dropout is not None else ()
    every = await full_codes(tx, desk.sealer, order_id=work.row.id)
    chosen: set[Any] = set(wanted)
    return [code for ki, code in every if not wanted or ki in chosen]


def _report_body(work: Work, codes: tuple[str, ...], kind: str, *, number: str) -> bytes:
    dropout = work.row.postprocess.dropout
    if kind == "utilisation" or dropout is None:
        return bodies.utilisation_body(codes, number=number)
    return bodies.dropout_body(codes, number=number, reason=dropout.reason)
