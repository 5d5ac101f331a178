"""Scenario 14: a process that ends at any crash point of the design leaves nothing doubled.

C5, C7, C9 and C11 in the whole stack: test_s14_killed_workers.py; C16: test_s15_thawed_workers.py;
C18: test_s36_frozen_leader.py.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import psycopg2
import pytest
from structlog.testing import capture_logs

from app.domain.marking.draft import PostprocessPlan
from app.embedded_postgres import PostgresServer
from app.marking import order_pages
from app.marking.crash import CRASH_EXIT_CODE
from app.marking.issue_files import content
from app.marking.issues import IssueKind, codes_sha256
from app.marking.issuing import Issue, IssueRequest, load_issue, reserve
from app.marking.leases import release_former
from app.marking.press import Press
from app.marking.queue import feed, publish_outbox
from app.marking.reordering import lines_to_reorder
from tests.flows.marking.crashing_worker import place
from tests.flows.marking.rig import Rig

ROOT = Path(__file__).resolve().parents[3]
QUANTITY = 30
POINTS: dict[str, tuple[str, ...]] = {
    "C2": ("check_goods.answered",),
    "C3": ("check_goods.committed",),
    "C4": (
        "submit_document.signed",
        "submit_document.planned",
        "create_order.signed",
        "create_order.planned",
        "fetch_codes.planned",
        "close_order.planned",
    ),
    "C5": (
        "submit_document.claimed",
        "create_order.claimed",
        "fetch_codes.claimed",
        "close_order.claimed",
    ),
    "C6": ("submit_document.answered",),
    "C7": ("create_order.answered",),
    "C8": (
        "submit_document.committed",
        "create_order.committed",
        "observed.committed",
        "fetch_codes.committed",
    ),
    "C9": ("fetch_codes.answered",),
    "C11": ("close_order.answered", "close_order.committed"),
    "C13": ("sign_in_suz.claimed", "sign_in_suz.answered"),
}


Crash = Callable[..., Any]


@pytest.fixture
def crash(rig: Rig, dsn: str, sandbox: str) -> Crash:
    """Lets another process act until it ends at the point; the rig then gets its leases."""
    script = ROOT / "tests" / "flows" / "marking" / "crashing_worker.py"

    async def crash(at: str, **task: Any) -> None:
        given = {"dsn": dsn, "origin": sandbox, "inn": rig.player.inn, "crash_at": at, **task}
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, str(script), msgspec.json.encode(given).decode()],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == CRASH_EXIT_CODE, done.stderr[-2000:]
        await release_former(rig.database, worker="w1", owner=rig.desk.owner)

    return crash


async def stored_codes(rig: Rig) -> list[str]:
    return sorted(row["ki"] for row in await rig.database.rows("select ki from marking.codes"))


def handed_out(rig: Rig) -> list[str]:
    blocks = rig.player.control("GET", "/ledger")
    return sorted(code[:31] for block in blocks for code in block["codes"])


async def ends_whole(rig: Rig, order: str) -> None:
    """As an order that nothing happened to: one document, one order, every code."""
    await rig.until_status(order, "COMPLETED", within_s=90)
    documents = "select count(*) from marking.documents where number is not null"
    assert await rig.count(documents) == 1
    assert len(await stored_codes(rig)) == QUANTITY
    assert await stored_codes(rig) == handed_out(rig)
    assert len(rig.player.control("GET", "/documents")) == 1
    assert len(rig.player.control("GET", "/orders")) == 1
    rig.player.assert_clean()


@pytest.mark.parametrize(
    "point", [pytest.param(p, id=f"{name}-{p}") for name, each in POINTS.items() for p in each]
)
async def test_s14_nothing_is_lost_or_done_twice(rig: Rig, crash: Crash, point: str) -> None:
    rig.works = False
    order = await rig.start(QUANTITY)
    if point.startswith("sign_in"):
        await rig.forget_tokens()
    await crash(point)
    rig.works = True

    await ends_whole(rig, order)


async def only_order(rig: Rig) -> str:
    (row,) = await rig.database.rows("select id from marking.orders")
    return str(row["id"])


async def test_s14_c1_an_order_whose_wake_up_is_lost_is_found(rig: Rig, crash: Crash) -> None:
    (gtin,) = rig.gtins(1)
    await crash("order.committed", act="order", by=rig.user_id, gtin=gtin, quantity=QUANTITY)

    await ends_whole(rig, await only_order(rig))


async def test_s14_c2_before_its_row_there_is_no_order(rig: Rig, crash: Crash) -> None:
    (gtin,) = rig.gtins(1)
    task: dict[str, Any] = {"by": rig.user_id, "gtin": gtin, "quantity": QUANTITY}
    await crash("nk.answered", act="order", key="again", **task)
    assert await rig.count("select count(*) from marking.orders") == 0

    while (placed := await place(rig.desk, key="again", **task)) is None:
        await asyncio.sleep(0.05)
    await ends_whole(rig, placed)
    assert await place(rig.desk, key="again", **task) == placed
    assert await only_order(rig) == placed


async def test_s14_c10_a_lost_tail_of_a_closed_order_costs_one_code(rig: Rig, crash: Crash) -> None:
    rig.player.control("PUT", "/switches", {"drain_close_delay_s": 0})
    rig.works = False
    order = await rig.start(QUANTITY)
    await crash("fetch_codes.answered:2")
    rig.works = True

    await rig.until_status(order, "COMPLETED", within_s=90)

    *_, tail = rig.player.control("GET", "/ledger")
    assert sorted([*await stored_codes(rig), tail["codes"][0][:31]]) == handed_out(rig)
    shown = await order_pages.one(rig.database, order)
    assert [line["buffer"] for line in shown["lines"]] == ["INCOMPLETE"]
    assert "reorder-rejected" in shown["actions"]
    (again,) = await lines_to_reorder(rig.database, shown)
    assert again.quantity == 1
    rig.player.assert_clean()


async def test_s14_c12_a_report_that_was_sent_is_found(rig: Rig, crash: Crash) -> None:
    rig.works = False
    order = await rig.start(10, postprocess=PostprocessPlan(utilisation=True))
    await crash("send_report.answered")
    rig.works = True

    await rig.until_status(order, "COMPLETED", within_s=60)

    assert rig.posted("suz.utilisation") == 1
    assert await rig.count("select count(*) from marking.suz_reports where status = 'SUCCESS'") == 1


async def test_s14_c12_a_report_that_may_have_been_sent_waits(rig: Rig, crash: Crash) -> None:
    rig.works = False
    order = await rig.start(10, postprocess=PostprocessPlan(utilisation=True))
    await crash("send_report.claimed")
    rig.works = True

    held = await rig.until(lambda row: row.hold == "unknown_outcome", order)

    assert held.status == "POSTPROCESSING"
    assert rig.posted("suz.utilisation") == 0


async def test_s14_c14_reserved_codes_are_offered_again_and_never_twice(
    rig: Rig, crash: Crash
) -> None:
    order = await rig.start(QUANTITY)
    await rig.until_status(order, "COMPLETED", within_s=60)
    (gtin,) = rig.gtins(1)
    task = {"order_id": order, "by": rig.user_id, "gtin": gtin, "quantity": 10}
    await crash("issue.committed", act="issue", **task)

    (row,) = await rig.database.rows("select id, state from marking.issues")
    assert row["state"] == "READY"
    rest = IssueRequest(kind=IssueKind.TXT, gtin=gtin, next=QUANTITY - 10)
    crashed = await load_issue(rig.database, row["id"])
    other = await reserve(rig.desk, order, request=rest, by=rig.user_id)
    first, second = await codes_of(rig, crashed), await codes_of(rig, other)
    assert codes_sha256(code[:31] for code in first) == crashed.codes_sha256
    ledger = [c for block in rig.player.control("GET", "/ledger") for c in block["codes"]]
    assert sorted([*first, *second]) == sorted(ledger)


async def codes_of(rig: Rig, issue: Issue) -> list[str]:
    file = b"".join([part async for part in content(rig.desk, Press(), issue=issue)])
    return file.decode().split("\n")[:-1]


async def test_s14_c15_an_event_that_was_not_acknowledged_keeps_its_id(rig: Rig) -> None:
    order = await rig.start(5)
    await rig.until_status(order, "COMPLETED")
    sent: list[bytes] = []

    async def broken(_topic: str, _key: bytes, value: bytes) -> None:
        sent.append(value)
        raise ConnectionError

    async def produce(_topic: str, _key: bytes, value: bytes) -> None:
        sent.append(value)

    with pytest.raises(ConnectionError):
        await publish_outbox(rig.desk, broken)
    await publish_outbox(rig.desk, produce)

    assert sent[0] == sent[1]
    events = await feed(rig.desk, after=0, limit=200)
    numbers = [event.feed_seq for event in events]
    assert numbers == list(range(1, len(numbers) + 1))
    waiting = "select count(*) from marking.outbox where published_at is null"
    assert await rig.count(waiting) == 0


@pytest.fixture
def let_in(dsn: str, postgres_server: PostgresServer) -> Callable[[bool], None]:
    """Ends every connection of the database; False: and lets nobody in."""
    name = dsn.rsplit("/", 1)[1].split("?", maxsplit=1)[0]

    def let_in(allowed: bool, /) -> None:
        with closing(psycopg2.connect(postgres_server.dsn())) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"alter database {name} allow_connections {allowed}")
                sql = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
                cursor.execute(sql, [name])

    return let_in


async def test_s14_c17_an_answer_waits_for_the_database(
    rig: Rig, let_in: Callable[[bool], None]
) -> None:
    rig.player.fault("suz.create_order", "gate", when="after")
    order = await rig.start(QUANTITY)
    await rig.until_gate(order)

    with capture_logs() as lines:
        let_in(False)
        rig.release_gates()
        while "a received fact waits for the database" not in {line["event"] for line in lines}:
            await asyncio.sleep(0.02)
    let_in(True)

    await ends_whole(rig, order)
    states = "select state from marking.calls where operation = 'create_order'"
    assert await rig.database.rows(states) == [{"state": "ANSWERED"}]
