"""A worker that ends anywhere leaves one document, one order and every code behind."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from app.domain.marking.draft import PostprocessPlan
from app.marking.crash import CRASH_EXIT_CODE
from app.marking.leases import release_former
from tests.flows.marking.rig import Rig

ROOT = Path(__file__).resolve().parents[3]
QUANTITY = 30


@pytest.fixture
def place(dsn: str, sandbox: str) -> dict[str, str]:
    return {"dsn": dsn, "origin": sandbox}


async def crash(rig: Rig, place: dict[str, str], *, at: str) -> None:
    """Let another process work on the order until it ends at the point."""
    task = {**place, "inn": rig.player.inn, "crash_at": at}
    script = ROOT / "tests" / "flows" / "marking" / "crashing_worker.py"
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, str(script), msgspec.json.encode(task).decode()],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == CRASH_EXIT_CODE, done.stderr[-2000:]
    await release_former(rig.database, worker="w1", owner=rig.desk.owner)


@pytest.mark.parametrize(
    "point",
    [
        "check_goods.committed",
        "submit_document.planned",
        "submit_document.claimed",
        "submit_document.answered",
        "submit_document.committed",
        "create_order.planned",
        "create_order.claimed",
        "create_order.answered",
        "create_order.committed",
        "observed.committed",
        "fetch_codes.planned",
        "fetch_codes.claimed",
        "fetch_codes.answered",
        "fetch_codes.committed",
        "close_order.planned",
        "close_order.claimed",
        "close_order.answered",
        "close_order.committed",
        "sign_in_suz.claimed",
        "sign_in_suz.answered",
    ],
)
async def test_nothing_is_lost_or_done_twice_by_a_crash(
    rig: Rig, place: dict[str, str], point: str
) -> None:
    rig.works = False
    order = await rig.start(QUANTITY)
    if point.startswith("sign_in"):
        await rig.forget_tokens()
    await crash(rig, place, at=point)
    rig.works = True

    await rig.until_status(order, "COMPLETED", within_s=90)

    documents = "select count(*) from marking.documents where number is not null"
    assert await rig.count(documents) == 1
    assert await rig.count("select count(*) from marking.codes") == QUANTITY
    assert len(rig.player.control("GET", "/orders")) == 1
    rig.player.assert_clean()


async def test_a_lost_tail_of_a_dead_worker_costs_one_code(rig: Rig, place: dict[str, str]) -> None:
    rig.player.control("PUT", "/switches", {"drain_close_delay_s": 0})
    rig.works = False
    order = await rig.start(1)
    await crash(rig, place, at="fetch_codes.answered")
    rig.works = True

    await rig.until_status(order, "COMPLETED", within_s=90)

    assert await rig.count("select count(*) from marking.codes") == 0
    incomplete = "select count(*) from marking.buffers where status = 'INCOMPLETE'"
    assert await rig.count(incomplete) == 1


@pytest.mark.parametrize("moment", ["claimed", "answered"])
async def test_a_report_of_a_dead_worker_is_never_sent_blindly(
    rig: Rig, place: dict[str, str], moment: str
) -> None:
    rig.works = False
    order = await rig.start(10, postprocess=PostprocessPlan(utilisation=True))
    await crash(rig, place, at=f"send_report.{moment}")
    rig.works = True

    await rig.until(lambda row: row.status == "COMPLETED" or row.hold is not None, order)

    assert rig.posted("suz.utilisation") == (1 if moment == "answered" else 0)
