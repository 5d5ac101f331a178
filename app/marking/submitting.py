"""Documents and reports on their way out, and what a refusal means for the order."""

from http import HTTPStatus
from typing import Any

import msgspec

from app.domain.marking.field_words import told
from app.domain.marking.order import Hold, OrderStatus
from app.domain.marking.view import Operation
from app.integrations import suz, true_api
from app.integrations.answers import Answer
from app.integrations.errors import Refused, SignatureRefused, Upstream
from app.integrations.suz_answers import ReportAccepted
from app.marking import audit, calls, store
from app.marking.attempts import Attempt, access_to, make
from app.marking.audit import Entry
from app.marking.calls import CallRow
from app.marking.database import Transaction, raw
from app.marking.desk import AGAIN, Desk, Next, Work
from app.marking.document_ends import refuse_document
from app.marking.exchange import see_date
from app.marking.failures import pause
from app.marking.freezing import renew_request, signature_of
from app.marking.messages_ru import DOCUMENT_SIGNATURE, TYPE_CLOSED
from app.marking.notices import tell_move
from app.marking.polls import ensure_poll
from app.marking.refusals import step_refused
from app.marking.sealing import report_place
from app.marking.store import Change

S = OrderStatus


async def send_document(desk: Desk, work: Work, call: CallRow) -> Next:
    async with desk.database.transaction() as tx:
        row = await tx.one("select * from marking.documents where id = %(id)s", id=call.subject_id)
        assert row is not None, "documents are never deleted"
        cms = await signature_of(tx, call.subject_id, purpose="document")
    access = await access_to(desk, work, Upstream.TRUE_API)

    async def keep(tx: Transaction, answer: Answer[str]) -> None:
        await calls.answered(tx, call.id, answer, remote_id=answer.value, sealer=desk.sealer)
        await see_date(tx, work.row.participant_id, answer.remote_date_ms)
        await accept_number(tx, desk, document_id=call.subject_id, number=answer.value)

    async def refused(refusal: Refused) -> Next:
        return await _document_refused(desk, work, row=row, refusal=refusal)

    attempt = Attempt(
        Operation.SUBMIT_DOCUMENT,
        call.id,
        send=lambda claim: true_api.submit_document(
            desk.clients.true_api,
            access,
            document=raw(row["body"]),
            document_type=row["type"],
            signature=cms,
            claim=claim,
        ),
        keep=keep,
        refused=refused,
        subject_id=call.subject_id,
        purpose="document",
        remote_id=str,
    )
    return await make(desk, work, attempt)


async def accept_number(tx: Transaction, desk: Desk, *, document_id: str, number: str) -> None:
    """The number of a document is a fact: kept under any lease, then its status is polled."""
    row = await tx.one(
        """update marking.documents set number = %(number)s, status = 'CHECKING',
               sent_at = coalesce(sent_at, clock_timestamp())
           where id = %(id)s and number is null returning order_id, purpose""",
        number=number,
        id=document_id,
    )
    if row is None:
        return
    participant = await tx.value(
        "select participant_id from marking.orders where id = %(id)s", id=row["order_id"]
    )
    await ensure_poll(tx, desk, kind="documents", participant_id=participant, subject=participant)
    entry = Entry("document.sent", "worker", participant, row["order_id"], subject=document_id)
    details = {"number": number, "purpose": row["purpose"]}
    await audit.write(tx, msgspec.structs.replace(entry, details=details))


async def _document_refused(
    desk: Desk, work: Work, *, row: dict[str, Any], refusal: Refused
) -> Next:
    if isinstance(refusal, SignatureRefused):
        return await _sign_again(desk, work, row)
    errors = document_errors(refusal)
    async with desk.database.transaction() as tx:
        await refuse_document(tx, row["id"], errors=errors)
        await tx.execute(
            "update marking.document_codes set live = false where document_id = %(id)s",
            id=row["id"],
        )
        if work.row.status is S.DOC_SENDING:
            change = Change(S.DOC_REJECTED, reason="document-invalid", details={"errors": errors})
            if await store.move(tx, work.lease, change, row=work.row) is not None:
                await tell_move(tx, work.row, S.DOC_REJECTED)
        else:
            await step_refused(tx, work.row.id, step=work.row.status, error="document-invalid")
    return AGAIN


def document_errors(refusal: Refused) -> list[str]:
    """Field by field; True API answers 422 to a type that the product group may not use."""
    failure = refusal.failure
    closed = [TYPE_CLOSED] if failure.http_status == HTTPStatus.UNPROCESSABLE_ENTITY else []
    return [*closed, failure.text, *(told(one.field, one.text) for one in failure.fields)]


async def _sign_again(desk: Desk, work: Work, row: dict[str, Any]) -> Next:
    async with desk.database.transaction() as tx:
        await renew_request(
            tx,
            desk,
            row=work.row,
            purpose="document",
            subject=row["id"],
            payload=raw(row["body"]),
        )
        await tx.execute(
            "update marking.documents set status = 'SIGNING' where id = %(id)s", id=row["id"]
        )
        if work.row.status is S.DOC_SENDING:
            change = Change(S.DOC_SIGNING, reason="signature-invalid")
            await store.move(tx, work.lease, change, row=work.row)
    hold = Hold.ATTENTION if work.view.automatic_signer else Hold.SIGNATURE
    return await pause(desk, work, hold, code="signature-invalid", text=DOCUMENT_SIGNATURE)


async def send_report(desk: Desk, work: Work, call: CallRow) -> Next:
    async with desk.database.transaction() as tx:
        row = await tx.one(
            "select * from marking.suz_reports where id = %(id)s", id=call.subject_id
        )
        assert row is not None, "reports are never deleted"
        cms = await signature_of(tx, call.subject_id, purpose="suz_report")
    body = desk.sealer.open_packed(raw(row["body_enc"]), place=report_place(row["id"]))
    access = await access_to(desk, work, Upstream.SUZ)
    post = suz.report_utilisation if row["kind"] == "utilisation" else suz.report_dropout

    async def keep(tx: Transaction, answer: Answer[ReportAccepted]) -> None:
        report = answer.value.report_id
        await calls.answered(tx, call.id, answer, remote_id=report, sealer=desk.sealer)
        await accept_report(tx, desk, report=row["id"], report_id=answer.value.report_id)

    async def refused(refusal: Refused) -> Next:
        code = f"{row['kind']}-refused"
        if "not available" in refusal.failure.text.lower() or "недоступ" in refusal.failure.text:
            code = "report-unneeded"
        shown: dict[str, Any] = {"detail": refusal.failure.text}
        return await pause(desk, work, Hold.ATTENTION, code=code, **shown)

    attempt = Attempt(
        Operation.SEND_REPORT,
        call.id,
        send=lambda claim: post(desk.clients.suz, access, body=body, signature=cms, claim=claim),
        keep=keep,
        refused=refused,
        subject_id=call.subject_id,
        purpose="suz_report",
        remote_id=lambda accepted: accepted.report_id,
    )
    return await make(desk, work, attempt)


async def accept_report(tx: Transaction, desk: Desk, *, report: str, report_id: str) -> None:
    row = await tx.one(
        """update marking.suz_reports set report_id = %(report_id)s, status = 'CHECKING'
           where id = %(id)s and report_id is null returning order_id""",
        report_id=report_id,
        id=report,
    )
    if row is None:
        return
    participant = await tx.value(
        "select participant_id from marking.orders where id = %(id)s", id=row["order_id"]
    )
    await ensure_poll(tx, desk, kind="report", participant_id=participant, subject=report)
