"""The night in a running services worker: done by its timer, told by its metrics and its log."""

import asyncio
from typing import Any

import httpx

from app.certificates.database import Database
from tests.flows.certificates.town import Town

COUNTED = "SELECT count(*) AS certificates FROM mart.certificate WHERE sequence > 0"
NIGHTS = "SELECT certificates, behind, differences FROM mart.night"


async def night(database: Database) -> dict[str, Any]:
    """The one night that the town has had."""
    async with asyncio.timeout(90):
        while not (rows := await database.rows(NIGHTS)):
            await asyncio.sleep(0.2)
    (row,) = rows
    return row


async def figures(town: Town) -> dict[str, float]:
    async with httpx.AsyncClient() as client:
        page = await client.get(town.cluster.services[0].metrics)
    found = town.cluster.figures(page.text)
    names = ("night_timestamp_seconds", "reconciliation_differences", "reconciliation_behind")
    return {name: found[f"giftmark_mart_{name}"] for name in names}


async def test_a_missed_night_is_made_up_for_and_finds_the_mart_in_order(
    town: Town, town_database: str
) -> None:
    await town.active()
    before, database = await figures(town), Database(town_database)
    async with database.transaction() as tx:
        await tx.execute("DELETE FROM mart.night")
    done = await night(database)
    known = await database.rows(COUNTED)
    await database.close()
    assert (done["behind"], done["differences"]) == (0, 0)
    assert 0 < done["certificates"] <= known[0]["certificates"]

    async with asyncio.timeout(90):
        while (now := await figures(town)) == before:
            await asyncio.sleep(0.2)
    assert now["night_timestamp_seconds"] > before["night_timestamp_seconds"]
    assert (now["reconciliation_differences"], now["reconciliation_behind"]) == (0, 0)
    assert "the night is done" in town.cluster.logs()
