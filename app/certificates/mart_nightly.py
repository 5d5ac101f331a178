"""What the mart does once a night: keep what was owed, forget audit that is old enough."""

import msgspec

from app.certificates.database import Database

AUDIT_YEARS = 5

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


class Night(msgspec.Struct, frozen=True):
    days: int
    months: int


async def nightly(database: Database) -> Night:
    """Rows of days that were closed now, months of audit that were dropped; safe to repeat."""
    async with database.transaction() as tx:
        await tx.execute("SET LOCAL statement_timeout = '600s'")
        days = await tx.execute(CLOSE_DAYS)
        forgotten = await tx.one(FORGET, years=AUDIT_YEARS)
    assert forgotten is not None
    return Night(days, forgotten["months"])
