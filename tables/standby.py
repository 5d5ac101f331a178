"""Tailing a partition that another worker owns, so that a takeover replays seconds."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from app.metrics import LEDGER
from tables.errors import WrongLedger
from tables.opening import Site
from tables.recovery import JournalReader
from tables.store import Store, StoreForeign, set_aside

RETRY_S = 2.0
LAG_EVERY_S = 5.0
log = structlog.get_logger("standby")


class Standby:
    """Keeps the local copy of one partition fresh until `stop`; it then lets go of the files.

    `fatal(error)`: ends the process.
    """

    def __init__(self, site: Site, partition: int, fatal: Callable[[BaseException], None]) -> None:
        self._site = site
        self._partition = partition
        self._fatal = fatal
        self._stopped = False
        self._task = asyncio.create_task(self._run(), name=f"standby-{partition}")

    async def stop(self) -> None:
        """Both: the consumer may forget a cancellation while it closes."""
        self._stopped = True
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(KeyError):  # it may never have got as far
            LEDGER.standby_lag.remove(str(self._partition))

    async def _run(self) -> None:
        while not self._stopped:
            try:
                await self._tail()
            except StoreForeign as reason:
                set_aside(self._site.path(self._partition), str(reason))
            except WrongLedger as error:
                self._fatal(error)
                return
            except Exception as error:  # noqa: BLE001 - a head start only: nothing depends on it
                log.warning("standby waits", partition=self._partition, cause=repr(error))
            await asyncio.sleep(RETRY_S)

    async def _tail(self) -> None:
        async with JournalReader(self._site.kafka, self._partition) as journal:
            end = await journal.end_offset()
            store = self._site.open_store(self._partition, end)
            with contextlib.closing(store):
                journal.seek(store.position.next_offset)
                await self._follow(journal, store)

    async def _follow(self, journal: JournalReader, store: Store) -> None:
        lag = LEDGER.standby_lag.labels(str(self._partition))
        loop = asyncio.get_running_loop()
        measured = 0.0
        while not self._stopped:
            await journal.step(store, pepper_check=self._site.pepper_check)
            if loop.time() - measured > LAG_EVERY_S:
                measured = loop.time()
                lag.set(await journal.end_offset() - store.position.next_offset)
