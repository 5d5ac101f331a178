"""Time that commands carry: this machine's clock, never far ahead of the broker's."""

import time

MAX_AHEAD_MS = 60_000


class Clock:
    """`offset_ms` shifts this machine's clock; only tests of skewed clocks set it."""

    def __init__(self, offset_ms: int = 0) -> None:
        self._offset_ms = offset_ms
        self._broker_ms: int | None = None
        self._seen_at = 0.0

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self._offset_ms

    def seen(self, broker_ms: int) -> None:
        """`broker_ms`: LogAppendTime of the last own append."""
        if broker_ms >= 0:
            self._broker_ms = broker_ms
            self._seen_at = time.monotonic()

    def broker_ms(self) -> int | None:
        if self._broker_ms is None:
            return None
        return self._broker_ms + int((time.monotonic() - self._seen_at) * 1_000)

    def bounded(self, now_ms: int) -> int:
        broker = self.broker_ms()
        return now_ms if broker is None else min(now_ms, broker + MAX_AHEAD_MS)

    def skewed(self) -> bool:
        """Whether this machine's clock is over 60 s off: no due work, not ready."""
        broker = self.broker_ms()
        return broker is not None and abs(self.wall_ms() - broker) > MAX_AHEAD_MS
