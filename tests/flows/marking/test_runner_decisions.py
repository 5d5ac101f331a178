"""What an operator decides about calls and codes nobody can tell more of."""

from typing import Any

import pytest

from app.domain.marking.dictionaries import DropoutReason
from app.domain.marking.draft import DropoutPlan, PostprocessPlan
from app.marking.errors import OrderStateError
from app.marking.operations import decide_report, retry
from app.marking.orphans import listed, take_over
from tests.flows.marking.rig import Rig, playing_worker


def is_missing_codes(row: Any) -> bool:
    return (row.hold_detail or {}).get("code") == "codes-missing"


async def test_retry_asks_for_lost_blocks_again(rig: Rig) -> None:
    goods = [{"gtin": rig.gtins(1)[0], "quantity": 25}]
    rig.player.control("POST", "/orders", {"products": goods, "fetched": 5, "fetched_by": "ui"})
    await rig.until_status(await rig.start(10), "COMPLETED")
    (orphan,) = await listed(rig.desk, rig.participant_id)
    adopted = await take_over(rig.desk, orphan["suz_order_id"], user_id=rig.user_id)
    await rig.until(is_missing_codes, adopted)
    asked = rig.posted("suz.code_blocks")

    await retry(rig.desk, adopted, user_id=rig.user_id)

    await rig.until(is_missing_codes, adopted)
    assert rig.posted("suz.code_blocks") == asked + 1
    assert await rig.count("select sum(lost) from marking.buffers") == 5


async def test_a_report_is_decided_only_for_its_own_order(dsn: str, sandbox: str) -> None:
    async with playing_worker(dsn, sandbox, inn="7700000048", report_search_s=0) as rig:
        rig.player.fault("suz.dropout", "drop", when="before")
        plan = PostprocessPlan(dropout=DropoutPlan(DropoutReason.DEFECT))
        order = await rig.start(5, postprocess=plan)
        await rig.until(lambda row: row.hold == "attention", order)
        rig.works = False
        other = await rig.start(5)
        held = "update marking.orders set hold = 'attention' where id = %(id)s"
        await rig.database.execute(held, id=other)
        row = await rig.database.one("select id from marking.suz_reports")
        assert row is not None
        report = row["id"]

        with pytest.raises(OrderStateError):
            await decide_report(rig.desk, other, report, sent=True, user_id=rig.user_id)
        rig.works = True
        await decide_report(rig.desk, order, report, sent=False, user_id=rig.user_id)

        await rig.until_status(order, "COMPLETED")
        assert rig.posted("suz.dropout") == 2
        settled = """select count(*) from marking.audit_log
            where action = 'call.absent' and order_id = %(id)s and call_id is not null"""
        assert await rig.count(settled, id=order) == 1
