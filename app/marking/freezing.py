"""Bytes are frozen once, with their sign request in the same transaction."""

import hashlib
from typing import Any

import msgspec

from app.domain.marking import bodies
from app.domain.marking.document import DOCUMENT_TYPES, DocumentPurpose
from app.marking import sign_requests
from app.marking.database import Transaction, raw
from app.marking.desk import Desk, Work
from app.marking.document_ends import refuse_document
from app.marking.ids import new_id
from app.marking.order_lines import lines_of, wrong_in_document
from app.marking.sign_requests import NewRequest
from app.marking.store import OrderRow


class NewDocument(msgspec.Struct, frozen=True):
    """`wrong`: why it is refused here and never goes out."""

    purpose: DocumentPurpose
    body: bytes
    part: int = 1
    codes: tuple[str, ...] = ()
    summary: dict[str, Any] = {}
    wrong: tuple[str, ...] = ()


async def freeze_preorder(tx: Transaction, desk: Desk, *, row: OrderRow, inn: str) -> str:
    lines = await lines_of(tx, row.id)
    body = bodies.preorder_body(row.id, lines, inn=inn, attributes=row.attributes)
    total = sum(line.line.quantity for line in lines)
    summary = {"lines": len(lines), "codes": total}
    wrong = tuple(problem.text for problem in await wrong_in_document(tx, row, lines))
    document = NewDocument(DocumentPurpose.PREORDER, body, summary=summary, wrong=wrong)
    return await freeze_document(tx, desk, row=row, document=document)


async def freeze_document(
    tx: Transaction, desk: Desk, *, row: OrderRow, document: NewDocument
) -> str:
    """A new attempt of a part, waiting for its signature unless something is wrong in it.

    The codes in it are marked live.
    """
    document_id = new_id()
    await tx.execute(
        """insert into marking.documents (id, order_id, purpose, part, attempt, type, body,
               body_sha256, status)
           select %(id)s, %(order)s, %(purpose)s, %(part)s, 1 + coalesce(max(attempt), 0),
                  %(type)s, %(body)s, %(sha)s, 'SIGNING'
           from marking.documents where order_id = %(order)s and purpose = %(purpose)s
                and part = %(part)s""",
        id=document_id,
        order=row.id,
        purpose=document.purpose,
        part=document.part,
        type=DOCUMENT_TYPES[document.purpose],
        body=document.body,
        sha=hashlib.sha256(document.body).digest(),
    )
    if document.codes:
        await tx.execute(
            """insert into marking.document_codes (document_id, ki, purpose, live)
               select %(id)s, unnest(%(codes)s::text[]), %(purpose)s, true""",
            id=document_id,
            codes=list(document.codes),
            purpose=document.purpose,
        )
    if document.wrong:
        await refuse_document(tx, document_id, errors=document.wrong)
        return document_id
    context = {"type": DOCUMENT_TYPES[document.purpose], **document.summary}
    await _request(
        tx,
        desk,
        row=row,
        purpose="document",
        subject=document_id,
        payload=document.body,
        context=context,
    )
    return document_id


async def _request(
    tx: Transaction,
    desk: Desk,
    *,
    row: OrderRow,
    purpose: str,
    subject: str,
    payload: bytes,
    context: dict[str, Any],
) -> str:
    request = NewRequest(
        row.participant_id,
        purpose,
        payload,
        detached=True,
        order_id=row.id,
        subject_id=subject,
        context=context,
    )
    return await sign_requests.create(tx, request, sealer=desk.sealer)


async def renew_request(
    tx: Transaction, desk: Desk, *, row: OrderRow, purpose: str, subject: str, payload: bytes
) -> str:
    """The signature was refused: the same bytes wait for another one."""
    await tx.execute(
        """update marking.sign_requests set state = 'CANCELLED'
           where subject_id = %(subject)s and purpose = %(purpose)s and state = 'USED'""",
        subject=subject,
        purpose=purpose,
    )
    former = await tx.value(
        """select context from marking.sign_requests where subject_id = %(subject)s
               and purpose = %(purpose)s order by created_at desc, id desc limit 1""",
        subject=subject,
        purpose=purpose,
    )
    context = {**(former or {}), "again": True}
    return await _request(
        tx,
        desk,
        row=row,
        purpose=purpose,
        subject=subject,
        payload=payload,
        context=context,
    )


