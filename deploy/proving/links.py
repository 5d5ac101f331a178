"""The way from each worker to the broker: a TCP proxy of its own that can be cut, slow or deaf."""

import asyncio
import contextlib
import enum
import random
import threading
from pathlib import Path

from app.embedded_kafka import KafkaBroker
from app.free_port import free_port
from deploy.proving.cluster import Cluster, Worker

CHUNK_BYTES = 1 << 16
SLOW_S = (0.02, 0.15)


class Mode(enum.Enum):
    """HALF_OPEN: of connections there are then, what the worker sends arrives for ever, what
    the broker answers never does, and nobody is told.
    """

    OPEN = enum.auto()
    CUT = enum.auto()
    SLOW = enum.auto()
    HALF_OPEN = enum.auto()


class Link:
    """One worker's way; the broker names `port` to it and listens on `target` for it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.target = free_port()
        self.mode = Mode.OPEN
        self._here: set[asyncio.StreamWriter] = set()
        self._there: set[asyncio.StreamWriter] = set()
        self._deaf: set[asyncio.StreamWriter] = set()

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    def become(self, mode: Mode) -> None:
        self.mode = mode
        if mode is Mode.HALF_OPEN:
            self._deaf |= self._here
        if mode is Mode.CUT:
            for writer in self._here | self._there:
                writer.transport.abort()

    async def _connected(self, ours: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        self._here.add(back)
        if self.mode is Mode.HALF_OPEN:
            self._deaf.add(back)
        try:
            await self._connect(ours, back)
        except OSError:
            back.transport.abort()
        finally:
            self._here.discard(back)
            self._deaf.discard(back)

    async def _connect(self, ours: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        if self.mode is Mode.CUT:
            raise ConnectionAbortedError
        theirs, forth = await asyncio.open_connection("127.0.0.1", self.target)
        self._there.add(forth)
        try:
            await asyncio.gather(self._pump(ours, forth), self._pump(theirs, back))
        finally:
            self._there.discard(forth)
            forth.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(CHUNK_BYTES):
                if sink in self._deaf:
                    continue
                if self.mode is Mode.SLOW:
                    await asyncio.sleep(random.uniform(*SLOW_S))
                sink.write(chunk)
                await sink.drain()
        finally:
            with contextlib.suppress(OSError):
                sink.close()


class Links:
    """All of them, in a thread of their own, so that the load does not slow them."""

    def __init__(self, names: list[str]) -> None:
        self.by_name = {name: Link() for name in names}
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)

    def start(self) -> None:
        self._thread.start()
        for link in self.by_name.values():
            serving = asyncio.run_coroutine_threadsafe(link.serve(), self._loop)
            self._servers.append(serving.result())

    def become(self, name: str, mode: Mode) -> None:
        self._loop.call_soon_threadsafe(self.by_name[name].become, mode)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._ended(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _ended(self) -> None:
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class LinkedBroker(KafkaBroker):
    """Advertises to whom comes over a link the port of that link."""

    def __init__(self, data: Path, links: Links) -> None:
        super().__init__(data)
        self._links = links

    def _listeners(self, controller: str) -> dict[str, str]:
        known = super()._listeners(controller)
        links = {f"LINK{n}": link for n, link in enumerate(self._links.by_name.values(), 1)}
        more = {
            "listeners": [f"{n}://127.0.0.1:{one.target}" for n, one in links.items()],
            "advertised.listeners": [f"{n}://127.0.0.1:{one.port}" for n, one in links.items()],
            "listener.security.protocol.map": [f"{name}:PLAINTEXT" for name in links],
        }
        return {name: ",".join([known[name], *values]) for name, values in more.items()}


class LinkedCluster(Cluster):
    """A cluster whose workers reach the broker over links and may be altered.

    `spares`: workers to be added; `lasting`: variables of whatever is started from now on.
    """

    def __init__(
        self,
        data: Path,
        *,
        workers: int,
        spares: int,
        database: str | None = None,
        settings: dict[str, str] | None = None,
    ) -> None:
        ledger = [f"ledger-{n}" for n in range(1, workers + spares + 1)]
        self.links = Links([*ledger, "services-1"])
        self.spare_names = ledger[workers:]
        self.lasting: dict[str, str] = {}
        services = 0 if database is None else 1
        super().__init__(
            data, workers=workers, services=services, database=database, settings=settings
        )

    def make_broker(self, data: Path) -> KafkaBroker:
        return LinkedBroker(data, self.links)

    def address_for(self, name: str) -> str:
        return f"127.0.0.1:{self.links.by_name[name].port}"

    def make_worker(self, name: str, *, role: str = "ledger") -> Worker:
        worker = super().make_worker(name, role=role)
        worker.program, worker.lasting = "deploy.proving.altered", self.lasting
        return worker

    def start(self) -> None:
        self.links.start()
        super().start()

    def stop(self) -> None:
        super().stop()
        self.links.stop()
