"""Acceptance scenarios 1–10 of ordering codes, through the HTTP API and the emulator only."""

import base64
import hashlib
import json
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import psycopg2
import pytest

from deploy.sandbox.cards import gtin_of
from tests.flows.marking.processes import SCALE
from tests.flows.marking.stack import Shop, Stack

GTIN = gtin_of(1)
UNKNOWN, NO_MARK_FLAG, NOT_MARKED = gtin_of(777), gtin_of(9002), gtin_of(9003)


def documents_sent(shop: Shop) -> list[bytes]:
    """The very bytes of the documents that came to True API."""
    bodies = [json.loads(e["body"]) for e in shop.player.journal("true_api.submit_document")]
    return [base64.b64decode(body["product_document"]) for body in bodies]


def refusal(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    return problem


@pytest.mark.beside
def test_s01_document_first_reaches_completed_in_the_order_of_the_specification(
    stack: Stack,
) -> None:
    shop = stack.shop()
    order = shop.order((GTIN, 100))
    assert order["status"] == "INIT"
    shop.until_status(order["id"], "COMPLETED")
    shop.assert_complete(order["id"])
    assert shop.operations() == [
        "true_api.submit_document",
        "suz.create_order",
        "suz.fetch_codes",
        "suz.fetch_codes",
        "suz.close_order",
    ]


@pytest.mark.beside
def test_s02_order_first_introduces_applied_codes_without_a_report(stack: Stack) -> None:
    shop = stack.shop()
    order_id = shop.order((GTIN, 100), profile="order_first")["id"]
    shop.until_status(order_id, "CLOSED")
    assert shop.count("true_api.submit_document") == 0
    shop.api.ok(shop.do(order_id, "introduce"))
    shop.until_status(order_id, "COMPLETED")
    shop.assert_complete(order_id)
    assert set(shop.player.control("GET", "/codes").values()) == {"INTRODUCED"}
    assert shop.codes_by_status(order_id) == {"INTRODUCED": 100}
    assert not {"suz.utilisation", "suz.dropout"} & set(shop.operations())


@pytest.mark.beside
def test_s03_a_person_signs_document_and_order_in_one_sitting(stack: Stack) -> None:
    shop = stack.shop(signer="browser")
    shop.sign_in()
    order_id = shop.order((GTIN, 30))["id"]
    shop.until_status(order_id, "DOC_SIGNING")
    asked = {request["purpose"]: request for request in shop.pending()}
    assert set(asked) == {"document", "suz_order"}
    assert asked["suz_order"]["summary"][-1] == f"{GTIN} × 30"
    for request in asked.values():
        shop.api.ok(shop.sign(request))
    # The station closes the drained order itself, so nobody has to sign again.
    shop.until_status(order_id, "COMPLETED")
    shop.assert_complete(order_id)
    signed = [base64.b64decode(asked[purpose]["payload"]) for purpose in ("document", "suz_order")]
    (document,) = documents_sent(shop)
    (posted,) = shop.player.journal("suz.create_order")
    assert document == signed[0]
    assert posted["body_sha256"] == hashlib.sha256(signed[1]).hexdigest()
    assert everything_asked(stack, shop) == ["auth_suz", "auth_true_api", "document", "suz_order"]


def everything_asked(stack: Stack, shop: Shop) -> list[str]:
    """What a person was ever asked to sign, taken back or not."""
    with closing(psycopg2.connect(stack.dsn)) as connection, connection.cursor() as cursor:
        sql = "select purpose from marking.sign_requests where participant_id = %s"
        cursor.execute(sql, [shop.id])
        return sorted(purpose for (purpose,) in cursor.fetchall())


@pytest.mark.beside
def test_s04_goods_that_may_not_be_ordered_make_no_order(stack: Stack) -> None:
    shop = stack.shop()
    refusal(shop.place((UNKNOWN, 1)), 404, "not-found")
    refusal(shop.place((NO_MARK_FLAG, 1)), 422, "card-not-orderable")
    login = f"viewer-{shop.player.inn}"
    stranger = stack.caller(stack.user(login))
    body = {"participant_id": shop.id, "lines": [{"gtin": GTIN}]}
    refusal(stranger.post("/orders", body), 403, "access-denied")
    stack.admin.ok(stack.admin.put(f"/participants/{shop.id}/members/{login}", {"role": "viewer"}))
    refusal(stranger.post("/orders", body), 403, "access-denied")
    assert stranger.ok(stranger.get("/orders"))["items"] == []
    assert shop.operations() == []
    shop.player.assert_clean()


@pytest.mark.beside
def test_s05_a_short_gtin_is_padded_and_wrong_lines_send_nothing(stack: Stack) -> None:
    shop = stack.shop()
    wrong = GTIN[:-1] + str((int(GTIN[-1]) + 1) % 10)
    sheet: list[tuple[list[tuple[str, int]], set[str]]] = [
        ([(wrong, 1)], {"/lines/0/gtin"}),
        ([(gtin_of(n), 1) for n in range(1, 12)], {"/lines"}),
        ([(GTIN, 1), (GTIN, 2)], {"/lines/1/gtin"}),
        ([(GTIN, 150_001), (gtin_of(2), 150_001)], {"/lines/0/quantity", "/lines/1/quantity"}),
        ([(GTIN, 0)], {"/lines/0/quantity"}),
    ]
    for lines, pointers in sheet:
        problem = refusal(shop.place(*lines), 422, "order-invalid")
        assert {error["pointer"] for error in problem["errors"]} == pointers
    assert shop.player.control("GET", "/journal") == []
    order = shop.order((GTIN.lstrip("0"), 3))
    assert [line["gtin"] for line in order["lines"]] == [GTIN]
    shop.until_status(order["id"], "COMPLETED")
    shop.assert_complete(order["id"])


@pytest.mark.beside
def test_s06_twenty_three_lines_are_split_into_three_orders(stack: Stack) -> None:
    shop = stack.shop()
    lines = [(gtin_of(n), 2) for n in range(1, 24)]
    made = shop.order(*lines, split=True, external_id="E-23")
    batch = shop.api.ok(shop.api.get(f"/batches/{made['batch_id']}"))["items"]
    assert [order["id"] for order in batch] == made["orders"]
    assert [len(order["lines"]) for order in batch] == [10, 10, 3]
    assert {order["external_id"] for order in batch} == {"E-23"}
    assert [order["part"] for order in batch] == [1, 2, 3]
    again = shop.place(*lines, split=True, external_id="E-23")
    assert refusal(again, 409, "order-state")["order_id"] == made["id"]
    for order_id, count in zip(made["orders"], [20, 20, 6], strict=True):
        shop.until_status(order_id, "COMPLETED")
        shop.assert_own_codes(order_id, count)
    assert len(shop.ledger()) == 46


@pytest.mark.beside
def test_s07_one_key_makes_one_order(stack: Stack) -> None:
    shop, key = stack.shop(), str(uuid.uuid4())
    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda _: shop.place((GTIN, 5), key=key, external_id="E-7"), range(10))
        )
    by_status = Counter(answer.status_code for answer in answers)
    assert by_status[201] >= 1
    assert set(by_status) <= {201, 409}
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    for running in (a for a in answers if a.status_code == 409):
        assert running.json()["code"] == "idempotency-running"
    repeat = shop.place((GTIN, 5), key=key, external_id="E-7")
    assert (repeat.status_code, repeat.headers["Idempotent-Replay"]) == (201, "true")
    assert repeat.json()["id"] in made
    refusal(shop.place((GTIN, 6), key=key, external_id="E-7"), 422, "idempotency-mismatch")
    known = shop.place((GTIN, 5), external_id="E-7")
    problem = refusal(known, 409, "order-state")
    assert problem["order_id"] in made
    assert known.headers["Location"].endswith(problem["order_id"])
    assert len(shop.api.ok(shop.api.get("/orders"))["items"]) == 1
    shop.until_status(made.pop(), "COMPLETED")
    shop.player.assert_clean()


