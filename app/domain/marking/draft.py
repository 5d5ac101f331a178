"""What an operator asks for: the draft of an order, its rules, and how it is split."""

from datetime import date

import msgspec

from app.domain.marking.code import is_inn, is_serial, normal_gtin
from app.domain.marking.dictionaries import (
    MAX_LINES,
    MAX_QUANTITY_ALONE,
    MAX_QUANTITY_TOGETHER,
    CertificateType,
    DropoutReason,
    ReleaseMethod,
    SerialNumberType,
    WithdrawalAction,
    WriteOffReason,
)
from app.domain.marking.order import Profile

MAX_DRAFT_LINES = 1_000
WRONG_GTIN = "GTIN должен состоять из 14 цифр с верной контрольной"
DOCUMENT_WITHOUT_CODES = "Реальный True API отклонит документ без кодов"
_OLDEST_CERTIFICATE = date(2000, 1, 1)
_OLDEST_REGISTRATION = date(1900, 1, 1)


class Problem(msgspec.Struct, frozen=True):
    """`pointer`: JSON pointer of the field; `text`: what is wrong, in Russian."""

    pointer: str
    text: str


class Certificate(msgspec.Struct, frozen=True):
    type: CertificateType
    number: str
    date: str


class DraftLine(msgspec.Struct, frozen=True):
    gtin: str
    quantity: int = 1
    serial_number_type: SerialNumberType = SerialNumberType.OPERATOR
    serial_numbers: tuple[str, ...] = ()


class Attributes(msgspec.Struct, frozen=True):
    """Facts about the goods that documents and the station ask for."""

    release_method_type: ReleaseMethod = ReleaseMethod.PRODUCTION
    contact_person: str | None = None
    production_date: str | None = None
    producer_inn: str | None = None
    owner_inn: str | None = None
    certificates: tuple[Certificate, ...] = ()


class DropoutPlan(msgspec.Struct, frozen=True):
    """`codes`: КИ, or none for all; the document fields are needed by `WRITE_OFF` only."""

    reason: DropoutReason
    codes: tuple[str, ...] = ()
    source_document_number: str | None = None
    source_document_date: str | None = None


class WithdrawPlan(msgspec.Struct, frozen=True):
    action: WithdrawalAction
    action_date: str
    codes: tuple[str, ...] = ()
    document_type: str | None = None
    document_number: str | None = None
    document_date: str | None = None
    other: str | None = None


class PostprocessPlan(msgspec.Struct, frozen=True):
    utilisation: bool = False
    dropout: DropoutPlan | None = None
    withdraw: WithdrawPlan | None = None


class OrderDraft(msgspec.Struct, frozen=True):
    participant_id: str | None = None
    external_id: str | None = None
    lines: tuple[DraftLine, ...] = ()
    attributes: Attributes = Attributes()
    postprocess: PostprocessPlan = PostprocessPlan()
    profile: Profile | None = None
    split: bool = False


def normalised(draft: OrderDraft) -> OrderDraft:
    """The draft with GTINs of 14 digits; a GTIN that is none stays and is reported."""
    lines = tuple(
        msgspec.structs.replace(line, gtin=normal_gtin(line.gtin) or line.gtin)
        for line in draft.lines
    )
    return msgspec.structs.replace(draft, lines=lines)


def problems(draft: OrderDraft, *, reports_allowed: bool) -> tuple[Problem, ...]:
    """Everything wrong with a normalised draft, line by line."""
    found = [*_line_problems(draft), *_size_problems(draft), *attribute_problems(draft.attributes)]
    found += plan_problems(draft.postprocess, reports_allowed=reports_allowed, at="/postprocess")
    return tuple(found)


def plan_problems(plan: PostprocessPlan, *, reports_allowed: bool, at: str = "") -> list[Problem]:
    """What the documents of a plan lack; a dropout that is reported needs no paper."""
    found = []
    if plan.dropout is not None and not reports_allowed:
        found += write_off_problems(plan.dropout, at=f"{at}/dropout")
    if plan.withdraw is not None:
        found += withdrawal_problems(plan.withdraw, at=f"{at}/withdraw")
    return found


def _line_problems(draft: OrderDraft) -> list[Problem]:
    found, seen = [], set[str]()
    for number, line in enumerate(draft.lines):
        at = f"/lines/{number}"
        if normal_gtin(line.gtin) is None:
            found.append(Problem(f"{at}/gtin", WRONG_GTIN))
        elif line.gtin in seen:
            found.append(Problem(f"{at}/gtin", "GTIN повторяется"))
        seen.add(line.gtin)
        if line.quantity < 1:
            found.append(Problem(f"{at}/quantity", "Количество должно быть больше нуля"))
        found += _serial_problems(line, at)
    return found


