"""What goes wrong at the border, and that each order ends with one of everything."""

import contextlib
from typing import Any

import pytest

from app.domain.marking.dictionaries import DropoutReason
from app.domain.marking.draft import DropoutPlan, PostprocessPlan
from app.marking import runner
from app.marking.database import NOW_MS, ms
from app.marking.errors import OrderStateError
from app.marking.operations import retry
from app.marking.runner import advance
from app.marking.waivers import close_with_rest
from tests.flows.marking.rig import Rig


async def stored(rig: Rig) -> int:
    return await rig.count("select count(*) from marking.codes")


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "drop"},
        {"action": "truncated_json"},
        {"action": "status", "status": 500, "when": "after"},
        {"action": "status", "status": 502, "shape": "html", "when": "after"},
        {"action": "status", "status": 408, "when": "after"},
    ],
    ids=["dropped", "truncated", "500", "502", "408"],
)
async def test_an_order_whose_answer_is_lost_is_adopted_not_repeated(
    rig: Rig, fault: dict[str, Any]
) -> None:
    rig.player.fault("suz.create_order", **fault)

    order = await rig.start(20)

    await rig.until_status(order, "COMPLETED", within_s=60)
    assert rig.posted("suz.create_order") == 1
    assert await stored(rig) == 20
    rig.player.assert_clean()


async def test_an_order_that_never_arrived_is_sent_again_with_the_same_bytes(rig: Rig) -> None:
    rig.player.fault("suz.create_order", "drop", when="before")

    order = await rig.start(20)

    await rig.until_status(order, "COMPLETED", within_s=90)
    sent = rig.player.journal("suz.create_order")
    assert len(sent) == 2
    assert sent[0]["body"] == sent[1]["body"]
    assert rig.posted("suz.order_list") >= 3
    rig.player.assert_clean()


async def test_a_document_whose_answer_is_lost_is_found_by_our_number(rig: Rig) -> None:
    rig.player.fault("true_api.submit_document", "drop")

    order = await rig.start(20)

    await rig.until_status(order, "COMPLETED", within_s=60)
    assert rig.posted("true_api.submit_document") == 1
    rig.player.assert_clean()


async def test_a_block_whose_answer_is_lost_comes_by_retry(rig: Rig) -> None:
    rig.player.fault("suz.fetch_codes", "drop")

    order = await rig.start(50)

    await rig.until_status(order, "COMPLETED", within_s=60)
    assert await stored(rig) == 50
    retried = "select count(*) from marking.code_blocks where source = 'retry'"
    assert await rig.count(retried) == 1
    rig.player.assert_clean()


async def test_a_lost_tail_of_a_closed_order_costs_one_code_and_is_shown(rig: Rig) -> None:
    rig.player.control("PUT", "/switches", {"drain_close_delay_s": 0})
    rig.player.fault("suz.fetch_codes", "drop", nth=2)

    order = await rig.start(50)

    await rig.until_status(order, "COMPLETED", within_s=60)
    assert await stored(rig) == 49
    incomplete = "select count(*) from marking.buffers where status = 'INCOMPLETE'"
    assert await rig.count(incomplete) == 1


async def test_an_order_that_closes_itself_needs_no_close(rig: Rig) -> None:
    rig.player.control("PUT", "/switches", {"drain_close_delay_s": 0})

    order = await rig.start(30)

    await rig.until_status(order, "COMPLETED")
    assert rig.posted("suz.close_order") == 0
    row = await rig.database.one("select closed_by from marking.suz_orders")
    assert row is not None
    assert row["closed_by"] == "EXHAUSTED"


async def test_a_close_whose_answer_is_lost_is_done(rig: Rig) -> None:
    rig.player.fault("suz.close_order", "drop")

    order = await rig.start(30)

    await rig.until_status(order, "COMPLETED", within_s=60)
    assert rig.posted("suz.close_order") == 1
    rig.player.assert_clean()


async def test_a_close_that_never_arrives_is_not_sent_for_ever(rig: Rig) -> None:
    rig.player.control("PUT", "/switches", {"drain_close_delay_s": 10_000})
    rig.player.fault("suz.close_order", "drop", when="before", times=0)

    order = await rig.start(5)

    row = await rig.until(lambda row: row.hold == "attention", order)
    assert row.hold_detail is not None
    assert row.hold_detail["code"] == "never-arrives"
    assert rig.posted("suz.close_order") == 4
    await rig.database.execute("update marking.orders set waited_s = 900")
    await retry(rig.desk, order, user_id=rig.user_id)
    assert (await rig.order(order)).waited_s == 0


async def test_a_refused_document_is_explained_and_stops_the_order(rig: Rig) -> None:
    rig.player.fault(
        "true_api.submit_document",
        "verdict",
        state="CHECKED_NOT_OK",
        errors=["41: описание"],
    )

    order = await rig.start(10)

    await rig.until_status(order, "DOC_REJECTED")
    assert rig.posted("suz.create_order") == 0
    row = await rig.database.one("select errors from marking.documents")
    assert row is not None
    assert "неполное описание товара" in row["errors"][0]


async def test_a_technical_error_is_sent_again_with_the_same_bytes(rig: Rig) -> None:
    rig.player.fault("true_api.submit_document", "verdict", state="PROCESSING_ERROR", times=2)

    order = await rig.start(10)

    await rig.until_status(order, "COMPLETED", within_s=60)
    sent = rig.player.journal("true_api.submit_document")
    assert len({entry["body"] for entry in sent}) == 1
    assert len(sent) == 3


