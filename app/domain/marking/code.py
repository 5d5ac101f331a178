"""Marking codes of light industry: GTIN, code identification (KI), tail, and their checks."""

import re

GS = "\x1d"
KI_LENGTH = 31
_SYMBOL = r"""[0-9A-Za-z!"%&'()*+,\-./_:;=<>?]"""
_CODE = re.compile(rf"01(\d{{14}})21({_SYMBOL}{{13}})\x1d91({_SYMBOL}{{4}})\x1d92({_SYMBOL}{{44}})")
_SERIAL = re.compile(rf"{_SYMBOL}{{12}}")
_INN_10 = (2, 4, 10, 3, 5, 9, 4, 6, 8)
_INN_11 = (7, *_INN_10)
_INN_12 = (3, *_INN_11)
TECHNICAL_PREFIX = "02"


def gtin_check_digit(digits: str) -> str:
    """Check digit of the first 13 digits of a GTIN."""
    total = sum(int(d) * (3 if n % 2 == 0 else 1) for n, d in enumerate(reversed(digits)))
    return str(-total % 10)


def normal_gtin(text: str) -> str | None:
    """14 digits with a right check digit; 13 digits get a leading zero; otherwise None."""
    if not (text.isascii() and text.isdecimal()) or len(text) not in {13, 14}:
        return None
    gtin = text.rjust(14, "0")
    return gtin if gtin[-1] == gtin_check_digit(gtin[:-1]) else None


def is_technical(gtin: str) -> bool:
    return gtin.startswith(TECHNICAL_PREFIX)


def is_serial(text: str) -> bool:
    """A self-made serial: twelve symbols, the system adds the country digit."""
    return _SERIAL.fullmatch(text) is not None


def ki_of(code: str) -> str:
    """Code identification: the first 31 symbols, which may go into documents and logs.

    A NUL cannot be kept as text; a code with one is malformed and only shown by this name.
    """
    return code[:KI_LENGTH].replace("\x00", "\ufffd")


def is_well_formed(code: str, gtin: str) -> bool:
    match = _CODE.fullmatch(code)
    return match is not None and match.group(1) == gtin


def _inn_digit(digits: str, weights: tuple[int, ...]) -> str:
    total = sum(int(d) * w for d, w in zip(digits, weights, strict=True))
    return str(total % 11 % 10)


def is_inn(text: str) -> bool:
    """Taxpayer number of an organisation (10 digits) or a person (12 digits)."""
    if not (text.isascii() and text.isdecimal()):
        return False
    if len(text) == 10:
        return text[9] == _inn_digit(text[:9], _INN_10)
    return (
        len(text) == 12
        and text[10] == _inn_digit(text[:10], _INN_11)
        and text[11] == _inn_digit(text[:11], _INN_12)
    )
