"""How far a batch has come, and its rows page by page."""

from typing import Any

from app.certificates.chunk_store import ChunkStore
from app.certificates.chunks import all_outcomes, shown
from app.certificates.database import Database


class BatchViews:
    def __init__(self, database: Database) -> None:
        self._store = ChunkStore(database)

    async def progress(self, batch_id: str) -> dict[str, Any] | None:
        """None: the batch is unknown."""
        batch = await self._store.batch(batch_id)
        if batch is None:
            return None
        counts = all_outcomes(await self._store.batch_counts(batch_id))
        known = sum(counts.values())
        total = max(batch["rows_total"] or 0, known)
        done = known - counts["queued"]
        chunks = await self._store.batch_chunks(batch_id)
        return {
            "batchId": batch_id,
            "source": batch["source"],
            "rows": total,
            **counts,
            "percent": 100 * done // total if total else 0,
            "chunks": chunks,
        }

    async def rows(
        self, batch_id: str, *, outcome: str | None, after: int, limit: int
    ) -> dict[str, Any] | None:
        """`next`: what `after` of the next page is, absent at the end."""
        if await self._store.batch(batch_id) is None:
            return None
        found = await self._store.batch_rows(
            batch_id, outcome=outcome, after=after, limit=limit + 1
        )
        page = [shown(row) for row in found[:limit]]
        more = {"next": page[-1]["row"]} if len(found) > limit else {}
        return {"batchId": batch_id, "rows": page, **more}
