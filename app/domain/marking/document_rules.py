"""What True API would refuse in an introduction, found before anybody signs it."""

import re
from collections.abc import Sequence
from datetime import date

from app.domain.marking.bodies import BodyLine
from app.domain.marking.draft import Attributes, Problem, attribute_problems, day_of
from app.domain.marking.field_words import told

OLDEST_PRODUCTION_YEARS = 5
_TNVED = re.compile(r"\d{10}")


def document_problems(
    lines: Sequence[BodyLine], attributes: Attributes, *, today: date
) -> tuple[Problem, ...]:
    """Everything wrong with a document of these lines that bears the date `today`."""
    found = [problem for n, line in enumerate(lines) for problem in _line_problems(n, line)]
    facts = [
        Problem(wrong.pointer, told(wrong.pointer, wrong.text))
        for wrong in (*attribute_problems(attributes), *_age_problems(attributes, today))
    ]
    return (*found, *facts)


def _line_problems(number: int, line: BodyLine) -> list[Problem]:
    at, row = f"/lines/{number}", f"Строка {number + 1}"
    found = []
    if not has_full_tnved(line.tnved):
        found.append(Problem(f"{at}/tnved", f"{row}: не указан ТН ВЭД (10 знаков)"))
    if not line.may_turn:
        text = f"{row}: карточка товара не готова к вводу в оборот"
        found.append(Problem(f"{at}/gtin", text))
    return found


def has_full_tnved(tnved: str | None) -> bool:
    return tnved is not None and _TNVED.fullmatch(tnved) is not None


def _age_problems(attributes: Attributes, today: date) -> list[Problem]:
    made = day_of(attributes.production_date or "")
    if made is None:
        return []
    oldest = (today.year - OLDEST_PRODUCTION_YEARS, today.month, today.day)
    if oldest <= (made.year, made.month, made.day) <= (today.year, today.month, today.day):
        return []
    text = f"не раньше {OLDEST_PRODUCTION_YEARS} лет до дня документа и не позже него"
    return [Problem("/attributes/production_date", text)]
