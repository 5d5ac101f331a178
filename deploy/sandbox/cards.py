"""Cards of goods: the catalogue of one participant and its JSON."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from deploy.sandbox.identifiers import check_digit, is_gtin

LP_CATEGORY = {"cat_id": 30_933, "cat_name": "Одежда"}
NOT_PUBLISHED, NO_MARK_FLAG, NOT_MARKED, NO_TURN_FLAG, NO_CERTIFICATE = range(9001, 9006)


class Card(BaseModel):
    """One card; the flags say what may be done with it."""

    model_config = ConfigDict(extra="forbid", strict=True)
    gtin: str
    good_id: int = Field(gt=0)
    name: str = "Футболка женская белая"
    tnved: str = "6109100000"
    brand: str = "Пример"
    article: str = "A-1"
    colour: str = "белый"
    size: str = "44"
    good_status: str = "published"
    detailed_status: list[str] = Field(default_factory=lambda: ["published"])
    mark_flag: bool = True
    turn_flag: bool = True
    technical: bool = False
    marked_code: int = Field(1, ge=0, le=2)
    certificates_known: bool = True

    @field_validator("gtin")
    @classmethod
    def _gtin(cls, value: str) -> str:
        if not is_gtin(value):
            raise ValueError("not 14 digits with a right check digit")
        return value


def gtin_of(number: int, prefix: str = "046") -> str:
    digits = f"{prefix}{number:010d}"
    return digits + check_digit(digits)


def default_cards(count: int) -> dict[str, Card]:
    """`count` orderable cards (numbers 1…), then one of each kind that is refused."""
    cards = [
        Card(gtin=gtin_of(n), good_id=5_000_000 + n, name=f"Футболка женская белая, модель {n}")
        for n in range(1, count + 1)
    ]
    cards += [
        _special(NOT_PUBLISHED, good_status="draft", detailed_status=["draft"]),
        _special(NO_MARK_FLAG, mark_flag=False),
        _special(NOT_MARKED, marked_code=0),
        _special(NO_TURN_FLAG, turn_flag=False),
        _special(NO_CERTIFICATE, certificates_known=False),
        Card(gtin=gtin_of(1, "029"), good_id=5_029_001, name="Остатки", technical=True),
    ]
    return {card.gtin: card for card in cards}


def _special(number: int, **fields: Any) -> Card:
    return Card(gtin=gtin_of(number), good_id=5_000_000 + number, **fields)


def padded(gtin: str) -> str:
    return gtin.zfill(14)


def product(card: Card) -> dict[str, Any]:
    """A card as `/v3/product` shows it."""
    return {
        "good_id": card.good_id,
        "identified_by": [
            {
                "value": card.gtin.removeprefix("0"),
                "type": "gtin",
                "multiplier": 1,
                "level": "trade-unit",
            }
        ],
        "good_name": card.name,
        "is_kit": False,
        "is_set": False,
        "set_gtins": [],
        "good_url": None,
        "good_img": None,
        "good_status": card.good_status,
        "create_date": "2025-02-01 10:00:00",
        "update_date": "2025-03-01 10:00:00",
        "categories": [LP_CATEGORY],
        "brand_id": 101,
        "brand_name": card.brand,
        "good_images": [],
        "good_attrs": list(_attributes(card)),
        "remainder_type": "full" if card.technical else None,
        "is_tech_gtin": card.technical,
        "first_sign_date": "2025-03-01 09:00:00",
    }


def feed_product(card: Card, inn: str) -> dict[str, Any]:
    """A card as its owner sees it, with the flags."""
    return product(card) | {
        "good_detailed_status": card.detailed_status,
        "good_signed": "published" in card.detailed_status,
        "good_mark_flag": card.mark_flag,
        "good_turn_flag": card.turn_flag,
        "flags_updated_date": "2025-03-01 10:00:00",
        "producer_inn": inn,
        "producer_name": None,
    }


def listed(card: Card) -> dict[str, Any]:
    """A card as `/v4/product-list` shows it, with 13 digits."""
    return {
        "good_id": card.good_id,
        "gtin": card.gtin.removeprefix("0"),
        "good_name": card.name,
        "tnved": card.tnved[:4],
        "brand_name": card.brand,
        "good_status": card.good_status,
        "good_detailed_status": card.detailed_status,
        "to_date": "2025-03-01 10:00:00",
    }


def _attributes(card: Card) -> Iterable[dict[str, Any]]:
    values = [
        (2478, "Полное наименование товара", card.name),
        (2504, "Товарный знак", card.brand),
        (3959, "Группа ТНВЭД", card.tnved[:4]),
        (13_933, "Код ТНВЭД", card.tnved),
        (36, "Цвет", card.colour),
        (35, "Размер одежды", card.size),
        (13_914, "Модель / артикул производителя", card.article),
    ]
    for number, (attr_id, name, value) in enumerate(values, 1):
        yield {
            "attr_id": attr_id,
            "attr_name": name,
            "attr_value": value,
            "attr_value_type": "",
            "value_id": number,
            "attr_group_id": 22,
            "attr_group_name": "Основные сведения",
            "gtin": None,
            "multiplier": None,
            "level": "",
        }
