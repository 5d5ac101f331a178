"""Words of the foreign systems for light industry, and what they mean to the operator."""

import re
from enum import StrEnum

PRODUCT_GROUP = "lp"
TEMPLATE_ID = 10
MAX_LINES = 10
MAX_QUANTITY_ALONE = 2_000_000
MAX_QUANTITY_TOGETHER = 150_000
MAX_CODES_PER_DOCUMENT = 30_000
MAX_GTINS_PER_CARD_CALL = 25


class ReleaseMethod(StrEnum):
    PRODUCTION = "PRODUCTION"
    IMPORT = "IMPORT"
    REMAINS = "REMAINS"
    REMARK = "REMARK"
    COMMISSION = "COMMISSION"


class SerialNumberType(StrEnum):
    OPERATOR = "OPERATOR"
    SELF_MADE = "SELF_MADE"


class CertificateType(StrEnum):
    CONFORMITY_CERTIFICATE = "CONFORMITY_CERTIFICATE"
    CONFORMITY_DECLARATION = "CONFORMITY_DECLARATION"
    STATE_REGISTRATION_CERTIFICATE = "STATE_REGISTRATION_CERTIFICATE"


class WriteOffReason(StrEnum):
    DAMAGE_LOSS = "DAMAGE_LOSS"
    DEFECT = "DEFECT"
    DESTRUCTION = "DESTRUCTION"
    BEFORE_MARKING = "BEFORE_MARKING"


class DropoutReason(StrEnum):
    DEFECT = "DEFECT"
    EXPIRY = "EXPIRY"
    QA_SAMPLES = "QA_SAMPLES"
    PRODUCT_RECALL = "PRODUCT_RECALL"
    COMPLAINTS = "COMPLAINTS"
    PRODUCT_TESTING = "PRODUCT_TESTING"
    DEMO_SAMPLES = "DEMO_SAMPLES"
    OTHER = "OTHER"
    DAMAGE_LOSS = "DAMAGE_LOSS"
    DESTRUCTION = "DESTRUCTION"
    LIQUIDATION = "LIQUIDATION"
    CONFISCATION = "CONFISCATION"


class WithdrawalAction(StrEnum):
    RETAIL = "RETAIL"
    EAS_TRADE = "EAS_TRADE"
    BEYOND_EEC_EXPORT = "BEYOND_EEC_EXPORT"
    RETURN = "RETURN"
    DISTANCE = "DISTANCE"
    BY_SAMPLES = "BY_SAMPLES"
    DONATION = "DONATION"
    STATE_CONTRACT = "STATE_CONTRACT"
    STATE_SECRET = "STATE_SECRET"  # noqa: S105
    CONFISCATION = "CONFISCATION"
    DESTRUCTION = "DESTRUCTION"
    LOSS = "LOSS"
    UTILIZATION = "UTILIZATION"
    OWN_USE = "OWN_USE"
    OTHER = "OTHER"


class MarkCheck(StrEnum):
    PASSED = "passed"
    NOT_MARKED = "not_marked"
    NOT_FOUND = "not_found"
    TOO_SHORT = "too_short"
    UNCLEAR = "unclear"


MARK_CHECK_CODES = {
    0: MarkCheck.NOT_MARKED,
    1: MarkCheck.PASSED,
    2: MarkCheck.NOT_FOUND,
    3: MarkCheck.TOO_SHORT,
}
MARK_CHECK_TEXTS = {
    MarkCheck.NOT_MARKED: "Товар не подлежит маркировке",
    MarkCheck.NOT_FOUND: "Товар не найден",
    MarkCheck.TOO_SHORT: "Уточните ТН ВЭД: нужны 10 знаков",
    MarkCheck.UNCLEAR: "Каталог не ответил, подлежит ли товар маркировке",
}
DOCUMENT_ERROR_WORDS = {
    "06": "значение не найдено в реестре",
    "07": "неверная длина",
    "28": "неверный формат",
    "29": "неверный формат",
    "41": "неполное описание товара",
    "47": "взаимоисключающие поля",
}
RESULT_WORDS = {
    1: "код уже выбыл",
    2: "код не существует",
    3: "неверные данные кода",
    4: "код списан",
    6: "недостаточно средств",
    7: "нет договора",
    8: "неверный тип оплаты",
    9: "вы не владелец кода",
    12: "карточки нет в каталоге",
    101: "неверная структура кода",
    102: "кода нет в ГИС МТ",
    103: "криптопроверка не пройдена",
}
_RESULT = re.compile(r"\s*(\d{1,3})\b")


def explained(error: str) -> str:
    """A document error with its number put into words."""
    words = DOCUMENT_ERROR_WORDS.get(error.strip()[:2])
    return f"{error} ({words})" if words else error


def results_explained(error: str) -> str:
    """Why a report was not taken, its result numbers put into words."""
    return "; ".join(_result_explained(part) for part in error.split(";"))


def _result_explained(part: str) -> str:
    number = _RESULT.match(part)
    words = RESULT_WORDS.get(int(number[1])) if number else None
    return f"{number[1]} — {words}" if number and words else part.strip()
