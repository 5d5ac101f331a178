"""From the bytes of an upload in one of its three formats to one chunk."""

import csv
import io
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from pydantic.alias_generators import to_camel

from app.certificates.chunks import Generate, Upload
from web.batches_models import BatchUpload
from web.intake import parsed
from web.problems import Problem, invalid

JSON = "application/json"
CSV = "text/csv"
JSON_LINES = ("application/jsonl", "application/x-ndjson", "application/json-lines")
MEDIA = (JSON, CSV, *JSON_LINES)
NUMBERS = ("chunk", "firstRow", "rowsTotal")
DIGITS_MAX = 9


class Sent(NamedTuple):
    """`content` is what the key was used for, the same however it was written."""

    upload: Upload
    content: bytes


def read_upload(media: str, content: bytes, query: Mapping[str, str], *, wait_s: float) -> Sent:
    """Raises Problem."""
    if media == JSON:
        body = parsed(BatchUpload, content)
    else:
        rows = csv_rows(content) if media == CSV else json_lines(content)
        body = _named(query, rows)
    assert isinstance(body, BatchUpload)
    if body.is_too_large:
        raise Problem("BatchTooLarge")
    upload = Upload(
        body.batch_id,
        body.chunk,
        _rows(body),
        body.first_row,
        body.rows_total,
        media == CSV,
        body.dry_run or query.get("dryRun") == "true",
        wait_s,
    )
    said = body.model_dump(exclude={"dry_run"})
    return Sent(upload, json.dumps([media == CSV, said], sort_keys=True).encode())


def csv_rows(content: bytes) -> list[Any]:
    """RFC 4180 with a header line; a line of another length is a row nobody can read."""
    lines = csv.reader(io.StringIO(_text(content), newline=""), strict=True)
    try:
        header = next(lines, [])
        if len(set(header)) != len(header):
            raise invalid("", "the header line names a column twice")
        return [
            dict(zip(header, line, strict=True)) if len(line) == len(header) else line
            for line in lines
            if line
        ]
    except csv.Error as error:
        raise invalid("", f"line {lines.line_num} is no CSV: {error}") from None


def json_lines(content: bytes) -> list[Any]:
    return [_json(line) for line in _text(content).splitlines() if line.strip()]


def _json(line: str) -> Any:
    """A line that is no JSON stays a text, which is no row."""
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return line


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise invalid("", f"byte {error.start} is no UTF-8") from None


def _named(query: Mapping[str, str], rows: list[Any]) -> BatchUpload:
    members: dict[str, Any] = {"rows": rows}
    for name in NUMBERS:
        if name in query:
            members[name] = _number(name, query[name])
    if "batchId" in query:
        members["batchId"] = query["batchId"]
    missing = [name for name in ("batchId", "chunk") if name not in members]
    if missing:
        raise invalid(f"/query/{missing[0]}", "is required beside CSV and JSON Lines")
    body = parsed(BatchUpload, json.dumps({**members, "rows": []}).encode())
    assert isinstance(body, BatchUpload)
    return body.model_copy(update={"rows": rows})


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX):
        raise invalid(f"/query/{name}", "a whole number is expected")
    return int(text)


def _rows(body: BatchUpload) -> list[Any] | Generate:
    if body.generate is None:
        return body.rows or []
    fields = body.generate.model_dump(exclude={"count"}, exclude_none=True)
    named = {to_camel(name): value for name, value in fields.items()}
    return Generate(body.generate.count, named)
