"""The GiftCertificateBatchLoader: a file goes to the public endpoint, chunk by chunk, once.

Stopped and started again it sends only what the service has not queued yet: the batch's id
comes from the file's content and a chunk's key from its place, so a repetition is a replay.
"""

import asyncio
import csv
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from app.certificates.load_client import BatchClient
from app.certificates.load_file import REASON, REFUSAL, ROW, BatchFile, FileChunk, LoadFailed

IN_FLIGHT = 4
POLL_S = 1.0
PAUSES = 20  # a pause is that many times as long as the answer before it took
STILL_S = 300.0
PRIVATE = 0o600
Progress = Callable[[dict[str, Any]], None]


class Load(msgspec.Struct, frozen=True):
    """What to load: `attempt` above 1 sends rows of an earlier load again, corrected."""

    file: BatchFile
    batch_id: str
    rows_total: int
    attempt: int = 1


def rejected_path(file: Path) -> Path:
    """Where the rejected rows of a file are written, a CSV whatever the file is."""
    return file.with_name(file.name + ".rejected.csv")


class Loader:
    """`told` gets the batch's progress whenever it is known anew."""

    def __init__(self, client: BatchClient, told: Progress) -> None:
        self._client = client
        self._told = told

    async def load(self, load: Load) -> dict[str, Any]:
        """The progress at the end; rejected rows stand in `rejected_path` then."""
        done = await self._queued_before(load)
        async with _watched(self._watch(load.batch_id)):
            await self._send(load, done)
        end = await self._finished(load.batch_id)
        if end["rejected"]:
            self._write_rejected(load, await self._client.rejected(load.batch_id))
        return end

    async def _queued_before(self, load: Load) -> set[int]:
        known = await self._client.progress(load.batch_id)
        if known is None:
            return set()
        self._told(known)
        return {
            chunk["chunk"]
            for chunk in known["chunks"]
            if chunk["state"] == "QUEUED" and chunk["attempt"] >= load.attempt
        }

    async def _send(self, load: Load, done: set[int]) -> None:
        """A bounded number of chunks is read ahead and in flight; the first failure ends all."""
        room = asyncio.Semaphore(IN_FLIGHT)

        async def one(chunk: FileChunk) -> None:
            try:
                await self._send_one(load, chunk)
            finally:
                room.release()

        async with asyncio.TaskGroup() as group:
            for chunk in load.file.chunks():
                if chunk.chunk not in done:
                    await room.acquire()
                    group.create_task(one(chunk))

    async def _send_one(self, load: Load, chunk: FileChunk) -> None:
        key = f"{load.batch_id}:{chunk.chunk}:{load.attempt}"
        query = {
            "batchId": load.batch_id,
            "chunk": chunk.chunk,
            "firstRow": chunk.first_row,
            "rowsTotal": load.rows_total,
        }
        await self._client.upload(chunk.content, load.file.media, key=key, query=query)

    async def _watch(self, batch_id: str) -> None:
        pause = POLL_S
        while True:
            await asyncio.sleep(pause)
            known, pause = await self._asked(batch_id)
            if known is not None:
                self._told(known)

    async def _asked(self, batch_id: str) -> tuple[dict[str, Any] | None, float]:
        """The progress, and how long to wait before the next question, which costs the same."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        known = await self._client.progress(batch_id)
        return known, max(POLL_S, PAUSES * (loop.time() - began))

    async def _finished(self, batch_id: str) -> dict[str, Any]:
        """Waits for the outcomes; they come from the mart, which may be behind or away."""
        loop = asyncio.get_running_loop()
        moved, left = loop.time(), -1
        while True:
            known, pause = await self._asked(batch_id)
            if known is None:
                raise LoadFailed("the file holds no row")
            self._told(known)
            if not known["queued"]:
                return known
            if known["queued"] != left:
                moved, left = loop.time(), known["queued"]
            if loop.time() - moved > STILL_S:
                raise LoadFailed(f"{left} rows are queued, no outcome for {STILL_S:.0f} s")
            await asyncio.sleep(pause)

    def _write_rejected(self, load: Load, rejected: list[dict[str, Any]]) -> None:
        """The lines as they came, with their numbers, for correction and another attempt."""
        why = {row["row"]: row for row in rejected}
        lines = [line for line in load.file.lines() if line.row in why]
        names = dict.fromkeys(name for line in lines for name in line.cells)
        columns = [ROW, *(name for name in names if name not in {ROW, REFUSAL, REASON})]
        path = rejected_path(load.file.path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*columns, REFUSAL, REASON])
            for line in lines:
                cells = [str(line.row), *(line.cells.get(name, "") for name in columns[1:])]
                row = why[line.row]
                writer.writerow([*cells, row.get("code", ""), row.get("reason", "")])


@asynccontextmanager
async def _watched(watch: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(watch)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
