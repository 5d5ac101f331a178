"""Why a field of a marking request is refused, in words and with its bound."""

from pydantic_core import ErrorDetails

from web.marking_fields import INN_FORM, LOGIN_FORM, OWN_WORDS, UUID_FORM

_INTEGER = "Нужно целое число"
_STRING = "Нужна строка"
_BOOLEAN = "Нужно true или false"
_OBJECT = "Нужен объект JSON"
_MOMENT = "Нужны дата и время с часовым поясом, как 2026-11-29T12:00:00+03:00"
_DAY = "Нужна дата, как 2026-11-29, или дата и время, как 2026-11-29T12:00:00+03:00"
_OTHER = "Неверное значение"
_REASONS = {
    "missing": "Обязательное поле",
    "extra_forbidden": "Лишнее поле",
    "json_invalid": "Это не JSON",
    "int_type": _INTEGER,
    "int_parsing": _INTEGER,
    "int_parsing_size": _INTEGER,
    "greater_than_equal": "Не меньше {ge}",
    "less_than_equal": "Не больше {le}",
    "string_type": _STRING,
    "string_unicode": _STRING,
    "string_too_short": "Знаков не меньше {min_length}",
    "string_too_long": "Знаков не больше {max_length}",
    "bool_type": _BOOLEAN,
    "bool_parsing": _BOOLEAN,
    "list_type": "Нужен список",
    "too_short": "Элементов не меньше {min_length}",
    "too_long": "Элементов не больше {max_length}",
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "datetime_type": _MOMENT,
    "datetime_parsing": _MOMENT,
    "datetime_object_invalid": _MOMENT,
    "timezone_aware": _MOMENT,
    "datetime_from_date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
}
_FORMS = {
    INN_FORM: "Нужны 10 или 12 цифр",
    UUID_FORM: "Нужен UUID",
    LOGIN_FORM: "Нужны от 1 до 64 латинских букв, цифр и знаков . _ @ -",
}


def reason_of(detail: ErrorDetails) -> str:
    """Says nothing of what was sent."""
    kind, bounds = detail["type"], detail.get("ctx", {})
    if kind == OWN_WORDS:
        return detail["msg"]
    if kind in {"enum", "literal_error"}:
        return f"Допустимо: {_choice(bounds['expected'])}"
    if kind == "string_pattern_mismatch":
        return _FORMS.get(bounds["pattern"], _OTHER)
    return _REASONS.get(kind, _OTHER).format(**bounds)


def _choice(expected: str) -> str:
    """`'CSV' or 'PDF'` as values of JSON in Russian."""
    return expected.replace("'", "").replace(" or ", " или ").replace("True", "true")
