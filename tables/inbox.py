"""What waits at a partition: requests of tills, batches of commands."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterator
from typing import Any

from aiokafka import ConsumerRecord

from app.batches import Batch
from app.tills import Tills
from tables.draft import Request
from tables.errors import CommandsLost, DeadlineOver, OutcomeUnknown, OwnerUnavailable

MAX_REQUESTS = 1_000


class Inbox:
    """Both queues are bounded: requests here, batches by the transport.

    `at`: how many records of the waiting batches are decided, counted from the first one's.
    """

    def __init__(self, tills: Tills) -> None:
        self.wake = asyncio.Event()
        self.closed = False
        self.at = 0
        self._tills = tills
        self._asked = asyncio.Event()
        self._requests: deque[Request] = deque()
        self._batches: deque[Batch] = deque()

    def __bool__(self) -> bool:
        return bool(self._requests or self._batches)

    async def until_asked(self, turn: Coroutine[Any, Any, None]) -> None:
        """Back at its turn, or at once when somebody waits for an answer."""
        waits = asyncio.ensure_future(turn), asyncio.ensure_future(self._asked.wait())
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    def submit(self, batch: Batch) -> None:
        self._batches.append(batch)
        self.wake.set()

    def request(self, request: Request) -> None:
        """Raises OwnerUnavailable when 1 000 wait already or the partition is closing."""
        if self.closed or len(self._requests) >= MAX_REQUESTS:
            raise OwnerUnavailable("the partition takes no more requests")
        self._tills.ask()
        self._requests.append(request)
        self._asked.set()
        self.wake.set()

    def requests(self, limit: int) -> Iterator[Request]:
        """Those still in time; the others are told so and never decided."""
        now = asyncio.get_running_loop().time()
        for request in list(self._requests)[:limit]:
            if request.deadline <= now:
                fail(request, DeadlineOver("not decided before its deadline"))
            if not request.future.done():
                yield request

    def commands(self, watermark: int) -> Iterator[ConsumerRecord]:
        """Those not decided yet, as long as they follow on; after a gap they are read again."""
        while self._batches and self._batches[0].stale:
            self._batches.popleft()
            self.at = 0
        skip = self.at
        for batch in list(self._batches):
            if batch.follows > watermark:
                batch.consumer.rewind(batch.tp, watermark)
            if batch.stale:
                return
            if batch.lost:
                raise CommandsLost(f"retention took {batch.lost} commands from {batch.follows} on")
            yield from batch.records[skip:]
            skip = max(0, skip - len(batch.records))
            watermark = max(watermark, batch.upto)

    def advance(self, at: int) -> None:
        """Everything answered leaves, and every batch of which all is done."""
        while self._requests and self._requests[0].future.done():
            self._requests.popleft()
        if not self._requests:
            self._asked.clear()
        self.at = at
        while self._batches and self.at >= len(self._batches[0].records):
            batch = self._batches.popleft()
            self.at -= len(batch.records)
            batch.done()

    def close(self) -> None:
        """Nobody is left without an answer."""
        self.closed = True
        for request in self._requests:
            cause: Exception = OwnerUnavailable("the partition closed")
            if request.taken:
                cause = OutcomeUnknown("the partition closed while it was being decided")
            fail(request, cause)
        self._requests.clear()
        self._batches.clear()


def fail(request: Request, cause: Exception) -> None:
    if not request.future.done():
        request.future.set_exception(cause)
