"""The links of the fault suite hurt what they should: a worker's way to the broker."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from deploy.proving.links import SLOW_S, Links, Mode

PATIENCE_S = 10
NAME = "worker"


class Peer:
    """A broker that answers each line with itself; `heard`: what arrived."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while line := await reader.readline():
                self.heard.append(line)
                writer.write(line)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[Links, Peer]]:
    links, peer = Links([NAME]), Peer()
    server = await asyncio.start_server(peer.answer, "127.0.0.1", links.by_name[NAME].target)
    links.start()
    try:
        yield links, peer
    finally:
        await asyncio.to_thread(links.stop)
        server.close()


class Worker:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, line: bytes) -> bytes:
        self._writer.write(line)
        return await self._reader.readline()

    async def send(self, line: bytes) -> None:
        self._writer.write(line)
        await self._writer.drain()

    async def hears(self) -> bytes:
        return await self._reader.readline()


@asynccontextmanager
async def joined(links: Links) -> AsyncIterator[Worker]:
    reader, writer = await asyncio.open_connection("127.0.0.1", links.by_name[NAME].port)
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield Worker(reader, writer)
    finally:
        writer.close()


async def test_an_open_link_carries_both_ways() -> None:
    async with linked() as (links, _), joined(links) as worker:
        assert await worker.ask(b"one\n") == b"one\n"


async def test_a_cut_link_drops_who_is_there_and_whoever_comes_until_it_is_mended() -> None:
    async with linked() as (links, peer):
        async with joined(links) as worker:
            await worker.ask(b"one\n")
            links.become(NAME, Mode.CUT)
            assert await lost(worker)
        async with joined(links) as worker:
            assert await lost(worker)
        links.become(NAME, Mode.OPEN)
        async with joined(links) as worker:
            assert await worker.ask(b"three\n") == b"three\n"
        assert peer.heard == [b"one\n", b"three\n"]


async def lost(worker: Worker) -> bool:
    try:
        return await worker.ask(b"two\n") == b""
    except ConnectionError:
        return True


async def test_a_half_open_link_delivers_but_brings_no_answer_ever() -> None:
    async with linked() as (links, peer), joined(links) as worker:
        await worker.ask(b"one\n")
        links.become(NAME, Mode.HALF_OPEN)
        await worker.send(b"two\n")
        async with asyncio.timeout(PATIENCE_S):
            while b"two\n" not in peer.heard:
                await asyncio.sleep(0.01)
        links.become(NAME, Mode.OPEN)
        async with joined(links) as other:
            assert await other.ask(b"three\n") == b"three\n"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(worker.hears(), 0.3)


async def test_a_slow_link_carries_all_of_it_late() -> None:
    async with linked() as (links, _), joined(links) as worker:
        links.become(NAME, Mode.SLOW)
        began = time.monotonic()
        assert await worker.ask(b"one\n") == b"one\n"
        assert time.monotonic() - began >= 2 * SLOW_S[0]
