"""Whether a doubtful report arrived: receipts first, then the states of its codes."""

from collections.abc import Collection, Sequence
from uuid import UUID

import msgspec

from app.domain.marking.code import ki_of
from app.domain.marking.order import Hold
from app.domain.marking.postprocess import ACCEPTED_REPORT, FAILED_REPORTS
from app.domain.marking.view import CallState
from app.integrations import suz, true_api
from app.integrations.errors import NotFound, Upstream
from app.integrations.suz import ReceiptFilter
from app.integrations.suz_answers import Receipt
from app.marking import calls, store
from app.marking.attempts import access_to
from app.marking.calls import CallRow
from app.marking.database import Row, Transaction, ms, raw
from app.marking.desk import AGAIN, Desk, Next, Work
from app.marking.failures import pause
from app.marking.freezing import own_number
from app.marking.leases import wake
from app.marking.metrics import RECONCILIATIONS
from app.marking.sealing import report_place

WORKFLOWS = {"utilisation": "REPORT_UTILIZE", "dropout": "REPORT_DROPOUT"}
REACHED = {"utilisation": {"APPLIED", "INTRODUCED", "RETIRED"}, "dropout": {"WRITTEN_OFF"}}
ENDED_REPORTS = FAILED_REPORTS | {ACCEPTED_REPORT}
MOST_ASKED = 1_000


class Verdict(msgspec.Struct, frozen=True):
    """How a report stands; `document`: its number at the station, None: told by its codes."""

    state: str
    document: str | None = None
    error: str | None = None


async def look_for_report(desk: Desk, work: Work, call: CallRow) -> Next | None:
    """None: nothing found yet; a report is never sent again without a person's word."""
    async with desk.database.transaction() as tx:
        report = await tx.one(
            "select * from marking.suz_reports where id = %(id)s", id=call.subject_id
        )
        assert report is not None, "reports are never deleted"
        number = await own_number(tx, work.row.id)
    verdict = await _receipt(desk, work, call, wanted=(number, WORKFLOWS[report["kind"]]))
    if verdict is None and await _codes_reached(desk, work, report):
        verdict = Verdict(ACCEPTED_REPORT)
    if verdict is not None and verdict.state in ENDED_REPORTS:
        ended = verdict
        await desk.database.until_committed(lambda tx: _adopt(tx, call, ended))
        RECONCILIATIONS.labels(call.operation, "found").inc()
        async with desk.database.transaction() as tx:
            await store.clear_hold(tx, work.lease, Hold.UNKNOWN_OUTCOME)
        return AGAIN
    doubtful_for = work.now - (ms(call.answered_at) or work.now)
    if doubtful_for >= desk.terms.scaled_ms(desk.terms.report_search_s):
        return await pause(desk, work, Hold.ATTENTION, code="report-lost")
    return None


async def _receipt(
    desk: Desk, work: Work, call: CallRow, *, wanted: tuple[str, str]
) -> Verdict | None:
    """`wanted`: our number and the workflow; only receipts since the claim are asked for."""
    number, workflow = wanted
    asked = ReceiptFilter(
        start_create_doc_date=ms(call.remote_date or call.claimed_at),
        production_order_ids=(number,),
        workflow_types=(workflow,),
    )
    access = await access_to(desk, work, Upstream.SUZ)
    page = await suz.search_receipts(desk.clients.suz, access, wanted=asked)
    async with desk.database.transaction() as tx:
        known = await tx.rows(
            """select report_id::text as id from marking.suz_reports
               where order_id = %(id)s and report_id is not null""",
            id=work.row.id,
        )
    return verdict_of(page.value.results, known={row["id"] for row in known})


def verdict_of(receipts: Sequence[Receipt], *, known: Collection[str]) -> Verdict | None:
    """Of the first report that is none of `known`; one in progress is looked at again."""
    for receipt in receipts:
        document = _uuid(receipt.source_doc_id)
        if document is None or document in known:
            continue
        failed = receipt.state in FAILED_REPORTS
        error = receipt.description if failed else None
        return Verdict(str(receipt.state), document, error)
    return None


def _uuid(text: str | None) -> str | None:
    try:
        return str(UUID(text or ""))
    except ValueError:
        return None


async def _adopt(tx: Transaction, call: CallRow, verdict: Verdict) -> None:
    await calls.settle(tx, call.id, CallState.FOUND, remote_id=verdict.document)
    order_id = await tx.value(
        """update marking.suz_reports set status = %(state)s, error = %(error)s,
               report_id = coalesce(report_id, %(document)s::uuid),
               final_at = clock_timestamp() where id = %(id)s returning order_id""",
        state=verdict.state,
        error=verdict.error,
        document=verdict.document,
        id=call.subject_id,
    )
    await wake(tx, order_id)


async def _codes_reached(desk: Desk, work: Work, report: Row) -> bool:
    """Every code of the report already shows what the report was to bring about."""
    place = report_place(report["id"])
    body = msgspec.json.decode(desk.sealer.open_packed(raw(report["body_enc"]), place=place))
    kis = [ki_of(code) for code in body["sntins"]]
    access = await access_to(desk, work, Upstream.TRUE_API)
    for start in range(0, len(kis), MOST_ASKED):
        asked = kis[start : start + MOST_ASKED]
        try:
            answer = await true_api.cises_info(desk.clients.true_api, access, asked)
        except NotFound:
            return False
        if not all(entry.cis_info.status in REACHED[report["kind"]] for entry in answer.value):
            return False
    return True
