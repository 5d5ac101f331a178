"""Introductions in several parts: one refused, corrected, or left behind."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.domain.marking.draft import Attributes
from app.marking import circulation
from app.marking.corrections import correct
from app.marking.operations import finish_without_introduction
from tests.flows.marking.rig import Rig, playing_worker

BY_GROUP: dict[str, Any] = {
    "marking_flow_profile": "order_first",
    "marking_suz_reports": "by_group",
    "marking_auto_introduce": True,
}
CODES, PART = 10, 4


@pytest.fixture
async def parts(dsn: str, sandbox: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    """Introductions of few codes each."""
    monkeypatch.setattr(circulation, "MAX_CODES_PER_DOCUMENT", PART)
    async with playing_worker(dsn, sandbox, inn="7700000048", **BY_GROUP) as worker:
        yield worker


async def introduced(rig: Rig) -> int:
    return await rig.count("select count(*) from marking.codes where status = 'INTRODUCED'")


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
    assert await introduced(parts) == CODES
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
