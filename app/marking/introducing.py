"""«Ввести в оборот»: the whole order by its runner, or codes chosen after it was closed."""

from app.domain.marking.dictionaries import ReleaseMethod
from app.domain.marking.order import OrderStatus, Profile
from app.integrations.errors import Upstream
from app.marking import store
from app.marking.access import access_for, participant_of
from app.marking.circulation import freeze_introduction_parts
from app.marking.code_states import asked_states, write_states
from app.marking.database import Transaction
from app.marking.desk import Desk
from app.marking.drafting import IMPORT_TEXT
from app.marking.errors import IMPORT_INTRODUCTION, OrderStateError, ValidationError
from app.marking.leases import Lease
from app.marking.operations import AFTER_CLOSE, clear_attention, operate, require_status
from app.marking.order_lines import require_documentable
from app.marking.store import OrderRow

S = OrderStatus
MOST_CHOSEN = 150_000
NONE_FITS = "Подходящих кодов нет."


async def introduce(
    desk: Desk, order_id: str, codes: tuple[str, ...] = (), *, user_id: str
) -> OrderRow:
    """All codes of a closed order move it on; listed ones, or those of an ended order, do not."""
    row = await store.load(desk.database, order_id)
    _require_introducible(row)
    if codes or row.status is S.COMPLETED:
        return await _introduce_chosen(desk, row, codes, user_id=user_id)
    return await _introduce_all(desk, order_id, user_id=user_id)


def _require_introducible(row: OrderRow) -> None:
    if row.attributes.release_method_type is ReleaseMethod.IMPORT:
        raise ValidationError(IMPORT_TEXT, code=IMPORT_INTRODUCTION, order_id=row.id)
    require_status(row, AFTER_CLOSE)
    if row.profile is not Profile.ORDER_FIRST:
        raise OrderStateError("Документ этого заказа уже принят.", order_id=row.id)


async def _introduce_all(desk: Desk, order_id: str, *, user_id: str) -> OrderRow:
    """The runner freezes the documents once every code is applied."""

    async def change(tx: Transaction, _lease: Lease, row: OrderRow) -> None:
        require_status(row, frozenset({S.CLOSED}))
        await tx.execute(
            """update marking.orders set attributes = attributes
                   || jsonb_build_object('introduce_requested', %(user)s::text)
               where id = %(id)s""",
            user=user_id,
            id=row.id,
        )
        await clear_attention(tx, row.id)

    return await operate(desk, order_id, user_id=user_id, action="introduce_asked", change=change)


async def _introduce_chosen(
    desk: Desk, row: OrderRow, codes: tuple[str, ...], *, user_id: str
) -> OrderRow:
    """States of the codes are asked first; no code gets into two live introductions."""
    participant = await participant_of(desk, row.participant_id)
    chosen = await _candidates(desk, row.id, codes)
    async with access_for(desk, participant, Upstream.TRUE_API) as access:
        states = await asked_states(desk, access, chosen)

    async def change(tx: Transaction, _lease: Lease, now: OrderRow) -> None:
        require_status(now, AFTER_CLOSE)
        await require_documentable(tx, now)
        await write_states(tx, now.id, states)
        made = await freeze_introduction_parts(
            tx, desk, row=now, inn=participant.inn, wanted=chosen, later=True
        )
        if not made:
            raise ValidationError(NONE_FITS, order_id=now.id)

    return await operate(desk, row.id, user_id=user_id, action="introduce_asked", change=change)


async def _candidates(desk: Desk, order_id: str, codes: tuple[str, ...]) -> tuple[str, ...]:
    """The listed codes, or all, that may still be introduced."""
    rows = await desk.database.rows(
        """select c.ki from marking.codes c where c.order_id = %(id)s and not c.malformed
               and c.status in ('STORED', 'APPLIED') and (%(all)s or c.ki = any(%(codes)s))
               and not exists (select 1 from marking.document_codes d where d.ki = c.ki
                               and d.purpose = 'introduce' and d.live)
           order by c.id limit %(most)s + 1""",
        id=order_id,
        all=not codes,
        codes=list(codes),
        most=MOST_CHOSEN,
    )
    if not rows:
        raise ValidationError(NONE_FITS, order_id=order_id)
    if len(rows) > MOST_CHOSEN:
        raise ValidationError(f"За раз не больше {MOST_CHOSEN} кодов.", order_id=order_id)
    return tuple(row["ki"] for row in rows)
