"""The one way out to Chestny ZNAK: breaker, turn, claim, send window, deadline."""

import asyncio
import functools
import logging
import ssl
import time
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import quote

import httpx
from msgspec import Struct

from app.integrations.answers import Answer, Unreadable, unknown_words
from app.integrations.breaker import Breaker, BreakerState
from app.integrations.errors import (
    BreakerOpen,
    Outcome,
    RateLimited,
    RetryClass,
    TurnFarAway,
    Upstream,
    UpstreamError,
)
from app.integrations.limits import Limiter, wait_for_turn
from app.integrations.observing import Observer
from app.integrations.refusals import Told
from app.integrations.requests import Outgoing
from app.integrations.translation import BLOCK_S, Raw, Wire, failure, refusal, translated

T = TypeVar("T")

MOST_CONNECTIONS: Final = 128
KEPT_CONNECTIONS: Final = 32
USER_AGENT: Final = "giftmark"


class Times(Struct, frozen=True, kw_only=True):
    """Seconds; the settings divide all of them by their time scale."""

    connect_s: float = 5
    read_s: float = 30
    suz_write_s: float = 120
    suz_list_s: float = 150
    send_window_s: float = 5
    breaker_open_s: float = 30


UNSCALED: Final = Times()


class UpstreamClient:
    """Calls one upstream; opened once per process, closed at its end."""

    def __init__(
        self,
        upstream: Upstream,
        base_url: str,
        *,
        limiter: Limiter,
        observer: Observer,
        times: Times = UNSCALED,
        transport: httpx.AsyncBaseTransport | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.upstream = upstream
        self._limiter = limiter
        self._observer = observer
        self._times = times
        self._now = now
        self._breaker = Breaker(now, open_s=times.breaker_open_s)
        _silence_wire_loggers()
        self._pooled = _session(base_url, KEPT_CONNECTIONS, transport=transport)
        self._fresh = _session(base_url, 0, transport=transport)

    @property
    def breaker_state(self) -> BreakerState:
        return self._breaker.state

    async def aclose(self) -> None:
        await self._pooled.aclose()
        await self._fresh.aclose()

    async def call(self, outgoing: Outgoing, read: Callable[[bytes], T]) -> Answer[T]:
        """The answer; raises a child of UpstreamError, or what the claim raises."""
        safe = outgoing.operation.retry_class is RetryClass.SAFE
        assert outgoing.operation.upstream is self.upstream
        assert safe or outgoing.claim, "an effect outside needs its intent first"
        began, outcome = self._now(), Outcome.NOT_SENT
        try:
            answer = await self._guarded(outgoing, read)
        except UpstreamError as error:
            outcome = error.outcome
            await self._hold_on_limit(outgoing, error)
            raise
        except asyncio.CancelledError:
            outcome = Outcome.UNKNOWN
            raise
        else:
            outcome = Outcome.OK
            return answer
        finally:
            self._observer.breaker(self.upstream, self._breaker.state)
            spent_s = self._now() - began
            name = outgoing.operation.name
            self._observer.called(self.upstream, name, outcome=outcome, seconds=spent_s)

    async def _guarded(self, outgoing: Outgoing, read: Callable[[bytes], T]) -> Answer[T]:
        self._refuse_while_open(outgoing)
        await self._take_turn(outgoing)
        self._refuse_while_open(outgoing)
        probe = self._breaker.enter()
        try:
            wire = await self._claimed(outgoing)
            answer = await self._answer(outgoing, read, wire=wire)
        except UpstreamError as error:
            self._judge(error)
            raise
        else:
            self._breaker.succeeded()
            return answer
        finally:
            if probe:
                self._breaker.leave()

    async def _claimed(self, outgoing: Outgoing) -> Wire:
        if outgoing.claim is None:
            return Wire(self._now)
        # Counted from before the claim: a process frozen right after it comes too late as well.
        latest_start = self._now() + self._times.send_window_s
        await outgoing.claim(outgoing.signed_sha256())
        return Wire(self._now, latest_start)

    async def _answer(
        self, outgoing: Outgoing, read: Callable[[bytes], T], *, wire: Wire
    ) -> Answer[T]:
        with translated(outgoing, wire):
            raw = await self._exchange(outgoing, wire)
        if not 200 <= raw.status < 300:
            raise refusal(outgoing, raw)
        with translated(outgoing, wire, raw):
            value = read(raw.body)
        for word_list in unknown_words(value):
            self._observer.unknown_word(self.upstream, word_list)
        return Answer(
            value, raw.body, raw.status, request_id=raw.request_id, remote_date_ms=raw.date_ms
        )

    async def _exchange(self, outgoing: Outgoing, wire: Wire) -> Raw:
        operation = outgoing.operation
        safe = operation.retry_class is RetryClass.SAFE
        session = self._pooled if safe else self._fresh
        deadline_s = getattr(self._times, f"{operation.patience}_s")
        request = session.build_request(
            operation.method,
            operation.path.format(*(quote(part, safe="") for part in outgoing.path_parts)),
            params=outgoing.sent_query(),
            headers=outgoing.sent_headers(),
            content=outgoing.body,
            timeout=httpx.Timeout(
                deadline_s, connect=self._times.connect_s, pool=self._times.connect_s
            ),
            extensions={"trace": wire.trace},
        )
        async with asyncio.timeout(deadline_s):
            response = await session.send(request, stream=True)
            try:
                body = await _whole(response, operation.largest_answer)
            finally:
                await response.aclose()
        return Raw(response.status_code, response.headers, body)

    def _refuse_while_open(self, outgoing: Outgoing) -> None:
        wait_s = self._breaker.wait_s()
        if wait_s is not None:
            said = Told("not called for a while")
            raise BreakerOpen(failure(outgoing, said, retry_after_s=wait_s))

    async def _take_turn(self, outgoing: Outgoing) -> None:
        began = self._now()
        far_s = await wait_for_turn(self._limiter, self.upstream, outgoing.access.participant_id)
        self._observer.waited(self.upstream, self._now() - began)
        if far_s:
            raise TurnFarAway(failure(outgoing, Told("no turn yet"), retry_after_s=far_s))

    async def _hold_on_limit(self, outgoing: Outgoing, error: UpstreamError) -> None:
        if isinstance(error, RateLimited):
            for_s = error.retry_after_s if error.retry_after_s is not None else BLOCK_S
            participant_id = outgoing.access.participant_id
            await self._limiter.block(self.upstream, participant_id, for_s=for_s)

    def _judge(self, error: UpstreamError) -> None:
        if error.counts_for_breaker:
            self._breaker.failed()
        elif error.failure.http_status is not None:
            self._breaker.succeeded()


def _session(
    base_url: str, kept: int, *, transport: httpx.AsyncBaseTransport | None
) -> httpx.AsyncClient:
    """Without kept connections every request opens its own and closes it after the answer."""
    return httpx.AsyncClient(
        base_url=base_url,
        headers={"User-Agent": USER_AGENT},
        limits=httpx.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=kept),
        transport=transport,
        verify=_trusted(),
        follow_redirects=False,
        trust_env=False,
    )


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Read once: loading the authorities takes a good part of a second."""
    return httpx.create_ssl_context(trust_env=False)


async def _whole(response: httpx.Response, largest: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > largest:
            raise Unreadable(f"answer: longer than {largest} bytes")
    return bytes(body)


def _silence_wire_loggers() -> None:
    """Their lines hold addresses with an apikey and headers with tokens."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
