"""The way out: what leaves, what may not leave, and how every failure is told apart."""

import asyncio
import hashlib
from collections.abc import Iterator

import httpx
import pytest

from app.integrations.answers import read_json
from app.integrations.errors import (
    AnswerLate,
    AnswerUnreadable,
    BreakerOpen,
    ConnectionBroken,
    NotSent,
    Outcome,
    OutcomeUnknown,
    RateLimited,
    RetryClass,
    SendWindowPassed,
    ServerFailed,
    TurnFarAway,
    Unauthorized,
    Unreachable,
    Upstream,
    UpstreamError,
)
from app.integrations.http import UpstreamClient
from app.integrations.redaction import Secret
from app.integrations.requests import Access, Operation, Outgoing, by_station
from app.integrations.translation import HEADERS_START
from tests.clients.conftest import QUICK, Claims, Clock, Connect, Turns, Watcher
from tests.clients.remote import Remote

READ = Operation(Upstream.SUZ, "look", RetryClass.SAFE, "GET", "/look")
WRITE = Operation(Upstream.SUZ, "make", RetryClass.RECONCILE, "POST", "/make")
STATION = by_station("participant", "oms", client_token=Secret("client-token-1"))
BODY = b'{"the":"frozen  bytes"}'
NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


def anything(body: bytes) -> object:
    return read_json(body, dict[str, object])


def look(access: Access = STATION) -> Outgoing:
    return Outgoing(READ, access)


def make(claim: Claims) -> Outgoing:
    return Outgoing(WRITE, STATION, body=BODY, claim=claim)


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


async def test_the_bytes_arrive_as_frozen_after_their_claim(
    remote: Remote, connect: Connect, claim: Claims
) -> None:
    remote.says("{}", headers={"X-RequestId": "r-1"})
    answer = await connect(Upstream.SUZ).call(make(claim), anything)
    assert remote.seen[0].body == BODY
    assert claim.digests == [hashlib.sha256(BODY).hexdigest()]
    assert (answer.http_status, answer.request_id, answer.body) == (200, "r-1", b"{}")
    assert answer.remote_date_ms is not None


async def test_a_refused_claim_sends_nothing(
    remote: Remote, connect: Connect, claim: Claims
) -> None:
    claim.refusal = LookupError("lease lost")
    with pytest.raises(LookupError, match="lease lost"):
        await connect(Upstream.SUZ).call(make(claim), anything)
    assert remote.seen == []


async def test_an_effect_without_a_claim_is_our_mistake(connect: Connect) -> None:
    with pytest.raises(AssertionError):
        await connect(Upstream.SUZ).call(Outgoing(WRITE, STATION, body=BODY), anything)


async def test_a_worker_that_slept_through_its_window_writes_no_header(
    *, remote: Remote, connect: Connect, claim: Claims, clock: Clock
) -> None:
    def sleep() -> None:
        clock.at += QUICK.send_window_s + 0.001

    claim.during = sleep
    with pytest.raises(SendWindowPassed) as caught:
        await connect(Upstream.SUZ).call(make(claim), anything)
    assert caught.value.outcome is Outcome.NOT_SENT
    assert remote.seen == []


async def test_a_worker_within_its_window_sends(
    *, remote: Remote, connect: Connect, claim: Claims, clock: Clock
) -> None:
    def sleep() -> None:
        clock.at += QUICK.send_window_s - 0.001

    claim.during = sleep
    remote.says("{}")
    await connect(Upstream.SUZ).call(make(claim), anything)
    assert len(remote.seen) == 1


async def test_effects_use_a_fresh_connection_and_reads_keep_theirs(
    remote: Remote, connect: Connect, claim: Claims
) -> None:
    suz = connect(Upstream.SUZ)
    for _ in range(6):
        remote.says("{}")
    for outgoing in (look(), look(), make(claim), make(claim), make(claim), look()):
        await suz.call(outgoing, anything)
    reads, writes = (
        [seen.client_port for seen in remote.seen if seen.method == method]
        for method in ("GET", "POST")
    )
    assert len(set(reads)) == 1
    assert len({*writes, *reads}) == 4


async def test_a_dribbling_answer_ends_at_the_deadline(
    *, remote: Remote, turns: Turns, watcher: Watcher, claim: Claims
) -> None:
    remote.dribbles()
    client = UpstreamClient(
        Upstream.SUZ,
        remote.url,
        limiter=turns,
        observer=watcher,
        times=type(QUICK)(read_s=0.2),
    )
    with pytest.raises(AnswerLate):
        await asyncio.wait_for(client.call(make(claim), anything), 5)
    await client.aclose()


async def test_nobody_listening_means_not_sent(turns: Turns, watcher: Watcher) -> None:
    client = UpstreamClient(Upstream.SUZ, "http://127.0.0.1:1", limiter=turns, observer=watcher)
    with pytest.raises(Unreachable):
        await client.call(look(), anything)
    await client.aclose()


async def test_a_dropped_answer_is_unknown(remote: Remote, connect: Connect, claim: Claims) -> None:
    remote.drops()
    with pytest.raises(ConnectionBroken) as caught:
        await connect(Upstream.SUZ).call(make(claim), anything)
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>busy</html>", b'{"a":', b"[]", b'"text"', b"\xff\xfe", b"[" * 100_000],
    ids=["empty", "html", "truncated", "list", "text", "binary", "deep"],
)
async def test_an_unreadable_2xx_is_unknown_for_an_effect_and_unavailable_for_a_read(
    *, remote: Remote, connect: Connect, claim: Claims, body: bytes
) -> None:
    remote.says(body).says(body)
    with pytest.raises(AnswerUnreadable) as caught:
        await connect(Upstream.SUZ).call(make(claim), anything)
    assert caught.value.outcome is Outcome.UNKNOWN
    with pytest.raises(AnswerUnreadable) as caught:
        await connect(Upstream.SUZ).call(look(), anything)
    assert caught.value.outcome is Outcome.UNAVAILABLE


