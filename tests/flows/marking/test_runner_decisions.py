"""Calls and codes in doubt: what an operator asks for, and what is closed elsewhere."""

from typing import Any

import pytest

from app.domain.marking.dictionaries import DropoutReason
from app.domain.marking.draft import Attributes, DropoutPlan, PostprocessPlan
from app.marking.corrections import correct
from app.marking.errors import OrderStateError
from app.marking.operations import cancel, decide_report, retry
from app.marking.orphans import listed, take_over
from app.marking.waivers import give_up
from tests.flows.marking.rig import Rig, playing_worker


def is_missing_codes(row: Any) -> bool:
    return (row.hold_detail or {}).get("code") == "codes-missing"


async def test_lookups_asked_for_at_once_do_not_make_a_lost_order_absent(
    dsn: str, sandbox: str
) -> None:
    never: dict[str, Any] = {"marking_reconcile_delays_s": (100_000.0,) * 3}
    async with playing_worker(dsn, sandbox, inn="7700000048", **never) as rig:
        rig.player.fault("suz.create_order", "drop", when="before")
        order = await rig.start(20)
        await rig.until(lambda row: row.hold == "unknown_outcome", order)
        looked = rig.posted("suz.order_list")

        for _ in range(3):
            await retry(rig.desk, order, user_id=rig.user_id)
            await rig.tick()

        assert rig.posted("suz.order_list") == looked + 3
        assert rig.posted("suz.create_order") == 1
        call = "select reconcile_step from marking.calls where state = 'UNKNOWN'"
        assert await rig.count(call) == 0


async def test_one_gtin_closed_elsewhere_does_not_close_the_order(rig: Rig) -> None:
    rig.player.fault("suz.fetch_codes", "close", gtin=rig.gtins(1)[0])

    order = await rig.start(20, 30)

    row = await rig.until_status(order, "COMPLETED", within_s=60)
    assert row.hold is None
    assert await rig.count("select count(*) from marking.codes") == 30
    incomplete = "select count(*) from marking.buffers where status = 'INCOMPLETE'"
    assert await rig.count(incomplete) == 1


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


async def test_an_order_given_up_is_accepted_as_a_new_one(rig: Rig) -> None:
    rig.player.fault("suz.create_order", "stay", state="PENDING", for_s=4_000)
    order = await rig.start(20)
    await rig.until_status(order, "EMITTING")
    await give_up(rig.desk, order, expected_lost=20, user_id=rig.user_id)
    (orphan,) = await listed(rig.desk, rig.participant_id)
    assert orphan["kind"] == "given_up"

    adopted = await take_over(rig.desk, orphan["suz_order_id"], user_id=rig.user_id)

    with pytest.raises(OrderStateError, match="принят как новый"):
        await correct(rig.desk, order, user_id=rig.user_id, attributes=Attributes())
    await cancel(rig.desk, order, user_id=rig.user_id)
    rig.player.pass_time(4_000)
    await rig.until_status(adopted, "COMPLETED")
    stored = "select count(*) from marking.codes where order_id = %(id)s"
    assert await rig.count(stored, id=adopted) == 20
    rig.player.assert_clean()


async def test_the_rest_of_a_collected_order_is_not_accepted(rig: Rig) -> None:
    rig.player.fault("suz.fetch_codes", "status", status=400, nth=2, times=0)
    order = await rig.start(60)
    await rig.until(lambda row: row.hold is not None, order)
    await give_up(rig.desk, order, expected_lost=1, user_id=rig.user_id)
    (orphan,) = await listed(rig.desk, rig.participant_id)

    with pytest.raises(OrderStateError, match="уже получена"):
        await take_over(rig.desk, orphan["suz_order_id"], user_id=rig.user_id)

    assert len(await listed(rig.desk, rig.participant_id)) == 1