async def freeze_station_order(tx: Transaction, desk: Desk, *, row: OrderRow) -> str:
    """The next attempt at the station with its buffers; it becomes the current one."""
    lines = await lines_of(tx, row.id)
    last = await tx.value(
        "select coalesce(max(attempt), 0) from marking.suz_orders where order_id = %(id)s",
        id=row.id,
    )
    attempt = int(last) + 1
    number = bodies.production_order_id(row.id, attempt)
    body = bodies.station_order_body(number, lines, attributes=row.attributes)
    row_id = await insert_station_row(
        tx, order_id=row.id, number=number, attempt=attempt, body=body
    )
    total = sum(line.line.quantity for line in lines)
    await _request(
        tx,
        desk,
        row=row,
        purpose="suz_order",
        subject=row_id,
        payload=body,
        context={"lines": len(lines), "codes": total, "attempt": attempt},
    )
    return row_id


async def insert_station_row(
    tx: Transaction, *, order_id: str, number: str, attempt: int, body: bytes
) -> str:
    """The row of an attempt with a buffer for each line; older attempts step back."""
    row_id = new_id()
    await tx.execute(
        "update marking.suz_orders set current = false where order_id = %(id)s", id=order_id
    )
    await tx.execute(
        """insert into marking.suz_orders (id, order_id, attempt, production_order_id, body,
               body_sha256) values (%(id)s, %(order)s, %(attempt)s, %(number)s, %(body)s,
               %(sha)s)""",
        id=row_id,
        order=order_id,
        attempt=attempt,
        number=number,
        body=body,
        sha=hashlib.sha256(body).digest(),
    )
    await tx.execute(
        """insert into marking.buffers (suz_order_id, gtin, status, ordered)
           select %(id)s, gtin, 'WAITING', quantity from marking.order_lines
           where order_id = %(order)s""",
        id=row_id,
        order=order_id,
    )
    return row_id


async def freeze_close(tx: Transaction, desk: Desk, work: Work) -> None:
    """The closing of the current station order; closing annuls what was not fetched."""
    row = await tx.one(
        """select id, suz_order_id from marking.suz_orders
           where order_id = %(id)s and current""",
        id=work.row.id,
    )
    assert row is not None, "only a station order is closed"
    body = bodies.close_body(row["suz_order_id"])
    await tx.execute(
        "update marking.suz_orders set close_body = %(body)s where id = %(id)s",
        body=body,
        id=row["id"],
    )
    assert work.view.station is not None
    annulled = sum(max(0, (b.total or 0) - b.stored) for b in work.view.station.buffers)
    await _request(
        tx,
        desk,
        row=work.row,
        purpose="suz_close",
        subject=row["id"],
        payload=body,
        context={"annulled": annulled},
    )


async def own_number(tx: Transaction, order_id: str) -> str:
    """The number of ours under which the order is known at the station."""
    number = await tx.value(
        """select production_order_id from marking.suz_orders
           where order_id = %(id)s and current""",
        id=order_id,
    )
    assert number is not None, "an order at the station has its row"
    return str(number)


async def freeze_report(
    tx: Transaction, desk: Desk, *, work: Work, kind: str, body: bytes, part: int
) -> str:
    """A report with full codes: sealed at rest, in `suz_reports` and in its sign request."""
    report_id = new_id()
    await tx.execute(
        """insert into marking.suz_reports (id, order_id, kind, part, body_enc, body_sha256,
               status) values (%(id)s, %(order)s, %(kind)s, %(part)s, %(body)s, %(sha)s,
               'SIGNING')""",
        id=report_id,
        order=work.row.id,
        kind=kind,
        part=part,
        body=desk.sealer.seal_packed(body, place=f"suz_reports:{report_id}"),
        sha=hashlib.sha256(body).digest(),
    )
    await _request(
        tx,
        desk,
        row=work.row,
        purpose="suz_report",
        subject=report_id,
        payload=body,
        context={"kind": kind, "part": part},
    )
    return report_id


async def signature_of(tx: Transaction, subject_id: str, *, purpose: str) -> bytes:
    """The CMS that was stored for the frozen bytes of a subject."""
    cms = await tx.value(
        """select signature from marking.sign_requests
           where subject_id = %(subject)s and purpose = %(purpose)s
                 and state in ('SIGNED', 'USED')
           order by created_at desc, id desc limit 1""",
        subject=subject_id,
        purpose=purpose,
    )
    assert cms is not None, "a call is planned only when its subject is signed"
    return raw(cms)
