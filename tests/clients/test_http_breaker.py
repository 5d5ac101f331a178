"""A failing upstream is left alone for a while, then probed once."""

import asyncio

import pytest

from app.integrations.errors import (
    BreakerOpen,
    ConnectionBroken,
    Outcome,
    ServerFailed,
    Upstream,
    UpstreamError,
)
from tests.clients.conftest import Claims, Clock, Connect
from tests.clients.plain_calls import anything, look, make
from tests.clients.remote import Remote


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
