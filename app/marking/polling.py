"""Asking for statuses: due polls are claimed by timers, published, and answered once."""

from collections.abc import Awaitable, Callable

import msgspec
import structlog

from app.domain.marking.order import Hold
from app.integrations import suz
from app.integrations.errors import (
    NotFound,
    RateLimited,
    TurnFarAway,
    Unauthorized,
    Upstream,
    UpstreamError,
)
from app.integrations.requests import Access
from app.marking import participants, store, tokens
from app.marking.comparing import compare_station
from app.marking.database import NOW_MS, Row, Transaction
from app.marking.desk import Desk
from app.marking.document_polling import poll_documents
from app.marking.exchange import see_date
from app.marking.leases import release, take_lease, wake
from app.marking.messages_ru import hold_text
from app.marking.observing import Seen, apply, wake_order_of
from app.marking.participants import Participant
from app.marking.polls import end_poll, jittered_ms, next_poll
from app.marking.sign_in import AuthService
from app.marking.signer import SignerBroken
from app.marking.tokens import TokenKind, TokenMissing
from app.marking.waited import add_poll
from app.marking.work import WorkMessage

log = structlog.get_logger("marking")
STEADY_PASSES = 10
GROWTH = 1.5
LONGEST_S = 300.0
REPORT_S = 30.0


class Poll(msgspec.Struct, frozen=True):
    """A claimed poll with the access it is made with."""

    row: Row
    participant: Participant
    access: Access


class Asked(msgspec.Struct, frozen=True):
    """`ok`: a complete answer; `changed`: it told something new; `over`: nothing left to ask."""

    ok: bool
    changed: bool = False
    over: bool = False
    wait_ms: int | None = None


async def poll(desk: Desk, message: WorkMessage) -> None:
    """One poll, unless another worker has answered this very pass already."""
    row = await desk.database.one(
        """update marking.polls set passes = passes + 1
           where id = %(id)s and passes = %(passes)s
           returning id, kind, participant_id, subject_id, passes, changed_pass, interval_s""",
        id=message.subject_id,
        passes=message.passes,
    )
    if row is None:
        return
    participant = await participants.load(desk.database, row["participant_id"], sealer=desk.sealer)
    assert participant is not None, "polls refer to their participant"
    asked = await _ask(desk, row, participant)
    async with desk.database.transaction() as tx:
        if asked.over:
            await end_poll(tx, row["id"], passes=row["passes"])
            return
        if asked.changed:
            await tx.execute(
                "update marking.polls set changed_pass = passes where id = %(id)s", id=row["id"]
            )
        wait = asked.wait_ms if asked.wait_ms is not None else _interval_ms(desk, row, asked)
        await next_poll(tx, row["id"], in_ms=jittered_ms(wait, row["subject_id"]), ok=asked.ok)


async def _ask(desk: Desk, row: Row, participant: Participant) -> Asked:
    upstream = Upstream.TRUE_API if row["kind"] == "documents" else Upstream.SUZ
    used = 0
    try:
        granted = await tokens.grant(desk.database, participant, upstream, sealer=desk.sealer)
        used = granted.seq
        return await POLLS[row["kind"]](desk, Poll(row, participant, granted.access))
    except TokenMissing as missing:
        return await _without_token(desk, participant, missing)
    except Unauthorized as error:
        kind = TokenKind.SUZ if error.failure.upstream is Upstream.SUZ else TokenKind.TRUE_API
        async with desk.database.transaction() as tx:
            await tokens.refused(tx, participant, kind, used=used, terms=desk.terms)
            await _wake_waiting(tx, participant.id)
        return Asked(ok=False, wait_ms=desk.terms.scaled_ms(1))
    except (RateLimited, TurnFarAway) as error:
        return Asked(ok=False, wait_ms=round((error.retry_after_s or 1) * 1_000) + 1)
    except UpstreamError as error:
        log.info("a poll failed", kind=row["kind"], subject=row["subject_id"], cause=error.outcome)
        wait_s = max(error.retry_after_s or 0, desk.terms.retry_first_s)
        return Asked(ok=False, wait_ms=desk.terms.scaled_ms(wait_s))


async def _without_token(desk: Desk, participant: Participant, missing: TokenMissing) -> Asked:
    """An automatic signer renews at once; the orders of others show that they wait."""
    later = Asked(ok=False, wait_ms=desk.terms.scaled_ms(desk.terms.suz_poll_interval))
    if missing.busy:
        return Asked(ok=False, wait_ms=500)
    if participant.signs_by_itself and not missing.stopped:
        try:
            auth = AuthService(desk)
            await auth.sign_in_by_itself(participant, missing.kind, replacing=missing.seq)
        except (UpstreamError, SignerBroken) as error:
            cause = type(error).__name__
            log.info("renewal for a poll failed", participant=participant.id, cause=cause)
            return later
        return Asked(ok=False, wait_ms=1)
    async with desk.database.transaction() as tx:
        await _wake_waiting(tx, participant.id)
    return later


async def _wake_waiting(tx: Transaction, participant_id: str) -> None:
    await tx.execute(
        """update marking.orders set wake_seq = wake_seq + 1, due_at = now()
           where participant_id = %(id)s and hold is distinct from 'sign_in'
                 and status in ('DOC_CHECKING', 'EMITTING', 'COLLECTING')""",
        id=participant_id,
    )


