"""The partitions that this worker owns: opening, serving, stepping down, opening again."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from aiokafka.errors import KafkaError

from app.batches import Batch
from app.contracts import wire
from app.domain.decision import Entity, Reply
from app.domain.policy import Policy
from app.metrics import LEDGER
from app.tills import Tills
from tables.draft import DeadLetter, Request
from tables.entities import Registry
from tables.errors import CommandsLost, DeadlineOver, OutcomeUnknown, OwnerUnavailable
from tables.journal import AppendUnknown, Fenced
from tables.opening import NotMember, Opened, Site, open_partition, renew
from tables.partition import Hole, Partition
from tables.partitioning import partition_of
from tables.standby import Standby
from tables.store import StoreForeign

BACK_OFF_S = (0.1, 0.3, 1.0, 2.0)
PAUSED_S = 30.0
CLOSING_S = 3.0
CANCEL_AGAIN_S = 0.5
log = structlog.get_logger("ledger")

_AGAIN = (AppendUnknown, Fenced, Hole, NotMember, StoreForeign, KafkaError, OSError)


class Hooks(msgspec.Struct, frozen=True):
    """What the ledger needs from the worker around it.

    `opened(partition, watermark)`: feed commands from there on. `held(partition)`: feed none.
    `fatal(error)`: end the process. `owner_url(partition)`: None when nobody is known.
    """

    opened: Callable[[int, int], Awaitable[None]]
    held: Callable[[int], None]
    bury: Callable[[list[DeadLetter]], Awaitable[None]]
    fatal: Callable[[BaseException], None]
    owner_url: Callable[[int], str | None]


class Ledger:
    """One per worker. `assign` follows the group; everything else reacts to it."""

    def __init__(
        self,
        site: Site,
        hooks: Hooks,
        *,
        partitions: int,
        entities: tuple[Entity, ...],
        policy: Policy,
        renewal_s: float,
        tills: Tills,
    ) -> None:
        self.partitions = partitions
        self.open: dict[int, Partition] = {}
        self.owned: frozenset[int] = frozenset()
        self._site = site
        self._hooks = hooks
        self._registry = Registry(entities)
        self._policy = policy
        self._renewal_s = renewal_s
        self._keepers: dict[int, asyncio.Task[None]] = {}
        self._standbys: dict[int, Standby] = {}
        self._lock = asyncio.Lock()
        self._tills = tills

    # Membership.

    async def assign(self, owned: frozenset[int], standbys: frozenset[int]) -> None:
        """Partitions kept go on serving; lost ones close; new ones open beside the caller."""
        self.owned = owned
        LEDGER.owned.set(len(owned))
        async with self._lock:
            await asyncio.gather(*map(self._let_go, set(self._keepers) - owned))
            for partition in set(self._standbys) - (standbys - owned):
                await self._standbys.pop(partition).stop()
            for partition in owned:
                keeper = self._keepers.get(partition)
                if keeper is None or keeper.done():
                    self._hooks.held(partition)
                    self._keepers[partition] = asyncio.create_task(self._keep(partition))
            for partition in standbys - owned - set(self._standbys):
                self._standbys[partition] = Standby(self._site, partition, self._hooks.fatal)

    async def stop(self) -> None:
        await self.assign(frozenset(), frozenset())

    async def _let_go(self, partition: int) -> None:
        """The group waits meanwhile; a library may forget a cancellation while it closes."""
        keeper = self._keepers.pop(partition)
        if (serving := self.open.get(partition)) is not None:
            serving.close()
            await asyncio.wait({keeper}, timeout=CLOSING_S)
        while not keeper.done():
            keeper.cancel()
            await asyncio.wait({keeper}, timeout=CANCEL_AGAIN_S)
        await asyncio.gather(keeper, return_exceptions=True)

    # One owned partition.

    async def _keep(self, partition: int) -> None:
        failures = 0
        while partition in self.owned:
            try:
                await self._serve(partition)
            except (wire.NewerSchema, CommandsLost) as reason:
                known = str(reason)
                log.error("partition paused", partition=partition, reason=known)  # noqa: TRY400
                delay = PAUSED_S
            except _AGAIN as reason:
                _count(reason)
                log.warning("partition stepped down", partition=partition, reason=repr(reason))
                delay = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                self._hooks.fatal(error)
                raise
            else:
                return
            failures += 1
            await asyncio.sleep(delay)

    async def _serve(self, partition: int) -> None:
        opened = await open_partition(self._site, partition)
        try:
            serving = Partition(
                partition,
                opened,
                owner=self._site.owner,
                registry=self._registry,
                policy=self._policy,
                pepper_check=self._site.pepper_check,
                bury=self._hooks.bury,
                tills=self._tills,
            )
            renewing = asyncio.create_task(self._renew_for_ever(serving, opened))
            self.open[partition] = serving
            LEDGER.open.set(len(self.open))
            try:
                await self._hooks.opened(partition, serving.watermark)
                await serving.run()
            finally:
                self.open.pop(partition, None)
                self._hooks.held(partition)
                renewing.cancel()
        finally:
            LEDGER.open.set(len(self.open))
            opened.store.close()

    async def _renew_for_ever(self, serving: Partition, opened: Opened) -> None:
        while True:
            await asyncio.sleep(self._renewal_s)
            serving.renewal = lambda: renew(self._site, serving.number, opened)
            serving.inbox.wake.set()

    # What others ask.

    def submit(self, batch: Batch) -> bool:
        """False: the partition is not open, the batch is dropped and will come again."""
        serving = self.open.get(batch.tp.partition)
        if serving is None:
            return False
        serving.inbox.submit(batch)
        return True

    def watermark(self, partition: int) -> int | None:
        serving = self.open.get(partition)
        return None if serving is None else serving.watermark

    def owner_of(self, key: str) -> str | None:
        """None: this worker; else the owner's internal URL. Raises OwnerUnavailable."""
        partition = partition_of(key, self.partitions)
        if partition in self.open or partition in self.owned:
            return None
        url = self._hooks.owner_url(partition)
        if url is None:
            raise OwnerUnavailable(f"partition {partition} has no owner")
        return url

    async def request(
        self,
        key: str,
        command: msgspec.Struct,
        *,
        command_id: str,
        deadline: float,
        now: int | None = None,
    ) -> Reply:
        """Decides and commits; `deadline` in loop time, `now` when it was accepted, ms.

        Raises OwnerUnavailable, DeadlineOver (nothing happened) or OutcomeUnknown.
        """
        partition = partition_of(key, self.partitions)
        serving = self.open.get(partition)
        if serving is None:
            raise OwnerUnavailable(f"partition {partition} is not open here")
        now = serving.clock.wall_ms() if now is None else now
        request = Request(key, command, command_id=command_id, now=now, deadline=deadline)
        serving.inbox.request(request)
        try:
            async with asyncio.timeout_at(deadline):
                return await request.future
        except TimeoutError:
            if request.taken:
                raise OutcomeUnknown("no acknowledgement before the deadline") from None
            raise DeadlineOver("not decided before its deadline") from None


def _count(reason: BaseException) -> None:
    if isinstance(reason, Fenced):
        LEDGER.fenced.inc()
    elif isinstance(reason, AppendUnknown):
        LEDGER.unknown.inc()
