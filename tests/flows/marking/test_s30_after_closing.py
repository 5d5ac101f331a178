"""Acceptance scenarios 30 and 48: reports after closing, and goods that were imported."""

from functools import partial
from typing import Any

import pytest

from deploy.sandbox.cards import gtin_of
from tests.flows.marking.abreast import together
from tests.flows.marking.stack import Shop, Stack

GTIN = gtin_of(1)
UTILISED: dict[str, Any] = {"utilisation": True}
DROPPED: dict[str, Any] = {"dropout": {"reason": "DEFECT"}}


def reports(shop: Shop) -> list[tuple[str, str]]:
    return [(r["kind"], r["status"]) for r in shop.player.control("GET", "/reports")]


@pytest.mark.beside
def test_s30_reports_are_sent_once_and_their_refusal_is_explained(stack: Stack) -> None:
    together(
        partial(both_as_specified, stack),
        partial(refused_for_light_industry, stack),
        partial(refused_by_the_station, stack),
        partial(a_lost_answer, stack, "utilisation", UTILISED),
        partial(a_lost_answer, stack, "dropout", {**UTILISED, **DROPPED}),
    )


def both_as_specified(stack: Stack) -> None:
    shop = stack.shop()
    order = shop.order((GTIN, 20), postprocess={**UTILISED, **DROPPED})["id"]
    shop.until_status(order, "COMPLETED")
    assert reports(shop) == [("utilisation", "SUCCESS"), ("dropout", "SUCCESS")]
    assert shop.operations()[-3:] == ["suz.close_order", "suz.utilisation", "suz.dropout"]
    statuses = {r["status"] for r in shop.read(order)["reports"]}
    assert statuses == {"SUCCESS"}
    codes = shop.api.ok(shop.api.get(f"/orders/{order}/codes"))["items"]
    assert {code["status"] for code in codes} == {"WRITTEN_OFF"}
    shop.assert_complete(order)


def refused_for_light_industry(stack: Stack) -> None:
    shop = stack.shop(switches={"lp_reports": "refuse"})
    order = shop.order((GTIN, 20), postprocess=UTILISED)["id"]
    held = shop.until_hold(order, "attention")
    assert held["status"] == "POSTPROCESSING"
    assert held["hold"]["code"] == "report-unneeded"
    assert "Снимите отметку" in held["hold"]["text"]
    shop.api.ok(shop.api.put(f"/orders/{order}/postprocess", {}))
    shop.until_status(order, "COMPLETED")
    assert shop.count("suz.utilisation") == 1
    shop.assert_complete(order)


def refused_by_the_station(stack: Stack) -> None:
    shop = stack.shop()
    errors = ["9: owner is other", "1", "кончились слова"]
    shop.fault("suz.utilisation", "verdict", state="REJECTED", errors=errors)
    order = shop.order((GTIN, 20), postprocess=UTILISED)["id"]
    held = shop.until_hold(order, "attention")["hold"]
    words = "9 — вы не владелец кода; 1 — код уже выбыл; кончились слова"
    assert held["code"] == "utilisation-refused"
    assert held["text"] == f"Отчёт о нанесении отклонён: {words}"
    assert shop.count("suz.utilisation") == 1


def a_lost_answer(stack: Stack, kind: str, plan: dict[str, Any]) -> None:
    shop = stack.shop()
    shop.fault(f"suz.{kind}", "drop")
    order = shop.order((GTIN, 20), postprocess=plan)["id"]
    shop.until_status(order, "COMPLETED")
    assert shop.count("suz.receipt_search") >= 1
    assert reports(shop) == [(asked, "SUCCESS") for asked in plan]
    assert [shop.count(f"suz.{asked}") for asked in plan] == [1] * len(plan)
    sent = {r["report_id"]: r["kind"] for r in shop.player.control("GET", "/reports")}
    assert {r["report_id"]: r["kind"] for r in shop.read(order)["reports"]} == sent
    assert call_outcomes(shop, order)[-2:] == ["call.unknown", "call.found"]
    shop.assert_complete(order)


def call_outcomes(shop: Shop, order: str) -> list[str]:
    """What became of the calls that reported, in turn."""
    told = shop.timeline(order)
    return [e["action"] for e in told if e["details"].get("operation") == "send_report"]


@pytest.mark.beside
def test_s48_imported_goods_are_ordered_but_not_introduced(stack: Stack) -> None:
    shop = stack.shop()
    refused = shop.place((GTIN, 1), release_method_type="IMPORT")
    assert (refused.status_code, refused.json()["code"]) == (422, "import-introduction")
    assert "LP_GOODS_IMPORT" in refused.json()["detail"]
    assert shop.api.ok(shop.api.get("/orders"))["items"] == []

    order = shop.order((GTIN, 10), release_method_type="IMPORT", profile="order_first")["id"]
    shop.until_status(order, "CLOSED")
    refused = shop.do(order, "introduce")
    assert (refused.status_code, refused.json()["code"]) == (422, "import-introduction")
    assert shop.read(order)["documents"] == []
    shop.api.ok(shop.do(order, "finish"))
    shop.until_status(order, "COMPLETED")
    assert shop.count("true_api.submit_document") == 0
    shop.assert_complete(order)


@pytest.mark.beside
def test_listed_codes_are_introduced_after_closing(stack: Stack) -> None:
    shop = stack.shop()
    order = shop.order((GTIN, 5), profile="order_first")["id"]
    shop.until_status(order, "CLOSED")
    listed = shop.codes(order)[:2]
    assert shop.do(order, "introduce", {"codes": []}).status_code == 400
    shop.until(order, lambda _order: shop.do(order, "introduce", {"codes": listed}).is_success)
    shop.until(order, lambda seen: [d["status"] for d in seen["documents"]] == ["ACCEPTED"])
    assert shop.read(order)["status"] == "CLOSED"
    states = shop.player.control("GET", "/codes")
    assert sorted(ki for ki, state in states.items() if state == "INTRODUCED") == sorted(listed)
    shop.api.ok(shop.do(order, "introduce"))
    shop.until_status(order, "COMPLETED")
    assert set(shop.player.control("GET", "/codes").values()) == {"INTRODUCED"}
    shop.assert_complete(order)