def test_s07_a_killed_process_leaves_the_key_to_be_taken_over(stack: Stack) -> None:
    shop, key = stack.shop(), str(uuid.uuid4())
    shop.fault("nk.product", "gate")
    second = stack.spare()
    with ThreadPoolExecutor(1) as pool:
        doomed = stack.caller(shop.key, second)
        body = {"participant_id": shop.id, "lines": [{"gtin": GTIN, "quantity": 5}]}
        lost = pool.submit(doomed.post, "/orders", body, key=key)
        shop.player.control("GET", "/gates?wait_s=20")
        refusal(shop.api.post("/orders", body, key=key), 409, "idempotency-running")
        second.kill()
        assert lost.exception() is not None
    shop.player.control("POST", "/gates/release", {"then": "drop"})
    taken, locked_until = lock_of(stack, key)
    assert locked_until - taken >= timedelta(seconds=60 / SCALE)
    deadline = time.monotonic() + 2 * 60 / SCALE + 10
    while (answer := shop.api.post("/orders", body, key=key)).status_code == 409:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    order_id = shop.api.ok(answer)["id"]
    assert datetime.fromisoformat(shop.read(order_id)["created_at"]) >= locked_until
    assert [o["id"] for o in shop.api.ok(shop.api.get("/orders"))["items"]] == [order_id]
    shop.until_status(order_id, "COMPLETED")
    shop.assert_complete(order_id)


