"""The way out: what leaves, what may not leave, and how every failure is told apart."""

import asyncio
import hashlib

import pytest

from app.integrations.errors import (
    AnswerLate,
    AnswerUnreadable,
    ConnectionBroken,
    NotSent,
    Outcome,
    RateLimited,
    RetryClass,
    SendWindowPassed,
    ServerFailed,
    TurnFarAway,
    Unauthorized,
    Unreachable,
    Upstream,
)
from app.integrations.http import UpstreamClient
from app.integrations.redaction import Secret
from app.integrations.requests import Operation, Outgoing, by_station
from tests.clients.conftest import QUICK, Claims, Clock, Connect, Turns, Watcher
from tests.clients.plain_calls import BODY, STATION, WRITE, anything, look, make
from tests.clients.remote import Remote


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
