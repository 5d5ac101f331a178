"""Exports of marking codes: every symbol as it is stored, and a digest to prove it."""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final

from app.domain.marking.code import GS, ki_of

GS_TEXT: Final = "<GS>"
HEADING: Final = ("gtin", "serial", "ki", "code")
_LINE_ENDS: Final = ("\n", "\r")
_GTIN: Final = slice(2, 16)
_SERIAL: Final = slice(18, 31)


class IssueKind(StrEnum):
    CSV = "csv"
    TXT = "txt"
    PDF = "pdf"


class GsForm(StrEnum):
    """`raw` for programs; `text` for reading by eye."""

    RAW = "raw"
    TEXT = "text"


class CodeNotExportable(ValueError):
    """A code that the format cannot hold, by its number; the text does not show the code."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"code {number}: {reason}")
        self.number = number


def txt(codes: Iterable[str], *, first: int = 1) -> Iterator[bytes]:
    """One code a line, the separator as byte 0x1D, LF, UTF-8 without a mark, nothing trimmed."""
    for number, code in enumerate(codes, first):
        if any(end in code for end in _LINE_ENDS):
            raise CodeNotExportable(number, "holds a line end; export it as CSV")
        yield code.encode() + b"\n"


def csv_heading() -> bytes:
    return _row(HEADING)


def csv_rows(codes: Iterable[str], gs: GsForm = GsForm.RAW) -> Iterator[bytes]:
    """One quoted row a code (RFC 4180), UTF-8 without a mark; the heading stands apart."""
    for code in codes:
        shown = code.replace(GS, GS_TEXT) if gs is GsForm.TEXT else code
        ki = ki_of(code)
        if gs is GsForm.TEXT:
            ki = ki.replace(GS, GS_TEXT)
        yield _row((code[_GTIN], code[_SERIAL], ki, shown))


def _row(fields: Iterable[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(fields)
    return line.getvalue().encode()


def codes_sha256(codes: Iterable[str]) -> str:
    """The digest of a list of codes and of their order, whatever the format of the file."""
    digest = hashlib.sha256()
    for code in codes:
        raw = code.encode()
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.hexdigest()
