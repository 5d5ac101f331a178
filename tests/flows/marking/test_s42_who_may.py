"""Acceptance scenarios 42, 46 (without mail) and 49: signatures, callers, and the least order."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import pytest

from deploy.sandbox.cards import gtin_of
from tests.flows.marking.abreast import together
from tests.flows.marking.processes import PREFIX
from tests.flows.marking.stack import Shop, Stack

GTIN, OTHER = gtin_of(1), gtin_of(2)
PERSON, STRANGER = "500100732259", "771234567890"
PASSWORD = "correct horse battery"


def request_for(shop: Shop, purpose: str) -> dict[str, object]:
    (found,) = [r for r in shop.pending() if r["purpose"] == purpose]
    return dict(found)


@pytest.mark.beside
def test_s42_only_what_was_signed_last_is_sent(stack: Stack) -> None:
    together(
        partial(an_old_signature_is_never_sent, stack),
        partial(powers_of_attorney, stack),
    )


def an_old_signature_is_never_sent(stack: Stack) -> None:
    shop = stack.shop(signer="browser")
    shop.sign_in()
    order = shop.order((GTIN, 20))["id"]
    shop.until_status(order, "DOC_SIGNING")
    old = request_for(shop, "suz_order")
    signature = signed(shop, old)
    shop.api.ok(answered(shop, old, signature))
    shop.api.ok(shop.do(order, "correct", {"lines": [{"gtin": GTIN, "quantity": 30}]}))

    assert shop.api.ok(answered(shop, old, signature))["state"] == "CANCELLED"
    late = answered(shop, old, signed(shop, old, kind="foreign"))
    assert (late.status_code, late.json()["code"]) == (409, "order-state")

    new = request_for(shop, "suz_order")
    signature = signed(shop, new)
    shop.api.ok(answered(shop, new, signature))
    shop.api.ok(shop.sign(request_for(shop, "document")))
    shop.until_status(order, "COMPLETED")
    (sent,) = shop.player.journal("suz.create_order")
    assert sent["headers"]["x-signature"] == signature
    assert sent["body"].encode() == payload_of(new)
    assert '"quantity":30' in sent["body"]
    shop.assert_complete(order)


def payload_of(request: dict[str, object]) -> bytes:
    return base64.b64decode(str(request["payload"]))


def signed(shop: Shop, request: dict[str, object], *, kind: str = "organisation") -> str:
    return shop.player.sign(payload_of(request), detached=True, kind=kind)


def answered(shop: Shop, request: dict[str, object], cms: str) -> httpx.Response:
    """What the page gets that sends this signature."""
    return shop.api.post(f"/sign-requests/{request['id']}/signature", {"signature": cms})


def powers_of_attorney(stack: Stack) -> None:
    """A registered person signs for the organisation, nobody else does."""
    shop = stack.shop(signer="browser", persons=[PERSON])
    shop.api.ok(shop.api.post(f"/participants/{shop.id}/sign-in"))
    request = next(r for r in shop.pending() if r["purpose"] == "auth_true_api")
    refused = shop.sign(request, kind="person", person=PERSON)
    assert (refused.status_code, refused.json()["code"]) == (422, "signature-invalid")
    poa = {"name": "Иванов И. И.", "number": "МЧД-1", "until": "2035-01-01T00:00:00+00:00"}
    shop.api.ok(shop.api.put(f"/participants/{shop.id}/signers/{PERSON}", poa))
    stranger = shop.sign(request, kind="person", person=STRANGER)
    assert (stranger.status_code, stranger.json()["code"]) == (422, "signature-invalid")
    assert shop.count("true_api.sign_in_true_api") == 0
    for challenge in [r for r in shop.pending() if r["purpose"].startswith("auth_")]:
        shop.api.ok(shop.sign(challenge, kind="person", person=PERSON))
    sent = [
        *shop.player.journal("true_api.sign_in_true_api"),
        *shop.player.journal("true_api.sign_in_suz"),
    ]
    assert [entry["status"] for entry in sent] == [200, 200]
    assert all(shop.player.inn in str(entry["body"]) for entry in sent)
    status = shop.api.ok(shop.api.get(f"/participants/{shop.id}/status"))
    assert {token["state"] for token in status["tokens"]} == {"LIVE"}


def test_s42_a_challenge_that_is_too_long_is_not_signed(stack: Stack) -> None:
    """129 letters are no challenge: whoever sends them wants something else signed."""
    by_hand, by_itself = stack.shop(signer="browser"), stack.shop()
    with every_challenge(stack, "a" * 129):
        for shop in (by_hand, by_itself):
            answer = shop.api.post(f"/participants/{shop.id}/sign-in")
            assert answer.status_code == 503, answer.text
            assert answer.json()["code"] == "upstream-unavailable"
    for shop in (by_hand, by_itself):
        assert shop.pending() == []
        assert shop.count("true_api.sign_in_true_api") == 0
        assert shop.count("true_api.sign_in_suz") == 0
    by_hand.sign_in()


@contextmanager
def every_challenge(stack: Stack, data: str) -> Iterator[None]:
    """Whoever asks the emulator for a challenge gets this one."""
    fault = {
        "operation": "true_api.auth_key",
        "action": "wrong_type",
        "field": "data",
        "value": data,
        "times": 0,
    }
    with httpx.Client(base_url=stack.sandbox, trust_env=False) as world:
        made = world.post("/_sandbox/any/faults", json=fault)
        assert made.is_success, made.text
        try:
            yield
        finally:
            world.delete(f"/_sandbox/any/faults/{made.json()['fault_ids'][0]}")


@pytest.mark.beside
def test_s46_sessions_end_and_forms_carry_their_key(stack: Stack) -> None:
    shop = stack.shop()
    admin = stack.admin
    login = f"clerk-{shop.player.inn}"
    admin.ok(admin.post("/users", {"login": login, "password": PASSWORD}))
    admin.ok(admin.put(f"/participants/{shop.id}/members/{login}", {"role": "operator"}))
    browser = httpx.Client(base_url=stack.main.url + PREFIX, timeout=60, trust_env=False)
    wrong = browser.post("/session", json={"login": login, "password": PASSWORD + "!"})
    assert wrong.status_code == 401
    session = browser.post("/session", json={"login": login, "password": PASSWORD})
    assert session.is_success
    assert {"HttpOnly", "SameSite=Lax"} <= set(session.headers["set-cookie"].split("; "))
    csrf = session.json()["csrf"]

    form = {"participant_id": shop.id, "lines": [{"gtin": GTIN, "quantity": 1}]}
    forged = browser.post("/orders", json=form, headers={"Idempotency-Key": "forged"})
    assert (forged.status_code, forged.json()["code"]) == (403, "csrf")
    own = {"Idempotency-Key": "own", "X-CSRF-Token": csrf}
    made = browser.post("/orders", json=form, headers=own)
    assert (made.status_code, made.json()["origin"]) == (201, "console")
    shop.until_status(made.json()["id"], "COMPLETED")

    assert browser.delete("/session", headers={"X-CSRF-Token": csrf}).is_success
    assert browser.get("/orders").status_code == 401
    session = browser.post("/session", json={"login": login, "password": PASSWORD})
    assert browser.get("/orders").is_success
    admin.ok(admin.put(f"/users/{login}/state", {"active": False}))
    assert browser.get("/orders").status_code == 401
    locked = browser.post("/session", json={"login": login, "password": PASSWORD})
    assert locked.status_code == 401
    shop.assert_complete(made.json()["id"])


@pytest.mark.beside
def test_s46_a_key_may_what_its_user_may(stack: Stack) -> None:
    shop = stack.shop()
    admin = stack.admin
    order = shop.order((GTIN, 5))["id"]
    for role, allowed in (("viewer", 403), ("signer", 403), ("operator", 201), (None, 403)):
        login = f"{role or 'nobody'}-{shop.player.inn}"
        caller = stack.caller(stack.user(login))
        if role is not None:
            admin.ok(admin.put(f"/participants/{shop.id}/members/{login}", {"role": role}))
        seen = caller.get(f"/orders/{order}")
        assert seen.status_code == (200 if role else 403), (role, seen.text)
        form = {"participant_id": shop.id, "lines": [{"gtin": OTHER, "quantity": 1}]}
        assert caller.post("/orders", form).status_code == allowed, role
        users = caller.post("/users", {"login": f"x-{login}", "password": PASSWORD})
        assert users.status_code == 403
        assert caller.get("/api-keys").status_code == 403
    assert stack.caller("").get("/orders").status_code == 401
    assert stack.caller("gmk_wrong").get("/orders").status_code == 401
    shop.until_status(order, "COMPLETED")
    shop.player.assert_clean()


@pytest.mark.beside
def test_s46_a_revoked_key_opens_nothing(stack: Stack) -> None:
    shop = stack.shop()
    admin = stack.admin
    assert shop.api.get("/orders").is_success
    owned = [key for key in every_key(stack) if key["login"] == shop.login]
    stranger = shop.api.delete(f"/api-keys/{owned[0]['id']}")
    assert stranger.status_code == 403

    for key in owned:
        admin.ok(admin.delete(f"/api-keys/{key['id']}"))

    assert shop.api.get("/orders").status_code == 401
    assert not any(key["active"] for key in every_key(stack) if key["login"] == shop.login)
    assert admin.delete("/api-keys/42").status_code == 404


def every_key(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        cursor = {"after": after} if after else {}
        page = stack.admin.ok(stack.admin.get("/api-keys", limit=200, **cursor))
        found, after = found + page["items"], page["next"]
    return found


@pytest.mark.beside
def test_s49_a_gtin_alone_makes_an_order_of_one(stack: Stack) -> None:
    shop = stack.shop()
    order = shop.api.ok(shop.api.post("/orders", {"lines": [{"gtin": GTIN}]}))
    assert (order["status"], order["quantity"]) == ("INIT", 1)
    assert order["participant_id"] == shop.id
    second = stack.shop()
    admin = stack.admin
    admin.ok(admin.put(f"/participants/{second.id}/members/{shop.login}", {"role": "operator"}))
    unclear = shop.api.post("/orders", {"lines": [{"gtin": GTIN}]})
    assert (unclear.status_code, unclear.json()["code"]) == (422, "document-invalid")
    shop.until_status(order["id"], "COMPLETED")
    shop.assert_complete(order["id"])
