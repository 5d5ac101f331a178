"""Turns of one participant at one upstream."""

import pytest

from app.integrations.errors import Upstream
from app.integrations.limits import LONGEST_WAIT_S, LocalLimiter, Pace, wait_for_turn
from tests.clients.conftest import Clock

NK, SUZ = Upstream.NK, Upstream.SUZ


@pytest.fixture
def limiter(clock: Clock) -> LocalLimiter:
    return LocalLimiter({SUZ: Pace(8), NK: Pace(20, per_window=90)}, clock)


async def test_turns_are_evenly_spaced(limiter: LocalLimiter) -> None:
    assert [await limiter.turn_s(SUZ, "a") for _ in range(4)] == [0, 0.125, 0.25, 0.375]


async def test_participants_and_upstreams_do_not_share(limiter: LocalLimiter) -> None:
    for participant, upstream in (("a", SUZ), ("b", SUZ), ("a", NK)):
        assert await limiter.turn_s(upstream, participant) == 0


async def test_a_turn_too_far_away_is_not_taken(limiter: LocalLimiter, clock: Clock) -> None:
    for _ in range(9):
        await limiter.turn_s(SUZ, "a")
    far_s = [await limiter.turn_s(SUZ, "a") for _ in range(2)]
    assert far_s == [1.125, 1.125]
    assert await wait_for_turn(limiter, SUZ, "a") > LONGEST_WAIT_S
    clock.at += 1.125
    assert await limiter.turn_s(SUZ, "a") == 0


async def test_a_block_holds_and_a_shorter_one_does_not_lift_it(
    limiter: LocalLimiter, clock: Clock
) -> None:
    await limiter.block(SUZ, "a", for_s=30)
    await limiter.block(SUZ, "a", for_s=3)
    assert await limiter.turn_s(SUZ, "a") == 30
    clock.at += 30
    assert await limiter.turn_s(SUZ, "a") == 0


async def test_the_catalogue_is_counted_in_five_minutes_too(
    limiter: LocalLimiter, clock: Clock
) -> None:
    for _ in range(90):
        assert await limiter.turn_s(NK, "a") == 0
        clock.at += 1
    assert await limiter.turn_s(NK, "a") == 210
    clock.at += 210
    assert await limiter.turn_s(NK, "a") == 0
    assert await limiter.turn_s(NK, "a") == 1
