"""Acceptance scenarios 18–21: tokens that end early, signers that sign wrongly."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from deploy.sandbox.cards import gtin_of
from tests.flows.marking.abreast import together
from tests.flows.marking.stack import Shop, Stack

GTIN = gtin_of(1)
MANY = 20
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
    shop = stack.shop()
    shop.fault("suz.create_order", "stay", state="PENDING", times=0)
    first = shop.order((GTIN, 2))["id"]
    shop.until_status(first, "EMITTING")
    with ThreadPoolExecutor(4) as pool:
        made = pool.map(lambda _: shop.order((GTIN, 2))["id"], range(MANY - 1))
        others = list(made)
    for order_id in others:
        shop.until_status(order_id, "EMITTING")
    before = shop.count("true_api.sign_in_suz")
    # A token refused within 60 s of its issue stops renewal at once: three seconds here.
    steal_late(shop)
    shop.until_sign_ins(before + 1)
    stolen_again(shop)
    held = shop.until_hold(first, "attention")
    assert held["hold"]["code"] == "two-programs"
    assert "другая программа" in held["hold"]["text"]
    assert shop.count("true_api.sign_in_suz") == before + 1
    shop.api.ok(shop.api.post(f"/participants/{shop.id}/sign-in"))
    shop.proceed()
    for order_id in [first, *others]:
        shop.until_status(order_id, "COMPLETED", within_s=90)
    shop.player.assert_clean()


def steal_late(shop: Shop) -> None:
    """After the first minute of the token's life."""
    shop.wait_nominal(70)
    shop.player.control("POST", "/tokens", {"action": "steal", "kind": "suz"})


stolen_again = steal_late


@pytest.mark.beside
def test_s20_an_attached_signature_is_refused_once_and_shown(stack: Stack) -> None:
    shop = stack.shop()
    broken = {"signer_kind": "demo", "signer_config": {"mode": "attached"}}
    shop.api.ok(shop.api.put(f"/participants/{shop.id}/signer", broken))
    order_id = shop.order((GTIN, 10), profile="order_first")["id"]
    order = shop.until_hold(order_id, "attention")
    assert (order["status"], order["hold"]["code"]) == ("SUZ_SIGNING", "signature-invalid")
    shop.wait_nominal(30)
    (refused,) = shop.player.journal("suz.create_order")
    assert refused["status"] == 413
    mended = {"signer_kind": "demo"}
    shop.api.ok(shop.api.put(f"/participants/{shop.id}/signer", mended))
    shop.api.ok(shop.do(order_id, "retry"))
    shop.until_status(order_id, "CLOSED")
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
