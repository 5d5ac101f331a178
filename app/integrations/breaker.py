"""A breaker that stops calling an upstream which keeps failing, and probes it with one call."""

from collections.abc import Callable
from enum import IntEnum


class BreakerState(IntEnum):
    CLOSED = 0
    PROBING = 1
    OPEN = 2


class Breaker:
    """Opens after `failures` in a row; after `open_s` lets one call through to find out."""

    def __init__(self, now: Callable[[], float], *, failures: int = 5, open_s: float = 30) -> None:
        self._now = now
        self._limit = failures
        self._open_s = open_s
        self._failed = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def state(self) -> BreakerState:
        if self._opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.PROBING if self._probing else BreakerState.OPEN

    def wait_s(self) -> float | None:
        """Seconds until a call may be tried, or None when one may go now."""
        if self._opened_at is None:
            return None
        left = self._opened_at + self._open_s - self._now()
        return max(left, 1.0) if left > 0 or self._probing else None

    def enter(self) -> bool:
        """A call starts; True when it is the probe of an open breaker."""
        self._probing = self._opened_at is not None
        return self._probing

    def leave(self) -> None:
        """The probe ended, perhaps without telling anything about the upstream."""
        self._probing = False

    def succeeded(self) -> None:
        self._failed, self._opened_at, self._probing = 0, None, False

    def failed(self) -> None:
        self._failed += 1
        if self._opened_at is not None or self._failed >= self._limit:
            self._opened_at = self._now()
        self._probing = False
