"""Codes an operator gives up by name and number: closing with a rest, and ending a wait."""

from typing import Any

import msgspec

from app.domain.marking.order import Cause, OrderStatus
from app.domain.marking.station import LIVE_ORDERS, remainder
from app.integrations import suz
from app.integrations.errors import NotFound, Upstream
from app.marking import audit, participants, store, tokens
from app.marking.audit import Entry
from app.marking.database import NOW_MS, Transaction
from app.marking.desk import Desk
from app.marking.errors import OrderStateError, SignInRequired
from app.marking.leases import Lease
from app.marking.observing import Seen, apply, refresh_status, station_row
from app.marking.operations import clear_attention, operate, require_status
from app.marking.polls import ensure_poll
from app.marking.store import Change, OrderRow
from app.marking.tokens import TokenMissing
from app.marking.views import load_buffers

S = OrderStatus


async def rest_of(tx: Transaction, order_id: str) -> dict[str, int]:
    """Codes still to come, by GTIN; raises OrderStateError while the counters are unknown."""
    row = await station_row(tx, order_id)
    rest: dict[str, int] = {}
    for buffer in await load_buffers(tx, row["id"]):
        if buffer.remote in {"REJECTED", "CLOSED"}:
            continue
        left = remainder(buffer)
        if left is None:
            raise OrderStateError("Счётчики СУЗ ещё неизвестны.", order_id=order_id)
        rest[buffer.gtin] = left
    return rest


async def close_with_rest(
    desk: Desk, order_id: str, *, expected_annulled: int, user_id: str
) -> OrderRow:
    """«Закрыть с остатком»: the number must be the present remainder, or 409."""

    async def change(tx: Transaction, _lease: Lease, row: OrderRow) -> None:
        require_status(row, frozenset({S.COLLECTING, S.READY_TO_CLOSE}))
        await _refuse_open_fetch(tx, row)
        rest = await rest_of(tx, row.id)
        if sum(rest.values()) != expected_annulled:
            text = f"Сейчас остаток {sum(rest.values())}, а не {expected_annulled}."
            raise OrderStateError(text, order_id=row.id)
        station = await station_row(tx, row.id)
        for gtin, left in rest.items():
            await tx.execute(
                """update marking.buffers set waived = %(left)s, waived_by = %(user)s
                   where suz_order_id = %(id)s and gtin = %(gtin)s""",
                left=left,
                user=user_id,
                id=station["id"],
                gtin=gtin,
            )
        await tx.execute(
            """update marking.calls set state = 'REFUSED', error = 'the rest was waived'
               where order_id = %(id)s and operation = 'fetch_codes' and state = 'PLANNED'""",
            id=row.id,
        )
        entry = Entry("suz.waiver", f"user:{user_id}", row.participant_id, row.id)
        details = {"annulled": expected_annulled, "by_gtin": rest}
        await audit.write(tx, msgspec.structs.replace(entry, details=details))
        await clear_attention(tx, row.id)

    return await operate(desk, order_id, user_id=user_id, action="waived", change=change)


async def _refuse_open_fetch(tx: Transaction, row: OrderRow) -> None:
    open_call = await tx.one(
        """select 1 from marking.calls where order_id = %(id)s and operation = 'fetch_codes'
               and state in ('CLAIMED', 'UNKNOWN') limit 1""",
        id=row.id,
    )
    if open_call is not None:
        raise OrderStateError("Идёт получение кодов, подождите.", order_id=row.id)


async def give_up(desk: Desk, order_id: str, *, expected_lost: int, user_id: str) -> OrderRow:
    """«Прекратить ожидание» after a fresh look; the number of codes given up is typed."""
    known = await _look(desk, order_id)

    async def change(tx: Transaction, lease: Lease, row: OrderRow) -> None:
        require_status(row, frozenset({S.EMITTING, S.COLLECTING}))
        await store.refuse_open_calls(tx, row)
        station = await station_row(tx, row.id)
        buffers = await load_buffers(tx, station["id"])
        stored = sum(b.stored for b in buffers)
        lost = sum(max(0, (b.total or b.ordered) - b.stored) for b in buffers)
        if lost != expected_lost:
            text = f"Будет потеряно {lost}, а не {expected_lost}."
            raise OrderStateError(text, order_id=row.id)
        if known and station["remote_status"] in {str(word) for word in LIVE_ORDERS}:
            await _leave_behind(tx, desk, row=row, station=station)
        target = S.CLOSED if stored else S.DECLINED
        move = Change(
            target,
            cause=Cause.OPERATOR,
            actor=f"user:{user_id}",
            reason="given-up",
            details={"lost": lost},
        )
        await store.move(tx, lease, move, row=row)
        for buffer in buffers:
            await refresh_status(tx, station["id"], gtin=buffer.gtin, closed=True)
        await clear_attention(tx, row.id)

    return await operate(desk, order_id, user_id=user_id, action="given_up", change=change)


async def _look(desk: Desk, order_id: str) -> bool:
    """A fresh status, written; False: the station does not know the order."""
    row = await store.load(desk.database, order_id)
    participant = await participants.load(desk.database, row.participant_id, sealer=desk.sealer)
    assert participant is not None, "orders refer to their participant"
    try:
        granted = await tokens.grant(desk.database, participant, Upstream.SUZ, sealer=desk.sealer)
    except TokenMissing:
        raise SignInRequired("Войдите с сертификатом.", order_id=order_id) from None
    async with desk.database.transaction() as tx:
        require_status(row, frozenset({S.EMITTING, S.COLLECTING}))
        station = await station_row(tx, order_id)
        now = int(await tx.value(f"select {NOW_MS}"))
    number = station["suz_order_id"]
    try:
        answer = await suz.order_status(desk.clients.suz, granted.access, order_id=number)
    except NotFound:
        return False
    async with desk.database.transaction() as tx:
        await apply(tx, station["id"], Seen(now, answer.value))
    return True


async def _leave_behind(
    tx: Transaction, desk: Desk, *, row: OrderRow, station: dict[str, Any]
) -> None:
    """A live remote order stays watched and bars a new attempt until it has ended."""
    await tx.execute(
        """insert into marking.suz_orphans (suz_order_id, participant_id, kind, order_id,
               remote_status, production_order_id, buffers)
           select suz_order_id, %(participant)s, 'given_up', order_id, remote_status,
                  production_order_id, (select jsonb_agg(jsonb_build_object('gtin', b.gtin,
                      'total', coalesce(b.total, b.ordered)) order by b.gtin)
                  from marking.buffers b where b.suz_order_id = s.id)
           from marking.suz_orders s where id = %(id)s
           on conflict (suz_order_id) do nothing""",
        participant=row.participant_id,
        id=station["id"],
    )
    participant = row.participant_id
    await ensure_poll(tx, desk, kind="suz_list", participant_id=participant, subject=participant)
