"""A report whose answer was lost is as its receipt says, and sent once."""

from uuid import uuid4

import pytest

from app.domain.marking.dictionaries import DropoutReason
from app.domain.marking.draft import DropoutPlan, PostprocessPlan
from app.integrations.suz_answers import Receipt, ReceiptWord, WorkflowWord
from app.marking.report_lookup import Verdict, verdict_of
from tests.flows.marking.rig import Rig

DROPOUT = PostprocessPlan(dropout=DropoutPlan(DropoutReason.DEFECT))
PLANS = {"utilisation": PostprocessPlan(utilisation=True), "dropout": DROPOUT}
ONE, OTHER = str(uuid4()), str(uuid4())


def receipt(state: str, document: str | None = ONE) -> Receipt:
    workflow = WorkflowWord.REPORT_DROPOUT
    return Receipt("r", ReceiptWord(state), workflow, source_doc_id=document, description="x")


@pytest.mark.parametrize(
    ("receipts", "verdict"),
    [
        ([], None),
        ([receipt("IN_PROGRESS")], Verdict("IN_PROGRESS", ONE)),
        ([receipt("SUCCESS", OTHER)], None),
        ([receipt("SUCCESS", "17")], None),
        ([receipt("SUCCESS", OTHER), receipt("SUCCESS")], Verdict("SUCCESS", ONE)),
        ([receipt("FAILED")], Verdict("FAILED", ONE, "x")),
        ([receipt("PARTIALLY")], Verdict("PARTIALLY", ONE, "x")),
    ],
)
def test_only_a_report_that_is_not_known_counts(
    receipts: list[Receipt], verdict: Verdict | None
) -> None:
    assert verdict_of(receipts, known={OTHER}) == verdict


@pytest.mark.parametrize("kind", PLANS)
async def test_a_report_that_failed_behind_a_lost_answer_is_held(rig: Rig, kind: str) -> None:
    rig.player.fault(f"suz.{kind}", "verdict", state="FAILED")
    rig.player.fault(f"suz.{kind}", "drop")
    order = await rig.start(5, postprocess=PLANS[kind])

    row = await rig.until(lambda row: str(row.hold) == "attention", order, within_s=60)

    assert row.hold_detail is not None
    assert row.hold_detail["code"] == f"{kind}-refused"
    report = await rig.database.one("select status, report_id from marking.suz_reports")
    assert report is not None
    assert report["status"] == "FAILED"
    assert report["report_id"] is not None
    assert rig.posted(f"suz.{kind}") == 1


async def test_a_dropout_behind_a_lost_answer_is_done(rig: Rig) -> None:
    rig.player.fault("suz.dropout", "drop")
    order = await rig.start(5, postprocess=DROPOUT)

    await rig.until_status(order, "COMPLETED", within_s=60)

    assert rig.posted("suz.dropout") == 1
    rig.player.assert_clean()
