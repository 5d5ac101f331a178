"""Whether a doubtful report arrived: receipts first, then the states of its codes."""

import msgspec

from app.domain.marking.code import ki_of
from app.domain.marking.order import Hold
from app.domain.marking.view import CallState
from app.integrations import suz, true_api
from app.integrations.errors import NotFound, Upstream
from app.integrations.suz import ReceiptFilter
from app.marking import calls, store
from app.marking.attempts import access_to
from app.marking.calls import CallRow
from app.marking.database import Row, Transaction, ms, raw
from app.marking.desk import AGAIN, Desk, Next, Work
from app.marking.failures import pause
from app.marking.leases import wake
from app.marking.metrics import RECONCILIATIONS
from app.marking.observing import station_row
from app.marking.sealing import report_place

WORKFLOWS = {"utilisation": "REPORT_UTILIZE", "dropout": "REPORT_DROPOUT"}
REACHED = {"utilisation": {"APPLIED", "INTRODUCED", "RETIRED"}, "dropout": {"WRITTEN_OFF"}}
MOST_ASKED = 1_000


async def look_for_report(desk: Desk, work: Work, call: CallRow) -> Next | None:
    """None: nothing found yet; a report is never sent again without a person's word."""
    async with desk.database.transaction() as tx:
        report = await tx.one(
            "select * from marking.suz_reports where id = %(id)s", id=call.subject_id
        )
        assert report is not None, "reports are never deleted"
        station = await station_row(tx, work.row.id)
    kind = report["kind"]
    access = await access_to(desk, work, Upstream.SUZ)
    wanted = ReceiptFilter(order_ids=(station["suz_order_id"],), workflow_types=(WORKFLOWS[kind],))
    page = await suz.search_receipts(desk.clients.suz, access, wanted=wanted)
    done = [r for r in page.value.results if r.state in {"SUCCESS", "IN_PROGRESS"}]
    if done or await _codes_reached(desk, work, report):
        await desk.database.until_committed(lambda tx: _adopt(tx, call, work.row.id))
        RECONCILIATIONS.labels(call.operation, "found").inc()
        async with desk.database.transaction() as tx:
            await store.clear_hold(tx, work.lease, Hold.UNKNOWN_OUTCOME)
        return AGAIN
    doubtful_for = work.now - (ms(call.answered_at) or work.now)
    if doubtful_for >= desk.terms.scaled_ms(desk.terms.report_search_s):
        return await pause(desk, work, Hold.ATTENTION, code="report-lost")
    return None


async def _adopt(tx: Transaction, call: CallRow, order_id: str) -> None:
    await calls.settle(tx, call.id, CallState.FOUND)
    await tx.execute(
        """update marking.suz_reports set status = 'SUCCESS', final_at = clock_timestamp()
           where id = %(id)s""",
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
