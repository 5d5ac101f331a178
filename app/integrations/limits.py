"""The rate of calls of one participant to one upstream, as a protocol and in one process."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from app.integrations.errors import Upstream

LONGEST_WAIT_S: Final = 1.0
MOST_PACES: Final = 10_000


class Limiter(Protocol):
    """Shared by all workers; the one in PostgreSQL is the marking flow's."""

    async def turn_s(self, upstream: Upstream, participant_id: str) -> float:
        """Take the next turn: seconds until it, or more than LONGEST_WAIT_S and no turn taken."""
        ...

    async def block(self, upstream: Upstream, participant_id: str, *, for_s: float) -> None:
        """A 429 holds for every call of the participant."""
        ...


class Pace(Struct, frozen=True):
    """Calls a second, and calls in any window of five minutes where that is counted too."""

    per_s: float
    per_window: int | None = None
    window_s: float = 300


class _Spent(Struct):
    next_free: float = 0
    blocked_until: float = 0
    window: deque[float] = msgspec.field(default_factory=deque)


class LocalLimiter:
    """Evenly spaced turns inside one process: for tools, tests and a single worker."""

    def __init__(self, paces: dict[Upstream, Pace], now: Callable[[], float]) -> None:
        self._paces = paces
        self._now = now
        self._spent: OrderedDict[tuple[Upstream, str], _Spent] = OrderedDict()

    async def turn_s(self, upstream: Upstream, participant_id: str) -> float:
        pace, spent, now = self._paces[upstream], self._of(upstream, participant_id), self._now()
        start = max(now, spent.next_free, spent.blocked_until, self._window_free(pace, spent))
        if start - now > LONGEST_WAIT_S:
            return start - now
        spent.next_free = start + 1 / pace.per_s
        if pace.per_window is not None:
            spent.window.append(start)
        return start - now

    async def block(self, upstream: Upstream, participant_id: str, *, for_s: float) -> None:
        spent = self._of(upstream, participant_id)
        spent.blocked_until = max(spent.blocked_until, self._now() + for_s)

    def _window_free(self, pace: Pace, spent: _Spent) -> float:
        while spent.window and spent.window[0] <= self._now() - pace.window_s:
            spent.window.popleft()
        full = pace.per_window is not None and len(spent.window) >= pace.per_window
        return spent.window[0] + pace.window_s if full else 0

    def _of(self, upstream: Upstream, participant_id: str) -> _Spent:
        spent = self._spent.setdefault((upstream, participant_id), _Spent())
        self._spent.move_to_end((upstream, participant_id))
        if len(self._spent) > MOST_PACES:
            self._spent.popitem(last=False)
        return spent


async def wait_for_turn(limiter: Limiter, upstream: Upstream, participant_id: str) -> float:
    """Sleep to the turn and return 0, or return the seconds of a turn too far away to wait."""
    wait_s = await limiter.turn_s(upstream, participant_id)
    if wait_s > LONGEST_WAIT_S:
        return wait_s
    await asyncio.sleep(wait_s)
    return 0
