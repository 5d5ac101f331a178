"""Which worker ticks fast: a lease in one row, so that a frozen leader stops nothing."""

import asyncio
import time

import structlog

from app.marking.database import BROKEN, Database
from app.marking.ending import ending

RENEW_S = 5.0
LEASE_S = 15.0
ROW = "leader"
log = structlog.get_logger("marking")


class Leadership:
    """`leads` is true only while our lease runs by our own clock."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        self._until = 0.0

    @property
    def leads(self) -> bool:
        return time.monotonic() < self._until

    async def renew(self) -> bool:
        """Take or keep the lease; the clock of the database decides between workers."""
        began = time.monotonic()
        row = await self._database.one(
            """insert into marking.meta as m (name, value)
               values (%(name)s, %(owner)s || '|' || extract(epoch from clock_timestamp()))
               on conflict (name) do update set value = excluded.value
                   where split_part(m.value, '|', 1) = %(owner)s
                         or split_part(m.value, '|', 2)::float8
                            < extract(epoch from clock_timestamp()) - %(lease)s
               returning 1 as ours""",
            name=ROW,
            owner=self._owner,
            lease=LEASE_S,
        )
        self._until = began + LEASE_S if row is not None else 0.0
        return row is not None

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.renew()
            except BROKEN as error:
                log.info("leadership waits for the database", cause=type(error).__name__)
            if ending():
                return
            await asyncio.sleep(RENEW_S)

    async def resign(self) -> None:
        self._until = 0.0
        await self._database.execute(
            """delete from marking.meta where name = %(name)s
                   and split_part(value, '|', 1) = %(owner)s""",
            name=ROW,
            owner=self._owner,
        )
