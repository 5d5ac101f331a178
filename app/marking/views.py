"""Reads everything the law wants to know about one order."""

from typing import Any

from app.domain.marking.dictionaries import ReleaseMethod
from app.domain.marking.document import DocumentPurpose, DocumentStatus
from app.domain.marking.order import Profile
from app.domain.marking.station import Buffer, BufferStatus, RemoteBuffer, RemoteOrder
from app.domain.marking.view import (
    Call,
    CallState,
    Document,
    Operation,
    OrderView,
    Report,
    StationOrder,
    Subject,
)
from app.marking import calls, store
from app.marking.database import NOW_MS, Transaction, ms
from app.marking.desk import Desk, Work
from app.marking.leases import Lease
from app.marking.participants import load as load_participant
from app.marking.store import OrderRow

_SIGNED = """
exists (select 1 from marking.sign_requests r where r.subject_id = {subject}::text
        and r.purpose = '{purpose}' and r.state in ('SIGNED', 'USED')
        and r.payload_sha256 = {sha}) as signed
"""
_ABSENT = """
(select count(*) from marking.calls c where c.subject_id = {subject}::text
     and c.operation = '{operation}' and c.state = 'ABSENT')
"""


async def load_work(desk: Desk, lease: Lease) -> Work:
    async with desk.database.transaction() as tx:
        row = await store.load(tx, lease.order_id)
        participant = await load_participant(tx, row.participant_id, sealer=desk.sealer)
        assert participant is not None, "orders refer to their participant"
        signer = desk.signers.of(participant)
        view = await load_view(tx, row, desk=desk, automatic_signer=signer.automatic)
        now = int(await tx.value(f"select {NOW_MS}"))
    return Work(lease, row, participant, view, now, {})


async def load_view(
    tx: Transaction, row: OrderRow, *, desk: Desk, automatic_signer: bool
) -> OrderView:
    open_calls = await calls.open_of(tx, row.id, terms=desk.terms)
    by_subject = {(call.operation, call.subject_id): call for call in open_calls}
    codes = await _codes(tx, row.id)
    asked = await tx.value(
        """select attributes->>'introduce_requested' from marking.orders where id = %(id)s""",
        id=row.id,
    )
    automatic = (
        desk.terms.marking_auto_introduce
        and row.profile is Profile.ORDER_FIRST
        and row.attributes.release_method_type is not ReleaseMethod.IMPORT
    )
    return OrderView(
        row.id,
        row.status,
        row.profile,
        hold=row.hold,
        documents=await _documents(tx, row.id, by_subject),
        reports=await _reports(tx, row.id, by_subject),
        station=await _station(tx, row.id, by_subject),
        doubtful=tuple(c for c in open_calls if c.state is not CallState.PLANNED),
        plan=row.postprocess,
        reports_as_specified=desk.terms.marking_suz_reports == "as_specified",
        automatic_signer=automatic_signer,
        introduce=automatic or asked is not None,
        applied=bool(codes["total"]) and not codes["waiting"],
        codes_seen_at=ms(codes["seen"]),
        settled_at=ms(codes["settled"]),
        waited_s=row.waited_s,
    )


async def _codes(tx: Transaction, order_id: str) -> dict[str, Any]:
    row = await tx.one(
        """select count(*) as total, count(*) filter (where status = 'STORED') as waiting,
                  (select max(at) from marking.audit_log
                   where order_id = %(id)s and action = 'codes.refreshed') as seen,
                  (select max(f.final_at) from (
                       select final_at from marking.documents where order_id = %(id)s
                           and purpose <> 'preorder' and status = 'ACCEPTED'
                       union all select final_at from marking.suz_reports
                           where order_id = %(id)s) f) as settled
           from marking.codes where order_id = %(id)s and not malformed""",
        id=order_id,
    )
    assert row is not None
    return row


Calls = dict[tuple[Operation, str], Call]


async def _documents(tx: Transaction, order_id: str, open_calls: Calls) -> tuple[Document, ...]:
    """An introduction that failed counts until its codes were freed for other documents."""
    signed = _SIGNED.format(subject="d.id", purpose="document", sha="d.body_sha256")
    absent = _ABSENT.format(subject="d.id", operation=Operation.SUBMIT_DOCUMENT)
    rows = await tx.rows(
        f"""select distinct on (d.purpose, d.part) d.id, d.purpose, d.status, d.attempt,
                   d.number, d.sent_at, {signed}, {absent} as absent,
                   (select count(*) from marking.documents t where t.order_id = d.order_id
                        and t.purpose = d.purpose and t.part = d.part
                        and t.status = 'TECH_ERROR' and t.body_sha256 = d.body_sha256
                        and t.attempt < d.attempt) as resends,
                   exists (select 1 from marking.sign_requests a where a.subject_id = d.id::text
                           and a.purpose = 'document' and a.context ? 'later') as later
            from marking.documents d where d.order_id = %(id)s
                 and (d.purpose <> 'introduce'
                      or d.status not in ('REJECTED', 'TECH_ERROR', 'CANCELLED')
                      or exists (select 1 from marking.document_codes l
                                 where l.document_id = d.id and l.live))
            order by d.purpose, d.part, d.attempt desc""",  # noqa: S608
        id=order_id,
    )
    return tuple(_document(row, open_calls) for row in rows)


