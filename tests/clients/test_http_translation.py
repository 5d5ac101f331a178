"""Every foreign exception becomes one of ours."""

from collections.abc import Iterator

import httpx
import pytest

from app.integrations.errors import (
    NotSent,
    OutcomeUnknown,
    Upstream,
    UpstreamError,
)
from app.integrations.http import UpstreamClient
from app.integrations.translation import HEADERS_START
from tests.clients.conftest import Claims, Turns, Watcher
from tests.clients.plain_calls import anything, make

NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


def exceptions_of(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for child in kind.__subclasses__():
        yield from exceptions_of(child)


def made(kind: type[Exception]) -> Exception:
    request = httpx.Request("GET", "http://remote/?apikey=never-shown")
    if kind is httpx.HTTPStatusError:
        return httpx.HTTPStatusError("x", request=request, response=httpx.Response(500))
    try:
        return kind("never-shown")
    except TypeError:
        return kind()


EVERY_EXCEPTION = sorted(
    {
        found
        for root in (
            httpx.HTTPError,
            httpx.InvalidURL,
            httpx.CookieConflict,
            httpx.StreamError,
            TimeoutError,
            ConnectionError,
        )
        for found in exceptions_of(root)
        if found.__module__.split(".")[0] in {"httpx", "builtins"}
    },
    key=lambda kind: kind.__name__,
)


class Breaking(httpx.AsyncBaseTransport):
    """Raises before or after it told that the headers start."""

    def __init__(self, error: Exception, *, headers_start: bool) -> None:
        self._error = error
        self._headers_start = headers_start

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._headers_start:
            await request.extensions["trace"](HEADERS_START, {})
        raise self._error


@pytest.mark.parametrize("headers_start", [False, True])
@pytest.mark.parametrize("kind", EVERY_EXCEPTION)
async def test_every_foreign_exception_becomes_ours(
    *, kind: type[Exception], headers_start: bool, turns: Turns, watcher: Watcher, claim: Claims
) -> None:
    transport = Breaking(made(kind), headers_start=headers_start)
    client = UpstreamClient(
        Upstream.SUZ, "http://remote", limiter=turns, observer=watcher, transport=transport
    )
    with pytest.raises(UpstreamError) as caught:
        await client.call(make(claim), anything)
    never_left = issubclass(kind, NEVER_LEFT) and not headers_start
    assert isinstance(caught.value, NotSent if never_left else OutcomeUnknown)
    assert "never-shown" not in f"{caught.value!r}{caught.value.failure}"
    assert caught.value.__suppress_context__


def test_the_list_of_foreign_exceptions_is_the_whole_of_httpx() -> None:
    public = {name for name in httpx.__all__ if _is_exception(getattr(httpx, name))}
    assert public <= {kind.__name__ for kind in EVERY_EXCEPTION}


def _is_exception(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, Exception)
