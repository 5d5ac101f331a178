"""A scripted remote side, clients that call it, and collaborators that remember."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from app.integrations.breaker import BreakerState
from app.integrations.errors import Outcome, Upstream
from app.integrations.http import Times, UpstreamClient
from tests.clients.remote import Remote

QUICK = Times(connect_s=2, read_s=2, suz_write_s=2, suz_list_s=2, send_window_s=1)

Connect = Callable[[Upstream], UpstreamClient]


class Turns:
    """A limiter that always gives the turn it was told to, and remembers blocks."""

    def __init__(self) -> None:
        self.wait_s = 0.0
        self.taken: list[tuple[Upstream, str]] = []
        self.blocked: list[tuple[Upstream, str, float]] = []

    async def turn_s(self, upstream: Upstream, participant_id: str) -> float:
        self.taken.append((upstream, participant_id))
        return self.wait_s

    async def block(self, upstream: Upstream, participant_id: str, *, for_s: float) -> None:
        self.blocked.append((upstream, participant_id, for_s))


class Watcher:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.calls: list[tuple[Upstream, str, Outcome]] = []
        self.unknown: list[tuple[Upstream, str]] = []

    def called(
        self, upstream: Upstream, operation: str, *, outcome: Outcome, seconds: float
    ) -> None:
        assert seconds >= 0
        self.calls.append((upstream, operation, outcome))

    def waited(self, upstream: Upstream, seconds: float) -> None:
        pass

    def unknown_word(self, upstream: Upstream, word_list: str) -> None:
        self.unknown.append((upstream, word_list))

    def breaker(self, upstream: Upstream, state: BreakerState) -> None:
        pass


class Clock:
    """A monotonic clock moved by hand."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


class Claims:
    """Remembers the digests it committed; may refuse or take time."""

    def __init__(self) -> None:
        self.digests: list[str] = []
        self.refusal: Exception | None = None
        self.during: Callable[[], None] = lambda: None

    async def __call__(self, digest: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.digests.append(digest)
        self.during()


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def claim() -> Claims:
    return Claims()


@pytest.fixture
async def remote() -> AsyncIterator[Remote]:
    scripted = Remote()
    application = web.Application(client_max_size=64 << 20)
    application.router.add_route("*", "/{path:.*}", scripted.answer)
    runner = web.AppRunner(application, shutdown_timeout=0, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    scripted.url = f"http://{host}:{port}"
    yield scripted
    scripted.released.set()
    await runner.cleanup()


@pytest.fixture
async def connect(
    *, remote: Remote, turns: Turns, watcher: Watcher, clock: Clock
) -> AsyncIterator[Connect]:
    async with AsyncExitStack() as opened:

        def client(upstream: Upstream) -> UpstreamClient:
            made = UpstreamClient(
                upstream, remote.url, limiter=turns, observer=watcher, times=QUICK, now=clock
            )
            opened.push_async_callback(made.aclose)
            return made

        yield client
