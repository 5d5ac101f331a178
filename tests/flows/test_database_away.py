"""A database that dies under many users is theirs again when it is back, on the workers' loop."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from app.certificates.database import Database, StorageUnavailable
from app.embedded_postgres import PostgresServer

USERS = 12
Ask = Callable[[], Awaitable[object]]


async def _users(ask: Ask, server: PostgresServer) -> Counter[str]:
    """What the users heard while the server died and came back, three times."""
    heard: Counter[str] = Counter()
    working = True

    async def user() -> None:
        while working:
            try:
                await ask()
                heard["ok"] += 1
            except StorageUnavailable:
                heard["away"] += 1
            await asyncio.sleep(0.01)

    users = [asyncio.ensure_future(user()) for _ in range(USERS)]
    for _ in range(3):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.start)
    await asyncio.sleep(0.5)
    working = False
    await asyncio.gather(*users)
    return heard


def test_a_database_that_died_three_times_is_usable_again(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path, durable=False)
    database = Database(server.start())

    async def scenario() -> tuple[Counter[str], float]:
        heard = await _users(database.ping, server)
        await database.ping()
        await asyncio.to_thread(server.kill)
        before = time.process_time()
        await asyncio.sleep(1)
        idle_s = time.process_time() - before
        await database.close()
        return heard, idle_s

    try:
        heard, idle_s = uvloop.run(scenario())
    finally:
        server.stop()
    assert heard["ok"] > USERS
    assert heard["away"] > USERS
    assert idle_s < 0.5, "connections of a dead server keep the loop busy"
