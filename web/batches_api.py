"""The batch routes: from what was asked to the registry of batches, and its answers.

NOTE: the names of keyed functions scope the stored `Idempotency-Key`.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from app.certificates.chunk_cancel import Cancel
from app.certificates.chunk_store import ChunkId
from app.certificates.chunks import OUTCOMES, Answer, Asker, Refused
from app.domain.decision import Reply
from web.access import Client
from web.batches_models import CancelChunk
from web.batches_reading import MEDIA, Sent, read_upload
from web.batches_wiring import BatchService
from web.idempotency import Hashes
from web.intake import parsed
from web.problems import Problem, invalid

DEADLINE_S = 30.0
WAIT_MOST_S = 25.0
LIMIT, LIMIT_MOST = 100, 1_000
_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,4})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAsked:
    """One request whose sender may ask it; the body is still bytes."""

    client: Client
    instance: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    media: str
    prefer: str
    content: bytes
    key: str
    hashes: Hashes
    service: BatchService | None

    @property
    def registry(self) -> BatchService:
        if self.service is None:
            raise Problem("StorageUnavailable", detail="this worker has no registry of batches")
        return self.service

    def asker(self, operation: str, content: bytes) -> Asker:
        key_hash = self.hashes.of_key(self.client.id, operation, self.key)
        return Asker(self.client.id, key_hash, self.hashes.of_content(content))


# A function that has read and checked its request gives the work that is left.
Work = Callable[[], Awaitable[Reply | web.Response]]
BatchHandler = Callable[[BatchAsked], Awaitable[Work]]


async def upload_batch(asked: BatchAsked) -> Work:
    if asked.media not in MEDIA:
        raise Problem("MediaTypeUnknown")
    wait = _WAIT.search(asked.prefer)
    wait_s = min(WAIT_MOST_S, float(wait[1])) if wait else 0.0

    def read() -> Sent:
        return read_upload(asked.media, asked.content, asked.query, wait_s=wait_s)

    sent = await asyncio.to_thread(read)
    asker = asked.asker("upload_batch", sent.content)

    async def work() -> Reply:
        return _reply(await asked.registry.batches.upload(sent.upload, asker), asked)

    return work


async def cancel_chunk(asked: BatchAsked) -> Work:
    body = parsed(CancelChunk, asked.content)
    assert isinstance(body, CancelChunk)
    chunk = ChunkId(asked.path["batchId"], whole(asked.path, "chunk"), body.attempt)
    said = f"{chunk.batch_id}\0{chunk.chunk}\0{body.model_dump_json()}"
    asker = asked.asker("cancel_chunk", said.encode())

    async def work() -> Reply:
        cancel = Cancel(chunk, body.reason)
        return _reply(await asked.registry.cancel.cancel(cancel, asker), asked)

    return work


async def read_batch(asked: BatchAsked) -> Work:
    async def work() -> Reply:
        found = await asked.registry.views.progress(asked.path["batchId"])
        return _reply(_found(found), asked)

    return work


async def read_batch_rows(asked: BatchAsked) -> Work:
    outcome = asked.query.get("outcome")
    if outcome not in (None, *OUTCOMES):
        raise invalid("/query/outcome", f"one of {', '.join(OUTCOMES)}")
    after = whole(asked.query, "after") if "after" in asked.query else -1
    limit = whole(asked.query, "limit") if "limit" in asked.query else LIMIT
    if not 0 < limit <= LIMIT_MOST:
        raise invalid("/query/limit", f"1 … {LIMIT_MOST}")

    async def work() -> Reply:
        found = await asked.registry.views.rows(
            asked.path["batchId"], outcome=outcome, after=after, limit=limit
        )
        return _reply(_found(found), asked)

    return work


def _found(fields: dict[str, object] | None) -> Answer | Refused:
    return Refused("BatchUnknown") if fields is None else Answer(200, fields)


def whole(given: Mapping[str, str], name: str) -> int:
    text = given[name]
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise invalid(f"/{name}", "a whole number is expected")
    return int(text)


def _reply(answer: Answer | Refused, asked: BatchAsked) -> Reply:
    if isinstance(answer, Answer):
        return Reply(answer.status, None, asked.instance, answer.fields, answer.replayed)
    if answer.code == "RequestInvalid" and answer.detail:
        raise invalid("", answer.detail)
    retry = {"Retry-After": "1"} if answer.code == "RequestInFlight" else {}
    raise Problem(answer.code, headers=retry)
