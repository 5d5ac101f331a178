"""The clock of one participant: real or manual, with every duration divided by one scale."""

import time
from dataclasses import dataclass

DAY_S = 86_400


@dataclass
class Clock:
    """Milliseconds UTC; durations are nominal seconds, divided by `scale`."""

    scale: float = 1.0
    offset_ms: int = 0
    frozen_ms: int | None = None
    advanced_ms: int = 0

    def now_ms(self) -> int:
        if self.frozen_ms is not None:
            return self.frozen_ms
        return time.time_ns() // 1_000_000 + self.offset_ms

    def pace_ms(self) -> int:
        """Goes on even while the clock is manual: rates are about real calls."""
        return time.monotonic_ns() // 1_000_000 + self.advanced_ms

    def span_ms(self, seconds: float) -> int:
        return round(seconds * 1000 / self.scale)

    def advance(self, seconds: float) -> None:
        step = self.span_ms(seconds)
        self.advanced_ms += step
        if self.frozen_ms is not None:
            self.frozen_ms += step
        else:
            self.offset_ms += step

    def freeze(self) -> None:
        self.frozen_ms = self.now_ms()

    def run(self) -> None:
        """Goes on from the frozen moment, so that time never jumps back."""
        if self.frozen_ms is not None:
            self.offset_ms = self.frozen_ms - time.time_ns() // 1_000_000
            self.frozen_ms = None

    def annulment_ms(self, emitted_ms: int) -> int:
        """90 calendar days after emission, at 00:00 of the next day."""
        day = max(self.span_ms(DAY_S), 1)
        return ((emitted_ms + 90 * day) // day + 1) * day
