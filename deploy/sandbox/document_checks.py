"""What ГИС МТ checks inside a document: fields, registers, states of codes."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import ValidationError

from deploy.sandbox.document_forms import FORMS, IntroduceGoods, Receipt, WriteOff

if TYPE_CHECKING:
    from deploy.sandbox.participant import Participant

MAX_CODES = 30_000
MISSING = "missing"


@dataclass
class Finding:
    status: str
    errors: list[str] = field(default_factory=list)
    kis: tuple[str, ...] = ()


def listed_kis(kind: str, body: bytes) -> tuple[tuple[str, ...], str | None]:
    """КИ and own order number named in a document, as far as it can be read."""
    try:
        form = FORMS[kind].model_validate_json(body)
    except ValidationError:
        return (), None
    number = form.production_order_id if isinstance(form, IntroduceGoods) else None
    return tuple(form.kis()), number


def examine(kind: str, body: bytes, who: "Participant", *, at_ms: int) -> Finding:
    """The verdict on a document at its final moment."""
    try:
        form = FORMS[kind].model_validate_json(body)
    except ValidationError as error:
        return _unreadable(error)
    errors = list(_form_errors(form, who))
    kis = tuple(form.kis())
    errors += _code_errors(form, who, at_ms=at_ms)
    return Finding("CHECKED_NOT_OK" if errors else "CHECKED_OK", errors, kis)


def _unreadable(error: ValidationError) -> Finding:
    problems = error.errors(include_url=False, include_input=False)
    lines = [
        (p["type"], f"{'.'.join(str(part) for part in p['loc']) or 'document'}: {p['msg']}")
        for p in problems
    ]
    if any(kind in {"json_invalid", "extra_forbidden"} for kind, _ in lines):
        return Finding("PARSE_ERROR", [f"29: {text}" for _, text in lines])
    return Finding(
        "CHECKED_NOT_OK",
        [f"{'41' if kind == MISSING else '07'}: {text}" for kind, text in lines],
    )


def _form_errors(form: IntroduceGoods | Receipt | WriteOff, who: "Participant") -> Iterator[str]:
    if form.sender() != who.inn:
        yield f"06: Значение {form.sender()} не совпадает с ИНН отправителя"
    if len(form.kis()) > MAX_CODES:
        yield f"07: Больше {MAX_CODES} кодов в документе"
    if isinstance(form, IntroduceGoods):
        yield from _introduction_errors(form, who)


def _introduction_errors(form: IntroduceGoods, who: "Participant") -> Iterator[str]:
    codes = form.kis()
    if codes and len(codes) != len(form.products):
        yield "47: Коды указаны не во всех позициях"
    if not codes and who.switches.preorder_documents == "reject":
        yield "41: Не указан код маркировки (uit_code)"
    for number, line in enumerate(form.products):
        gtin = line.gtin or (line.uit_code or "")[2:16]
        card = who.cards.get(gtin)
        if not line.uit_code and (not line.gtin or not line.quantity):
            yield f"41: Не указан код маркировки или GTIN с количеством, products[{number}]"
        elif card is None:
            yield f"06: Значение {gtin} в поле 'GTIN' не найдено в реестре GTIN"
        elif not (card.mark_flag and card.turn_flag):
            yield f"41: Недостаточное описание товара {gtin}"
        elif not line.certificate_document_data and not card.certificates_known:
            yield f"41: Не указан разрешительный документ, products[{number}]"


def _code_errors(
    form: IntroduceGoods | Receipt | WriteOff, who: "Participant", *, at_ms: int
) -> list[str]:
    kis = form.kis()
    errors = [f"47: Код {ki} указан дважды" for ki, n in Counter(kis).items() if n > 1]
    applied = who.clock.span_ms(who.switches.delays.applied)
    for ki in kis:
        code = who.codes.get(ki)
        if code is None:
            errors.append(f"06: Код {ki} не найден")
        elif (status := code.status(at_ms, applied)) not in form.allowed:
            errors.append(f"06: Код {ki} в статусе {status}")
    return errors
