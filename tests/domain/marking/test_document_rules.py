"""What is refused here before True API refuses it, and how refused fields are called."""

from datetime import date

import pytest

from app.domain.marking.bodies import BodyLine
from app.domain.marking.dictionaries import CertificateType
from app.domain.marking.document_rules import document_problems
from app.domain.marking.draft import Attributes, Certificate, DraftLine
from app.domain.marking.field_words import field_words, told

TODAY = date(2026, 3, 1)
TNVED = "6109100000"
DECLARATION = CertificateType.CONFORMITY_DECLARATION


def line(number: int, tnved: str | None = TNVED, *, may_turn: bool = True) -> BodyLine:
    return BodyLine(DraftLine(f"046000000000{number:02d}", 5), tnved, may_turn)


def texts(*lines: BodyLine, today: date = TODAY, **attributes: object) -> list[str]:
    facts = Attributes(**attributes)  # type: ignore[arg-type]
    return [problem.text for problem in document_problems(lines, facts, today=today)]


@pytest.mark.parametrize("tnved", [None, "", "6109", "61091000001", "610910000x"])
def test_a_line_needs_its_customs_code_of_ten_digits(tnved: str | None) -> None:
    assert texts(line(1), line(2, tnved)) == ["Строка 2: не указан ТН ВЭД (10 знаков)"]


def test_goods_that_may_not_turn_are_named_by_their_line() -> None:
    (text,) = texts(line(1, may_turn=False), line(2))
    assert text == "Строка 1: карточка товара не готова к вводу в оборот"


@pytest.mark.parametrize(
    ("made", "today", "fits"),
    [
        ("2026-03-01", TODAY, True),
        ("2026-03-02", TODAY, False),
        ("2021-03-01", TODAY, True),
        ("2021-02-28", TODAY, False),
        ("2023-03-01", date(2028, 2, 29), True),
        ("2023-02-28", date(2028, 2, 29), False),
    ],
)
def test_goods_are_made_within_five_years_before_the_document(
    made: str, today: date, *, fits: bool
) -> None:
    found = texts(line(1), today=today, production_date=made)
    assert [text.partition(":")[0] for text in found] == [] if fits else ["Дата производства"]


def test_facts_of_an_order_are_held_against_the_rules_of_a_draft() -> None:
    paper = Certificate(DECLARATION, " ", "1999-12-31")
    found = texts(
        line(1), producer_inn="1", production_date="01.02.2026", certificates=(paper, paper)
    )
    assert [text.partition(":")[0] for text in found] == [
        "ИНН изготовителя",
        "Дата производства",
        "Сертификат 1, номер",
        "Сертификат 1, дата",
        "Сертификат 2, номер",
        "Сертификат 2, дата",
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("products[0].gtin", "Строка 1, GTIN"),
        ("products[10].serialNumbers[2]", "Строка 11, серийный номер 3"),
        ("/lines/1/tnved", "Строка 2, ТН ВЭД"),
        ("attributes.contactPerson", "Контактное лицо"),
        (
            "products[1].certificate_document_data[0].certificate_date",
            "Строка 2, сертификат 1, дата",
        ),
        ("products[0].unheardOf", "Строка 1, unheardOf"),
        ("attributes", "Attributes"),
    ],
)
def test_a_field_is_called_by_its_line_and_name(name: str, words: str) -> None:
    assert field_words(name) == words


def test_a_text_without_a_field_stands_alone() -> None:
    assert told("", "Лимит") == "Лимит"
    assert told("products[0].quantity", "больше нуля") == "Строка 1, количество: больше нуля"
