"""Cancel of a chunk: what is not sold yet ends, what was sold meanwhile is kept."""

import asyncio
from typing import Any

import msgspec

from app.certificates.batches import Now, Produce, Turns
from app.certificates.chunk_records import cancel_output, command_of, issue_output
from app.certificates.chunk_store import ChunkId, ChunkStore
from app.certificates.chunks import Answer, Asker, Refused
from app.certificates.database import Database, Row, RowLocked, Transaction
from app.certificates.emission import Output

WAIT_STEP_S = 0.2
LIVE_ROWS = """
SELECT row_no, chunk, attempt, certificate_id, last4, fields FROM certificates.batch_row
WHERE batch_id = %(batch_id)s AND chunk = %(chunk)s AND attempt = %(attempt)s
    AND outcome IN ('queued', 'issued', 'duplicate', 'cancelled') AND fields IS NOT NULL
ORDER BY row_no
"""
# The mart shows what became of each certificate; of another batch's it is not ours to say.
FATES = """
SELECT count(*) FILTER (WHERE c.lifecycle = 'Cancelled') AS cancelled,
    count(*) FILTER (WHERE c.lifecycle NOT IN ('Issued', 'Cancelled')) AS kept,
    count(*) FILTER (
        WHERE c.lifecycle IS NULL OR (c.lifecycle = 'Issued' AND c.batch_id = r.batch_id)
    ) AS undecided
FROM certificates.batch_row r LEFT JOIN mart.certificate c USING (certificate_id)
WHERE r.batch_id = %(batch_id)s AND r.chunk = %(chunk)s AND r.attempt = %(attempt)s
    AND r.outcome IN ('queued', 'issued', 'duplicate', 'cancelled')
    AND (c.batch_id IS NULL OR c.batch_id = r.batch_id)
"""
MARK_ROWS = """
UPDATE certificates.batch_row r SET outcome = 'cancelled', at = now()
FROM mart.certificate c
WHERE r.batch_id = %(batch_id)s AND r.chunk = %(chunk)s AND r.attempt = %(attempt)s
    AND c.certificate_id = r.certificate_id AND c.lifecycle = 'Cancelled'
    AND c.batch_id = r.batch_id
"""
MARK_CHUNK = """
UPDATE certificates.batch_chunk SET state = 'CANCELLED',
    cancel_key_hash = %(key_hash)s, cancel_body_hash = %(body_hash)s
WHERE batch_id = %(batch_id)s AND chunk = %(chunk)s AND attempt = %(attempt)s
"""
KEY_USED = """
SELECT chunk, attempt FROM certificates.batch_chunk
WHERE batch_id = %(batch_id)s AND cancel_key_hash = %(key_hash)s
"""


class Cancel(msgspec.Struct, frozen=True):
    chunk: ChunkId
    reason: str


class ChunkCancel:
    """Answers when the mart has seen every certificate of the chunk end or sold.

    Raises StorageUnavailable and what `produce` raises; cut short, the same key goes on.
    """

    def __init__(self, database: Database, produce: Produce, *, turns: Turns, now_ms: Now) -> None:
        self._database = database
        self._store = ChunkStore(database)
        self._produce = produce
        self._turns = turns
        self._now_ms = now_ms

    async def cancel(self, asked: Cancel, asker: Asker) -> Answer | Refused:
        chunk = asked.chunk
        used = await self._database.one(KEY_USED, batch_id=chunk.batch_id, key_hash=asker.key_hash)
        if used is not None and (used["chunk"], used["attempt"]) != (chunk.chunk, chunk.attempt):
            return Refused("IdempotencyKeyReused")
        async with self._turns.take():
            try:
                async with self._store.locked(chunk) as (lock, known):
                    return await self._decided(lock, known, asked=asked, asker=asker)
            except RowLocked:
                return Refused("RequestInFlight")

    async def _decided(
        self, lock: Transaction, known: Row | None, *, asked: Cancel, asker: Asker
    ) -> Answer | Refused:
        if known is None:
            return Refused("BatchUnknown")
        key_hash = known["cancel_key_hash"]
        replayed = key_hash is not None and bytes(key_hash) == asker.key_hash
        if replayed and bytes(known["cancel_body_hash"]) != asker.body_hash:
            return Refused("IdempotencyKeyReused")
        chunk = asked.chunk
        if known["state"] != "CANCELLED":
            await self._send(asked)
        fates = await self._fates(chunk)
        hashes = {"key_hash": asker.key_hash, "body_hash": asker.body_hash}
        await lock.execute(MARK_ROWS, **chunk.named)
        await lock.execute(MARK_CHUNK, **chunk.named, **hashes)
        return Answer(200, {**_named(chunk), **fates}, replayed)

    async def _send(self, asked: Cancel) -> None:
        """First the issue again, then its end: a straggling issue cannot revive the row."""
        rows = await self._database.rows(LIVE_ROWS, **asked.chunk.named)
        await self._produce(await asyncio.to_thread(self._outputs, asked, rows))

    def _outputs(self, asked: Cancel, rows: list[Row]) -> list[Output]:
        now = self._now_ms()
        outputs = []
        for row in rows:
            key, command = row["certificate_id"], command_of(asked.chunk.batch_id, row)
            outputs.append(issue_output(key, command, now))
            outputs.append(cancel_output(key, command, reason=asked.reason, now=now))
        return outputs

    async def _fates(self, chunk: ChunkId) -> dict[str, int]:
        while True:
            fates = await self._database.one(FATES, **chunk.named)
            assert fates is not None
            if not fates["undecided"]:
                return {"cancelled": fates["cancelled"], "kept": fates["kept"]}
            await asyncio.sleep(WAIT_STEP_S)


def _named(chunk: ChunkId) -> dict[str, Any]:
    return {"batchId": chunk.batch_id, "chunk": chunk.chunk, "attempt": chunk.attempt}
