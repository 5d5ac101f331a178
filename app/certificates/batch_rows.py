"""One row of a batch: from members or CSV cells to `IssueCertificate`, or why not."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from app.certificates.inbound import Amounts, FieldFault, milliseconds
from app.domain.certificates.codes import Code, CodeFault, certificate_id, parse
from app.domain.certificates.commands import IssueCertificate
from app.domain.certificates.currencies import MINOR_DIGITS
from app.domain.certificates.times import end_of_day
from app.domain.policy import Policy

RowCode = Literal[
    "CodeMalformed",
    "CodeTooWeak",
    "CodeRepeated",
    "NominalInvalid",
    "CurrencyUnknown",
    "ValidityInvalid",
    "MetadataTooLarge",
    "RowUnreadable",
]
COLUMNS = frozenset(
    {
        "row",
        "code",
        "nominal",
        "currency",
        "validUntil",
        "validityDays",
        "productId",
        "metadata",
    }
)
NUMBERS = frozenset({"row", "nominal", "validityDays"})
METADATA_MAX = 1_024
PRODUCT_MAX = 64
VALIDITY_DAYS_MAX = 36_500
ROW_MAX = 1_000_000
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"[0-9]{1,16}")
_compact = msgspec.json.Encoder().encode


class Chunk(msgspec.Struct, frozen=True):
    """What all rows of one chunk share; `first_row` numbers rows that have no number."""

    batch_id: str
    chunk: int
    attempt: int
    first_row: int = 1


class GoodRow(msgspec.Struct, frozen=True):
    """`code` in clear is for the reply that shows generated codes, and for nobody else."""

    row: int
    certificate_id: str
    command: IssueCertificate


class BadRow(msgspec.Struct, frozen=True):
    """`reason` names the column; `index` is the place in the chunk, from 0."""

    index: int
    row: int
    code: RowCode
    reason: str
    certificate_id: str | None = None
    last4: str | None = None


class RowFault(Exception):
    def __init__(self, code: RowCode, reason: str) -> None:
        super().__init__(reason)
        self.code: RowCode = code


class RowReader:
    """`now`: terms must end after it."""

    def __init__(self, amounts: Amounts, *, pepper: bytes, policy: Policy, now: int) -> None:
        self._amounts = amounts
        self._pepper = pepper
        self._policy = policy
        self._now = now

    def read(self, chunk: Chunk, rows: Iterable[Any]) -> list[GoodRow | BadRow]:
        """Every row has its outcome, in order; of a repeated code or number the first counts."""
        seen: set[str | int] = set()
        return [self._row(chunk, index, raw, seen=seen) for index, raw in enumerate(rows)]

    def _row(self, chunk: Chunk, index: int, raw: Any, *, seen: set[str | int]) -> GoodRow | BadRow:
        row, named, code = chunk.first_row + index, None, None
        try:
            cells = self._cells_of(raw)
            row = self._number(cells, row, seen=seen)
            code = _code(cells)
            named = certificate_id(code, self._pepper)
            _first(named, seen)
            return GoodRow(row, named, self._command(chunk, row, cells, code=code))
        except RowFault as fault:
            last4 = None if code is None else code.last4
            return BadRow(index, row, fault.code, str(fault), named, last4)

    def _cells_of(self, raw: Any) -> Mapping[str, Any]:
        if not isinstance(raw, Mapping):
            raise RowFault("RowUnreadable", "an object is expected")
        if not raw.keys() <= COLUMNS:
            raise RowFault("RowUnreadable", f"other columns than {sorted(COLUMNS)}")
        return {name: value for name, value in raw.items() if value is not None}

    def _number(self, cells: Mapping[str, Any], default: int, *, seen: set[str | int]) -> int:
        row = _integer(cells.get("row", default))
        if row is None or not 0 <= row <= ROW_MAX:
            raise RowFault("RowUnreadable", f"row: 0 … {ROW_MAX} is expected")
        if row in seen:
            raise RowFault("RowUnreadable", "row: stands twice in the chunk")
        seen.add(row)
        return row

    def _command(
        self, chunk: Chunk, row: int, cells: Mapping[str, Any], *, code: Code
    ) -> IssueCertificate:
        currency = cells.get("currency")
        if not isinstance(currency, str) or currency not in MINOR_DIGITS:
            raise RowFault("CurrencyUnknown", "currency: ISO 4217 is expected")
        nominal = self._nominal(cells.get("nominal"), currency)
        valid_until, validity_days = self._validity(cells)
        product = cells.get("productId")
        if product is not None and not (isinstance(product, str) and _is_name(product)):
            raise RowFault("RowUnreadable", f"productId: 1 to {PRODUCT_MAX} characters")
        return IssueCertificate(
            code.last4,
            code.weak,
            nominal,
            currency,
            valid_until,
            validity_days,
            product,
            self._metadata(cells.get("metadata")),
            chunk.batch_id,
            chunk.chunk,
            row,
            chunk.attempt,
        )

    def _nominal(self, value: Any, currency: str) -> int:
        try:
            nominal = self._amounts.minor(value, currency, "nominal", most=self._policy.nominal_max)
        except FieldFault as fault:
            raise RowFault("NominalInvalid", str(fault)) from None
        if nominal == 0:
            raise RowFault("NominalInvalid", "nominal: more than 0 is expected")
        return nominal

    def _validity(self, cells: Mapping[str, Any]) -> tuple[int | None, int | None]:
        until, days = cells.get("validUntil"), cells.get("validityDays")
        if until is not None and days is not None:
            raise RowFault("ValidityInvalid", "validUntil, validityDays: one of them is expected")
        if days is not None:
            number = _integer(days)
            if number is None or not 1 <= number <= VALIDITY_DAYS_MAX:
                reason = f"validityDays: 1 … {VALIDITY_DAYS_MAX} is expected"
                raise RowFault("ValidityInvalid", reason)
            return None, number
        if until is None:
            return None, None
        moment = _moment(until, self._policy.business_tz)
        if moment is None or moment <= self._now:
            raise RowFault("ValidityInvalid", "validUntil: RFC 3339 in the future is expected")
        return moment, None

    def _metadata(self, value: Any) -> str | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise RowFault("RowUnreadable", "metadata: a JSON object is expected")
        text = _compact(value)
        if len(text) > METADATA_MAX:
            raise RowFault("MetadataTooLarge", f"metadata: at most {METADATA_MAX} bytes")
        return text.decode()


def row_of_cells(cells: Any, amounts: Amounts) -> Any:
    """A line of CSV as the row of JSON that says the same; what it cannot say stays a text."""
    if not isinstance(cells, Mapping):
        return cells
    members: dict[str, Any] = {name: text for name, text in cells.items() if text != ""}
    for name in NUMBERS if amounts.is_minor else NUMBERS - {"nominal"}:
        if _NUMBER.fullmatch(members.get(name, "")):
            members[name] = int(members[name])
    if "metadata" in members:
        members["metadata"] = _decoded(members["metadata"])
    return members


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _integer(value: Any) -> int | None:
    return value if type(value) is int else None


def _code(cells: Mapping[str, Any]) -> Code:
    text = cells.get("code")
    code = parse(text) if isinstance(text, str) else CodeFault.MALFORMED
    match code:
        case CodeFault.MALFORMED:
            raise RowFault("CodeMalformed", "code: is none")
        case CodeFault.TOO_WEAK:
            raise RowFault("CodeTooWeak", "code: could be guessed")
        case Code():
            return code


def _first(named: str, seen: set[str | int]) -> None:
    if named in seen:
        raise RowFault("CodeRepeated", "code: stands twice in the chunk")
    seen.add(named)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= PRODUCT_MAX and text.isprintable()


def _moment(value: Any, business_tz: str) -> int | None:
    """A date means the end of that day in the zone of business."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(f"{value}T12:00Z" if _DATE.fullmatch(value) else value)
        if moment.tzinfo is None:
            return None
        at = milliseconds(moment, "validUntil")
    except (ValueError, OverflowError, FieldFault):
        return None
    return end_of_day(business_tz, at, 0) if _DATE.fullmatch(value) else at
