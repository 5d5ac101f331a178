"""The night: days that are over are kept once, old audit goes by whole months."""

from app.certificates.database import Database
from app.certificates.mart import Mart
from app.certificates.mart_nightly import close_days
from tests.mart.told import Law, a_life, taken


async def test_a_day_that_is_over_keeps_what_was_owed_then(database: Database) -> None:
    law = Law()
    law.now = 1_700_000_000_000
    a_life(law)
    await taken(Mart(database), law.records)
    assert (await close_days(database)).days > 0
    kept = await database.rows("SELECT balance FROM mart.liability_daily ORDER BY day LIMIT 1")
    assert kept == [{"balance": 2_000}]
    async with database.transaction() as tx:
        await tx.execute("TRUNCATE mart.operation")
    assert (await close_days(database)).days == 0
    again = await database.rows("SELECT balance FROM mart.liability_daily ORDER BY day LIMIT 1")
    assert again == kept


async def test_only_audit_older_than_five_years_is_dropped(database: Database) -> None:
    for now in (1_420_000_000_000, 1_700_000_000_000):
        law = Law()
        law.now = now
        a_life(law)
        await taken(Mart(database), law.records)
    before = await database.rows("SELECT DISTINCT occurred_at::date AS day FROM mart.audit")
    assert len(before) == 2
    assert (await close_days(database)).months == 1
    after = await database.rows("SELECT DISTINCT occurred_at::date AS day FROM mart.audit")
    assert [row["day"].year for row in after] == [2023]