async def test_an_answer_without_end_is_cut_off(remote: Remote, connect: Connect) -> None:
    remote.says(b" " * 2_000)
    small = Operation(Upstream.SUZ, "look", RetryClass.SAFE, "GET", "/look", largest_answer=1_000)
    with pytest.raises(AnswerUnreadable, match="longer than 1000"):
        await connect(Upstream.SUZ).call(Outgoing(small, STATION), anything)


async def test_a_redirect_is_not_followed(remote: Remote, connect: Connect, claim: Claims) -> None:
    remote.says(status=307, headers={"Location": "/elsewhere"})
    with pytest.raises(ServerFailed):
        await connect(Upstream.SUZ).call(make(claim), anything)
    assert len(remote.seen) == 1


@pytest.mark.parametrize(
    ("header", "expected_s"),
    [({"Retry-After": "3"}, 3), ({}, 60), ({"Retry-After": "soon"}, 60)],
)
async def test_a_limit_holds_for_every_call_of_the_participant(
    *,
    remote: Remote,
    connect: Connect,
    turns: Turns,
    header: dict[str, str],
    expected_s: float,
) -> None:
    remote.says(status=429, headers=header)
    with pytest.raises(RateLimited) as caught:
        await connect(Upstream.SUZ).call(look(), anything)
    assert caught.value.retry_after_s == expected_s
    assert turns.blocked == [(Upstream.SUZ, "participant", expected_s)]


async def test_a_turn_far_away_sends_nothing(
    *, remote: Remote, connect: Connect, turns: Turns, claim: Claims
) -> None:
    turns.wait_s = 1.5
    with pytest.raises(TurnFarAway) as caught:
        await connect(Upstream.SUZ).call(make(claim), anything)
    assert caught.value.retry_after_s == 1.5
    assert (remote.seen, claim.digests) == ([], [])


async def test_a_server_error_of_suz_asks_for_thirty_seconds(
    remote: Remote, connect: Connect
) -> None:
    remote.says(status=500)
    with pytest.raises(ServerFailed) as caught:
        await connect(Upstream.SUZ).call(look(), anything)
    assert caught.value.retry_after_s == 30


async def test_five_failures_open_the_breaker_and_one_probe_closes_it(
    *, remote: Remote, connect: Connect, clock: Clock
) -> None:
    suz = connect(Upstream.SUZ)
    for _ in range(5):
        remote.says(status=503)
        with pytest.raises(ServerFailed):
            await suz.call(look(), anything)
    with pytest.raises(BreakerOpen) as caught:
        await suz.call(look(), anything)
    assert (caught.value.outcome, caught.value.retry_after_s) == (Outcome.OPEN, 30)
    assert len(remote.seen) == 5

    clock.at += 30
    remote.says("{}")
    probe, barred = await asyncio.gather(
        suz.call(look(), anything), suz.call(look(), anything), return_exceptions=True
    )
    assert not isinstance(probe, BaseException)
    assert isinstance(barred, BreakerOpen)
    remote.says("{}")
    await suz.call(look(), anything)


async def test_a_failed_probe_opens_the_breaker_again(
    *, remote: Remote, connect: Connect, clock: Clock
) -> None:
    suz = connect(Upstream.SUZ)
    for _ in range(6):
        remote.drops()
    for _ in range(5):
        with pytest.raises(ConnectionBroken):
            await suz.call(look(), anything)
    clock.at += 30
    with pytest.raises(ConnectionBroken):
        await suz.call(look(), anything)
    with pytest.raises(BreakerOpen):
        await suz.call(look(), anything)


async def test_refusals_do_not_open_the_breaker(remote: Remote, connect: Connect) -> None:
    suz = connect(Upstream.SUZ)
    for status in (400, 401, 403, 404, 409, 413, 429) * 2:
        remote.says(status=status)
        with pytest.raises(UpstreamError):
            await suz.call(look(), anything)
    remote.says("{}")
    await suz.call(look(), anything)


async def test_a_refused_claim_of_the_probe_lets_the_next_call_probe(
    *, remote: Remote, connect: Connect, claim: Claims, clock: Clock
) -> None:
    suz = connect(Upstream.SUZ)
    for _ in range(5):
        remote.says(status=502)
        with pytest.raises(ServerFailed):
            await suz.call(look(), anything)
    clock.at += 30
    claim.refusal = LookupError("lease lost")
    with pytest.raises(LookupError):
        await suz.call(make(claim), anything)
    remote.says("{}")
    await suz.call(look(), anything)


async def test_a_cancelled_call_counts_as_unknown(
    *, remote: Remote, connect: Connect, watcher: Watcher, claim: Claims
) -> None:
    remote.hangs()
    call = asyncio.create_task(connect(Upstream.SUZ).call(make(claim), anything))
    await remote.arrived.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert watcher.calls == [(Upstream.SUZ, "make", Outcome.UNKNOWN)]


@pytest.mark.parametrize("token", ["", "two words", "line\r\nX-Evil: 1", "кириллица"])
def test_a_token_that_would_break_its_header_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ValueError, match="clientToken: must be") as caught:
        by_station("participant", "oms", client_token=Secret(token))
    assert not token or token not in str(caught.value)


async def test_unauthorized_is_not_sent(remote: Remote, connect: Connect, claim: Claims) -> None:
    remote.says(status=401)
    with pytest.raises(Unauthorized) as caught:
        await connect(Upstream.SUZ).call(make(claim), anything)
    assert isinstance(caught.value, NotSent)
