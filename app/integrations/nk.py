"""Calls of NK, the catalogue that decides whether a GTIN may be ordered."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from app.integrations.answers import Answer, Tolerant, read_json
from app.integrations.errors import RetryClass, Upstream
from app.integrations.http import UpstreamClient
from app.integrations.requests import Access, Operation, Outgoing

Envelope = TypeVar("Envelope")
Content = TypeVar("Content")

MOST_CARDS_A_CALL: Final = 25
MOST_CHECKS_A_CALL: Final = 100
MOST_LISTED: Final = 1_000
TNVED_ATTRIBUTE: Final = 13933
TNVED_GROUP_ATTRIBUTE: Final = 3959

PRODUCT: Final = Operation(Upstream.NK, "product", RetryClass.SAFE, "GET", "/v3/product")
FEED_PRODUCT: Final = Operation(
    Upstream.NK, "feed_product", RetryClass.SAFE, "GET", "/v3/feed-product"
)
PRODUCT_LIST: Final = Operation(
    Upstream.NK, "product_list", RetryClass.SAFE, "GET", "/v4/product-list"
)
MARK_CHECK: Final = Operation(Upstream.NK, "mark_check", RetryClass.SAFE, "POST", "/v3/mark-check")


class CardWord(Tolerant):
    DRAFT = "draft"
    MODERATION = "moderation"
    ERRORS = "errors"
    NOTSIGNED = "notsigned"
    PUBLISHED = "published"
    ARCHIVED = "archived"


class Identity(Struct, frozen=True):
    value: str
    type: str
    level: str | None = None
    multiplier: int | None = None


class Attribute(Struct, frozen=True):
    attr_id: int
    attr_name: str | None = None
    attr_value: str | None = None
    attr_value_type: str | None = None


class Category(Struct, frozen=True):
    cat_id: int
    cat_name: str | None = None


class Card(Struct, frozen=True):
    """A card of goods; the flags come from `feed_product` alone."""

    good_id: int
    identified_by: list[Identity] = []
    good_name: str | None = None
    good_status: CardWord | None = None
    good_detailed_status: list[CardWord] = []
    good_signed: bool | None = None
    good_mark_flag: bool | None = None
    good_turn_flag: bool | None = None
    is_tech_gtin: bool | None = None
    is_kit: bool | None = None
    is_set: bool | None = None
    remainder_type: str | None = None
    producer_inn: str | None = None
    producer_name: str | None = None
    brand_name: str | None = None
    categories: list[Category] = []
    good_attrs: list[Attribute] = []
    update_date: str | None = None

    @property
    def gtins(self) -> tuple[str, ...]:
        """Every GTIN of the card, with 14 digits."""
        return tuple(one.value.zfill(14) for one in self.identified_by if one.type == "gtin")

    def attribute(self, attr_id: int) -> str | None:
        found = (one.attr_value for one in self.good_attrs if one.attr_id == attr_id)
        return next(found, None)

    @property
    def tnved(self) -> str | None:
        """Ten digits where the card has them, else its four."""
        return self.attribute(TNVED_ATTRIBUTE) or self.attribute(TNVED_GROUP_ATTRIBUTE)


class ListedCard(Struct, frozen=True):
    good_id: int
    gtin: str
    good_name: str | None = None
    tnved: str | None = None
    brand_name: str | None = None
    good_status: CardWord | None = None
    good_detailed_status: list[CardWord] = []

    @property
    def gtin14(self) -> str:
        return self.gtin.zfill(14)


class CardPage(Struct, frozen=True):
    goods: list[ListedCard]
    total: int
    limit: int | None = None
    offset: int | None = None


class CheckedGtin(Struct, frozen=True):
    """Code 0: not subject to marking, 1: subject, 2: not found."""

    gtin: str
    is_marked_code: int
    tnved: str | None = None
    is_marked: str | None = None


class CheckedTnved(Struct, frozen=True):
    """Code 3: too short to decide; the others as for a GTIN."""

    tnved: str
    is_marked_code: int
    is_marked: str | None = None


class MarkCheck(Struct, frozen=True):
    gtins: list[CheckedGtin] = []
    tnveds: list[CheckedTnved] = []


class _Cards(Struct, frozen=True):
    result: list[Card]


class _Page(Struct, frozen=True):
    result: CardPage


class _Check(Struct, frozen=True):
    result: MarkCheck


def _chosen(gtins: Sequence[str]) -> tuple[tuple[str, str], ...]:
    if not 1 <= len(gtins) <= MOST_CARDS_A_CALL:
        raise ValueError(f"gtins: {len(gtins)} are not between 1 and {MOST_CARDS_A_CALL}")
    several = len(gtins) > 1
    return (("gtins" if several else "gtin", ";".join(gtins)),)


async def product(nk: UpstreamClient, access: Access, gtins: Sequence[str]) -> Answer[list[Card]]:
    """Published and archived cards of anyone; a single unknown GTIN is NotFound."""
    outgoing = Outgoing(PRODUCT, access, query=_chosen(gtins))
    return await nk.call(outgoing, _reading(_Cards, lambda got: got.result))


async def feed_product(
    nk: UpstreamClient, access: Access, gtins: Sequence[str]
) -> Answer[list[Card]]:
    """Own cards in any state, with the flags that allow emission and introduction."""
    outgoing = Outgoing(FEED_PRODUCT, access, query=_chosen(gtins))
    return await nk.call(outgoing, _reading(_Cards, lambda got: got.result))


async def product_list(
    nk: UpstreamClient,
    access: Access,
    *,
    limit: int = 100,
    offset: int = 0,
    good_status: CardWord | None = None,
) -> Answer[CardPage]:
    """A page of own cards for the picker; limit + offset may not exceed 10 000."""
    if not 1 <= limit <= MOST_LISTED:
        raise ValueError(f"limit: {limit} is not between 1 and {MOST_LISTED}")
    status = (("good_status", str(good_status)),) if good_status else ()
    query = (("limit", str(limit)), ("offset", str(offset)), *status)
    outgoing = Outgoing(PRODUCT_LIST, access, query=query)
    return await nk.call(outgoing, _reading(_Page, lambda got: got.result))


async def mark_check(
    nk: UpstreamClient, access: Access, *, gtins: Sequence[str] = (), tnveds: Sequence[str] = ()
) -> Answer[MarkCheck]:
    """Whether goods are subject to marking; GTIN and customs codes together at most 100."""
    asked = len(gtins) + len(tnveds)
    if not 1 <= asked <= MOST_CHECKS_A_CALL:
        raise ValueError(f"gtins, tnveds: {asked} are not between 1 and {MOST_CHECKS_A_CALL}")
    lists = {"gtins": tuple(gtins), "tnveds": tuple(tnveds)}
    body = msgspec.json.encode({name: values for name, values in lists.items() if values})
    outgoing = Outgoing(MARK_CHECK, access, body=body)
    return await nk.call(outgoing, _reading(_Check, lambda got: got.result))


def _reading(
    envelope: type[Envelope], take: Callable[[Envelope], Content]
) -> Callable[[bytes], Content]:
    return lambda body: take(read_json(body, envelope))
