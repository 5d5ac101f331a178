"""The rate of calls of one participant to one upstream, as a protocol."""

import asyncio
from typing import Final, Protocol

from app.integrations.errors import Upstream

LONGEST_WAIT_S: Final = 1.0


class Limiter(Protocol):
    """Shared by all workers; the one in PostgreSQL is the marking flow's."""

    async def turn_s(self, upstream: Upstream, participant_id: str) -> float:
        """Take the next turn: seconds until it, or more than LONGEST_WAIT_S and no turn taken."""
        ...

    async def block(self, upstream: Upstream, participant_id: str, *, for_s: float) -> None:
        """A 429 holds for every call of the participant."""
        ...


async def wait_for_turn(limiter: Limiter, upstream: Upstream, participant_id: str) -> float:
    """Sleep to the turn and return 0, or return the seconds of a turn too far away to wait."""
    wait_s = await limiter.turn_s(upstream, participant_id)
    if wait_s > LONGEST_WAIT_S:
        return wait_s
    await asyncio.sleep(wait_s)
    return 0
