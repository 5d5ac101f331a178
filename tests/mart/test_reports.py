"""Reports: every view reads, and says what the operations say."""

import asyncio
import io
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiohttp import web
from rich.console import Console

from app.certificates.database import SLICE, Database, Row
from app.certificates.mart import Mart
from app.certificates.reports import PLOTTED, REPORTS, plot, report_rows, report_table, write_csv
from app.domain.certificates.commands import (
    ActivateCertificate,
    AllocateCertificate,
    BlockCertificate,
    IssueCertificate,
    LineReport,
    ProvideRefundDetails,
    RefundUpdate,
    RequestRefund,
)
from app.domain.certificates.ids import refund_request_id
from app.domain.decision import Reply
from app.domain.policy import DAY_MS, HOUR_MS, Policy
from tests.domain.certificates.order_town import entries, payment, sale, sold
from tests.mart.told import Law, a_life, call, taken
from web import mart_api

MONTH_MS = 31 * DAY_MS


@pytest.fixture
async def told(database: Database) -> Law:
    law = Law()
    for n in (1, 2, 3):
        a_life(law, f"gc_{n}")
    ask = RequestRefund("POS", "Cash", None, None, None, None, call("request_refund"))
    law.tell("gc_3", ask)
    law.tell("SO-9", sale(1, sold("1", "gc_9")), payment(settled=False))
    await taken(Mart(database), law.records)
    return law


@pytest.mark.parametrize("name", REPORTS)
async def test_every_report_is_shown_as_table_and_csv(
    database: Database, told: Law, name: str
) -> None:
    rows = await report_rows(database, name)
    text, screen = io.StringIO(), io.StringIO()
    write_csv(rows, text)
    Console(file=screen, width=200).print(report_table(name, rows))
    assert len(text.getvalue().splitlines()) == (len(rows) + 1 if rows else 0)
    assert name in screen.getvalue()


async def test_open_refunds_and_batches_are_summed_up(database: Database, told: Law) -> None:
    (refund,) = await report_rows(database, "refund-ageing")
    assert (refund["status"], refund["refunds"], refund["amount"]) == ("Requested", 1, 2_000)
    batches = await report_rows(database, "batches")
    assert [(row["batch_id"], row["issued"], row["active"]) for row in batches] == [("B-1", 3, 2)]


async def test_only_allocations_of_some_age_are_unsettled(
    database: Database, postgres: str
) -> None:
    """Of a line that was paid in part a moment ago the allocation is as old as before."""
    law, now = Law(), int(time.time() * 1_000)
    for n, days in ((1, 8), (2, 6)):
        law.now = now - days * DAY_MS - HOUR_MS
        gift, order_id = f"gc_{n}", f"SO-{n}"
        issue = IssueCertificate("R6N4", False, 3_000, "RUB", None, None, None, None, "B", 1, n, 1)
        law.tell(gift, issue, AllocateCertificate(order_id, "1", 1, 3_000, "RUB"))
        ok = LineReport("1", 1, "allocate", gift, None)
        law.tell(order_id, sale(1, sold("1", gift)), ok)
        law.now = now
        law.tell(order_id, payment(of=entries(l1=1_000), settled=False))
    await taken(Mart(database), law.records)
    sooner = Database(postgres, policy=Policy(unsettled_days=5))
    by_default, all_of_them = [await report_rows(one, "unsettled") for one in (database, sooner)]
    await sooner.close()
    assert [(row["order_id"], row["detail"]) for row in by_default] == [("SO-1", "PartiallyPaid")]
    assert {row["order_id"]: row["age_days"] for row in all_of_them} == {"SO-1": 8, "SO-2": 6}


@pytest.mark.parametrize(("answered_after", "days"), [(None, "0-3"), (8, "0-3"), (2, "4-7")])
async def test_days_of_waiting_for_the_holder_do_not_age_a_refund(
    database: Database, answered_after: int | None, days: str
) -> None:
    """Asked for ten days ago, its holder asked for details a day later."""
    law = Law()
    a_life(law)
    law.now = int(time.time() * 1_000) - 10 * DAY_MS + HOUR_MS
    ask = RequestRefund("POS", "Cash", None, None, None, None, call("request_refund"))
    law.tell("gc_1", ask)
    name = refund_request_id("gc_1", 1)
    law.now += DAY_MS
    wanted = RefundUpdate(name, 1, "AlternateDetailsRequired", 1, law.now, None, None, None)
    law.tell("gc_1", wanted)
    if answered_after is not None:
        law.now += answered_after * DAY_MS
        answer = ProvideRefundDetails(name, "Cash", None, call("provide_refund_details"))
        law.tell("gc_1", answer)
    await taken(Mart(database), law.records)
    (refund,) = await report_rows(database, "refund-ageing")
    assert (refund["days"], refund["refunds"]) == (days, 1)


