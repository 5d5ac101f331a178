"""Cards of goods from the catalogue, kept for a day, and whether a GTIN may be ordered."""

from collections.abc import Sequence
from typing import Any

import msgspec

from app.domain.marking.code import is_technical
from app.domain.marking.dictionaries import MAX_GTINS_PER_CARD_CALL, ReleaseMethod
from app.domain.marking.document_rules import has_full_tnved
from app.integrations import nk
from app.integrations.errors import NotFound, Refused, Unauthorized, Upstream, UpstreamError
from app.integrations.nk import Card, CardWord
from app.integrations.requests import Access
from app.marking import tokens
from app.marking.database import as_json
from app.marking.desk import Desk
from app.marking.errors import (
    CardNotOrderable,
    NotFoundError,
    SignInRequired,
    UpstreamUnavailable,
)
from app.marking.participants import Participant
from app.marking.tokens import TokenKind, TokenMissing

SIGN_IN_FIRST = "Войдите с сертификатом, чтобы проверить товар."
CATALOGUE_AWAY = "Каталог временно недоступен."
DEFAULT_RETRY_S = 30.0


class GoodsCard(msgspec.Struct, frozen=True):
    """What an order keeps of a card; `why`: what is missing before codes may be ordered."""

    gtin: str
    card: dict[str, Any]
    flags: dict[str, Any]
    tnved: str | None = None

    @property
    def why(self) -> tuple[str, ...]:
        found = []
        if "published" not in self.flags.get("detailed_status", ()):
            found.append("не опубликована")
        if not self.flags.get("mark"):
            found.append("не заполнены атрибуты")
        return tuple(found)

    @property
    def complete(self) -> bool:
        """Ready for emission and for documents; anything else may have been mended since."""
        return not self.why and bool(self.flags.get("turn")) and has_full_tnved(self.tnved)


async def cards_for(
    desk: Desk, participant: Participant, gtins: Sequence[str]
) -> dict[str, GoodsCard]:
    """Cards by GTIN, fresh and complete ones from our table.

    Raises the refusals of the start of an order.
    """
    known = await _kept(desk, participant, gtins)
    asked = [gtin for gtin in gtins if gtin not in known]
    if asked:
        known |= await _asked(desk, participant, asked)
    for gtin in gtins:
        if gtin not in known:
            raise _unknown(gtin)
    return known


def require_orderable(card: GoodsCard, release: ReleaseMethod) -> None:
    why = list(card.why)
    technical = is_technical(card.gtin) or card.flags.get("technical")
    if technical and release is not ReleaseMethod.REMAINS:
        why.append("технический GTIN")
    if why:
        reasons = ", ".join(why)
        raise CardNotOrderable(f"Карточка {card.gtin} не готова: {reasons}. Исправьте в каталоге.")


def _unknown(gtin: str) -> NotFoundError:
    return NotFoundError(
        f"Товар с GTIN {gtin} не найден в каталоге. Проверьте код или создайте карточку."
    )


async def _kept(desk: Desk, participant: Participant, gtins: Sequence[str]) -> dict[str, GoodsCard]:
    rows = await desk.database.rows(
        """select gtin, card, flags, tnved from marking.nk_cards
           where participant_id = %(id)s and gtin = any(%(gtins)s)
                 and fetched_at > clock_timestamp() - %(stale)s * interval '1 millisecond'""",
        id=participant.id,
        gtins=list(gtins),
        stale=desk.terms.scaled_ms(desk.terms.card_stale_s),
    )
    cards = (GoodsCard(row["gtin"], row["card"], row["flags"] or {}, row["tnved"]) for row in rows)
    return {card.gtin: card for card in cards if card.complete}


async def _asked(
    desk: Desk, participant: Participant, gtins: Sequence[str]
) -> dict[str, GoodsCard]:
    found: dict[str, GoodsCard] = {}
    try:
        granted = await tokens.grant(desk.database, participant, Upstream.NK, sealer=desk.sealer)
        for start in range(0, len(gtins), MAX_GTINS_PER_CARD_CALL):
            chunk = gtins[start : start + MAX_GTINS_PER_CARD_CALL]
            found |= await _chunk(desk, granted.access, chunk)
    except TokenMissing:
        raise SignInRequired(SIGN_IN_FIRST) from None
    except Unauthorized:
        await _refuse_token(desk, participant, granted.seq)
        raise SignInRequired(SIGN_IN_FIRST) from None
    except NotFound:
        raise _unknown(gtins[0]) from None
    except UpstreamError as error:
        wait_s = error.retry_after_s or DEFAULT_RETRY_S
        text = error.failure.text if isinstance(error, Refused) else CATALOGUE_AWAY
        raise UpstreamUnavailable(text, retry_after_s=wait_s) from None
    desk.crash.passed("nk", "answered")
    await _keep(desk, participant, found)
    return found


async def _chunk(desk: Desk, access: Access, gtins: Sequence[str]) -> dict[str, GoodsCard]:
    """Names from `product`, flags from `feed-product`; goods of others have no flags."""
    cards = (await nk.product(desk.clients.nk, access, gtins)).value
    try:
        own = (await nk.feed_product(desk.clients.nk, access, gtins)).value
    except NotFound:
        own = []
    flags = {gtin: card for card in own for gtin in card.gtins}
    return {
        gtin: goods_card(gtin, card, flags.get(gtin))
        for card in cards
        for gtin in card.gtins
        if gtin in gtins
    }


def goods_card(gtin: str, card: Card, own: Card | None) -> GoodsCard:
    full = own or card
    shown = {
        "good_id": card.good_id,
        "name": card.good_name,
        "brand": card.brand_name,
        "article": full.attribute(13914),
        "size": full.attribute(35),
        "color": full.attribute(36),
        "category": card.categories[0].cat_name if card.categories else None,
    }
    status = [str(word) for word in (own.good_detailed_status if own else [])]
    published = card.good_status == CardWord.PUBLISHED
    flags = {
        "detailed_status": status or (["published"] if published and own is None else []),
        "mark": own.good_mark_flag if own else None,
        "turn": own.good_turn_flag if own else None,
        "technical": bool(card.is_tech_gtin),
        "producer_inn": full.producer_inn,
    }
    return GoodsCard(gtin, shown, flags, full.tnved or card.tnved)


async def _keep(desk: Desk, participant: Participant, cards: dict[str, GoodsCard]) -> None:
    async with desk.database.transaction() as tx:
        for gtin, card in sorted(cards.items()):
            await tx.execute(
                """insert into marking.nk_cards (participant_id, gtin, card, flags, tnved,
                       fetched_at)
                   values (%(id)s, %(gtin)s, %(card)s, %(flags)s, %(tnved)s, clock_timestamp())
                   on conflict (participant_id, gtin) do update set card = excluded.card,
                       flags = excluded.flags, tnved = excluded.tnved,
                       fetched_at = excluded.fetched_at""",
                id=participant.id,
                gtin=gtin,
                card=as_json(card.card),
                flags=as_json(card.flags),
                tnved=card.tnved,
            )


async def _refuse_token(desk: Desk, participant: Participant, used: int) -> None:
    if participant.nk_apikey is not None:
        return
    async with desk.database.transaction() as tx:
        await tokens.refused(tx, participant, TokenKind.TRUE_API, used=used, terms=desk.terms)
