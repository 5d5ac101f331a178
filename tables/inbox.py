"""What waits at a partition: requests of tills, batches of commands."""

import asyncio
from collections import deque
from collections.abc import Iterator

from app.batches import Batch
from tables.draft import Request
from tables.errors import DeadlineOver, OutcomeUnknown, OwnerUnavailable

MAX_REQUESTS = 1_000


class Inbox:
    """Both queues are bounded: requests here, batches by the transport."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.closed = False
        self.at = 0
        self._requests: deque[Request] = deque()
        self._batches: deque[Batch] = deque()

    def __bool__(self) -> bool:
        return bool(self._requests or self._batches)

    def submit(self, batch: Batch) -> None:
        self._batches.append(batch)
        self.wake.set()

    def request(self, request: Request) -> None:
        """Raises OwnerUnavailable when 1 000 wait already or the partition is closing."""
        if self.closed or len(self._requests) >= MAX_REQUESTS:
            raise OwnerUnavailable("the partition takes no more requests")
        self._requests.append(request)
        self.wake.set()

    def requests(self, limit: int) -> Iterator[Request]:
        """Those still in time; the others are told so and never decided."""
        now = asyncio.get_running_loop().time()
        for request in list(self._requests)[:limit]:
            if request.deadline <= now:
                fail(request, DeadlineOver("not decided before its deadline"))
            if not request.future.done():
                yield request

    def head(self, watermark: int) -> Batch | None:
        """The batch to go on with; one that leaves a gap is read again instead."""
        while self._batches:
            batch = self._batches[0]
            if batch.follows > watermark and not batch.stale:
                batch.consumer.rewind(batch.tp, watermark)
            if not batch.stale:
                return batch
            self._batches.popleft()
            self.at = 0
        return None

    def advance(self, at: int) -> None:
        """Everything answered leaves, and the head batch when all of it is done."""
        while self._requests and self._requests[0].future.done():
            self._requests.popleft()
        self.at = at
        if self._batches and at >= len(self._batches[0].records):
            self._batches.popleft().done()
            self.at = 0

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
