"""The Payments stand-in of a scene: a process of its own, told what to do over HTTP."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from app.tether import end, spawn
from deploy.proving.cluster import CHECKOUT
from tests.flows.certificates.letters import Gift
from tests.flows.certificates.scene import Scene

START_S = 30.0


class PaymentsDesk:
    """By default it says nothing by itself."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def treats(self, gift: Gift, manner: str) -> None:
        """How it will answer the refund requests of this certificate."""
        body = {"manner": manner, "certificateId": gift.id}
        async with self._session.put(f"{self._url}/manner", json=body) as response:
            assert response.status == 200, await response.text()

    async def says(self, refund: str, status: str, **more: Any) -> None:
        """Says it now; it must have heard the request, for which it gets a moment."""
        body = {"refundRequestId": refund, "status": status, **more}
        async with asyncio.timeout(START_S):
            while not await self._said(body):
                await asyncio.sleep(0.02)

    async def _said(self, body: dict[str, Any]) -> bool:
        async with self._session.post(f"{self._url}/say", json=body) as response:
            return response.status == 200

    async def books(self) -> dict[str, dict[str, Any]]:
        """What was asked, said and paid, by certificate."""
        async with self._session.get(f"{self._url}/requests") as response:
            return {one["certificateId"]: one for one in await response.json()}


@asynccontextmanager
async def open_desk(scene: Scene, *, seed: int = 1) -> AsyncIterator[PaymentsDesk]:
    bootstrap = scene.cluster.broker.bootstrap
    options = ["--bootstrap", bootstrap, "--manner", "silent", "--seed", str(seed)]
    command = [sys.executable, "-m", "deploy.sandbox_payments", *options]
    log = scene.cluster.data / "logs" / "sandbox-payments.log"
    with log.open("ab") as output:
        process = spawn(command, cwd=CHECKOUT, output=output)
    try:
        async with asyncio.timeout(START_S):
            while not (line := log.read_text()).endswith("\n"):
                assert process.poll() is None, line
                await asyncio.sleep(0.05)
        yield PaymentsDesk(scene.session, json.loads(line.splitlines()[-1])["url"])
    finally:
        await asyncio.to_thread(end, process, stop_signal=signal.SIGTERM, patience_s=10)
