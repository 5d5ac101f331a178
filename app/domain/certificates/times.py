"""Moments as the law shows and computes them: RFC 3339 text, end of a day of business."""

from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from functools import lru_cache
from zoneinfo import ZoneInfo

from app.domain.policy import DAY_MS, SECOND_MS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE_MS = 60 * SECOND_MS


def rfc3339(at: int) -> str:
    """UTC with milliseconds and `Z`; only the date needs calendar maths, and it repeats."""
    days, rest = divmod(at, DAY_MS)
    minutes, ms = divmod(rest, _MINUTE_MS)
    hour, minute = divmod(minutes, 60)
    second, ms = divmod(ms, SECOND_MS)
    return f"{_date(days)}T{hour:02d}:{minute:02d}:{second:02d}.{ms:03d}Z"


def maybe_rfc3339(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)


def end_of_day(tz: str, at: int, days: int) -> int:
    """Last millisecond (UTC) of the day that lies `days` after the day of `at` in `tz`."""
    return _end_of_day(tz, at // _MINUTE_MS, days)


@lru_cache(maxsize=4_096)
def _date(days: int) -> str:
    return (_EPOCH + timedelta(days=days)).date().isoformat()


@lru_cache(maxsize=4_096)
def _end_of_day(tz: str, minute: int, days: int) -> int:
    zone = ZoneInfo(tz)
    local = (_EPOCH + timedelta(minutes=minute)).astimezone(zone)
    morning_after = datetime.combine(
        local.date() + timedelta(days=days + 1), time_of_day(), tzinfo=zone
    )
    return (morning_after.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1) - 1