async def test_a_report_is_bounded_by_days(database: Database, told: Law) -> None:
    rows = await report_rows(database, "redemption")
    day = rows[0]["day"]
    assert await report_rows(database, "redemption", since=day, until=day) == rows
    assert await report_rows(database, "redemption", until=date(2000, 1, 1)) == []


async def test_the_end_of_a_day_is_that_of_the_zone_of_business(
    database: Database, postgres: str, told: Law
) -> None:
    far = Database(postgres, policy=Policy(business_tz="Pacific/Kiritimati"))
    (here,) = await report_rows(database, "redemption")
    (there,) = await report_rows(far, "redemption")
    await far.close()
    assert (there["day"] - here["day"]).days == 1


async def test_the_claim_period_of_what_expired_is_a_setting(
    database: Database, postgres: str
) -> None:
    law = Law()
    law.now = int(time.time() * 1_000) - 25 * MONTH_MS
    line = ("SO-1", "1", 1)
    issue = IssueCertificate("R6N4", False, 3_000, "RUB", None, 1, None, None, "B-1", 1, 1, 1)
    allocate = AllocateCertificate(*line, 3_000, "RUB")
    law.tell("gc_1", issue, allocate, ActivateCertificate(*line))
    law.now += 3 * DAY_MS
    law.tell("gc_1", BlockCertificate("lost", call=call("block_certificate")))
    await taken(Mart(database), law.records)
    shorter = Database(postgres, policy=Policy(claim_period_months=24))
    over = [(await report_rows(one, "breakage"))[0] for one in (database, shorter)]
    await shorter.close()
    assert [row["claim_period_over"] for row in over] == [False, True]
    assert [(row["balance"], row["idle_months"]) for row in over] == [(3_000, 25)] * 2


@pytest.mark.parametrize("name", PLOTTED)
async def test_what_is_drawn_is_a_picture(
    database: Database, told: Law, tmp_path: Path, *, name: str
) -> None:
    path = tmp_path / "report.png"
    plot(name, await report_rows(database, name), str(path))
    assert path.read_bytes().startswith(b"\x89PNG")


class Held(list[Row]):
    """Rows that nobody gets before the loop has had a turn."""

    released = threading.Event()

    def __iter__(self) -> Iterator[Row]:
        assert self.released.wait(20), "the loop stood still"
        return super().__iter__()


@pytest.mark.parametrize(
    ("form", "shown"),
    [("csv", "day,balance\r\n1,5\r\n"), ("json", [msgspec.Raw(b'{"day":1,"balance":5}')])],
)
async def test_the_loop_goes_on_while_a_report_is_made(
    form: str, shown: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Held([{"day": 1, "balance": 5}])
    rows.released.clear()

    async def found(*_: object, **__: object) -> list[Row]:
        return rows

    async def as_of() -> None:
        return None

    monkeypatch.setattr(mart_api, "report_rows", found)
    asked: Any = SimpleNamespace(
        path={"name": "liability"},
        query={"format": form},
        instance="i",
        registry=SimpleNamespace(database=None, mart=SimpleNamespace(as_of=as_of)),
    )
    making = asyncio.create_task(_made(asked))
    asyncio.get_running_loop().call_later(0.05, rows.released.set)
    made = await making
    assert (made.text if isinstance(made, web.Response) else made.fields["rows"]) == shown


async def _made(asked: Any) -> Reply | web.Response:
    return await (await mart_api.read_report(asked))()


async def test_others_have_their_turn_between_slices_of_rows(database: Database) -> None:
    turns: list[int] = []
    async with database.transaction() as tx:
        await tx.execute("CREATE TEMP TABLE many ON COMMIT DROP AS SELECT generate_series(1, 1001)")
        cursor = tx._cursor
        execute = cursor.execute

        async def executed(*words: object, **more: object) -> None:
            await execute(*words, **more)
            asyncio.get_running_loop().call_soon(turns.append, len(turns))

        cursor.execute = executed
        rows = await tx.rows("SELECT * FROM many")
        assert (len(rows), turns) == (SLICE * 2 + 1, [0])
