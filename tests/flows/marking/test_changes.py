"""Watchers of orders hear of changes, and hear again after the database has cut the line."""

import asyncio

import pytest

from app.marking import changes, leases
from app.marking.changes import Changes
from app.marking.database import Database, connect
from app.marking.ids import new_id
from app.marking.timers import Timer, run_timer

OURS = "datname = current_database() and query like 'listen %%'"
CUT = f"select pg_terminate_backend(pid) from pg_stat_activity where {OURS}"
LISTENING = f"""
select pid from pg_stat_activity where {OURS} and state = 'idle' and pid <> %(old)s
"""
TOUCH = "update marking.orders set version = version + 1"


async def until_listening(database: Database, old: int = 0) -> int:
    """The backend of a line other than `old`: from now on changes are heard."""
    for _ in range(200):
        row = await database.one(LISTENING, old=old)
        if row is not None:
            return int(row["pid"])
        await asyncio.sleep(0.05)
    raise AssertionError("nobody listens")


async def an_order(database: Database) -> tuple[str, str]:
    participant, order = new_id(), new_id()
    await database.execute(
        """insert into marking.participants (id, inn, name, oms_id, oms_connection, signer_kind)
           values (%(id)s, '7700000016', 'ООО Пример', %(id)s, %(id)s, 'demo')""",
        id=participant,
    )
    await database.execute(
        """insert into marking.orders (id, participant_id, origin, profile, status, created_by)
           values (%(id)s, %(participant)s, 'api', 'order_first', 'INIT', 'u')""",
        id=order,
        participant=participant,
    )
    return participant, order


async def test_a_cut_line_is_taken_up_again(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "AGAIN_S", 0.1)
    database = await connect(dsn)
    participant, order = await an_order(database)
    told = Changes(dsn, database)
    told.open()
    line = await until_listening(database)
    heard = told.watch(frozenset({participant}))
    first = asyncio.ensure_future(anext(heard))
    await asyncio.sleep(0)
    await database.execute(TOUCH)
    assert await asyncio.wait_for(first, 60) == order

    assert (await database.one(CUT)) is not None
    await until_listening(database, line)
    second = asyncio.ensure_future(anext(heard))
    await asyncio.sleep(0)
    await database.execute(TOUCH)
    assert await asyncio.wait_for(second, 60) == order

    await told.close()
    with pytest.raises(StopAsyncIteration):
        await anext(heard)
    await database.close()


async def test_an_order_that_becomes_due_asks_for_the_sweeper(dsn: str) -> None:
    """Not while somebody has it: who gives it back asks."""
    database = await connect(dsn)
    participant, order = await an_order(database)
    told = Changes(dsn, database)
    told.open()
    await until_listening(database)
    heard = told.watch(frozenset({participant}))
    lease = await leases.take_lease(database, order, owner="w1/1", for_ms=60_000)
    assert lease is not None
    async with database.transaction() as tx:
        await leases.wake(tx, order)
    first = asyncio.ensure_future(anext(heard))
    await asyncio.sleep(0)
    await database.execute(TOUCH)
    await asyncio.wait_for(first, 60)
    assert not told.due.is_set()

    await leases.release(database, lease, next_ms=None)
    await asyncio.wait_for(told.due.wait(), 60)
    told.due.clear()
    async with database.transaction() as tx:
        await leases.wake(tx, order)
    await asyncio.wait_for(told.due.wait(), 60)
    await told.close()
    await database.close()


async def test_only_the_leader_comes_when_it_is_asked() -> None:
    asked, rounds = asyncio.Event(), asyncio.Semaphore(0)

    async def job() -> None:
        rounds.release()

    timer = Timer("sweeper", 3_600, job, 3_600, asked)
    leader = asyncio.create_task(run_timer(timer, leads=lambda: True))
    follower = asyncio.create_task(run_timer(timer, leads=lambda: False))
    for _ in range(2):
        await asyncio.wait_for(rounds.acquire(), 60)
    asked.set()
    await asyncio.wait_for(rounds.acquire(), 60)
    assert not asked.is_set()
    assert rounds.locked()
    for task in (leader, follower):
        task.cancel()
    await asyncio.gather(leader, follower, return_exceptions=True)
