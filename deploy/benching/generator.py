"""A load generator of prepared HTTP requests: open loop at a rate, or as fast as answers come.

Reads one msgpack `Job` from standard input, writes one `Outcome` to standard output. In the
open loop a request's time begins when it was due, not when a connection was free for it, so
that a server which stalls pays for everything that had to wait meanwhile.
"""

import asyncio
import re
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import cast

import msgspec
import uvloop

TICK_S = 0.001
GRACE_S = 10.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


class Job(msgspec.Struct, frozen=True):
    """`rate` 0: the next request follows each answer, until `seconds` are over."""

    host: str
    port: int
    rate: int
    connections: int
    seconds: float
    requests: list[bytes]


class Outcome(msgspec.Struct, frozen=True):
    """Seconds that each request took, `wall_s` until the last answer, answers by status."""

    taken_s: list[float]
    wall_s: float
    statuses: dict[str, int]


class Connection(asyncio.Protocol):
    """One request at a time; hands itself back when the answer is complete."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._read = bytearray()
        self.due = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, due: float) -> None:
        assert self._transport is not None
        self.due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head = self._read.find(_HEAD_END)
        if head < 0:
            return
        length = _LENGTH.search(self._read, 0, head)
        if len(self._read) < head + len(_HEAD_END) + (int(length[1]) if length else 0):
            return
        status = bytes(self._read[9:12]).decode()
        self._read.clear()
        due, self.due = self.due, 0.0
        self._load.answered(self, status, due)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._load.lost()


class Load:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._requests = iter(job.requests)
        self._free: deque[Connection] = deque()
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._out = 0
        self._began = 0.0
        self._taken: list[float] = []
        self._statuses: dict[str, int] = {}
        self._idle = asyncio.Event()
        self._ended = False

    async def run(self) -> Outcome:
        job, loop = self._job, asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: Connection(self), job.host, job.port)
            for _ in range(job.connections)
        ]
        self._began = time.perf_counter()
        if job.rate:
            self._free.extend(connection for _, connection in made)
            await self._open_loop()
        else:
            for _, connection in made:
                self._next(connection)
            await asyncio.sleep(job.seconds)
        try:
            async with asyncio.timeout(GRACE_S):
                await self._idle.wait()
        except TimeoutError:
            self._give_up([connection for _, connection in made])
        wall = time.perf_counter() - self._began
        self._ended = True
        for transport, _ in made:
            transport.close()
        return Outcome(self._taken, wall, self._statuses)

    def answered(self, connection: Connection, status: str, due: float) -> None:
        self._taken.append(time.perf_counter() - due)
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._out -= 1
        if self._job.rate == 0:
            self._next(connection)
        elif self._waiting:
            self._send(connection, *self._waiting.popleft())
        else:
            self._free.append(connection)
        if self._ended and not (self._out or self._waiting):
            self._idle.set()

    def _give_up(self, connections: Sequence[Connection]) -> None:
        """What was never answered took at least until now."""
        now = time.perf_counter()
        late = [due for _, due in self._waiting]
        late += [connection.due for connection in connections if connection.due]
        self._taken += [now - due for due in late]
        self._statuses["unanswered"] = len(late)

    def lost(self) -> None:
        """A server that hangs up is a failure of the row, not a pause."""
        if not self._ended:
            self._statuses["lost"] = self._statuses.get("lost", 0) + 1

    def _next(self, connection: Connection) -> None:
        now = time.perf_counter()
        request = next(self._requests, None)
        if request is None or now - self._began > self._job.seconds:
            self._ended = True
            return
        self._send(connection, request, now)

    def _send(self, connection: Connection, request: bytes, due: float) -> None:
        self._out += 1
        connection.send(request, due)

    async def _open_loop(self) -> None:
        """Every request at its time; those without a free connection wait, their clock runs."""
        step = 1 / self._job.rate
        due = self._began
        for request in self._requests:
            while due > time.perf_counter():
                await asyncio.sleep(TICK_S)
            if self._free:
                self._send(self._free.popleft(), request, due)
            else:
                self._waiting.append((request, due))
            due += step
        self._ended = True
        if not (self._out or self._waiting):
            self._idle.set()


def requests(
    path: str, bodies: Sequence[tuple[str, bytes]], *, host: str, headers: Sequence[str] = ()
) -> list[bytes]:
    """POST requests as they go over the wire; a body comes with its `Idempotency-Key`."""
    more = "".join(f"{header}\r\n" for header in headers)
    return [
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"{more}Idempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
        for key, body in bodies
    ]


def main() -> None:
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    outcome = uvloop.run(Load(job).run())
    sys.stdout.buffer.write(msgspec.msgpack.encode(outcome))


if __name__ == "__main__":
    main()
