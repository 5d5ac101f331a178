"""A standby ends when it is told to, whatever became of its cancellation."""

import asyncio
import contextlib
from typing import Any

import pytest

from tables import standby
from tables.standby import Standby


async def test_it_stops_though_its_cancellation_was_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rounds: list[int] = []

    async def forgetful(self: Standby) -> None:
        rounds.append(len(rounds))
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    monkeypatch.setattr(Standby, "_tail", forgetful)
    monkeypatch.setattr(standby, "RETRY_S", 0)
    site: Any = None  # nothing is opened
    faults: list[BaseException] = []
    tailing = Standby(site, 0, faults.append)
    await asyncio.sleep(0)
    stopping = asyncio.create_task(tailing.stop())
    done, _ = await asyncio.wait({stopping}, timeout=10)
    assert done
    assert rounds == [0]
