"""Where chunks and rows of batches are kept: every statement about them, and nothing else."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from app.certificates.database import Database, Row, Transaction
from app.certificates.mart import payload

CHUNKS_SHOWN = 10_000

OPEN_BATCH = """
INSERT INTO certificates.batch AS t (batch_id, rows_total, source, created_by)
VALUES (%(batch_id)s, %(rows_total)s, 'HTTP', %(client)s)
ON CONFLICT (batch_id) DO UPDATE
SET rows_total = coalesce(greatest(t.rows_total, excluded.rows_total), t.rows_total)
"""
CHUNK_OF_KEY = """
SELECT chunk, attempt FROM certificates.batch_chunk
WHERE batch_id = %(batch_id)s AND key_hash = %(key_hash)s
"""
# Row numbers are looked up one by one: a join may be planned as a walk over the whole batch.
LAST_ATTEMPT = """
SELECT coalesce(max(attempt), 0) AS attempt FROM (
    SELECT attempt FROM certificates.batch_chunk
    WHERE batch_id = %(batch_id)s AND chunk = %(chunk)s
    UNION ALL
    SELECT t.attempt FROM unnest(%(numbers)s::integer[]) AS r(row_no)
    CROSS JOIN LATERAL (
        SELECT attempt FROM certificates.batch_row
        WHERE batch_id = %(batch_id)s AND row_no = r.row_no LIMIT 1
    ) AS t
) AS known
"""
OPEN_CHUNK = """
INSERT INTO certificates.batch_chunk (
    batch_id, chunk, attempt, key_hash, body_hash, generated, first_row, rows, created_by
) VALUES (
    %(batch_id)s, %(chunk)s, %(attempt)s, %(key_hash)s, %(body_hash)s, %(generated)s,
    %(first_row)s, %(rows)s, %(client)s
)
"""
LOCK_CHUNK = """
SELECT state, body_hash, generated, rows, cancel_key_hash, cancel_body_hash
FROM certificates.batch_chunk
WHERE batch_id = %(batch_id)s AND chunk = %(chunk)s AND attempt = %(attempt)s
FOR UPDATE NOWAIT
"""
HAS_ROWS = """
SELECT EXISTS (
    SELECT FROM certificates.batch_row
    WHERE batch_id = %(batch_id)s AND chunk = %(chunk)s AND attempt = %(attempt)s
) AS found
"""
# A row number stands for one certificate; only after a rejection or a cancel for another one.
CLASHES = """
SELECT r.row_no FROM jsonb_to_recordset(%(rows)s::jsonb)
    AS r(row_no integer, certificate_id text)
CROSS JOIN LATERAL (
    SELECT certificate_id, outcome, code FROM certificates.batch_row
    WHERE batch_id = %(batch_id)s AND row_no = r.row_no LIMIT 1
) AS t
WHERE (t.outcome IN ('queued', 'issued', 'duplicate') OR t.code = 'RowChanged')
    AND t.certificate_id <> r.certificate_id
"""
PUT_ROWS = """
INSERT INTO certificates.batch_row AS t (
    batch_id, row_no, chunk, attempt, certificate_id, last4, fields, outcome, code, reason
)
SELECT %(batch_id)s, r.row_no, %(chunk)s, %(attempt)s, r.certificate_id, r.last4, r.fields,
    r.outcome, r.code, r.reason
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(
    row_no integer, certificate_id text, last4 text, fields jsonb, outcome text, code text,
    reason text
)
ORDER BY r.row_no
ON CONFLICT (batch_id, row_no) DO UPDATE SET
    chunk = excluded.chunk, attempt = excluded.attempt,
    certificate_id = excluded.certificate_id, last4 = excluded.last4,
    fields = excluded.fields, outcome = excluded.outcome, code = excluded.code,
    reason = excluded.reason, at = now()
WHERE excluded.attempt > t.attempt
    AND NOT (excluded.outcome = 'rejected' AND t.outcome IN ('issued', 'duplicate', 'queued'))
"""
QUEUED = """
UPDATE certificates.batch_chunk SET state = 'QUEUED', rejected = %(rejected)s
WHERE batch_id = %(batch_id)s AND chunk = %(chunk)s AND attempt = %(attempt)s
"""
CHUNK_COUNTS = """
SELECT outcome, count(*) AS rows FROM certificates.batch_row
WHERE batch_id = %(batch_id)s AND chunk = %(chunk)s AND attempt = %(attempt)s
GROUP BY outcome
"""
CHUNK_REJECTED = """
SELECT row_no, certificate_id, last4, code, reason FROM certificates.batch_row
WHERE batch_id = %(batch_id)s AND chunk = %(chunk)s AND attempt = %(attempt)s
    AND outcome = 'rejected'