async def _poll_list(desk: Desk, at: Poll) -> Asked:
    """In status mode over after one pass, unless something live is followed by nothing else."""
    started = await _now(desk)
    answer = await suz.order_list(desk.clients.suz, at.access)
    listed = answer.value.order_infos
    changed = await compare_station(desk, at.participant.id, listed=listed, at=started)
    desk.compared.add(at.participant.id)
    async with desk.database.transaction() as tx:
        await see_date(tx, at.participant.id, answer.remote_date_ms, upstream="suz")
    desk.crash.passed("observed", "committed")
    await add_poll(desk, at.row)
    live = await desk.database.one(
        """select 1 from marking.suz_orders s join marking.orders o on o.id = s.order_id
           where o.participant_id = %(id)s and s.current and s.suz_order_id is not null
                 and (%(listed)s or not exists (select 1 from marking.polls l
                      where l.kind = 'suz_status' and l.subject_id = s.id::text))
                 and o.status in ('SUZ_SENDING', 'EMITTING', 'COLLECTING', 'READY_TO_CLOSE',
                                  'CLOSING')
           union all
           select 1 from marking.suz_orphans p where p.participant_id = %(id)s
                 and p.kind in ('given_up', 'double') and p.resolved_by is null
                 and (p.remote_status is null
                      or p.remote_status in ('CREATED', 'PENDING', 'APPROVED', 'READY'))
           limit 1""",
        id=at.participant.id,
        listed=desk.rules.list_mode,
    )
    return Asked(ok=True, changed=bool(changed), over=live is None)


async def _poll_status(desk: Desk, at: Poll) -> Asked:
    station = await desk.database.one(
        """select s.id, s.order_id, s.suz_order_id, o.status from marking.suz_orders s
           join marking.orders o on o.id = s.order_id where s.id = %(id)s""",
        id=at.row["subject_id"],
    )
    live = {"SUZ_SENDING", "EMITTING", "COLLECTING", "READY_TO_CLOSE", "CLOSING"}
    if station is None or station["status"] not in live:
        return Asked(ok=True, over=True)
    started = await _now(desk)
    try:
        answer = await suz.order_status(
            desk.clients.suz, at.access, order_id=station["suz_order_id"]
        )
    except NotFound:
        await _hold_unknown(desk, station["order_id"])
        return Asked(ok=False)
    async with desk.database.transaction() as tx:
        await see_date(tx, at.participant.id, answer.remote_date_ms, upstream="suz")
        changed = await apply(tx, station["id"], Seen(started, answer.value))
        if changed:
            await wake_order_of(tx, station["id"])
    desk.crash.passed("observed", "committed")
    await add_poll(desk, at.row)
    return Asked(ok=True, changed=changed)


async def _hold_unknown(desk: Desk, order_id: str) -> None:
    """Under the order's lease, as every hold; while a runner has it, the next poll does it."""
    for_ms = desk.terms.scaled_ms(desk.terms.marking_lease_s)
    detail = {"code": "order-unknown", "text": hold_text("order-unknown")}
    async with desk.database.transaction() as tx:
        lease = await take_lease(tx, order_id, owner=desk.owner, for_ms=for_ms)
        if lease is None:
            return
        await store.set_hold(tx, lease, Hold.ATTENTION, detail=detail)
        await release(tx, lease, next_ms=int(await tx.value(f"select {NOW_MS}")))


async def _poll_report(desk: Desk, at: Poll) -> Asked:
    report = await desk.database.one(
        "select * from marking.suz_reports where id = %(id)s", id=at.row["subject_id"]
    )
    if report is None or report["report_id"] is None or report["status"] != "CHECKING":
        return Asked(ok=True, over=True)
    answer = await suz.report_info(desk.clients.suz, at.access, report_id=report["report_id"])
    status = str(answer.value.report_status)
    final = status in {"SUCCESS", "REJECTED", "FAILED", "PARTIALLY"}
    async with desk.database.transaction() as tx:
        await tx.execute(
            """update marking.suz_reports set remote_status = %(remote)s, error = %(error)s,
                   status = case when %(final)s then %(remote)s else status end,
                   final_at = case when %(final)s then clock_timestamp() end
               where id = %(id)s""",
            remote=status,
            error=answer.value.error_reason,
            final=final,
            id=report["id"],
        )
        if final:
            await wake(tx, report["order_id"])
    await add_poll(desk, at.row)
    return Asked(ok=True, changed=status != report["remote_status"], over=final)


async def _poll_documents(desk: Desk, at: Poll) -> Asked:
    wait_ms = await poll_documents(desk, at.participant, at.access)
    await add_poll(desk, at.row)
    if wait_ms is None:
        return Asked(ok=True, over=True)
    return Asked(ok=True, wait_ms=wait_ms)


async def _now(desk: Desk) -> int:
    return int((await desk.database.rows(f"select {NOW_MS} as now"))[0]["now"])


def _interval_ms(desk: Desk, row: Row, asked: Asked) -> int:
    """List mode keeps its interval; single orders grow slower the longer nothing changes."""
    if row["kind"] == "suz_list":
        return desk.terms.scaled_ms(desk.terms.suz_poll_interval)
    first = REPORT_S if row["kind"] == "report" else desk.terms.suz_poll_interval
    quiet = 0 if asked.changed else row["passes"] - row["changed_pass"]
    steady = 1 if row["kind"] == "report" else STEADY_PASSES
    grown = first * GROWTH ** min(max(0, quiet - steady), 20)
    return desk.terms.scaled_ms(min(LONGEST_S, grown))


POLLS: dict[str, Callable[[Desk, Poll], Awaitable[Asked]]] = {
    "documents": _poll_documents,
    "suz_list": _poll_list,
    "suz_status": _poll_status,
    "report": _poll_report,
}
