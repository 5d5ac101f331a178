"""The one loop of all agents: check the chain, call, time, count, never ack in silence."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import structlog
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError

from app.batches import Batch, batch_of
from app.metrics import FLOW, at_zero
from app.tills import Lane, Tills
from tables.journal import AppendRefused, AppendUnknown

Handler = Callable[[Batch], Awaitable[None]]
Agent = Callable[[Any], AsyncIterator[None]]
AGAIN_S = 0.5
SLICE = 50
log = structlog.get_logger("agents")


class TryAgain(Exception):
    """A dependency is away: the batch comes again after `after_s`, others flow on."""

    def __init__(self, cause: str, *, after_s: float = AGAIN_S) -> None:
        super().__init__(cause)
        self.after_s = after_s


def agent_for(topic: str, handler: Handler, fatal: Callable[[BaseException], None]) -> Agent:
    """A Faust agent around `handler`, which marks its batch done after its effects are durable.

    What a handler raises beyond a dependency's absence is a fault of ours: the process ends
    (and the batch comes again), because acknowledging it would lose it.
    """
    seconds = FLOW.batch_seconds.labels(topic)
    records = FLOW.records.labels(topic)
    at_zero(FLOW.lost, topic)

    async def agent(stream: Any) -> AsyncIterator[None]:
        async for event in stream.events():
            batch = batch_of(event)
            if not batch.consumer.follows_on(batch):
                continue
            started = time.perf_counter()
            await _handle(batch, handler, fatal)
            seconds.observe(time.perf_counter() - started)
            records.inc(len(batch.records))
            yield

    agent.__name__ = f"agent_{topic.replace('-', '_')}"
    return agent


async def in_slices(
    records: Sequence[ConsumerRecord], tills: Tills, lane: Lane
) -> AsyncIterator[ConsumerRecord]:
    """Lets the tills in between, who share the loop: none waits for a whole batch."""
    for number, record in enumerate(records):
        if number % SLICE == 0:
            await tills.first(lane)
        yield record


async def _handle(batch: Batch, handler: Handler, fatal: Callable[[BaseException], None]) -> None:
    task: asyncio.Task[None] = asyncio.ensure_future(_run(handler, batch))
    batch.consumer.unfinished.add(task)
    try:
        await asyncio.wait({task})
    finally:
        batch.consumer.unfinished.discard(task)
        task.cancel()
    if task.cancelled():
        batch.again(0.0)
        return
    error = task.exception()
    if isinstance(error, TryAgain):
        log.info("batch waits", tp=str(batch.tp), cause=str(error))
        batch.again(error.after_s)
    elif isinstance(error, KafkaError | AppendUnknown | AppendRefused | OSError):
        log.warning("batch will be read again", tp=str(batch.tp), cause=type(error).__name__)
        batch.again(AGAIN_S)
    elif error is not None:
        fatal(error)


async def _run(handler: Handler, batch: Batch) -> None:
    await handler(batch)
