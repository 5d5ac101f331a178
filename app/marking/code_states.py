"""States of stored codes: only as True API tells them, and only forward."""

from collections.abc import Sequence

import structlog

from app.integrations import true_api
from app.integrations.errors import NotFound, Upstream, UpstreamError
from app.integrations.requests import Access
from app.marking import audit
from app.marking.access import access_for, participant_of
from app.marking.audit import Entry
from app.marking.database import Transaction, as_json
from app.marking.desk import Desk
from app.marking.errors import SignInRequired

MOST_ASKED = 1_000
MOST_WRITTEN = 10_000
MOST_ORDERS = 200
REFRESHED, NOT_REFRESHED = "codes.refreshed", "codes.not_refreshed"
LIFE = ("STORED", "APPLIED", "INTRODUCED", "RETIRED", "WRITTEN_OFF")
REMOTE_LIFE = {"EMITTED": "STORED", **{word: word for word in LIFE}}
log = structlog.get_logger("marking")


async def codes_in_life(desk: Desk, order_id: str) -> list[str]:
    """КИ whose state may still change."""
    rows = await desk.database.rows(
        """select ki from marking.codes where order_id = %(id)s and not malformed
               and status not in ('RETIRED', 'WRITTEN_OFF') order by id""",
        id=order_id,
    )
    return [row["ki"] for row in rows]


async def asked_states(desk: Desk, access: Access, kis: Sequence[str]) -> list[dict[str, str]]:
    """What True API knows of them; codes it does not know are left out."""
    states: list[dict[str, str]] = []
    for start in range(0, len(kis), MOST_ASKED):
        chunk = kis[start : start + MOST_ASKED]
        try:
            answer = await true_api.cises_info(desk.clients.true_api, access, chunk)
        except NotFound:
            continue
        states += [
            {"ki": entry.cis_info.requested_cis[:31], "status": REMOTE_LIFE[entry.cis_info.status]}
            for entry in answer.value
            if entry.cis_info.status in REMOTE_LIFE
        ]
    return states


async def write_states(tx: Transaction, order_id: str, states: list[dict[str, str]]) -> int:
    """How many codes went forward; no statement is so large that it would take too long."""
    starts = range(0, len(states), MOST_WRITTEN)
    parts = [states[start : start + MOST_WRITTEN] for start in starts]
    return sum([await _write(tx, order_id, part) for part in parts])


async def _write(tx: Transaction, order_id: str, states: list[dict[str, str]]) -> int:
    return await tx.execute(
        """update marking.codes c set status = s.status, status_at = now()
           from jsonb_to_recordset(%(states)s) as s(ki text, status text)
           where c.ki = s.ki and c.order_id = %(id)s
                 and array_position(%(life)s::text[], s.status)
                     > array_position(%(life)s::text[], c.status)""",
        states=as_json(states),
        id=order_id,
        life=list(LIFE),
    )


async def keep_states(
    tx: Transaction, order_id: str, *, asked: int, states: list[dict[str, str]]
) -> int:
    changed = await write_states(tx, order_id, states)
    details = {"asked": asked, "changed": changed}
    await audit.write(tx, Entry(REFRESHED, "worker", order_id=order_id, details=details))
    return changed


async def refresh_open_orders(desk: Desk) -> int:
    """Every night, of open orders with codes, those asked about longest ago; how many changed."""
    rows = await desk.database.rows(
        """select o.id, o.participant_id from marking.orders o
           where o.status not in ('COMPLETED', 'CANCELLED')
                 and exists (select 1 from marking.codes c where c.order_id = o.id)
           order by (select max(a.at) from marking.audit_log a
                     where a.order_id = o.id and a.action = any(%(asked)s)) nulls first,
                    o.status_at
           limit %(most)s""",
        asked=[REFRESHED, NOT_REFRESHED],
        most=MOST_ORDERS,
    )
    changed = 0
    for row in rows:
        try:
            changed += await _refresh(desk, row["id"], row["participant_id"])
        except (UpstreamError, SignInRequired) as error:
            cause = type(error).__name__
            log.info("codes wait for another night", order=row["id"], cause=cause)
            await _failed(desk, row["id"], error)
    return changed


async def _failed(desk: Desk, order_id: str, error: Exception) -> None:
    """Written down, so that orders that cannot be asked about let others in."""
    details = {"error": type(error).__name__}
    async with desk.database.transaction() as tx:
        await audit.write(tx, Entry(NOT_REFRESHED, "timer", order_id=order_id, details=details))


async def _refresh(desk: Desk, order_id: str, participant_id: str) -> int:
    kis = await codes_in_life(desk, order_id)
    participant = await participant_of(desk, participant_id)
    async with access_for(desk, participant, Upstream.TRUE_API) as access:
        states = await asked_states(desk, access, kis)
    async with desk.database.transaction() as tx:
        return await keep_states(tx, order_id, asked=len(kis), states=states)