def _serial_problems(line: DraftLine, at: str) -> list[Problem]:
    at = f"{at}/serial_numbers"
    if line.serial_number_type is SerialNumberType.OPERATOR:
        return [Problem(at, "Номера задаются только для SELF_MADE")] if line.serial_numbers else []
    if len(line.serial_numbers) != line.quantity:
        return [Problem(at, "Номеров должно быть столько же, сколько кодов")]
    if len(set(line.serial_numbers)) != len(line.serial_numbers):
        return [Problem(at, "Номера повторяются")]
    wrong = [n for n, serial in enumerate(line.serial_numbers) if not is_serial(serial)]
    return [Problem(f"{at}/{n}", "Номер: 12 допустимых символов") for n in wrong[:10]]


def _size_problems(draft: OrderDraft) -> list[Problem]:
    if not draft.lines:
        return [Problem("/lines", "Нужна хотя бы одна строка")]
    if len(draft.lines) > (MAX_DRAFT_LINES if draft.split else MAX_LINES):
        return [Problem("/lines", f"Строк больше {MAX_LINES}: разделите заказ")]
    alone = len(draft.lines) == 1
    if draft.split:
        return []
    limit = MAX_QUANTITY_ALONE if alone else MAX_QUANTITY_TOGETHER
    return [
        Problem(f"/lines/{n}/quantity", f"Количество больше {limit}: разделите заказ")
        for n, line in enumerate(draft.lines)
        if line.quantity > limit
    ]


def attribute_problems(attributes: Attributes) -> list[Problem]:
    found = [
        Problem(f"/attributes/{name}", "Неверный ИНН")
        for name in ("producer_inn", "owner_inn")
        if (inn := getattr(attributes, name)) is not None and not is_inn(inn)
    ]
    if attributes.contact_person is not None and not 1 <= len(attributes.contact_person) <= 128:
        found.append(Problem("/attributes/contact_person", "От 1 до 128 знаков"))
    if attributes.production_date is not None and day_of(attributes.production_date) is None:
        found.append(Problem("/attributes/production_date", "Дата в виде ГГГГ-ММ-ДД"))
    for n, certificate in enumerate(attributes.certificates):
        found += _certificate_problems(certificate, f"/attributes/certificates/{n}")
    return found


def _certificate_problems(certificate: Certificate, at: str) -> list[Problem]:
    found = [] if certificate.number.strip() else [Problem(f"{at}/number", "Укажите номер")]
    registration = certificate.type is CertificateType.STATE_REGISTRATION_CERTIFICATE
    oldest = _OLDEST_REGISTRATION if registration else _OLDEST_CERTIFICATE
    day = day_of(certificate.date)
    if day is None or day < oldest:
        found.append(Problem(f"{at}/date", f"Дата в виде ГГГГ-ММ-ДД не раньше {oldest}"))
    return found


def write_off_problems(plan: DropoutPlan, *, at: str = "") -> list[Problem]:
    found = []
    if plan.reason.value not in {reason.value for reason in WriteOffReason}:
        found.append(Problem(f"{at}/reason", "Причина недоступна для лёгкой промышленности"))
    if not plan.source_document_number:
        found.append(Problem(f"{at}/source_document_number", "Укажите номер документа"))
    if day_of(plan.source_document_date or "") is None:
        found.append(Problem(f"{at}/source_document_date", "Дата в виде ГГГГ-ММ-ДД"))
    return found


def withdrawal_problems(plan: WithdrawPlan, *, at: str = "") -> list[Problem]:
    found = []
    if day_of(plan.action_date) is None:
        found.append(Problem(f"{at}/action_date", "Дата в виде ГГГГ-ММ-ДД"))
    if plan.document_date is not None and day_of(plan.document_date) is None:
        found.append(Problem(f"{at}/document_date", "Дата в виде ГГГГ-ММ-ДД"))
    if plan.action is WithdrawalAction.OTHER and not plan.other:
        found.append(Problem(f"{at}/other", "Опишите причину"))
    return found


def day_of(text: str) -> date | None:
    """A date written as 2026-01-31 and in no other way."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None


def split_lines(lines: tuple[DraftLine, ...]) -> tuple[tuple[DraftLine, ...], ...]:
    """Lines in orders the station accepts: at most ten, bigger ones alone, huge ones in parts."""
    small = [line for line in lines if line.quantity <= MAX_QUANTITY_TOGETHER]
    parts = [tuple(small[n : n + MAX_LINES]) for n in range(0, len(small), MAX_LINES)]
    big = [line for line in lines if line.quantity > MAX_QUANTITY_TOGETHER]
    return (*parts, *((part,) for line in big for part in _pieces(line)))


def _pieces(line: DraftLine) -> list[DraftLine]:
    starts = range(0, line.quantity, MAX_QUANTITY_ALONE)
    return [
        msgspec.structs.replace(
            line,
            quantity=min(MAX_QUANTITY_ALONE, line.quantity - start),
            serial_numbers=line.serial_numbers[start : start + MAX_QUANTITY_ALONE],
        )
        for start in starts
    ]