ORDER BY row_no
"""
BATCH = "SELECT rows_total, source FROM certificates.batch WHERE batch_id = %(batch_id)s"
BATCH_COUNTS = """
SELECT outcome, count(*) AS rows FROM certificates.batch_row
WHERE batch_id = %(batch_id)s GROUP BY outcome
"""
BATCH_CHUNKS = """
SELECT DISTINCT ON (chunk) chunk, attempt, state, rows, rejected
FROM certificates.batch_chunk WHERE batch_id = %(batch_id)s
ORDER BY chunk, attempt DESC LIMIT %(most)s
"""
BATCH_ROWS = """
SELECT row_no, certificate_id, last4, outcome, code, reason FROM certificates.batch_row
WHERE batch_id = %(batch_id)s AND row_no > %(after)s
    AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
ORDER BY row_no LIMIT %(limit)s
"""


class ChunkId(msgspec.Struct, frozen=True):
    batch_id: str
    chunk: int
    attempt: int

    @property
    def named(self) -> dict[str, Any]:
        return {"batch_id": self.batch_id, "chunk": self.chunk, "attempt": self.attempt}


class NewChunk(msgspec.Struct, frozen=True):
    """What is remembered of an upload besides its rows; `numbers` are those of its rows."""

    batch_id: str
    chunk: int
    client: str
    key_hash: bytes
    body_hash: bytes
    generated: bool
    first_row: int
    rows_total: int | None
    numbers: Sequence[int]


class ChunkStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def place(self, new: NewChunk) -> ChunkId:
        """The chunk attempt that the key stands for; made if it is new.

        A new attempt is higher than all that its rows have seen. The batch's row is locked
        by the first statement: two requests cannot make the same attempt.
        """
        named = {"batch_id": new.batch_id, "client": new.client, "key_hash": new.key_hash}
        async with self._database.transaction() as tx:
            await tx.execute(OPEN_BATCH, rows_total=new.rows_total, **named)
            known = await tx.one(CHUNK_OF_KEY, **named)
            if known is not None:
                return ChunkId(new.batch_id, known["chunk"], known["attempt"])
            last = await tx.one(
                LAST_ATTEMPT, batch_id=new.batch_id, chunk=new.chunk, numbers=list(new.numbers)
            )
            assert last is not None
            made = ChunkId(new.batch_id, new.chunk, last["attempt"] + 1)
            await tx.execute(
                OPEN_CHUNK,
                **made.named,
                key_hash=new.key_hash,
                body_hash=new.body_hash,
                generated=new.generated,
                first_row=new.first_row,
                rows=len(new.numbers),
                client=new.client,
            )
        return made

    @asynccontextmanager
    async def locked(self, chunk: ChunkId) -> AsyncIterator[tuple[Transaction, Row | None]]:
        """Holds the chunk's row; None if there is none. Raises RowLocked."""
        async with self._database.transaction() as tx:
            yield tx, await tx.one_locked(LOCK_CHUNK, **chunk.named)

    async def has_rows(self, chunk: ChunkId) -> bool:
        row = await self._database.one(HAS_ROWS, **chunk.named)
        return row is not None and bool(row["found"])

    async def clashes(self, batch_id: str, certificates: dict[int, str]) -> set[int]:
        """Which of these row numbers stand for another certificate already."""
        named = [{"row_no": row, "certificate_id": one} for row, one in certificates.items()]
        found = await self._database.rows(CLASHES, batch_id=batch_id, rows=payload(named))
        return {row["row_no"] for row in found}

    async def put_rows(self, chunk: ChunkId, rows: list[dict[str, Any]]) -> None:
        async with self._database.transaction() as tx:
            await tx.execute(PUT_ROWS, **chunk.named, rows=payload(rows))

    async def chunk_counts(self, chunk: ChunkId) -> dict[str, int]:
        rows = await self._database.rows(CHUNK_COUNTS, **chunk.named)
        return {row["outcome"]: row["rows"] for row in rows}

    async def chunk_rejected(self, chunk: ChunkId) -> list[Row]:
        return await self._database.rows(CHUNK_REJECTED, **chunk.named)

    async def batch(self, batch_id: str) -> Row | None:
        return await self._database.one(BATCH, batch_id=batch_id)

    async def batch_counts(self, batch_id: str) -> dict[str, int]:
        rows = await self._database.rows(BATCH_COUNTS, batch_id=batch_id)
        return {row["outcome"]: row["rows"] for row in rows}

    async def batch_chunks(self, batch_id: str) -> list[Row]:
        """The newest attempt of each chunk."""
        return await self._database.rows(BATCH_CHUNKS, batch_id=batch_id, most=CHUNKS_SHOWN)

    async def batch_rows(
        self, batch_id: str, *, outcome: str | None, after: int, limit: int
    ) -> list[Row]:
        return await self._database.rows(
            BATCH_ROWS, batch_id=batch_id, outcome=outcome, after=after, limit=limit
        )