async def test_the_fourth_technical_error_rejects_the_document(rig: Rig) -> None:
    rig.player.fault("true_api.submit_document", "verdict", state="PROCESSING_ERROR", times=4)

    order = await rig.start(10)

    await rig.until_status(order, "DOC_REJECTED", within_s=60)
    assert rig.posted("true_api.submit_document") == 4


async def test_one_rejected_gtin_does_not_stop_the_other(rig: Rig) -> None:
    second = rig.gtins(2)[1]
    rig.player.fault("suz.create_order", "reject", gtin=second, text="не найдено в реестре")

    order = await rig.start(20, 30)

    await rig.until_status(order, "COMPLETED", within_s=60)
    assert await stored(rig) == 20
    reason = await rig.database.one(
        "select rejection_reason from marking.buffers where status = 'REJECTED'"
    )
    assert reason is not None
    assert "реестре" in reason["rejection_reason"]


async def test_a_token_that_dies_while_polling_is_renewed_by_itself(rig: Rig) -> None:
    order = await rig.start(20)
    await rig.until_status(order, "EMITTING", "COLLECTING", "COMPLETED")
    await rig.age_tokens()
    rig.player.fault("suz.order_list", "expire", token="suz")

    await rig.until_status(order, "COMPLETED", within_s=60)
    rig.player.assert_clean()


async def test_strange_codes_are_kept_and_flagged(rig: Rig) -> None:
    rig.player.fault("suz.fetch_codes", "malformed_code")

    order = await rig.start(20)

    await rig.until_status(order, "COMPLETED", within_s=60)
    assert await stored(rig) == 20
    assert await rig.count("select count(*) from marking.codes where malformed") == 1


async def test_a_code_handed_out_twice_asks_for_attention(rig: Rig) -> None:
    rig.player.fault("suz.fetch_codes", "duplicate_code", nth=2)

    order = await rig.start(20)

    held = await rig.until(lambda row: row.hold is not None, order)
    assert held.hold_detail is not None
    assert held.hold_detail["code"] == "code-duplicate"
    await retry(rig.desk, order, user_id=rig.user_id)
    await rig.until_status(order, "COMPLETED")


async def test_closing_with_a_rest_needs_the_exact_number(rig: Rig) -> None:
    rig.player.fault("suz.fetch_codes", "status", status=400, nth=2, times=0)
    order = await rig.start(60)
    await rig.until(lambda row: row.hold is not None, order)

    with pytest.raises(OrderStateError):
        await close_with_rest(rig.desk, order, expected_annulled=7, user_id=rig.user_id)
    await close_with_rest(rig.desk, order, expected_annulled=1, user_id=rig.user_id)

    await rig.until_status(order, "COMPLETED", within_s=60)
    waiver = "select count(*) from marking.audit_log where action = 'suz.waiver'"
    assert await rig.count(waiver) == 1


async def test_utilisation_and_dropout_are_reported_as_specified(rig: Rig) -> None:
    plan = PostprocessPlan(utilisation=True, dropout=DropoutPlan(DropoutReason.DEFECT))

    order = await rig.start(20, postprocess=plan)

    await rig.until_status(order, "COMPLETED", within_s=60)
    assert rig.posted("suz.utilisation") == rig.posted("suz.dropout") == 1


async def test_a_report_whose_answer_is_lost_is_found(rig: Rig) -> None:
    rig.player.fault("suz.utilisation", "drop")

    order = await rig.start(20, postprocess=PostprocessPlan(utilisation=True))

    await rig.until_status(order, "COMPLETED", within_s=60)
    assert rig.posted("suz.utilisation") == 1


async def pauses(rig: Rig, order: str, count: int) -> list[int]:
    """Failures in a row after each look; every pause is at least as long as their number asks."""
    told = []
    for number in range(count):
        before = (await rig.database.rows(f"select {NOW_MS} as now"))[0]["now"]
        with contextlib.suppress(ZeroDivisionError):
            await advance(rig.desk, order)
        row = await rig.order(order)
        due_ms = ms(row.due_at)
        assert due_ms is not None
        assert due_ms >= before + rig.desk.terms.backoff_ms(number)
        told.append(row.failures)
    return told


async def test_pauses_grow_while_an_upstream_fails(rig: Rig) -> None:
    rig.works = False
    rig.player.fault("nk.mark_check", "status", status=500, times=0)
    order = await rig.start(5)

    assert await pauses(rig, order, 3) == [1, 2, 3]


async def test_a_call_that_went_well_ends_a_row_of_failures(rig: Rig) -> None:
    for number in (1, 2):
        rig.player.fault("suz.fetch_codes", "gate", nth=number)
    order = await rig.start(20)
    await rig.until_gate(order)
    await rig.database.execute("update marking.orders set failures = 3")

    rig.release_gates()
    await rig.until_gate(order)

    row = await rig.order(order)
    rig.release_gates()
    assert (row.status, row.failures) == ("COLLECTING", 0)


async def test_pauses_grow_while_a_step_goes_wrong_unforeseen(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_given: Any) -> None:
        raise ZeroDivisionError

    rig.works = False
    order = await rig.start(5)
    monkeypatch.setattr(runner, "load_work", broken)

    assert await pauses(rig, order, 3) == [1, 2, 3]
