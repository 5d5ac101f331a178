"""PostgreSQL of the marking half: a pool, transactions with named parameters, plain rows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

import aiopg
import msgspec
import psycopg2
import structlog
from psycopg2.extras import Json, RealDictCursor

from app.integrations.postgres import WatchableConnection, slowness_told

T = TypeVar("T")
Row = dict[str, Any]
log = structlog.get_logger("marking")

SESSION = (
    "-c lock_timeout=2000 -c statement_timeout=15000 "
    "-c idle_in_transaction_session_timeout=10000 -c timezone=UTC"
)
BROKEN = (psycopg2.OperationalError, psycopg2.InterfaceError)
RETRY_FIRST_S = 0.2
RETRY_LONGEST_S = 5.0


class Transaction:
    """One cursor; every statement names its parameters `%(name)s`."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    async def execute(self, sql: str, **parameters: Any) -> int:
        """How many rows were touched."""
        await self._cursor.execute(sql, parameters)
        return int(self._cursor.rowcount)

    async def rows(self, sql: str, **parameters: Any) -> list[Row]:
        await self._cursor.execute(sql, parameters)
        return [dict(row) for row in await self._cursor.fetchall()]

    async def one(self, sql: str, **parameters: Any) -> Row | None:
        await self._cursor.execute(sql, parameters)
        row = await self._cursor.fetchone()
        return None if row is None else dict(row)

    async def value(self, sql: str, **parameters: Any) -> Any:
        """The first column of the first row, None without a row."""
        row = await self.one(sql, **parameters)
        return None if row is None else next(iter(row.values()))


class Database:
    """Opened once per process with `connect`, closed with `close`."""

    def __init__(self, pool: aiopg.Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commits at the end; a cancelled transaction gives up its connection."""
        with slowness_told():
            async with (
                self._pool.acquire() as connection,
                _given_up_when_broken(connection),
                connection.cursor(cursor_factory=RealDictCursor) as cursor,
                cursor.begin(),
            ):
                yield Transaction(cursor)

    async def rows(self, sql: str, **parameters: Any) -> list[Row]:
        async with self.transaction() as tx:
            return await tx.rows(sql, **parameters)

    async def one(self, sql: str, **parameters: Any) -> Row | None:
        async with self.transaction() as tx:
            return await tx.one(sql, **parameters)

    async def execute(self, sql: str, **parameters: Any) -> int:
        async with self.transaction() as tx:
            return await tx.execute(sql, **parameters)

    async def until_committed(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """A fact from outside is written until it stands, whatever happens to the database."""
        pause_s = RETRY_FIRST_S
        while True:
            try:
                async with self.transaction() as tx:
                    return await work(tx)
            except BROKEN as error:
                cause = type(error).__name__
                log.warning("a received fact waits for the database", cause=cause)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RETRY_LONGEST_S)

    async def close(self) -> None:
        self._pool.terminate()
        await self._pool.wait_closed()


@asynccontextmanager
async def _given_up_when_broken(connection: Any) -> AsyncIterator[None]:
    try:
        yield
    except (asyncio.CancelledError, TimeoutError, *BROKEN):
        connection.close()
        raise


async def connect(dsn: str, *, most: int = 16) -> Database:
    pool = await aiopg.create_pool(
        dsn,
        minsize=1,
        maxsize=most,
        timeout=20.0,
        enable_uuid=False,
        enable_hstore=False,
        connection_factory=WatchableConnection,
        options=SESSION,
    )
    return Database(pool)


def as_json(value: Any) -> Json:
    """A parameter for a jsonb column: plain values and frozen structs."""
    return Json(msgspec.to_builtins(value), dumps=_dumps)


def _dumps(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def ms(moment: datetime | None) -> int | None:
    """UTC ms of a timestamptz column."""
    return None if moment is None else round(moment.timestamp() * 1_000)


def raw(column: Any) -> bytes:
    """Bytes of a bytea column."""
    return bytes(column)


NOW_MS = "(extract(epoch from clock_timestamp()) * 1000)::bigint"
