"""Every fault of the marking half is told in the log, each of many, and tells no secret."""

import asyncio
from typing import cast

import pytest
from structlog.testing import capture_logs

from app.marking import runner as running
from app.marking.desk import Desk
from app.marking.runner import Runner
from app.marking.terms import Terms
from app.marking.timers import Timer, run_timer
from app.marking.work import WorkMessage

CODE = "010460000000001021abcdefghijklm"


class Half:
    """A desk of which nothing but the terms is asked."""

    terms = Terms()


async def test_orders_that_fail_at_once_are_told_each(monkeypatch: pytest.MonkeyPatch) -> None:
    async def advance(_desk: Desk, _order: str) -> None:
        raise LookupError(CODE)

    monkeypatch.setattr(running, "advance", advance)
    runner = Runner(cast("Desk", Half()))
    with capture_logs() as lines:
        for order in ("o1", "o2"):
            work = WorkMessage(message_id=order, task="advance", order_id=order, enqueued_at=1)
            assert runner.accept(work)
        await runner.idle()

    assert [(line["event"], line["key"], line["error"]) for line in lines] == [
        ("work failed", "o1", "LookupError"),
        ("work failed", "o2", "LookupError"),
    ]
    assert all("in advance" in line["places"][-1] for line in lines)
    assert CODE not in str(lines)


async def test_a_timer_tells_every_failed_round() -> None:
    rounds = 0
    third = asyncio.Event()

    async def job() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            third.set()
            return
        raise LookupError(CODE)

    with capture_logs() as lines:
        task = asyncio.create_task(run_timer(Timer("outbox", 0.01, job), leads=lambda: True))
        await asyncio.wait_for(third.wait(), 60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert [(line["event"], line["timer"]) for line in lines] == [("a timer failed", "outbox")] * 2
    assert CODE not in str(lines)
