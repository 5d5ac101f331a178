"""Work ends although a driver forgets that it was cancelled."""

import asyncio
from typing import Any

import pytest

from app.marking import leases
from app.marking.runner import advance
from app.marking.timers import Timer, run_timer
from tests.flows.marking.rig import playing_worker


async def deaf() -> None:
    """What `asyncio.wait_for` does when an answer comes at the moment of the cancellation."""
    try:
        await asyncio.sleep(3_600)
    except asyncio.CancelledError:
        return


async def ends(task: asyncio.Task[Any]) -> bool:
    done, _ = await asyncio.wait({task}, timeout=20)
    return bool(done)


async def test_a_renewal_that_forgets_its_end_does_not_keep_the_order(
    dsn: str, sandbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewing = asyncio.Event()

    async def renew(*_given: Any, **_named: Any) -> bool:
        renewing.set()
        await deaf()
        return True

    monkeypatch.setattr(leases, "renew_lease", renew)
    terms: dict[str, Any] = {"marking_renew_s": 0.01}
    async with playing_worker(dsn, sandbox, inn="7700000048", **terms) as rig:
        rig.works = False
        order = await rig.start(5)
        work = asyncio.create_task(advance(rig.desk, order))
        assert await ends(work)
        assert renewing.is_set()
        row = await rig.database.one("select lease_owner from marking.orders")
        assert row == {"lease_owner": None}


async def test_a_timer_whose_job_forgets_its_end_ends() -> None:
    begun = asyncio.Event()

    async def job() -> None:
        begun.set()
        await deaf()

    task = asyncio.create_task(run_timer(Timer("deaf", 3_600, job), leads=lambda: True))
    await asyncio.wait_for(begun.wait(), 60)
    task.cancel()
    assert await ends(task)
