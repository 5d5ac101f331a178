"""Generated certificates: their codes are shown once and kept in a file, or taken back."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from app.certificates.load_client import BatchClient, CodesLost
from app.certificates.load_file import LoadFailed
from app.certificates.loader import PRIVATE, Progress

ROWS_PER_CHUNK = 1_000
ATTEMPTS_MOST = 10
COLUMNS = ("row", "certificateId", "code")


class Wanted(msgspec.Struct, frozen=True):
    """`fields`: nominal, currency and so on, as the endpoint's `generate` takes them."""

    batch_id: str
    count: int
    fields: dict[str, Any]


class CodesFile:
    """Codes in clear, for this user only; a line is on disk before the next chunk is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = self._read()

    def _read(self) -> set[int]:
        if not self.path.exists():
            return set()
        with self.path.open(encoding="utf-8", newline="") as file:
            return {int(line["row"]) for line in csv.DictReader(file) if line["code"]}

    def add(self, shown: list[dict[str, Any]]) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE)
        with os.fdopen(descriptor, "a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            if file.tell() == 0:
                writer.writerow(COLUMNS)
            writer.writerows([row[name] for name in COLUMNS] for row in shown)
            file.flush()
            os.fsync(file.fileno())
        self.rows |= {row["row"] for row in shown}

    def forget(self, rows: range) -> None:
        """Drops lines whose certificates were cancelled."""
        if not self.rows.intersection(rows):
            return
        with self.path.open(encoding="utf-8", newline="") as file:
            kept = [line for line in csv.DictReader(file) if int(line["row"]) not in rows]
        scratch = self.path.with_name(self.path.name + ".new")
        scratch.unlink(missing_ok=True)
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows([line[name] for name in COLUMNS] for line in kept)
            file.flush()
            os.fsync(file.fileno())
        scratch.rename(self.path)
        self.rows -= set(rows)


class Generator:
    def __init__(self, client: BatchClient, told: Progress) -> None:
        self._client = client
        self._told = told

    async def generate(self, wanted: Wanted, codes: CodesFile) -> dict[str, Any]:
        """The batch's progress; every code that a certificate was issued for is in the file."""
        known: dict[str, Any] | None = None
        for chunk, rows in _chunks(wanted.count):
            if not codes.rows.issuperset(rows):
                await self._chunk(wanted, codes, place=(chunk, rows))
            known = await self._client.progress(wanted.batch_id)
            assert known is not None, "its chunk was just queued"
            self._told(known)
        assert known is not None, "at least one certificate is wanted"
        return known

    async def _chunk(self, wanted: Wanted, codes: CodesFile, *, place: tuple[int, range]) -> None:
        chunk, rows = place
        codes.forget(rows)
        attempt = 1 + await self._taken_back(wanted.batch_id, chunk)
        for number in range(attempt, attempt + ATTEMPTS_MOST):
            key = f"{wanted.batch_id}:{chunk}:{number}"
            body = {
                "batchId": wanted.batch_id,
                "chunk": chunk,
                "firstRow": rows.start,
                "rowsTotal": wanted.count,
                "generate": {"count": len(rows), **wanted.fields},
            }
            try:
                codes.add((await self._client.generate(body, key=key))["codes"])
            except CodesLost:
                await self._taken_back(wanted.batch_id, chunk)
            else:
                return
        raise LoadFailed(f"chunk {chunk}: its codes were lost {ATTEMPTS_MOST} times")

    async def _taken_back(self, batch_id: str, chunk: int) -> int:
        """The last attempt of the chunk that there was, cancelled; 0 if there was none."""
        known = await self._client.progress(batch_id)
        chunks = [] if known is None else known["chunks"]
        last = [found for found in chunks if found["chunk"] == chunk]
        if not last:
            return 0
        attempt = int(last[0]["attempt"])
        if last[0]["state"] != "CANCELLED":
            await self._client.cancel(batch_id, chunk, attempt=attempt)
        return attempt


def _chunks(count: int) -> Iterator[tuple[int, range]]:
    for chunk, start in enumerate(range(1, count + 1, ROWS_PER_CHUNK), 1):
        yield chunk, range(start, min(start + ROWS_PER_CHUNK, count + 1))
