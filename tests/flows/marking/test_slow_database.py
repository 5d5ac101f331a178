"""A database that is too slow is as good as away: facts are tried again, timers go on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiopg
import pytest

from app.integrations.postgres import WatchableConnection
from app.marking.code_states import MOST_WRITTEN, write_states
from app.marking.database import Database, Transaction
from app.marking.timers import Timer, run_timer

ANSWER_S = 0.3
Slow = Callable[[Transaction], Awaitable[None]]


@pytest.fixture
async def database(postgres: str) -> AsyncIterator[Database]:
    pool = await aiopg.create_pool(
        postgres, timeout=ANSWER_S, connection_factory=WatchableConnection
    )
    opened = Database(pool)
    yield opened
    await opened.close()


async def stopped_by_the_server(tx: Transaction) -> None:
    await tx.execute("set local statement_timeout = 20")
    await tx.execute("select pg_sleep(60)")


async def never_answered(tx: Transaction) -> None:
    await tx.execute("select pg_sleep(60)")


SLOW: list[Slow] = [stopped_by_the_server, never_answered]


@pytest.mark.parametrize("slow", SLOW)
async def test_a_fact_is_written_after_a_statement_that_took_too_long(
    database: Database, slow: Slow
) -> None:
    tried = 0

    async def work(tx: Transaction) -> str:
        nonlocal tried
        tried += 1
        if tried == 1:
            await slow(tx)
        return str(await tx.value("select 'stored'"))

    assert await database.until_committed(work) == "stored"
    assert tried == 2


@pytest.mark.parametrize("slow", SLOW)
async def test_a_timer_outlives_a_statement_that_took_too_long(
    database: Database, slow: Slow
) -> None:
    again = asyncio.Event()
    rounds = 0

    async def job() -> None:
        nonlocal rounds
        rounds += 1
        if rounds > 1:
            again.set()
            return
        async with database.transaction() as tx:
            await slow(tx)

    timer = asyncio.create_task(run_timer(Timer("slow", 0.01, job), leads=lambda: True))
    told = asyncio.create_task(again.wait())
    await asyncio.wait([timer, told], return_when=asyncio.FIRST_COMPLETED, timeout=20)
    assert again.is_set()
    timer.cancel()
    await asyncio.gather(timer, told, return_exceptions=True)


async def test_a_cancelled_transaction_stays_cancelled(database: Database) -> None:
    async def ask() -> None:
        async with database.transaction() as tx:
            await tx.execute("select pg_sleep(60)")

    asked = asyncio.create_task(ask())
    await asyncio.sleep(ANSWER_S / 10)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked


async def test_states_of_many_codes_are_written_in_statements_of_bounded_size() -> None:
    sizes: list[int] = []

    class Recorded(Transaction):
        async def execute(self, sql: str, **parameters: Any) -> int:
            assert "update marking.codes" in sql
            sizes.append(len(parameters["states"].adapted))
            return sizes[-1]

    states = [{"ki": str(n), "status": "APPLIED"} for n in range(2 * MOST_WRITTEN + 1)]
    assert await write_states(Recorded(None), "order", states) == len(states)
    assert sizes == [MOST_WRITTEN, MOST_WRITTEN, 1]
