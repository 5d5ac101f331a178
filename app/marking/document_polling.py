"""One call for all open documents of a participant; what it shows is written and tells orders."""

import msgspec

from app.domain.marking.dictionaries import explained
from app.domain.marking.document import DocumentStatus, may_follow, remote_meaning
from app.integrations import true_api
from app.integrations.requests import Access
from app.integrations.true_api_answers import DocumentEntry
from app.marking import audit
from app.marking.audit import Entry
from app.marking.database import NOW_MS, Row, Transaction, as_json, ms
from app.marking.desk import Desk
from app.marking.document_ends import announce_final, free_later_codes
from app.marking.exchange import see_date
from app.marking.leases import lock_orders, wake
from app.marking.participants import Participant

MARGIN_MS = 3_600_000
MOST_PAGES = 20
MOST_SINGLE = 20
STAGES_S = ((60.0, 10.0), (600.0, 30.0))
SLOW_S = 60.0


async def poll_documents(desk: Desk, participant: Participant, access: Access) -> int | None:
    """Ms until the next poll; None: no document of the participant is open."""
    waiting = await _open(desk, participant)
    if not waiting:
        return None
    since = min(ms(row["sent_at"]) or 0 for row in waiting.values()) - MARGIN_MS
    left, after = dict(waiting), None
    for _ in range(MOST_PAGES):
        answer = await true_api.document_list(
            desk.clients.true_api,
            access,
            sender_inn=participant.inn,
            date_from_ms=since,
            after=after,
        )
        results = answer.value.results
        async with desk.database.transaction() as tx:
            await see_date(tx, participant.id, answer.remote_date_ms)
            await _apply_known(tx, left, results)
        if not left or not answer.value.next_page or not results:
            break
        after = (results[-1].number, results[-1].doc_date or "")
    desk.crash.passed("observed", "committed")
    await _ask_singly(desk, access, left)
    return await _next_ms(desk, waiting)


async def _open(desk: Desk, participant: Participant) -> dict[str, Row]:
    rows = await desk.database.rows(
        """select d.id, d.number::text as number, d.order_id, d.status, d.remote_status,
                  d.purpose, d.sent_at, o.version
           from marking.documents d join marking.orders o on o.id = d.order_id
           where o.participant_id = %(id)s and d.status = 'CHECKING' and d.number is not null
           order by d.sent_at limit 5000""",
        id=participant.id,
    )
    return {row["number"]: row for row in rows}


async def _ask_singly(desk: Desk, access: Access, left: dict[str, Row]) -> None:
    """What the list did not show is asked by number; not there either: still checking."""
    for number, row in list(left.items())[:MOST_SINGLE]:
        answer = await true_api.document_list(desk.clients.true_api, access, number=number)
        async with desk.database.transaction() as tx:
            await _apply_known(tx, {number: row}, answer.value.results)


async def _apply_known(tx: Transaction, left: dict[str, Row], entries: list[DocumentEntry]) -> None:
    """Entries that are ours leave `left`."""
    for entry in entries:
        row = left.pop(entry.number.lower(), None)
        if row is not None:
            await _apply(tx, row, entry)


async def _apply(tx: Transaction, row: Row, entry: DocumentEntry) -> None:
    remote = str(entry.status)
    if remote == row["remote_status"]:
        return
    meaning = remote_meaning(remote) or DocumentStatus.CHECKING
    await lock_orders(tx, [row["order_id"]])
    final = may_follow(DocumentStatus.CHECKING, meaning)
    errors = [explained(text) for text in entry.texts]
    await tx.execute(
        """update marking.documents set remote_status = %(remote)s, status = %(status)s,
               errors = %(errors)s, final_at = case when %(final)s then clock_timestamp() end
           where id = %(id)s and status = 'CHECKING'""",
        remote=remote,
        status=meaning,
        errors=as_json(errors) if errors else None,
        final=final,
        id=row["id"],
    )
    entry_ = Entry("document.status", "poll", None, row["order_id"], subject=row["id"])
    await audit.write(
        tx,
        msgspec.structs.replace(
            entry_,
            from_status=row["remote_status"],
            to_status=remote,
            details={"errors": errors, "purpose": row["purpose"]},
        ),
    )
    if final:
        await announce_final(tx, row, meaning)
        if meaning is DocumentStatus.REJECTED:
            await free_later_codes(tx, row)
        await wake(tx, row["order_id"])


async def _next_ms(desk: Desk, waiting: dict[str, Row]) -> int:
    """Young documents are asked for often, old ones rarely; the youngest decides."""
    now = int((await desk.database.rows(f"select {NOW_MS} as now"))[0]["now"])
    newest = max(ms(row["sent_at"]) or 0 for row in waiting.values())
    age_s = (now - newest) / 1_000 * desk.terms.marking_time_scale
    interval = next((every for until, every in STAGES_S if age_s < until), SLOW_S)
    return desk.terms.scaled_ms(interval)
