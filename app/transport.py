"""Faust transport that hands over one event per partition batch and commits what is done."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import faust
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, OffsetAndMetadata, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from app.batches import Batch
from app.retention import lost_before, tell_lost

MAX_RECORDS = 1_000
MAX_WAITING = 4
POLL_S = 0.2
LINGER_S = 0.01  # little has come: more comes with the next fetch, at the price of one
COMMIT_S = 3.0
FETCH_WAIT_MS = 100
T = TypeVar("T")
log = structlog.get_logger("transport")


class CommittedThread(driver.AIOKafkaConsumerThread):
    """Reads committed records only: Faust offers this with transactions of its own alone.

    And waits less for records: what else is asked over the connection comes after a fetch.
    """

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Both are read when it starts.
        consumer._isolation_level = "read_committed"  # noqa: SLF001
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001
        return consumer


class BatchConsumer(driver.Consumer):
    """One consumer for all agents of an app; nobody may make it wait.

    A partition leaves the fetch list while it is held (`hold`) or while four of its batches
    wait. Seeks happen only between two fetches, so that no record fetched before a seek is
    taken for one after it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lives: dict[TP, int] = {}
        self.delivered: dict[TP, int] = {}
        self.handled: dict[TP, int] = {}
        self.finished: dict[TP, OffsetAndMetadata] = {}
        self.committed_at: dict[TP, int] = {}
        self.waiting: dict[TP, int] = {}
        self.held: set[TP] = set()
        self.held_until: dict[TP, float] = {}
        self.seeks: dict[TP, int] = {}
        self.gaps = 0
        self.room = asyncio.Event()
        self.start_position: Callable[[TP], int | None] = lambda _tp: None
        self.unfinished: set[asyncio.Task[None]] = set()
        self._joining = True
        self._committing = asyncio.Lock()

    def _new_consumer_thread(self) -> CommittedThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)

    # What agents and the ledger ask for.

    def hold(self, tp: TP) -> None:
        """Fetch nothing of this partition until `rewind`."""
        self.held.add(tp)

    def rewind(self, tp: TP, offset: int, *, hold_s: float = 0.0) -> None:
        """Deliver from `offset` next; what is under way is void."""
        self.lives[tp] = self.lives.get(tp, 0) + 1
        self.seeks[tp] = self.delivered[tp] = self.handled[tp] = offset
        self.waiting[tp] = 0
        self.held.discard(tp)
        if hold_s > 0:
            self.held_until[tp] = asyncio.get_running_loop().time() + hold_s
        self.room.set()

    def follows_on(self, batch: Batch) -> bool:
        """Whether no record between the last handled batch and this one got lost.

        If one did (Faust dropped an event in a rebalance) the partition is rewound.
        """
        expected = self.handled.get(batch.tp)
        if batch.stale:
            return False
        if expected is not None and batch.follows != expected:
            self.gaps += 1
            log.warning("batch lost on the way, reading again", tp=str(batch.tp), at=expected)
            self.rewind(batch.tp, expected)
            return False
        self.handled[batch.tp] = batch.upto
        return True

    def leave(self, tp: TP) -> None:
        self.waiting[tp] = max(0, self.waiting.get(tp, 0) - 1)
        self.room.set()

    # Fetching.

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self.should_stop or fetcher.should_stop):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)
                    continue
                while self.seeks:
                    await self._apply_seeks()
                await self._fetch_once()
        except (*self.consumer_stopped_errors, asyncio.CancelledError):
            if not self.transport.app.should_stop:
                raise

    async def _fetch_once(self) -> None:
        wanted = self._get_active_partitions()
        fetching = {tp for tp in wanted if self._may_fetch(tp)}
        self.room.clear()
        if not fetching:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.room.wait(), POLL_S)
            return
        lives = dict(self.lives)
        timeout = POLL_S if fetching == wanted else POLL_S / 8
        fetched = await self._getmany(active_partitions=fetching, timeout=timeout)
        for tp, records in fetched.items():
            # A seek asked for since then, or to come after a hold, voids what was fetched.
            if lives.get(tp) == self.lives.get(tp) and tp not in self.held:
                await self._deliver(TP(tp.topic, tp.partition), list(records))
        few = sum(map(len, fetched.values())) < MAX_RECORDS
        await asyncio.sleep(LINGER_S if few else 0)

    def _may_fetch(self, tp: TP) -> bool:
        if tp in self.held or tp not in self.delivered:
            return False
        if self.waiting.get(tp, 0) >= MAX_WAITING:
            return False
        until = self.held_until.get(tp)
        if until is None:
            return True
        if asyncio.get_running_loop().time() < until:
            return False
        del self.held_until[tp]
        return True

    async def _deliver(self, tp: TP, records: list[ConsumerRecord]) -> None:
        life, position = self.lives.get(tp), self.delivered[tp]
        try:
            lost = await lost_before(self, tp, records[0].offset, position=position)
        except KafkaError:  # whether it was a hole is not known: read it again
            self.seeks.setdefault(tp, position)
            return
        for start in range(0, len(records), MAX_RECORDS):
            if self.lives.get(tp) != life or not self.flow_active:
                self.seeks.setdefault(tp, self.delivered.get(tp, 0))
                return
            chunk = records[start : start + MAX_RECORDS]
            message = self._to_message(tp, chunk[0])
            message.value = Batch(self, tp, chunk, follows=self.delivered[tp], lost=lost)
            lost = 0
            self.delivered[tp] = message.value.upto
            self.waiting[tp] = self.waiting.get(tp, 0) + 1
            await self.callback(message)
            self._read_offset[tp] = chunk[-1].offset

    async def _apply_seeks(self) -> None:
        seeks, self.seeks = self.seeks, {}

        async def seek() -> None:
            for tp, offset in seeks.items():
                try:
                    self._kafka.seek(TopicPartition(*tp), offset)
                except IllegalStateError:
                    log.info("no longer assigned, not sought", tp=str(tp))

        await self._in_thread(seek())

    @property
    def _kafka(self) -> AIOKafkaConsumer:
        return self._thread._ensure_consumer()  # noqa: SLF001

    async def _in_thread(self, job: Coroutine[Any, Any, T]) -> T:
        """Runs beside Faust's two-slot method queue, which a long fetch or commit fills."""
        future = asyncio.run_coroutine_threadsafe(job, self._thread.thread_loop)
        return await asyncio.wrap_future(future)

    async def perform_seek(self) -> None:
        """Start every assigned partition explicitly: its own start, the committed or the first."""
        self.stop_flow()
        self.app.flow_control.suspend()
        self.app.flow_control.clear()
        tps = {TP(tp.topic, tp.partition) for tp in self.assignment()}
        committed = await self.seek_to_committed() if tps else {}
        earliest = await self.earliest_offsets(*tps) if tps else {}
        for tp in tps:
            first = earliest.get(TopicPartition(*tp)) or 0
            known = self.start_position(tp)
            start = committed.get(TopicPartition(*tp)) or 0 if known is None else known
            if start:
                tell_lost(tp, position=start, earliest=first)
            held = tp in self.held
            self.rewind(tp, max(start, first))
            if held:
                self.held.add(tp)
            self.committed_at[tp] = committed.get(TopicPartition(*tp)) or 0
            self.finished.pop(tp, None)
        for tp in set(self.delivered) - tps:
            self._forget(tp)

    def _forget(self, tp: TP) -> None:
        self.lives[tp] = self.lives.get(tp, 0) + 1
        self.held.discard(tp)
        for state in (self.delivered, self.handled, self.finished, self.waiting, self.seeks):
            state.pop(tp, None)

    # Committing: Faust's own bookkeeping sticks, so it is not used.

    def ack(self, message: Any) -> bool:
        message.acked = True
        return True

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        del topics, start_new_transaction
        if not self.finished:
            return False
        mine = self.assignment()
        due = {
            tp: position
            for tp, position in list(self.finished.items())
            if tp in mine and position.offset > self.committed_at.get(tp, -1)
        }
        if not due or not await self.commit_positions(due):
            return False
        self.committed_at.update({tp: position.offset for tp, position in due.items()})
        return True

    async def commit_positions(self, positions: Mapping[TP, OffsetAndMetadata]) -> bool:
        """False if the broker refused or is away: then these positions come again.

        Never while the group joins: a commit of the generation before would be refused only
        after the join, and aiokafka would throw the new membership away for it.
        """
        wire = {TopicPartition(*tp): position for tp, position in positions.items()}
        async with self._committing:
            if self._joining:
                return False
            try:
                async with asyncio.timeout(COMMIT_S):
                    await self._in_thread(self._kafka.commit(wire))
            except (KafkaError, TimeoutError) as error:
                log.info("positions not committed", cause=type(error).__name__)
                return False
        return True

    async def committed(self, tp: TP) -> OffsetAndMetadata | None:
        """The position and text committed last by anybody, None if there is none."""
        coordinator = self._kafka._coordinator  # noqa: SLF001
        wire = TopicPartition(*tp)
        found = await self._in_thread(coordinator.fetch_committed_offsets([wire]))
        return found.get(wire)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        if not self.app.should_stop and self.assignment():
            self.stop_flow()
            await self._end_unfinished()
            await self.commit()
        self._joining = True
        async with self._committing:
            await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._joining = False
        await super().on_partitions_assigned(assigned, generation_id)

    async def _end_unfinished(self) -> None:
        """Two seconds for handlers at work; their batches stay undone after that."""
        if not self.unfinished:
            return
        _, late = await asyncio.wait(self.unfinished, timeout=2)
        for task in late:
            task.cancel()

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's own watchdog knows nothing of held partitions; ours are the lag metrics."""


class BatchTransport(driver.Transport):
    Consumer = BatchConsumer


class BatchApp(faust.App):
    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker, self)
