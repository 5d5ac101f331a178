"""A checked draft becomes orders: one, or several parts of a batch."""

from collections.abc import Sequence

import psycopg2.errors

from app.domain.marking.dictionaries import ReleaseMethod
from app.domain.marking.draft import (
    DOCUMENT_WITHOUT_CODES,
    DraftLine,
    OrderDraft,
    Problem,
    split_lines,
)
from app.domain.marking.order import Profile
from app.marking import store
from app.marking.cards import GoodsCard
from app.marking.database import Transaction
from app.marking.errors import (
    IMPORT_INTRODUCTION,
    OrderStateError,
    OrderValidationError,
    ValidationError,
)
from app.marking.ids import new_id
from app.marking.store import NewLine, NewOrder
from app.marking.terms import Terms

IMPORT_TEXT = (
    "Ввод импортного товара (LP_GOODS_IMPORT) здесь ещё не поддержан: оформите его в кабинете."
)


def require_introducible(draft: OrderDraft, profile: Profile) -> None:
    """Imported goods cannot be introduced here; ordering their codes alone goes on."""
    imported = draft.attributes.release_method_type is ReleaseMethod.IMPORT
    if imported and profile is Profile.DOCUMENT_FIRST:
        raise ValidationError(IMPORT_TEXT, code=IMPORT_INTRODUCTION)


def require_profile(profile: Profile, terms: Terms) -> None:
    """An order may name a profile of its own, but none that cannot end well."""
    if not terms.allows(profile):
        problem = Problem("/profile", DOCUMENT_WITHOUT_CODES)
        raise OrderValidationError(DOCUMENT_WITHOUT_CODES, errors=[problem])


async def insert_parts(
    tx: Transaction,
    draft: OrderDraft,
    *,
    participant_id: str,
    profile: Profile,
    cards: dict[str, GoodsCard],
    origin: str,
    created_by: str,
) -> list[str]:
    """Ids of the orders made. Raises OrderStateError for a known external id."""
    await _refuse_known(tx, participant_id, draft.external_id)
    parts = split_lines(draft.lines) if draft.split else (draft.lines,)
    batch = new_id() if len(parts) > 1 else None
    made = []
    for number, lines in enumerate(parts, start=1):
        order = NewOrder(
            new_id(),
            participant_id,
            profile,
            origin,
            created_by,
            external_id=draft.external_id,
            part=number,
            batch_id=batch,
            attributes=draft.attributes,
            postprocess=draft.postprocess,
        )
        await _insert(tx, order, [_line(line, cards) for line in lines])
        made.append(order.id)
    return made


async def _insert(tx: Transaction, order: NewOrder, lines: Sequence[NewLine]) -> None:
    try:
        await store.insert(tx, order, list(lines))
    except psycopg2.errors.UniqueViolation:
        raise OrderStateError(f"Заказ с номером {order.external_id} уже есть.") from None


async def _refuse_known(tx: Transaction, participant_id: str, external_id: str | None) -> None:
    if external_id is None:
        return
    known = await tx.value(
        """select id from marking.orders where participant_id = %(participant)s
               and external_id = %(external)s order by part limit 1""",
        participant=participant_id,
        external=external_id,
    )
    if known is not None:
        raise OrderStateError(f"Заказ с номером {external_id} уже есть.", order_id=str(known))


def _line(line: DraftLine, cards: dict[str, GoodsCard]) -> NewLine:
    card = cards[line.gtin]
    return NewLine(line, {**card.card, "flags": card.flags}, card.tnved)
