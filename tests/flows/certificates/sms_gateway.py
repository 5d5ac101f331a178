"""The emulator of the SMS gateway as a process, and the hands of a test in it."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from app.free_port import free_port
from app.tether import end, spawn

CHECKOUT = Path(__file__).resolve().parents[3]
PATIENCE_S = 60.0


class SmsGateway:
    """Keeps its port through `stop` and `start`; what it knew is gone then."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "deploy.sandbox_sms", "--port", str(self.port)]
        with self._log.open("wb") as output:
            self._process = spawn(command, output=output, cwd=CHECKOUT)
        while b'"port"' not in self._log.read_bytes():
            assert self._process.poll() is None, self._log.read_text()

    def stop(self) -> None:
        if self._process is not None:
            end(self._process, stop_signal=signal.SIGTERM, patience_s=5)

    async def behave(self, manner: str, **more: Any) -> None:
        async with httpx.AsyncClient() as client:
            response = await client.put(f"{self.url}/_sms/manner", json={"manner": manner, **more})
            assert response.is_success, response.text

    async def messages(self, **wanted: str) -> list[dict[str, Any]]:
        async with httpx.AsyncClient() as client:
            found = (await client.get(f"{self.url}/_sms/messages", params=wanted)).text
        messages: list[dict[str, Any]] = json.loads(found)
        return messages

    async def delivered(self, to: str, *, count: int = 1) -> list[dict[str, Any]]:
        """The messages to that address, once so many copies have arrived in all."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            found = await self.messages(to=to)
            if sum(one["delivered"] for one in found) >= count:
                return found
            late = asyncio.get_running_loop().time() > deadline
            assert not late, f"not {count} messages in {PATIENCE_S:g} s, but {len(found)}"
            await asyncio.sleep(0.05)


@contextmanager
def running_gateway(log: Path) -> Iterator[SmsGateway]:
    gateway = SmsGateway(log)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()
