"""The pool: what is cut short leaves nothing behind, what is locked is told apart."""

import asyncio
import fcntl
import os
import re
import resource

import pytest

from app.certificates import database as module
from app.certificates.database import Database, RowLocked, StorageUnavailable
from app.embedded_postgres import PostgresServer
from app.integrations.postgres import SELECT_MOST


async def test_a_cancelled_statement_gives_its_connection_up(database: Database) -> None:
    async def slow() -> None:
        async with database.transaction() as tx:
            await tx.execute("INSERT INTO certificates.batch VALUES ('cut', 1, 'HTTP')")
            await tx.execute("SELECT pg_sleep(60)")

    for turn in range(12):
        task = asyncio.create_task(slow())
        await asyncio.sleep(turn / 200)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await database.rows("SELECT batch_id FROM certificates.batch") == []


async def test_a_statement_that_takes_too_long_is_storage_unavailable(database: Database) -> None:
    async def slow() -> None:
        async with database.transaction() as tx:
            await tx.execute("SET LOCAL statement_timeout = 50")
            await tx.execute("SELECT pg_sleep(60)")

    with pytest.raises(StorageUnavailable):
        await slow()
    await database.ping()


async def test_a_statement_that_may_take_long_is_waited_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_S", 0.5)
    with pytest.raises(StorageUnavailable):
        async with database.transaction() as tx:
            await tx.execute("SELECT pg_sleep(60)")
    async with database.transaction() as tx:
        await tx.may_take(30)
        assert await tx.execute("SELECT pg_sleep(1.5)") == 1


async def test_a_locked_row_is_told_at_once(database: Database) -> None:
    await _put(database)
    lock = "SELECT rows_total FROM certificates.batch FOR UPDATE NOWAIT"
    async with database.transaction() as first:
        assert await first.one_locked(lock) == {"rows_total": 1}
        with pytest.raises(RowLocked):
            async with database.transaction() as second:
                await second.one_locked(lock)
    async with database.transaction() as third:
        assert await third.one_locked(lock) == {"rows_total": 1}


async def test_a_connection_the_driver_could_not_watch_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with monkeypatch.context() as crowded:
        crowded.setattr(os, "dup", lambda fd: fcntl.fcntl(fd, fcntl.F_DUPFD, SELECT_MOST))
        with pytest.raises(StorageUnavailable):
            await database.ping()
    await database.ping()


async def test_a_fault_inside_rolls_everything_back(database: Database) -> None:
    async def faulty() -> None:
        async with database.transaction() as tx:
            await tx.execute("INSERT INTO certificates.batch VALUES ('lost', 1, 'HTTP')")
            raise KeyError("ours")

    with pytest.raises(KeyError):
        await faulty()
    assert await database.rows("SELECT batch_id FROM certificates.batch") == []


async def test_it_works_again_after_the_server_was_killed(
    database: Database, postgres: str, postgres_server: PostgresServer
) -> None:
    await _put(database)
    backend = re.search(r"/(\w+)$", postgres)
    assert backend is not None
    other = Database(postgres_server.dsn())
    ended = await other.rows(
        "SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity WHERE datname = %(name)s",
        name=backend[1],
    )
    await other.close()
    assert ended
    try:
        await database.ping()
    except StorageUnavailable:
        await database.ping()
    assert len(await database.rows("SELECT FROM certificates.batch")) == 1


async def _put(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute("INSERT INTO certificates.batch VALUES ('kept', 1, 'HTTP')")