def lock_of(stack: Stack, key: str) -> tuple[datetime, datetime]:
    """When the key was taken, and until when nobody else may have it."""
    with closing(psycopg2.connect(stack.dsn)) as connection, connection.cursor() as cursor:
        sql = "select created_at, locked_until from marking.idempotency_keys where key = %s"
        cursor.execute(sql, [key])
        ((taken, locked_until),) = cursor.fetchall()
        return taken, locked_until


@pytest.mark.beside
def test_s08_checks_go_out_in_hundreds_and_a_failed_one_stops_the_order(stack: Stack) -> None:
    shop = stack.shop(cards=120)
    gtins = [gtin_of(n) for n in range(1, 121)]
    body = {"participant_id": shop.id, "gtins": gtins, "tnveds": ["6109100000"]}
    items = shop.api.ok(shop.api.post("/mark-check", body))["items"]
    assert [item["value"] for item in items] == [*gtins, "6109100000"]
    sizes = [
        sum(len(values) for values in json.loads(entry["body"]).values())
        for entry in shop.player.journal("nk.mark_check")
    ]
    assert sizes == [100, 21]
    order_id = shop.order((NOT_MARKED, 3))["id"]
    order = shop.until_hold(order_id, "attention")
    assert order["status"] == "INIT"
    assert order["hold"]["code"] == "check-failed"
    assert order["hold"]["errors"][0]["text"] == "Товар не подлежит маркировке"
    assert shop.operations() == []
    shop.assert_whole(order_id)


@pytest.mark.beside
def test_s09_a_rejected_document_is_explained_corrected_and_accepted(stack: Stack) -> None:
    shop = stack.shop()
    text = "41: Не заполнено описание товара"
    fault = {"state": "CHECKED_NOT_OK", "errors": [text]}
    shop.fault("true_api.submit_document", "verdict", **fault)
    order_id = shop.order((GTIN, 5))["id"]
    order = shop.until_status(order_id, "DOC_REJECTED")
    assert "неполное описание товара" in str(order["documents"][0]["errors"])
    assert "correct" in order["actions"]
    assert shop.count("suz.create_order") == 0
    corrected = shop.do(order_id, "correct", {"attributes": {"production_date": "2026-01-15"}})
    shop.api.ok(corrected)
    shop.until_status(order_id, "COMPLETED")
    shop.assert_complete(order_id)
    first, second = documents_sent(shop)
    assert first != second
    accepted_ms, verdict = shop.player.control("GET", "/documents")[-1]["history"][-1]
    (posted,) = shop.player.journal("suz.create_order")
    assert verdict == "CHECKED_OK"
    assert posted["at_ms"] >= accepted_ms
    assert shop.operations()[:3] == [
        "true_api.submit_document",
        "true_api.submit_document",
        "suz.create_order",
    ]


@pytest.mark.beside
def test_s10_a_technical_error_repeats_the_same_bytes(stack: Stack) -> None:
    shop = stack.shop()
    shop.fault("true_api.submit_document", "verdict", state="PROCESSING_ERROR", times=2)
    order_id = shop.order((GTIN, 5))["id"]
    shop.until_status(order_id, "COMPLETED")
    shop.assert_complete(order_id)
    sent = documents_sent(shop)
    assert len(sent) == 3
    assert len(set(sent)) == 1


@pytest.mark.beside
@pytest.mark.parametrize(("verdict", "sendings"), [("PROCESSING_ERROR", 4), ("CANCELLED", 1)])
def test_s10_the_fourth_technical_error_and_a_cancellation_are_final(
    stack: Stack, verdict: str, sendings: int
) -> None:
    shop = stack.shop()
    shop.fault("true_api.submit_document", "verdict", state=verdict, times=4)
    order_id = shop.order((GTIN, 5))["id"]
    shop.until_status(order_id, "DOC_REJECTED")
    assert len(documents_sent(shop)) == sendings
    assert shop.count("suz.create_order") == 0
    shop.assert_whole(order_id)
