"""What the messages say, in Russian and English; plain text, for SMS and e-mail alike."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from app.domain.certificates.codes import grouped
from app.domain.certificates.currencies import MINOR_DIGITS

ACTIVATED = "activated"
USUAL_LANG = "ru"
ROUBLE = "RUB"


class Facts(msgspec.Struct, frozen=True):
    """`code` None: the text names the last four symbols only; money in minor units."""

    template: str
    last4: str
    amount: int
    currency: str
    valid_until: int | None = None
    code: str | None = None

    def __repr__(self) -> str:
        return f"Facts({self.template}, …{self.last4})"


_SUBJECTS = {
    "ru": {
        ACTIVATED: "Подарочный сертификат",
        "refund_details_required": "Нужны реквизиты для возврата",
        "refund_settled": "Деньги возвращены",
        "refund_failed": "Возврат не удался",
    },
    "en": {
        ACTIVATED: "Gift certificate",
        "refund_details_required": "Details needed for your refund",
        "refund_settled": "Your refund is paid",
        "refund_failed": "Your refund failed",
    },
}
_TEXTS = {
    "ru": {
        ACTIVATED: "Подарочный сертификат на {sum}. Код: {code}. {term}",
        "refund_details_required": (
            "Возврат {sum} по сертификату {card}: деньги не удалось перечислить."
            " Укажите другие реквизиты там, где вы просили о возврате."
        ),
        "refund_settled": "Возврат {sum} по сертификату {card} выполнен.",
        "refund_failed": (
            "Возврат {sum} по сертификату {card} не удался, деньги снова на сертификате."
            " Попросите о возврате ещё раз."
        ),
    },
    "en": {
        ACTIVATED: "Gift certificate for {sum}. Code: {code}. {term}",
        "refund_details_required": (
            "Refund of {sum} from certificate {card}: the money could not be transferred."
            " Please give other details where you asked for the refund."
        ),
        "refund_settled": "Refund of {sum} from certificate {card} is paid.",
        "refund_failed": (
            "Refund of {sum} from certificate {card} failed, the money is back on it."
            " Please ask for the refund again."
        ),
    },
}
_NAMED_ONLY = {
    "ru": "Подарочный сертификат {card} на {sum} активирован. {term}",
    "en": "Gift certificate {card} for {sum} is active. {term}",
}
_TERMS = {
    "ru": ("Действует до {day} включительно.", "Без срока действия."),
    "en": ("Valid through {day}.", "No expiry date."),
}
_DAYS = {"ru": "%d.%m.%Y", "en": "%Y-%m-%d"}
TEMPLATES = frozenset(_SUBJECTS[USUAL_LANG])


def subject(template: str, lang: str | None) -> str:
    return _SUBJECTS[_known(lang)][template]


def text(facts: Facts, lang: str | None, zone: ZoneInfo) -> str:
    """The whole message; `zone` says which day a term ends on."""
    known = _known(lang)
    named_only = facts.template == ACTIVATED and facts.code is None
    form = _NAMED_ONLY[known] if named_only else _TEXTS[known][facts.template]
    return form.format(
        sum=money(facts.amount, facts.currency, known),
        code=grouped(facts.code or ""),
        card=f"…{facts.last4}",
        term=_term(facts.valid_until, known, zone),
    )


def money(amount: int, currency: str, lang: str) -> str:
    """Fractions only where there are any."""
    digits = MINOR_DIGITS.get(currency, 2)
    whole, rest = divmod(amount, 10**digits)
    mark, point = ("\N{NO-BREAK SPACE}", ",") if lang == "ru" else (",", ".")
    number = f"{whole:,}".replace(",", mark)
    if rest:
        number += f"{point}{rest:0{digits}d}"
    if lang == "ru":
        return f"{number}\N{NO-BREAK SPACE}{'₽' if currency == ROUBLE else currency}"
    return f"{currency}\N{NO-BREAK SPACE}{number}"


def _term(valid_until: int | None, lang: str, zone: ZoneInfo) -> str:
    bounded, unbounded = _TERMS[lang]
    if valid_until is None:
        return unbounded
    day = datetime.fromtimestamp(valid_until // 1_000, UTC).astimezone(zone)
    return bounded.format(day=day.strftime(_DAYS[lang]))


def _known(lang: str | None) -> str:
    return lang if lang in _TEXTS else USUAL_LANG
