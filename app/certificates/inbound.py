"""What the translation of foreign messages returns, and its checks of single fields.

Reasons name the field, never the value: it may be a code or a phone number.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

from app.domain.certificates.commands import Command
from app.domain.certificates.currencies import MINOR_DIGITS

MESSAGE_MAX = 1 << 20
AMOUNT_MAX = 10**15
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Text = Annotated[str, msgspec.Meta(max_length=128)]
Version = Annotated[int, msgspec.Meta(ge=0, le=(1 << 62))]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class NotOurs(msgspec.Struct, frozen=True):
    """Other business of a company-wide topic: ignored, counted by reason."""

    reason: Literal["NoCertificateSection", "StatusUnmapped", "Invalid", "NoLine"]


class Fault(msgspec.Struct, frozen=True):
    """Goes to the dead letters, sealed; `code` is one of the refusal catalogue."""

    stage: Literal["DECODE", "VALIDATE"]
    code: str
    reason: str
    entity: str | None = None
    last4: str | None = None
    row: int | None = None
    chunk: str | None = None


Commands = list[tuple[str, Command]]
Translated = Commands | NotOurs | Fault


class FieldFault(Exception):
    """A field that the types let pass and the rules do not."""

    def __init__(self, field: str, reason: str, *, code: str = "RequestInvalid") -> None:
        super().__init__(f"{field}: {reason}")
        self.code = code


class Amounts:
    """Sums as the foreign systems write them, in the unit agreed on; never a guess."""

    def __init__(self, unit: str) -> None:
        assert unit in {"minor", "decimal"}
        self.is_minor = unit == "minor"

    def minor(self, value: Any, currency: str, field: str, *, most: int = AMOUNT_MAX) -> int:
        """`value` in minor units, 0 … `most`; raises FieldFault."""
        if self.is_minor:
            if type(value) is not int:
                raise FieldFault(field, "an integer of minor units is expected")
            amount: int = value
        else:
            amount = _from_decimal(value, currency, field)
        if not 0 <= amount <= most:
            raise FieldFault(field, f"0 … {most} minor units are expected")
        return amount

    def maybe_minor(self, value: Any, currency: str, field: str) -> int | None:
        return None if value is None else self.minor(value, currency, field)


def milliseconds(moment: datetime, field: str) -> int:
    ms = (moment - _EPOCH) // _MS
    if ms < 0:
        raise FieldFault(field, "a time after 1970 is expected")
    return ms


def known_currency(currency: str, field: str) -> str:
    if currency not in MINOR_DIGITS:
        raise FieldFault(field, "an ISO 4217 currency is expected")
    return currency


def printable(fields: Iterable[tuple[str, str | None]]) -> None:
    for field, text in fields:
        if text is not None and not text.isprintable():
            raise FieldFault(field, "printable characters are expected")


def too_large(value: bytes) -> Fault | None:
    if len(value) <= MESSAGE_MAX:
        return None
    return Fault("DECODE", "BodyTooLarge", f"{len(value)} bytes, at most {MESSAGE_MAX}")


def members_of(value: bytes) -> Mapping[str, Any] | Fault:
    """The message as plain members, however wrong they are."""
    try:
        members = msgspec.json.decode(value)
    except UNREADABLE as error:
        return Fault("DECODE", "RequestInvalid", f"not JSON: {error}")
    return members if isinstance(members, dict) else {}


def faulty(error: Exception, entity: object) -> Fault:
    code = error.code if isinstance(error, FieldFault) else "RequestInvalid"
    named = entity if isinstance(entity, str) and 0 < len(entity) <= 64 else None
    return Fault("VALIDATE", code, str(error), named)


def _from_decimal(value: Any, currency: str, field: str) -> int:
    digits = MINOR_DIGITS[currency]
    if not isinstance(value, str):
        raise FieldFault(field, "a decimal number in a string is expected")
    whole, point, fraction = value.partition(".")
    is_number = whole.isascii() and whole.isdecimal() and len(whole) <= 15
    if point:
        is_number &= fraction.isascii() and fraction.isdecimal() and len(fraction) == digits
    if not is_number:
        raise FieldFault(field, f"digits with {digits} or no decimal places are expected")
    scale: int = 10**digits
    return int(whole) * scale + int(fraction or "0")
