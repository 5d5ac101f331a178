"""PostgreSQL of the certificate half: a small pool opened on first use, plain transactions."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiopg
import psycopg2
from psycopg2.errors import LockNotAvailable
from psycopg2.extras import RealDictCursor

from app.domain.policy import Policy
from app.integrations.postgres import WatchableConnection, slowness_told

Row = dict[str, Any]
POOL_MOST = 8
ANSWER_S = 20.0
CONNECT_S = 5
SLICE = 500  # rows made at a time while others wait for the loop
_AWAY = (psycopg2.OperationalError, psycopg2.InterfaceError, TimeoutError, OSError)


class StorageUnavailable(Exception):
    """The database is away, too slow or not set up; nothing is known to be committed."""


class RowLocked(Exception):
    """Somebody else holds the row that was asked for without waiting."""


class Transaction:
    """One cursor; every statement names its parameters `%(name)s`."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._timeout_s = ANSWER_S

    async def may_take(self, seconds: int) -> None:
        """Statements from here on may take so long, at the server and for who waits here."""
        await self._cursor.execute(f"SET LOCAL statement_timeout = '{seconds}s'")
        self._timeout_s = seconds + ANSWER_S

    async def execute(self, sql: str, **parameters: Any) -> int:
        """How many rows were touched."""
        await self._cursor.execute(sql, parameters, timeout=self._timeout_s)
        return int(self._cursor.rowcount)

    async def rows(self, sql: str, **parameters: Any) -> list[Row]:
        await self._cursor.execute(sql, parameters, timeout=self._timeout_s)
        found: list[Row] = []
        while len(part := await self._cursor.fetchmany(SLICE)) == SLICE:
            found += map(dict, part)
            await asyncio.sleep(0)
        return found + [dict(row) for row in part]

    async def one(self, sql: str, **parameters: Any) -> Row | None:
        await self._cursor.execute(sql, parameters, timeout=self._timeout_s)
        row = await self._cursor.fetchone()
        return None if row is None else dict(row)

    async def one_locked(self, sql: str, **parameters: Any) -> Row | None:
        """For `SELECT … FOR UPDATE NOWAIT`; raises RowLocked."""
        try:
            return await self.one(sql, **parameters)
        except LockNotAvailable:
            raise RowLocked from None


class Database:
    """Without a DSN everything is StorageUnavailable; views take their terms from the policy."""

    def __init__(
        self, dsn: str | None, *, policy: Policy | None = None, most: int = POOL_MOST
    ) -> None:
        self._dsn = dsn
        self._most = most
        self._session = session_options(policy or Policy())
        self._pool: aiopg.Pool = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commits at the end. A broken or cancelled one gives up its connection."""
        with translated(), slowness_told():
            pool = await self._opened()
            async with (
                pool.acquire() as connection,
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

    async def ping(self) -> None:
        await self.rows("SELECT 1")

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()
            await self._pool.wait_closed()
            self._pool = None

    async def _opened(self) -> Any:
        if self._dsn is None:
            raise StorageUnavailable("no database is set: GIFTMARK_DATABASE_URL")
        async with self._opening:
            if self._pool is None:
                # What aiopg only warns of is a connection left in a wrong state: a fault of ours.
                warnings.filterwarnings("error", category=ResourceWarning, module=r"aiopg\.pool")
                self._pool = await aiopg.create_pool(
                    self._dsn,
                    minsize=0,
                    maxsize=self._most,
                    timeout=ANSWER_S,
                    enable_json=False,
                    enable_uuid=False,
                    enable_hstore=False,
                    connection_factory=WatchableConnection,
                    connect_timeout=CONNECT_S,
                    options=self._session,
                )
            return self._pool


def session_options(policy: Policy) -> str:
    """Nobody waits long for a lock or an answer; the views read `giftmark.*`."""
    settings = {
        "lock_timeout": "2000",
        "statement_timeout": "15000",
        "idle_in_transaction_session_timeout": "60000",
        "client_connection_check_interval": "500",  # what was cut short holds no lock for long
        "timezone": "UTC",
        "giftmark.tz": policy.business_tz,
        "giftmark.claim_months": str(policy.claim_period_months),
        "giftmark.unsettled_days": str(policy.unsettled_days),
    }
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


@asynccontextmanager
async def _given_up_when_broken(connection: Any) -> AsyncIterator[None]:
    try:
        yield
    except (asyncio.CancelledError, StorageUnavailable, *_AWAY):
        connection.close()
        raise


@contextmanager
def translated() -> Iterator[None]:
    """The one place where errors of the driver become ours; faults of ours stay as they are."""
    try:
        yield
    except _AWAY as error:
        raise StorageUnavailable(type(error).__name__) from error