def _document(row: dict[str, Any], open_calls: Calls) -> Document:
    subject = Subject(
        row["id"],
        Operation.SUBMIT_DOCUMENT,
        row["signed"],
        row["number"] is not None,
        call=open_calls.get((Operation.SUBMIT_DOCUMENT, row["id"])),
        absent=row["absent"],
        sent_at=ms(row["sent_at"]),
    )
    return Document(
        subject,
        DocumentPurpose(row["purpose"]),
        DocumentStatus(row["status"]),
        attempt=row["attempt"],
        resends=row["resends"],
        later=row["later"],
    )


async def _reports(tx: Transaction, order_id: str, open_calls: Calls) -> tuple[Report, ...]:
    signed = _SIGNED.format(subject="d.id", purpose="suz_report", sha="d.body_sha256")
    absent = _ABSENT.format(subject="d.id", operation=Operation.SEND_REPORT)
    rows = await tx.rows(
        f"""select d.id, d.kind, d.status, d.report_id, d.error, {signed}, {absent} as absent
            from marking.suz_reports d where d.order_id = %(id)s
            order by d.kind, d.part""",  # noqa: S608
        id=order_id,
    )
    return tuple(
        Report(
            Subject(
                row["id"],
                Operation.SEND_REPORT,
                row["signed"],
                row["report_id"] is not None or row["status"] == "SUCCESS",
                call=open_calls.get((Operation.SEND_REPORT, row["id"])),
                absent=row["absent"],
            ),
            row["kind"],
            row["status"],
            row["error"],
        )
        for row in rows
    )


async def _station(tx: Transaction, order_id: str, open_calls: Calls) -> StationOrder | None:
    signed = _SIGNED.format(subject="d.id", purpose="suz_order", sha="d.body_sha256")
    closing = """exists (select 1 from marking.sign_requests r where r.subject_id = d.id::text
                     and r.purpose = 'suz_close' and r.state in ('SIGNED', 'USED')
                     and r.payload_sha256 = sha256(d.close_body))"""
    absent = _ABSENT.format(subject="d.id", operation=Operation.CREATE_ORDER)
    close_absent = _ABSENT.format(subject="d.id", operation=Operation.CLOSE_ORDER)
    row = await tx.one(
        f"""select d.*, {signed}, {closing} as close_signed, {absent} as absent,
                   {close_absent} as close_absent,
                   (select max(answered_at) from marking.calls c where c.subject_id = d.id::text
                        and c.operation = 'close_order' and c.state = 'ANSWERED') as close_sent
            from marking.suz_orders d where d.order_id = %(id)s and d.current""",  # noqa: S608
        id=order_id,
    )
    if row is None:
        return None
    fetches = (call for (operation, _), call in open_calls.items() if operation == "fetch_codes")
    return StationOrder(
        Subject(
            row["id"],
            Operation.CREATE_ORDER,
            row["signed"],
            row["suz_order_id"] is not None,
            call=open_calls.get((Operation.CREATE_ORDER, row["id"])),
            absent=row["absent"],
        ),
        row["attempt"],
        remote=_word(RemoteOrder, row["remote_status"]),
        remote_since=ms(row["status_since"]),
        buffers=await load_buffers(tx, row["id"]),
        fetches=tuple(fetches),
        closing=None if row["close_body"] is None else _closing(row, open_calls),
        collected_at=ms(row["collected_at"]),
        seen_at=ms(row["seen_at"]),
    )


def _closing(row: dict[str, Any], open_calls: Calls) -> Subject:
    return Subject(
        row["id"],
        Operation.CLOSE_ORDER,
        row["close_signed"],
        row["close_sent"] is not None,
        call=open_calls.get((Operation.CLOSE_ORDER, row["id"])),
        absent=row["close_absent"],
        sent_at=ms(row["close_sent"]),
    )


def _word(kind: Any, word: str | None) -> Any:
    """A remote word we do not know is no state to act on."""
    return kind(word) if word in set(kind) else None


async def load_buffers(tx: Transaction, suz_order: str) -> tuple[Buffer, ...]:
    rows = await tx.rows(
        """select b.*, (select coalesce(sum(k.quantity), 0) from marking.code_blocks k
                        where k.suz_order_id = b.suz_order_id and k.gtin = b.gtin) as stored
           from marking.buffers b where b.suz_order_id = %(id)s order by b.gtin""",
        id=suz_order,
    )
    return tuple(
        Buffer(
            row["gtin"],
            row["ordered"],
            status=BufferStatus(row["status"]),
            remote=_word(RemoteBuffer, row["remote_status"]),
            total=row["total"],
            available=row["available"],
            passed=row["passed"],
            stored=row["stored"],
            waived=row["waived"],
            lost=row["lost"],
            counted_at=ms(row["counted_at"]),
        )
        for row in rows
    )
