"""Batch upload: a chunk of rows is validated, registered, queued once, and answered for.

The chunk's row stays locked from the registration until everything is queued, so one request
at a time works on it; a crash frees the lock and the same key goes on where it stopped.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from app.certificates.batch_rows import BadRow, Chunk, RowReader, row_of_cells
from app.certificates.chunk_records import buried, issue_output, numbers_of, registry_rows
from app.certificates.chunk_store import QUEUED, ChunkId, ChunkStore, NewChunk
from app.certificates.chunks import (
    Answer,
    Asker,
    Generate,
    Outcomes,
    Refused,
    Sorted,
    Upload,
    chunk_fields,
    newer,
    queued,
    shown,
    sort_rows,
    validated,
)
from app.certificates.database import Database, Row, RowLocked, StorageUnavailable
from app.certificates.emission import Output
from app.certificates.inbound import Amounts
from app.certificates.publishing_internal import SealDeadLetter
from app.domain.certificates.codes import RANDOM_BYTES, generate
from app.domain.policy import Policy

AT_ONCE = 4  # of two connections each
WAITING_MOST = 32
WAIT_STEP_S = 0.2
Produce = Callable[[list[Output]], Awaitable[None]]
Now = Callable[[], int]


class Rules(msgspec.Struct, frozen=True):
    """What rows are held against, and what seals those that fail."""

    amounts: Amounts
    pepper: bytes
    policy: Policy
    seal: SealDeadLetter


class Work(msgspec.Struct, frozen=True):
    """A chunk that was sent, and what reading it gave."""

    sent: Upload
    rows: Sequence[Any]
    outcomes: Outcomes

    @property
    def generated(self) -> bool:
        return isinstance(self.sent.rows, Generate)


class Turns:
    """Bounds how many chunks are worked on, and how many wait for that."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        if self._waiting >= WAITING_MOST:
            raise StorageUnavailable("too many chunks at once")
        self._waiting += 1
        try:
            async with self._room:
                yield
        finally:
            self._waiting -= 1


class Batches:
    """Raises StorageUnavailable, and what `produce` raises: then the chunk stays open."""

    def __init__(self, database: Database, produce: Produce, *, rules: Rules, now_ms: Now) -> None:
        self.turns = Turns()
        self._store = ChunkStore(database)
        self._produce = produce
        self._rules = rules
        self._now_ms = now_ms

    async def upload(self, sent: Upload, asker: Asker) -> Answer | Refused:
        work = await asyncio.to_thread(self._read, sent)
        if work.generated and isinstance(fault := work.outcomes[0], BadRow):
            return Refused("RequestInvalid", f"generate: {fault.reason}")
        if sent.dry_run:
            return validated(sent, work.outcomes)
        async with self.turns.take():
            chunk = await self._store.place(_new_chunk(work, asker))
            try:
                answer = await self._answer(chunk, work, asker)
            except RowLocked:
                return Refused("RequestInFlight")
        if isinstance(answer, Refused) or not sent.wait_s:
            return answer
        return await self._awaited(chunk, answer, seconds=sent.wait_s)

    def _read(self, sent: Upload) -> Work:
        rules = self._rules
        reader = RowReader(
            rules.amounts, pepper=rules.pepper, policy=rules.policy, now=self._now_ms()
        )
        rows = sent.rows if not isinstance(sent.rows, Generate) else _made_up(sent.rows)
        if sent.cells:
            rows = [row_of_cells(line, rules.amounts) for line in rows]
        chunk = Chunk(sent.batch_id, sent.chunk, 0, sent.first_row)
        return Work(sent, rows, reader.read(chunk, rows))

    async def _answer(self, chunk: ChunkId, work: Work, asker: Asker) -> Answer | Refused:
        async with self._store.locked(chunk) as (lock, known):
            assert known is not None, "nobody deletes chunks"
            if bytes(known["body_hash"]) != asker.body_hash:
                return Refused("IdempotencyKeyReused")
            if known["state"] != "OPEN":
                return await self._replayed(chunk, known)
            if work.generated and await self._store.has_rows(chunk):
                # Codes were made and their answer got lost: nobody can know them any more.
                return Refused("CodesAlreadyShown")
            found = await self._queue(chunk, work)
            await lock.execute(QUEUED, **chunk.named, rejected=len(found.rejected))
        return queued(chunk, found)

    async def _replayed(self, chunk: ChunkId, known: Row) -> Answer | Refused:
        if known["generated"]:
            return Refused("CodesAlreadyShown")
        counts = await self._store.chunk_counts(chunk)
        rejected = await self._store.chunk_rejected(chunk)
        fields = chunk_fields(chunk, counts, rows=known["rows"])
        fields["rejectedRows"] = [shown(row) for row in rejected]
        return Answer(202, fields, replayed=True)

    async def _queue(self, chunk: ChunkId, work: Work) -> Sorted:
        """Registers the rows, then sends them: outcomes must find their rows in place."""
        found = sort_rows(chunk, work.rows, work.outcomes, generated=work.generated)
        named = {row.row: row.certificate_id for row in found.good}
        found = found.without(await self._store.clashes(chunk.batch_id, named))
        await self._store.put_rows(chunk, registry_rows(found.good, found.rejected))
        await self._produce(await asyncio.to_thread(self._outputs, chunk, found))
        return found

    def _outputs(self, chunk: ChunkId, found: Sorted) -> list[Output]:
        now, seal = self._now_ms(), self._rules.seal
        issued = [issue_output(row.certificate_id, row.command, now) for row in found.good]
        return issued + [buried(one, chunk, seal=seal, now=now) for one in found.rejected]

    async def _awaited(self, chunk: ChunkId, answer: Answer, *, seconds: float) -> Answer:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (counts := await self._store.chunk_counts(chunk)).get("queued"):
            if loop.time() >= until:
                break
            await asyncio.sleep(WAIT_STEP_S)
        return newer(answer, counts, await self._store.chunk_rejected(chunk))


def _made_up(wanted: Generate) -> list[dict[str, Any]]:
    return [
        {**wanted.fields, "code": generate(secrets.token_bytes(RANDOM_BYTES))}
        for _ in range(wanted.count)
    ]


def _new_chunk(work: Work, asker: Asker) -> NewChunk:
    sent = work.sent
    return NewChunk(
        sent.batch_id,
        sent.chunk,
        asker.client,
        asker.key_hash,
        asker.body_hash,
        work.generated,
        sent.first_row,
        sent.rows_total,
        numbers_of(work.outcomes),
    )
