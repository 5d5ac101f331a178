"""What the mart does once a night: keep what was owed, forget old audit, compare with the ledger.

Every services worker asks whether the night is due; the one that gets the lock does the work.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from app.certificates.database import Database

AUDIT_YEARS = 5
LOCK = 0x6E69_6768_7400  # one number that every services worker agrees on

# A day that is over is written once: a rebuild later may know less of it.
CLOSE_DAYS = """
INSERT INTO mart.liability_daily (day, currency, product_id, balance, certificates)
SELECT day, currency, product_id, balance, certificates FROM mart.liability
WHERE day < mart.local_day(now())
ON CONFLICT (day, currency, product_id) DO NOTHING
"""
FORGET = """
SELECT mart.forget_audit_before((now() - %(years)s * interval '1 year')::date) AS months
"""
CLAIM = "SELECT pg_try_advisory_xact_lock(%(lock)s) AS ours"
LAST = """
SELECT day, extract(epoch FROM started_at)::float8 AS started, behind, differences,
    extract(epoch FROM ended_at)::float8 AS ended
FROM mart.night ORDER BY day DESC LIMIT 1
"""
KEEP = """
INSERT INTO mart.night (day, started_at, days, months, certificates, behind, differences)
VALUES (%(day)s, %(started_at)s, %(days)s, %(months)s, %(certificates)s, %(behind)s,
    %(differences)s)
"""


class Closed(msgspec.Struct, frozen=True):
    """Rows of days that were closed now, months of audit that were dropped."""

    days: int
    months: int


class Work(msgspec.Struct, frozen=True):
    """What one night has done and found."""

    days: int
    months: int
    certificates: int
    behind: int
    differences: int


class Last(msgspec.Struct, frozen=True):
    """The newest night whose work is done; moments in seconds."""

    day: date
    started: float
    ended: float
    behind: int
    differences: int


async def close_days(database: Database) -> Closed:
    """Safe to repeat."""
    async with database.transaction() as tx:
        await tx.may_take(600)
        days = await tx.execute(CLOSE_DAYS)
        forgotten = await tx.one(FORGET, years=AUDIT_YEARS)
    assert forgotten is not None
    return Closed(days, forgotten["months"])


class Nights:
    """`hour`: of the zone of business, from which on the night of that day is due.

    A night that was missed is made up for; work that ended with its worker is done anew.
    """

    def __init__(
        self,
        database: Database,
        work: Callable[[], Awaitable[Work]],
        *,
        zone: ZoneInfo,
        hour: int,
        now_ms: Callable[[], int],
    ) -> None:
        self._database = database
        self._work = work
        self._zone = zone
        self._hour = hour
        self._now_ms = now_ms

    def due(self) -> date:
        """The day whose night began last."""
        here = datetime.fromtimestamp(self._now_ms() / 1_000, self._zone)
        return (here - timedelta(hours=self._hour)).date()

    async def run(self) -> Work | None:
        """None: the work of that night is done, or another worker is at it."""
        day, started_at = self.due(), datetime.now(UTC)
        async with self._database.transaction() as tx:
            await tx.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            claimed: Any = await tx.one(CLAIM, lock=LOCK)
            last = await tx.one(LAST)
            if not claimed["ours"] or (last is not None and last["day"] >= day):
                return None
            done = await self._work()
            await tx.execute(KEEP, day=day, started_at=started_at, **msgspec.structs.asdict(done))
        return done

    async def last(self) -> Last | None:
        row = await self._database.one(LAST)
        return None if row is None else Last(**row)
