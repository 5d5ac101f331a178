"""Introductions in several parts: one refused, corrected, or left behind."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.domain.marking.draft import Attributes
from app.marking import circulation
from app.marking.code_states import refresh_open_orders
from app.marking.corrections import correct
from app.marking.errors import ValidationError
from app.marking.introducing import introduce
from app.marking.operations import finish_without_introduction
from tests.flows.marking.rig import Rig, playing_worker

BY_GROUP: dict[str, Any] = {
    "marking_flow_profile": "order_first",
    "marking_suz_reports": "by_group",
    "marking_auto_introduce": True,
}
CODES, PART = 10, 4
INTRODUCED = "select count(*) from marking.codes where status = 'INTRODUCED'"
ACCEPTED = "select count(*) from marking.documents where status = 'ACCEPTED'"
REJECTED = "select count(*) from marking.documents where status = 'REJECTED'"


@pytest.fixture
async def parts(dsn: str, sandbox: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    """Introductions of few codes each."""
    monkeypatch.setattr(circulation, "MAX_CODES_PER_DOCUMENT", PART)
    async with playing_worker(dsn, sandbox, inn="7700000048", **BY_GROUP) as worker:
        yield worker


@pytest.mark.parametrize(("verdict", "times"), [("CHECKED_NOT_OK", 1), ("PROCESSING_ERROR", 0)])
async def test_a_refused_part_is_corrected_and_all_codes_come_into_circulation(
    parts: Rig, verdict: str, times: int
) -> None:
    parts.player.fault(
        "true_api.submit_document", "verdict", state=verdict, nth=2, times=times, errors=["41: x"]
    )
    order = await parts.start(CODES)
    await parts.until_status(order, "DOC_REJECTED")
    parts.player.control("DELETE", "/faults")

    await correct(parts.desk, order, user_id=parts.user_id, attributes=Attributes())

    await parts.until_status(order, "COMPLETED")
    assert await parts.count(INTRODUCED) == CODES
    parts.player.assert_clean()


async def test_what_was_not_sent_when_an_order_is_finished_is_never_sent(parts: Rig) -> None:
    parts.player.fault("true_api.submit_document", "status", status=400, text="x")
    order = await parts.start(CODES)
    await parts.until_status(order, "DOC_REJECTED")

    await finish_without_introduction(parts.desk, order, user_id=parts.user_id)

    await parts.until_status(order, "COMPLETED")
    await parts.tick()
    assert parts.posted("true_api.submit_document") == 1
    stands = await parts.database.rows(
        "select distinct status from marking.documents order by status"
    )
    assert [row["status"] for row in stands] == ["CANCELLED", "REJECTED"]
    assert await parts.count("select count(*) from marking.calls where state = 'PLANNED'") == 0
    live = "select count(*) from marking.document_codes where live"
    assert await parts.count(live) == 0


@pytest.fixture
async def closed(dsn: str, sandbox: str) -> AsyncIterator[Rig]:
    """Introductions only when somebody asks for them."""
    asked = {**BY_GROUP, "marking_auto_introduce": False}
    async with playing_worker(dsn, sandbox, inn="7700000048", **asked) as worker:
        yield worker


async def applied_codes(rig: Rig, order: str) -> list[str]:
    """КИ of the order once the emulator has counted all of them as applied."""
    await rig.until_status(order, "CLOSED", "COMPLETED")
    rig.player.pass_time(3)
    await refresh_open_orders(rig.desk)
    rows = await rig.database.rows("select ki from marking.codes order by id")
    return [row["ki"] for row in rows]


async def until_counted(rig: Rig, order: str, *, sql: str, count: int) -> None:
    for _ in range(1_000):
        await rig.tick()
        if await rig.count(sql) == count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(await rig.story(order))


async def test_listed_codes_are_introduced_first_and_the_others_move_the_order(
    closed: Rig,
) -> None:
    order = await closed.start(CODES)
    some = tuple((await applied_codes(closed, order))[:PART])

    await introduce(closed.desk, order, some, user_id=closed.user_id)
    await until_counted(closed, order, sql=ACCEPTED, count=1)
    assert (await closed.order(order)).status == "CLOSED"
    with pytest.raises(ValidationError, match="Подходящих кодов нет"):
        await introduce(closed.desk, order, some, user_id=closed.user_id)
    await introduce(closed.desk, order, user_id=closed.user_id)

    await closed.until_status(order, "COMPLETED")
    await until_counted(closed, order, sql=ACCEPTED, count=2)
    await until_counted(closed, order, sql=INTRODUCED, count=CODES)
    closed.player.assert_clean()


async def test_an_order_with_nothing_left_to_introduce_goes_on(closed: Rig) -> None:
    order = await closed.start(CODES)
    every = tuple(await applied_codes(closed, order))
    await introduce(closed.desk, order, every, user_id=closed.user_id)
    await until_counted(closed, order, sql=ACCEPTED, count=1)

    await introduce(closed.desk, order, user_id=closed.user_id)

    await closed.until_status(order, "COMPLETED")
    assert closed.posted("true_api.submit_document") == 1


async def test_codes_of_an_order_that_ended_without_introduction_are_introduced(
    closed: Rig,
) -> None:
    order = await closed.start(CODES)
    await applied_codes(closed, order)
    await finish_without_introduction(closed.desk, order, user_id=closed.user_id)
    await closed.until_status(order, "COMPLETED")
    refused = {"state": "CHECKED_NOT_OK", "errors": ["41: x"]}
    closed.player.fault("true_api.submit_document", "verdict", **refused)

    await introduce(closed.desk, order, user_id=closed.user_id)
    await until_counted(closed, order, sql=REJECTED, count=1)
    await introduce(closed.desk, order, user_id=closed.user_id)

    await until_counted(closed, order, sql=ACCEPTED, count=1)
    await until_counted(closed, order, sql=INTRODUCED, count=CODES)
    assert (await closed.order(order)).status == "COMPLETED"
    told = "select count(*) from marking.notifications where kind = 'document.rejected'"
    assert await closed.count(told) == 1
    closed.player.assert_clean()
