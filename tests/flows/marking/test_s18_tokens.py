"""Acceptance scenarios 18–21: tokens that end early, signers that sign wrongly."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from deploy.sandbox.cards import gtin_of
from tests.flows.marking.abreast import together
from tests.flows.marking.stack import Shop, Stack

GTIN = gtin_of(1)
MANY = 20
# As many calls of one participant as a worker makes at once.
AT_ONCE = 8
LONG_S = 3_600
LONG_DOCUMENT = {"delays": {"document": 240}}


@pytest.mark.beside
def test_s18_an_expired_token_costs_a_sign_in_and_nothing_else(stack: Stack) -> None:
    together(partial(person_signs_in_again, stack), partial(nobody_is_needed, stack))


def expire(shop: Shop, kind: str = "true_api") -> None:
    """Not within the first minute of its life: that would look like a theft."""
    shop.wait_nominal(70)
    shop.player.control("POST", "/tokens", {"action": "expire", "kind": kind})


def person_signs_in_again(stack: Stack) -> None:
    shop = stack.shop(signer="browser", switches=LONG_DOCUMENT)
    shop.sign_in()
    order_id = shop.order((GTIN, 10))["id"]
    shop.until_status(order_id, "DOC_SIGNING")
    for request in shop.pending():
        shop.api.ok(shop.sign(request))
    shop.until_status(order_id, "DOC_CHECKING")
    expire(shop)
    held = shop.until_hold(order_id, "sign_in")
    assert held["hold"]["code"] == "sign-in-required"
    shop.sign_in()
    shop.until_status(order_id, "COMPLETED")
    shop.assert_complete(order_id)


def nobody_is_needed(stack: Stack) -> None:
    shop = stack.shop(switches=LONG_DOCUMENT)
    order_id = shop.order((GTIN, 10))["id"]
    shop.until_status(order_id, "DOC_CHECKING")
    expire(shop)
    shop.until_status(order_id, "COMPLETED")
    shop.assert_complete(order_id)
    holds = [e["details"]["hold"] for e in shop.timeline(order_id) if e["action"] == "order.held"]
    assert "sign_in" not in holds
    assert shop.count("true_api.sign_in_true_api") == 2


@pytest.mark.beside
def test_s19_a_stolen_token_is_renewed_once_then_a_person_decides(stack: Stack) -> None:
    """Twenty orders wait for codes, each asking for itself, eight of them at any moment."""
    shop = stack.shop(switches={"empty_active_s": LONG_S})
    with ThreadPoolExecutor(4) as pool:
        orders = list(pool.map(lambda _: shop.order((GTIN, 2))["id"], range(MANY)))
    for order_id in orders:
        shop.until_status(order_id, "COLLECTING")
    assert shop.count("true_api.sign_in_suz") == 1
    # A token refused within 60 s of its issue stops renewal at once: three seconds here.
    steal_from_many(shop, orders[0])
    shop.until(orders[0], lambda _order: shop.count("true_api.sign_in_suz") == 2)
    steal_from_many(shop, orders[0])
    for order_id in orders:
        held = shop.until_hold(order_id, "attention")["hold"]
        assert held["code"] == "two-programs"
        assert "другая программа" in held["text"]
    notices = shop.api.ok(shop.api.get("/notifications", limit=200))["items"]
    assert [n["kind"] for n in notices].count("token.stolen") == 1
    assert shop.count("true_api.sign_in_suz") == 2
    shop.api.ok(shop.api.post(f"/participants/{shop.id}/sign-in"))
    shop.player.pass_time(LONG_S)
    for order_id in orders:
        shop.until_status(order_id, "COMPLETED", within_s=90)
        assert len(shop.codes(order_id)) == 2
        shop.assert_whole(order_id)
    assert shop.count("true_api.sign_in_suz") == 3


def steal_from_many(shop: Shop, waiting: str) -> None:
    """After the first minute of the token's life, while several calls carry it: none may pass."""
    shop.wait_nominal(70)
    known = len(refused(shop))
    shop.fault("suz.order_status", "gate", times=AT_ONCE)
    standing = shop.player.control("GET", f"/gates?wait_s=4&count={AT_ONCE}")
    assert len(standing) == AT_ONCE
    shop.player.control("POST", "/tokens", {"action": "steal", "kind": "suz"})
    shop.player.control("POST", "/gates/release", {"then": "continue"})
    shop.until(waiting, lambda _order: len(refused(shop)) >= known + AT_ONCE)


def refused(shop: Shop) -> list[dict[str, Any]]:
    return [e for e in shop.player.journal("suz.order_status") if e["status"] == 401]


@pytest.mark.beside
def test_s20_an_attached_signature_is_refused_once_and_shown(stack: Stack) -> None:
    shop = stack.shop()
    shop.fault("suz.create_order", "stay", state="PENDING")
    waiting = shop.order((GTIN, 10))["id"]
    shop.until_status(waiting, "EMITTING")
    broken = {"signer_kind": "demo", "signer_config": {"mode": "attached"}}
    shop.api.ok(shop.api.put(f"/participants/{shop.id}/signer", broken))
    order_id = shop.order((GTIN, 10), profile="order_first")["id"]
    order = shop.until_hold(order_id, "attention")
    assert (order["status"], order["hold"]["code"]) == ("SUZ_SIGNING", "signature-invalid")
    # Polls of the waiting order show that the worker had time for another try.
    polled = shop.count("suz.order_list")
    shop.until(waiting, lambda _order: shop.count("suz.order_list") > polled + 1)
    mended = {"signer_kind": "demo"}
    shop.api.ok(shop.api.put(f"/participants/{shop.id}/signer", mended))
    shop.api.ok(shop.do(order_id, "retry"))
    shop.until_status(order_id, "CLOSED")
    assert [e["status"] for e in shop.player.journal("suz.create_order")] == [200, 413, 200]
    shop.assert_whole(order_id)


@pytest.mark.beside
def test_s21_a_wrong_digest_is_declined_later_and_ordered_again(stack: Stack) -> None:
    shop = stack.shop()
    broken = {"signer_kind": "demo", "signer_config": {"mode": "wrong_bytes"}}
    tokens = shop.api.ok(shop.api.post(f"/participants/{shop.id}/sign-in"))
    assert tokens["complete"]
    shop.api.ok(shop.api.put(f"/participants/{shop.id}/signer", broken))
    order_id = shop.order((GTIN, 10), profile="order_first")["id"]
    order = shop.until_status(order_id, "DECLINED")
    assert "Signature validation failed" in str(order["station"]["decline_reason"])
    shop.api.ok(shop.api.put(f"/participants/{shop.id}/signer", {"signer_kind": "demo"}))
    shop.api.ok(shop.do(order_id, "correct", {}))
    done = shop.until_status(order_id, "CLOSED")
    assert done["station"]["production_order_id"].endswith("-2")
    shop.api.ok(shop.do(order_id, "finish"))
    shop.until_status(order_id, "COMPLETED")
    shop.assert_complete(order_id)
