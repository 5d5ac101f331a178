"""Documents and orders that are refused: by our own rules before they go out, or by others."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from app.domain.marking import bodies
from app.domain.marking.dictionaries import DropoutReason, WithdrawalAction
from app.domain.marking.draft import (
    Attributes,
    DraftLine,
    DropoutPlan,
    PostprocessPlan,
    WithdrawPlan,
)
from app.marking import goods
from app.marking.corrections import correct
from app.marking.errors import ValidationError
from app.marking.operations import set_postprocess, withdraw, write_off
from tests.flows.marking.rig import Rig, playing_worker

BY_GROUP: dict[str, Any] = {
    "marking_flow_profile": "order_first",
    "marking_suz_reports": "by_group",
    "marking_auto_introduce": True,
}
FINAL = "select count(*) from marking.outbox where value->>'kind' = 'marking.document.final'"
SUBMIT = "true_api.submit_document"


def mend_card(rig: Rig, gtin: str, **fields: Any) -> None:
    (card,) = [card for card in rig.player.control("GET", "/cards") if card["gtin"] == gtin]
    rig.player.control("PUT", "/cards", [{**card, **fields}])


async def document_errors(rig: Rig) -> list[str]:
    row = await rig.database.one("select errors from marking.documents order by id desc limit 1")
    assert row is not None
    return list(row["errors"])


def refused(step: str, error: str) -> float:
    labels = {"step": step, "error": error}
    return REGISTRY.get_sample_value("marking_refusals_total", labels) or 0


async def test_a_document_against_the_rules_is_refused_before_anybody_signs_it(rig: Rig) -> None:
    first, second = rig.gtins(2)
    mend_card(rig, first, turn_flag=False)
    mend_card(rig, second, tnved="6109")
    counted = refused("DOC_SENDING", "document-invalid")

    order = await rig.start(5, 6)

    await rig.until_status(order, "DOC_REJECTED")
    assert await document_errors(rig) == [
        "Строка 1: карточка товара не готова к вводу в оборот",
        "Строка 2: не указан ТН ВЭД (10 знаков)",
    ]
    assert rig.posted(SUBMIT) == 0
    asked = "select count(*) from marking.sign_requests where purpose = 'document'"
    assert await rig.count(asked) == 0
    assert await rig.count(FINAL) == 1
    assert refused("DOC_SENDING", "document-invalid") == counted + 1
    told = "select count(*) from marking.audit_log where action = 'doc_sending.refused'"
    assert await rig.count(told, id=order) == 1

    with pytest.raises(ValidationError) as raised:
        await correct(rig.desk, order, user_id=rig.user_id, attributes=Attributes())
    pointers = [problem.pointer for problem in raised.value.errors]
    assert pointers == ["/lines/0/gtin", "/lines/1/tnved"]

    mend_card(rig, first, turn_flag=True)
    mend_card(rig, second, tnved="6109100000")
    lines = [DraftLine(first, 5), DraftLine(second, 6)]
    await correct(rig.desk, order, user_id=rig.user_id, lines=lines)

    await rig.until_status(order, "COMPLETED")
    rig.player.assert_clean()


async def test_a_date_of_production_has_to_fit_the_document(rig: Rig) -> None:
    order = await rig.start(5, attributes=Attributes(production_date="2001-01-01"))

    await rig.until_status(order, "DOC_REJECTED")
    assert await document_errors(rig) == [
        "Дата производства: не раньше 5 лет до дня документа и не позже него"
    ]
    await correct(rig.desk, order, user_id=rig.user_id, attributes=Attributes())
    await rig.until_status(order, "COMPLETED")


@pytest.fixture
async def by_group(dsn: str, sandbox: str) -> AsyncIterator[Rig]:
    async with playing_worker(dsn, sandbox, inn="7700000048", **BY_GROUP) as worker:
        yield worker


async def test_an_introduction_against_the_rules_is_refused_until_the_card_is_mended(
    by_group: Rig,
) -> None:
    rig, (gtin,) = by_group, by_group.gtins(1)
    mend_card(rig, gtin, turn_flag=False)

    order = await rig.start(5)

    await rig.until_status(order, "DOC_REJECTED")
    assert rig.posted(SUBMIT) == 0
    assert await rig.count("select count(*) from marking.document_codes where live") == 0

    mend_card(rig, gtin, turn_flag=True)
    await goods.card(rig.desk, rig.participant_id, gtin)
    await correct(rig.desk, order, user_id=rig.user_id, attributes=Attributes())
    await rig.until_status(order, "COMPLETED")
    introduced = "select count(*) from marking.codes where status = 'INTRODUCED'"
    assert await rig.count(introduced) == 5


async def test_papers_of_a_plan_are_asked_for_wherever_it_is_given(by_group: Rig) -> None:
    rig = by_group
    rig.works = False
    order = await rig.start(5)
    bare = DropoutPlan(DropoutReason.EXPIRY)
    lacking = ["reason", "source_document_number", "source_document_date"]

    async def pointers(act: Any, plan: Any) -> list[str]:
        with pytest.raises(ValidationError) as raised:
            await act(rig.desk, order, plan, user_id=rig.user_id)
        return [problem.pointer for problem in raised.value.errors]

    assert await pointers(write_off, bare) == [f"/{name}" for name in lacking]
    planned = PostprocessPlan(dropout=bare)
    assert await pointers(set_postprocess, planned) == [f"/dropout/{name}" for name in lacking]
    unclear = WithdrawPlan(WithdrawalAction.OTHER, "завтра")
    assert await pointers(withdraw, unclear) == ["/action_date", "/other"]


async def test_a_type_that_the_group_may_not_use_is_said_and_told(rig: Rig) -> None:
    text = "LP_INTRODUCE_GOODS недоступен для товарной группы lp"
    rig.player.fault(SUBMIT, "status", status=422, text=text)

    order = await rig.start(5)

    await rig.until_status(order, "DOC_REJECTED")
    assert await document_errors(rig) == ["Этот документ недоступен для товарной группы.", text]
    assert await rig.count(FINAL) == 1
    told = "select count(*) from marking.notifications where kind = 'order.doc_rejected'"
    assert await rig.count(told) == 1


async def test_a_refused_signature_of_a_document_asks_for_another(rig: Rig) -> None:
    rig.player.fault(SUBMIT, "status", status=422, text="Ошибка проверки подписи")

    order = await rig.start(5)

    held = await rig.until(lambda row: row.hold is not None, order)
    assert (held.status, held.hold) == ("DOC_SIGNING", "attention")
    assert held.hold_detail is not None
    assert held.hold_detail["code"] == "signature-invalid"
    assert held.hold_detail["text"] == "Подпись документа не принята. Подпишите ещё раз."


async def test_a_limit_is_told_with_the_seconds_until_it_ends(rig: Rig) -> None:
    rig.player.fault("nk.mark_check", "status", status=429, retry_after_s=2)

    order = await rig.start(5)

    held = await rig.until(lambda row: row.hold is not None, order)
    assert (held.hold, held.status) == ("upstream", "INIT")
    assert held.hold_detail is not None
    assert held.hold_detail["text"] == "Превышен лимит запросов. Продолжим через 2 с."
    done = await rig.until_status(order, "COMPLETED")
    assert done.hold is None


async def test_a_refused_order_names_line_and_field_and_is_counted(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "TEMPLATE_ID", 11)
    counted = refused("SUZ_SENDING", "order-invalid")

    order = await rig.start(5)

    await rig.until_status(order, "DECLINED")
    row = await rig.database.one("select decline_reason from marking.suz_orders")
    assert row is not None
    assert row["decline_reason"].startswith("Строка 1, шаблон кода: ")
    assert refused("SUZ_SENDING", "order-invalid") == counted + 1


async def test_waiting_for_a_place_is_no_refusal(dsn: str, sandbox: str) -> None:
    async with playing_worker(dsn, sandbox, inn="7700000055", suz_max_queued_orders=0) as rig:
        order = await rig.start(5)

        await rig.until(lambda row: row.hold == "suz_limit", order)

        refusals = "select count(*) from marking.audit_log where action like '%%.refused'"
        assert await rig.count(refusals) == 0
        assert refused("SUZ_SENDING", "station-full") == 0
