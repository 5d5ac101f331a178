"""Rate limits of the three systems for one participant."""

import math
from collections import Counter, deque
from dataclasses import dataclass, field

from deploy.sandbox.clock import Clock
from deploy.sandbox.switches import Limits

NK_SERIES_S = 300


@dataclass
class Rates:
    """Sliding seconds for True API and SUZ, five-minute series for NK."""

    recent: dict[str, deque[int]] = field(default_factory=dict)
    series_from_ms: int | None = None
    series: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)

    def wait_ms(self, upstream: str, clock: Clock, limits: Limits) -> int:
        """0 when the call fits, else how long to wait; fitting calls are counted."""
        now, second = clock.pace_ms(), max(clock.span_ms(1), 1)
        allowed = limits.suz_rps if upstream == "suz" else limits.true_api_rps
        times = self.recent.setdefault(upstream, deque())
        while times and times[0] <= now - second:
            times.popleft()
        if len(times) >= allowed:
            self.refused[upstream] += 1
            return times[0] + second - now
        times.append(now)
        self.most[upstream] = max(self.most[upstream], len(times))
        return 0

    def nk_wait_ms(self, operation: str, clock: Clock, limits: Limits) -> int:
        now, length = clock.pace_ms(), clock.span_ms(NK_SERIES_S)
        if self.series_from_ms is None or now >= self.series_from_ms + length:
            self.series_from_ms, self.series = now, Counter()
        if self.series[operation] >= limits.nk_method or self.series.total() >= limits.nk_total:
            self.refused["nk"] += 1
            return self.series_from_ms + length - now
        self.series[operation] += 1
        self.most["nk"] = max(self.most["nk"], self.series.total())
        return 0

    def nk_headers(self, operation: str, limits: Limits) -> dict[str, str]:
        return {
            "API-Usage-Limit": f"{self.series.total()}/{limits.nk_total}",
            "API-Method-Usage-Limit": f"{self.series[operation]}/{limits.nk_method}",
        }


def retry_after_s(wait_ms: int) -> str:
    return str(max(1, math.ceil(wait_ms / 1000)))
