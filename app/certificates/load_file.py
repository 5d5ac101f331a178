"""A file of certificates, read in chunks that are the same each time it is read."""

import csv
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import msgspec

CSV, JSON_LINES = "text/csv", "application/jsonl"
FORMATS = {".csv": CSV, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES}
ID_DIGITS = 16
HASH_STEP = 1 << 20
REFUSAL, REASON, ROW = "refusal", "reason", "row"


class LoadFailed(RuntimeError):
    """The text says what a person can do about it."""


class FileChunk(msgspec.Struct, frozen=True):
    """`content` is the body of one upload; `first_row` numbers rows without a number."""

    chunk: int
    first_row: int
    rows: int
    content: bytes


class Line(msgspec.Struct, frozen=True):
    """One record of the file: its number in the batch, and its cells by column."""

    row: int
    cells: dict[str, str]


class BatchFile:
    """CSV with a header line, or JSON Lines; the columns a rejection adds are not sent."""

    def __init__(self, path: Path, rows_per_chunk: int) -> None:
        self.path = path
        self.rows_per_chunk = rows_per_chunk
        media = FORMATS.get(path.suffix.lower())
        if media is None:
            raise LoadFailed(f"{path.name}: one of {', '.join(FORMATS)} is expected")
        self.media: str = media

    def batch_id(self) -> str:
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while part := file.read(HASH_STEP):
                digest.update(part)
        return digest.hexdigest()[:ID_DIGITS]

    def count(self) -> int:
        return sum(1 for _ in self._records())

    def chunks(self) -> Iterator[FileChunk]:
        first, number = 1, 1
        waiting: list[list[str]] = []
        for record in self._records():
            waiting.append(record)
            if len(waiting) == self.rows_per_chunk:
                yield FileChunk(number, first, len(waiting), self._content(waiting))
                first, number, waiting = first + len(waiting), number + 1, []
        if waiting:
            yield FileChunk(number, first, len(waiting), self._content(waiting))

    def lines(self) -> Iterator[Line]:
        header = self._header() if self.media == CSV else []
        for place, record in enumerate(self._records(), 1):
            if self.media == CSV:
                cells = dict(zip(header, record, strict=False))
            else:
                cells = _cells_of(record[0])
            number = cells.get(ROW, "")
            is_number = number.isascii() and number.isdecimal()
            yield Line(int(number) if is_number else place, cells)

    def _header(self) -> list[str]:
        with self._open() as file:
            return next(csv.reader(file, strict=True), [])

    def _records(self) -> Iterator[list[str]]:
        """CSV records without the header; a JSON line is a record of one cell."""
        with self._open() as file:
            if self.media == JSON_LINES:
                yield from ([line] for line in file if line.strip())
                return
            reader = csv.reader(file, strict=True)
            next(reader, None)
            try:
                yield from (record for record in reader if record)
            except csv.Error as error:
                raise LoadFailed(f"{self.path.name}, line {reader.line_num}: {error}") from None

    def _open(self) -> io.TextIOWrapper:
        return self.path.open(encoding="utf-8-sig", newline="")

    def _content(self, records: list[list[str]]) -> bytes:
        if self.media == JSON_LINES:
            return "".join(f"{record[0].rstrip()}\n" for record in records).encode()
        header = self._header()
        kept = [place for place, name in enumerate(header) if name not in {REFUSAL, REASON}]
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow([header[place] for place in kept])
        for record in records:
            whole = len(record) == len(header)
            writer.writerow([record[place] for place in kept] if whole else record)
        return text.getvalue().encode()


def _cells_of(line: str) -> dict[str, str]:
    try:
        members = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return {"line": line.rstrip()}
    return {name: _text(bytes(value)) for name, value in members.items()}


def _text(value: bytes) -> str:
    decoded = msgspec.json.decode(value)
    return decoded if isinstance(decoded, str) else value.decode()
