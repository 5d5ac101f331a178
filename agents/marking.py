"""The marking half on its topics and timers: decode, hand to the runner, acknowledge."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from aiokafka import ConsumerRecord

from agents.handling import Handler, TryAgain
from app.batches import Batch
from app.contracts import dead_letters as wire
from app.contracts.topics import MARKING_NOTIFICATIONS, MARKING_STATUSES, SUZ_ORDERS
from app.marking.database import BROKEN
from app.marking.desk import Desk
from app.marking.due_polls import return_polls
from app.marking.mail import Post, may_pass, send_notice
from app.marking.metrics import DLQ
from app.marking.queue import Produce
from app.marking.runner import Runner
from app.marking.timers import run_timer, timers
from app.marking.work import (
    POLL_TASKS,
    UndecodableWork,
    WorkMessage,
    decode,
)

log = structlog.get_logger("marking")
MAIL_AGAIN_S = 30.0
MAIL_TRIED_S = 3_600.0

# Writes one dead letter and returns when it is acknowledged: key, value, headers.
Bury = Callable[[bytes, bytes, list[tuple[str, bytes]]], Awaitable[None]]


class MarkingAgents:
    """Handlers for the queue topics and the timers of one `services` worker."""

    def __init__(
        self, desk: Desk, runner: Runner, *, bury: Bury, produce: Produce, post: Post | None
    ) -> None:
        self._desk = desk
        self._runner = runner
        self._bury = bury
        self._produce = produce
        self._post = post
        self._timers: list[asyncio.Task[None]] = []

    def handlers(self) -> list[tuple[str, Handler]]:
        """The wiring: topic → function."""
        return [
            (SUZ_ORDERS, self.suz),
            (MARKING_STATUSES, self.statuses),
            (MARKING_NOTIFICATIONS, self.notifications),
        ]

    async def suz(self, batch: Batch) -> None:
        """Steps of orders; a message without a free slot is left to the sweeper."""
        await self._accept(batch)

    async def statuses(self, batch: Batch) -> None:
        """Polls; one without a free slot is due again soon."""
        await self._accept(batch)

    async def _accept(self, batch: Batch) -> None:
        refused = []
        for record in batch.records:
            message = await self._decoded(record)
            if message is not None and not self._runner.accept(message):
                refused.append(message)
        polls = [message for message in refused if message.task in POLL_TASKS]
        if polls:
            try:
                await return_polls(self._desk, polls)
            except BROKEN as error:
                log.info("refused polls wait their interval", cause=type(error).__name__)
        batch.done()

    async def _decoded(self, record: ConsumerRecord) -> WorkMessage | None:
        try:
            return decode(record.value or b"")
        except UndecodableWork as problem:
            await self._give_up(record, "WorkUndecodable", problem)
            return None

    async def _give_up(self, record: ConsumerRecord, code: str, problem: Exception) -> None:
        """To the dead letters, from where people send it again."""
        place = wire.Place(record.topic, record.partition, record.offset)
        entity = (record.key or b"").decode(errors="replace") or None
        now_ms = time.time_ns() // 1_000_000
        cause = wire.Cause("DECODE", code, str(problem), now_ms, entity=entity)
        headers = wire.headers(place, cause, sealed=None)
        await self._bury(record.key or b"", record.value or b"", headers)
        DLQ.labels(record.topic).inc()

    async def notifications(self, batch: Batch) -> None:
        """Mail for each notification, once; what may go out later is tried for a while."""
        undecodable: list[tuple[ConsumerRecord, Exception]] = []
        later = False
        for record in batch.records:
            try:
                await send_notice(self._desk.database, self._post, record.value or b"")
            except BROKEN as error:
                raise TryAgain(type(error).__name__) from None
            except ValueError as problem:
                undecodable.append((record, problem))
            except OSError as error:
                log.warning("mail was not sent", error=type(error).__name__)
                young = time.time() - record.timestamp / 1_000 < MAIL_TRIED_S
                later = later or (young and may_pass(error))
        if later:
            raise TryAgain("mail", after_s=MAIL_AGAIN_S)
        for record, reason in undecodable:
            await self._give_up(record, "NoticeUndecodable", reason)
        batch.done()

    def start(self, *, leads: Callable[[], bool], due: asyncio.Event) -> None:
        self._timers = [
            asyncio.create_task(run_timer(timer, leads=leads), name=f"marking {timer.name}")
            for timer in timers(self._desk, self._produce, due=due)
        ]

    async def stop(self) -> None:
        for task in self._timers:
            task.cancel()
        await asyncio.gather(*self._timers, return_exceptions=True)
        await self._runner.stop()
