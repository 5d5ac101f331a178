"""The ladder of checks for the batch routes: larger bodies, more formats, a longer deadline."""

import asyncio

from aiohttp import StreamReader, web
from aiokafka.errors import KafkaError

from app.certificates.database import StorageUnavailable
from app.domain.decision import Reply
from tables.journal import AppendRefused, AppendUnknown
from web.access import Client
from web.batches_api import DEADLINE_S, BatchAsked, BatchHandler, Work
from web.batches_wiring import BatchService
from web.idempotency import parsed_key
from web.intake import person_of
from web.problems import Problem, invalid
from web.routing import Route
from web.serving import Guarded, Surroundings

UPLOAD_MAX = 4 << 20
BODY_S = 20.0
NOT_SENT = (KafkaError, AppendUnknown, AppendRefused)


class BatchEndpoint(Guarded):
    """`service` None: this process has no registry of batches."""

    def __init__(
        self, route: Route[BatchHandler], shared: Surroundings, service: BatchService | None
    ) -> None:
        super().__init__(route, shared)
        self._handler = route.handler
        self._keyed = route.verb.keyed
        self._service = service

    async def _answer(self, request: web.Request, instance: str) -> web.Response:
        client = self._permitted(request)
        content = await _content(request)
        asked = self._asked(request, client, content, instance=instance)
        work = await self._handler(asked)
        self._shared.velocity.take(client)
        done = await _done(work)
        return done if isinstance(done, web.Response) else self._shared.renderer.reply(done)

    def _asked(
        self, request: web.Request, client: Client, content: bytes, /, *, instance: str
    ) -> BatchAsked:
        person_of(request, client)
        header = request.headers.get("Idempotency-Key")
        key = parsed_key(header) if self._keyed else ""
        return BatchAsked(
            client=client,
            instance=instance,
            path=request.match_info,
            query=request.query,
            media=request.content_type,
            prefer=request.headers.get("Prefer", ""),
            content=content,
            key=key,
            hashes=self._shared.hashes,
            service=self._service,
        )


async def _content(request: web.Request) -> bytes:
    """The whole body, within this route's own limit."""
    if (request.charset or "utf-8").lower() != "utf-8":
        raise Problem("MediaTypeUnknown")
    try:
        async with asyncio.timeout(BODY_S):
            return await _whole(request.content)
    except TimeoutError:
        raise invalid("", "the body did not arrive in time") from None


async def _whole(stream: StreamReader) -> bytes:
    taken = bytearray()
    async for part in stream.iter_any():
        taken += part
        if len(taken) > UPLOAD_MAX:
            raise Problem("BodyTooLarge")
    return bytes(taken)


async def _done(work: Work) -> Reply | web.Response:
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await work()
    except StorageUnavailable as error:
        raise Problem("StorageUnavailable", detail=str(error)) from None
    except (*NOT_SENT, TimeoutError) as error:
        raise Problem("OutcomeUnknown", detail=type(error).__name__) from None
