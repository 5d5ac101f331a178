"""A scripted server that answers what a test tells it and remembers what it was asked."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

SAMPLES = Path(__file__).parent / "samples"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    client_port: int

    def json(self) -> Any:
        return json.loads(self.body)


class Remote:
    """Answers in the order of the script; a request beyond it gets 599."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.url = ""
        self.arrived = asyncio.Event()
        self.released = asyncio.Event()
        self._script: deque[Handler] = deque()

    def says(
        self, body: bytes | str = b"", *, status: int = 200, headers: dict[str, str] | None = None
    ) -> "Remote":
        raw = body.encode() if isinstance(body, str) else body

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, body=raw, headers=headers)

        return self.does(answer)

    def drops(self) -> "Remote":
        async def drop(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        return self.does(drop)

    def dribbles(self) -> "Remote":
        """Sends a byte now and then and never ends."""

        async def dribble(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.02)

        return self.does(dribble)

    def hangs(self) -> "Remote":
        """Answers only when released."""

        async def hang(_: web.Request) -> web.StreamResponse:
            self.arrived.set()
            await self.released.wait()
            return web.Response(text="{}")

        return self.does(hang)

    def does(self, handler: Handler) -> "Remote":
        self._script.append(handler)
        return self

    async def answer(self, request: web.Request) -> web.StreamResponse:
        peer = request.transport.get_extra_info("peername") if request.transport else ("", 0)
        self.seen.append(
            Seen(
                request.method,
                request.path,
                dict(request.query),
                dict(request.headers),
                await request.read(),
                peer[1],
            )
        )
        handler = self._script.popleft() if self._script else _beyond
        return await handler(request)


async def _beyond(_: web.Request) -> web.StreamResponse:
    return web.Response(status=599, text="the script has ended")
