"""Errors of httpx, of status codes and of reading an answer, made ours in one place."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx
from msgspec import Struct

from app.integrations.answers import Unreadable, http_date_ms, retry_after_s
from app.integrations.errors import (
    AnswerLate,
    AnswerUnreadable,
    ConnectionBroken,
    Failure,
    RateLimited,
    SendWindowPassed,
    ServerFailed,
    Unreachable,
    Upstream,
    UpstreamError,
)
from app.integrations.redaction import Veiled, redacted
from app.integrations.refusals import Told, error_of, told
from app.integrations.requests import Outgoing

HEADERS_START: Final = "http11.send_request_headers.started"
BLOCK_S: Final = 60.0
SUZ_500_WAIT_S: Final = 30.0

_NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
_FOREIGN = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.CookieConflict,
    httpx.StreamError,
    TimeoutError,
    OSError,
)


class Wire:
    """Watches one request: whether its headers have started, and whether they still may."""

    def __init__(self, now: Callable[[], float], latest_start: float | None = None) -> None:
        self._now = now
        self._latest_start = latest_start
        self.started = False
        self.late = False

    async def trace(self, event: str, _info: dict[str, Any]) -> None:
        """The trace hook of httpx: raising here means that no header is written."""
        if event != HEADERS_START:
            return
        if self._latest_start is not None and self._now() > self._latest_start:
            self.late = True
            raise TimeoutError
        self.started = True


class Raw(Veiled, Struct, frozen=True):
    """An answer as it came, whole."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def request_id(self) -> str | None:
        given = self.headers.get("X-RequestId")
        return redacted(given) if given else None

    @property
    def date_ms(self) -> int | None:
        return http_date_ms(self.headers.get("Date"))


@contextmanager
def translated(outgoing: Outgoing, wire: Wire, raw: Raw | None = None) -> Iterator[None]:
    try:
        yield
    except Unreadable as problem:
        raise AnswerUnreadable(failure(outgoing, Told(str(problem)), raw=raw)) from None
    except _FOREIGN as error:
        # `from None`: the foreign error carries the request with its token and address.
        raise _meaning(error, wire)(failure(outgoing, Told(type(error).__name__))) from None


def _meaning(error: Exception, wire: Wire) -> type[UpstreamError]:
    if wire.late:
        return SendWindowPassed
    if isinstance(error, _NEVER_LEFT) and not wire.started:
        return Unreachable
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return AnswerLate
    return AnswerUnreadable if isinstance(error, httpx.DecodingError) else ConnectionBroken


def refusal(outgoing: Outgoing, raw: Raw) -> UpstreamError:
    """The error of an answer outside 2xx."""
    upstream = outgoing.operation.upstream
    said = told(raw.body, secrets=outgoing.access.secrets())
    kind = error_of(upstream, raw.status, said)
    wait_s = retry_after_s(raw.headers.get("Retry-After"), raw.date_ms)
    if wait_s is None and kind is RateLimited:
        wait_s = BLOCK_S
    if upstream is Upstream.SUZ and kind is ServerFailed and raw.status == 500:
        wait_s = max(wait_s or 0, SUZ_500_WAIT_S)
    return kind(failure(outgoing, said, raw=raw, retry_after_s=wait_s))


def failure(
    outgoing: Outgoing, said: Told, *, raw: Raw | None = None, retry_after_s: float | None = None
) -> Failure:
    return Failure(
        outgoing.operation.upstream,
        outgoing.operation.name,
        outgoing.operation.retry_class,
        said.text or "no text",
        http_status=raw.status if raw else None,
        request_id=raw.request_id if raw else None,
        remote_date_ms=raw.date_ms if raw else None,
        retry_after_s=retry_after_s,
        fields=said.fields,
        codes=said.codes,
    )
