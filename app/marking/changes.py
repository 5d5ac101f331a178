"""Orders that change or become due, as it happens: one LISTEN per process tells all who wait."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

import aiopg
import psycopg2
import structlog

from app.integrations.postgres import WatchableConnection
from app.marking.database import BROKEN, Database
from app.marking.ending import ending

CHANGED: Final = "marking_orders"
DUE: Final = "marking_due"
MOST_WATCHERS: Final = 500
MOST_WAITING: Final = 200
QUIET_S: Final = 15.0
AGAIN_S: Final = 2.0
log = structlog.get_logger("marking")


class TooManyWatchers(RuntimeError):
    """Every watcher holds a connection, so their number is bounded."""


class Changes:
    """Opened with the desk; `watch` ends when this is closed.

    `due` is set whenever an order may be due; who waits for it clears it.
    """

    def __init__(self, dsn: str, database: Database) -> None:
        self._dsn = dsn
        self._database = database
        self._watchers: dict[asyncio.Queue[str | None], frozenset[str]] = {}
        self._listening: asyncio.Task[None] | None = None
        self.due = asyncio.Event()

    def open(self) -> None:
        self._listening = asyncio.create_task(self._listen(), name="marking changes")

    async def close(self) -> None:
        for queue in self._watchers:
            _give(queue, None)
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening

    async def watch(self, participants: frozenset[str]) -> AsyncIterator[str | None]:
        """Ids of changed orders of these organisations; None after a quiet while."""
        if len(self._watchers) >= MOST_WATCHERS:
            raise TooManyWatchers
        queue: asyncio.Queue[str | None] = asyncio.Queue(MOST_WAITING)
        self._watchers[queue] = participants
        try:
            while (heard := await _next(queue)).goes_on:
                yield heard.order_id
        finally:
            del self._watchers[queue]

    async def _listen(self) -> None:
        while not ending():
            try:
                await self._hear()
            except (*BROKEN, psycopg2.DatabaseError, OSError) as error:
                log.info("changes are not heard for a while", cause=type(error).__name__)
            if not ending():
                await asyncio.sleep(AGAIN_S)

    async def _hear(self) -> None:
        factory = WatchableConnection
        async with aiopg.connect(self._dsn, connection_factory=factory) as connection:
            async with connection.cursor() as cursor:
                await cursor.execute(f"listen {CHANGED}; listen {DUE}")
            while not ending():
                notice = await connection.notifies.get()
                if notice.channel == DUE:
                    self.due.set()
                elif self._watchers:
                    await self._tell(notice.payload)

    async def _tell(self, order_id: str) -> None:
        row = await self._database.one(
            "select participant_id from marking.orders where id = %(id)s", id=order_id
        )
        if row is None:
            return
        for queue, participants in list(self._watchers.items()):
            if row["participant_id"] in participants:
                _give(queue, order_id)


class Heard(NamedTuple):
    """`order_id` None: a quiet while has passed."""

    order_id: str | None
    goes_on: bool = True


async def _next(queue: asyncio.Queue[str | None]) -> Heard:
    try:
        async with asyncio.timeout(QUIET_S):
            order_id = await queue.get()
    except TimeoutError:
        return Heard(None)
    return Heard(order_id, goes_on=order_id is not None)


def _give(queue: asyncio.Queue[str | None], order_id: str | None) -> None:
    """A watcher that does not keep up is ended: it comes again and reads everything."""
    if queue.full():
        queue.get_nowait()
        order_id = None
    queue.put_nowait(order_id)
