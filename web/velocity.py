"""How fast a client may ask, and how often it may miss; kept in this worker's memory only."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from web.access import Client
from web.problems import Problem

WINDOW_S = 600.0
MISSES_MAX = 20
PAIRS_MAX = 10_000


@dataclass(slots=True)
class _Misses:
    since: float
    count: int = 0
    blocked_until: float = 0.0


class Velocity:
    """`clock`: seconds, monotonic. A pair is (client, terminal)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        self._pairs: OrderedDict[tuple[str, str], _Misses] = OrderedDict()

    def take(self, client: Client) -> None:
        """One request from the client's bucket, which holds one second's worth."""
        now, rate = self._clock(), client.requests_per_s
        tokens, at = self._buckets.get(client.id, (float(rate), now))
        tokens = min(float(rate), tokens + (now - at) * rate)
        if tokens < 1:
            raise Problem("TooManyRequests", headers={"Retry-After": "1"})
        self._buckets[client.id] = (tokens - 1, now)

    def refuse_blocked(self, client: str, terminal: str | None) -> None:
        """429 for a pair that has guessed too often."""
        misses = self._pairs.get((client, terminal or ""))
        left = misses.blocked_until - self._clock() if misses else 0.0
        if left > 0:
            raise Problem("TooManyRequests", headers={"Retry-After": str(int(left) + 1)})

    def missed(self, client: str, terminal: str | None) -> None:
        """Counts an unknown or malformed code; the oldest pair leaves when there are too many."""
        now, pair = self._clock(), (client, terminal or "")
        misses = self._pairs.get(pair)
        if misses is None or now - misses.since >= WINDOW_S:
            misses = self._pairs[pair] = _Misses(now)
        misses.count += 1
        if misses.count >= MISSES_MAX:
            misses.blocked_until = now + WINDOW_S
        self._pairs.move_to_end(pair)
        if len(self._pairs) > PAIRS_MAX:
            self._pairs.popitem(last=False)
