"""Answers of Chestny ZNAK: read tolerantly, refused when they are not what was promised."""

import email.utils
import hashlib
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Final, Generic, Self, TypeVar

import msgspec
from msgspec import Meta, Struct

from app.integrations.redaction import Veiled

T = TypeVar("T")

ABSENT: Final = -1
MS: Final = 1_000
RETRY_AFTER_CEILING_S: Final = 86_400

_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
Uuid = Annotated[str, Meta(pattern=_UUID)]
Identifier = Annotated[str, Meta(min_length=1, max_length=256)]


class Unreadable(ValueError):
    """The body is not what the operation promises; the text holds no value of it."""


class Tolerant(StrEnum):
    """A list of remote words that keeps a word it does not know, and says so."""

    @classmethod
    def _missing_(cls, value: object) -> Self:
        assert isinstance(value, str)
        word = str.__new__(cls, value)
        word._name_, word._value_ = "UNKNOWN", value
        return word

    @property
    def known(self) -> bool:
        return self._name_ in type(self).__members__


class Answer(Veiled, Struct, Generic[T], frozen=True):
    """A successful answer: its value, its exact bytes and what is worth a log line."""

    value: T
    body: bytes
    http_status: int
    request_id: str | None = None
    remote_date_ms: int | None = None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


def counter(value: int | None) -> int | None:
    """A remote counter; −1 means that the remote side does not know it yet."""
    return None if value == ABSENT else value


def milliseconds(value: int | None) -> int | None:
    """A remote moment in ms UTC; one documented field comes in seconds."""
    seconds_end = 100_000_000_000
    return value * MS if value is not None and 0 < value < seconds_end else value


def read_json(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise Unreadable(f"answer: {problem}") from None


def unknown_words(value: object) -> Iterator[str]:
    """Names of the word lists in which the answer used a word we do not know."""
    if isinstance(value, Tolerant):
        if not value.known:
            yield type(value).__name__
    elif isinstance(value, Struct):
        for field in value.__struct_fields__:
            yield from unknown_words(getattr(value, field))
    elif isinstance(value, (list, tuple)) and value and isinstance(value[0], (Struct, Tolerant)):
        for item in value:
            yield from unknown_words(item)


def http_date_ms(header: str | None) -> int | None:
    if not header:
        return None
    try:
        return int(email.utils.parsedate_to_datetime(header).timestamp()) * MS
    except (ValueError, OverflowError):
        return None


def retry_after_s(header: str | None, remote_date_ms: int | None) -> float | None:
    """Seconds to wait by `Retry-After`, given in seconds or as a date of the remote clock."""
    if not header:
        return None
    if header.strip().isascii() and header.strip().isdigit():
        return float(min(int(header.strip()[:9]), RETRY_AFTER_CEILING_S))
    moment = http_date_ms(header)
    if moment is None or remote_date_ms is None:
        return None
    return float(min(max((moment - remote_date_ms) // MS, 0), RETRY_AFTER_CEILING_S))
