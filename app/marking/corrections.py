"""A corrected order is frozen anew; nothing signed before the correction is ever sent."""

from collections.abc import Sequence

from app.domain.marking.draft import Attributes, DraftLine, OrderDraft, normalised, problems
from app.domain.marking.order import Cause, OrderStatus, Profile
from app.domain.marking.station import LIVE_ORDERS
from app.marking import participants, serials, sign_requests, store
from app.marking.cards import GoodsCard, cards_for, require_orderable
from app.marking.circulation import freeze_introduction_parts
from app.marking.database import Transaction
from app.marking.desk import Desk
from app.marking.drafting import require_introducible
from app.marking.errors import OrderStateError, OrderValidationError
from app.marking.freezing import freeze_preorder, freeze_station_order
from app.marking.leases import Lease
from app.marking.operations import clear_attention, operate, require_status
from app.marking.order_lines import require_documentable
from app.marking.participants import Participant
from app.marking.store import Change, NewLine, OrderRow

S = OrderStatus
CORRECTABLE = frozenset({S.INIT, S.DOC_SIGNING, S.SUZ_SIGNING, S.DOC_REJECTED, S.DECLINED})


async def correct(
    desk: Desk,
    order_id: str,
    *,
    user_id: str,
    attributes: Attributes | None = None,
    lines: Sequence[DraftLine] | None = None,
) -> OrderRow:
    """New attributes or lines, then new bytes to sign. Raises what the start of an order raises."""
    row = await store.load(desk.database, order_id)
    require_status(row, CORRECTABLE)
    participant = await participants.load(desk.database, row.participant_id, sealer=desk.sealer)
    assert participant is not None, "orders refer to their participant"
    draft = OrderDraft(lines=tuple(lines or ()), attributes=attributes or row.attributes)
    cards = await _checked(desk, participant, row, draft=normalised(draft), given=lines)

    async def change(tx: Transaction, lease: Lease, now: OrderRow) -> None:
        require_status(now, CORRECTABLE)
        await store.refuse_open_calls(tx, now)
        await _refuse_live_orphan(tx, now)
        if attributes is not None:
            await store.replace_attributes(tx, now.id, attributes)
        if lines is not None:
            new = [
                NewLine(
                    line,
                    {**cards[line.gtin].card, "flags": cards[line.gtin].flags},
                    cards[line.gtin].tnved,
                )
                for line in normalised(draft).lines
            ]
            await store.replace_lines(tx, now.id, new)
        await _withdraw(tx, now.id)
        await clear_attention(tx, now.id)
        await _freeze_again(tx, desk, lease, participant=participant, relined=lines is not None)

    return await operate(desk, order_id, user_id=user_id, action="corrected", change=change)


async def _checked(
    desk: Desk,
    participant: Participant,
    row: OrderRow,
    *,
    draft: OrderDraft,
    given: Sequence[DraftLine] | None,
) -> dict[str, GoodsCard]:
    require_introducible(draft, row.profile)
    if given is None:
        return {}
    as_specified = desk.terms.marking_suz_reports == "as_specified"
    wrong = problems(draft, reports_allowed=as_specified)
    if wrong:
        raise OrderValidationError(f"{wrong[0].pointer}: {wrong[0].text}", errors=wrong)
    cards = await cards_for(desk, participant, [line.gtin for line in draft.lines])
    for card in cards.values():
        require_orderable(card, draft.attributes.release_method_type)
    return cards


async def _refuse_live_orphan(tx: Transaction, row: OrderRow) -> None:
    """What is left at the station, or went on as an order of its own, is not ordered twice."""
    left = await tx.one(
        """select p.resolved_by is not null as accepted from marking.suz_orphans p
           where order_id = %(id)s and kind in ('given_up', 'double') and case
               when resolved_by is null
                   then remote_status is null or remote_status = any(%(live)s)
               else exists (select 1 from marking.suz_orders s
                            where s.suz_order_id = p.suz_order_id and s.order_id <> p.order_id)
               end
           limit 1""",
        id=row.id,
        live=[str(word) for word in LIVE_ORDERS],
    )
    if left is not None:
        accepted = "Прежний заказ СУЗ принят как новый, этот можно только отменить."
        alive = "Прежний заказ СУЗ ещё жив: дождитесь его конца."
        raise OrderStateError(accepted if left["accepted"] else alive, order_id=row.id)


async def _withdraw(tx: Transaction, order_id: str) -> None:
    """Requests, planned calls and unsent documents of the old bytes are over."""
    await sign_requests.cancel_of_order(tx, order_id)
    await tx.execute(
        """update marking.calls set state = 'REFUSED', error = 'the order was corrected'
           where order_id = %(id)s and state = 'PLANNED'""",
        id=order_id,
    )
    await tx.execute(
        """update marking.documents set status = 'CANCELLED'
           where order_id = %(id)s and status in ('DRAFT', 'SIGNING')""",
        id=order_id,
    )
    await tx.execute(
        """update marking.document_codes set live = false where document_id in
               (select id from marking.documents where order_id = %(id)s
                    and status in ('CANCELLED', 'REJECTED'))""",
        id=order_id,
    )


async def _freeze_again(
    tx: Transaction, desk: Desk, lease: Lease, *, participant: Participant, relined: bool
) -> None:
    row = await store.load(tx, lease.order_id)
    if row.status is S.INIT:
        return
    introduces = row.profile is Profile.ORDER_FIRST and row.status in {
        S.DOC_REJECTED,
        S.DOC_SIGNING,
    }
    if introduces:
        await require_documentable(tx, row)
        if not await freeze_introduction_parts(tx, desk, row=row, inn=participant.inn):
            raise OrderStateError("Кодов для ввода в оборот нет.", order_id=row.id)
    else:
        documented = row.profile is Profile.DOCUMENT_FIRST
        again = documented and (row.status in {S.DOC_REJECTED, S.DOC_SIGNING} or relined)
        if again:
            await require_documentable(tx, row)
            await freeze_preorder(tx, desk, row=row, inn=participant.inn)
        await serials.reserve(tx, row.id)
        await freeze_station_order(tx, desk, row=row)
    target = _target(row, relined=relined)
    if target is not row.status:
        move = Change(target, cause=Cause.OPERATOR, actor=lease.owner, reason="corrected")
        await store.move(tx, lease, move, row=row)


def _target(row: OrderRow, *, relined: bool) -> OrderStatus:
    """Where a corrected order goes on; changed lines need their document first again."""
    if row.status in {S.DOC_REJECTED, S.DOC_SIGNING}:
        return S.DOC_SIGNING
    if relined and row.profile is Profile.DOCUMENT_FIRST:
        if row.status is S.SUZ_SIGNING:
            raise OrderStateError("Документ уже принят: строки не меняются.", order_id=row.id)
        return S.DOC_SIGNING
    return S.SUZ_SIGNING
