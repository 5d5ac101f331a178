"""What the console stands on: changes as they happen, the signing page, a slow database."""

import threading
import time
from contextlib import closing

import psycopg2

from deploy.sandbox.cards import gtin_of
from tests.flows.marking.processes import PREFIX
from tests.flows.marking.stack import Stack

GTIN = gtin_of(1)


def test_changes_of_own_orders_are_told_as_they_happen(stack: Stack) -> None:
    shop, stranger = stack.shop(), stack.shop()
    heard: list[str] = []
    opened = threading.Event()

    def listen() -> None:
        with shop.api.http.stream("GET", f"{PREFIX}/stream") as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            for line in answer.iter_lines():
                opened.set()
                if line.startswith("data: "):
                    heard.append(line.removeprefix("data: "))
                if len(heard) >= 5:
                    return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    assert opened.wait(20)
    other = stranger.order((GTIN, 2))["id"]
    order_id = stack.caller(shop.key).post(
        "/orders", {"participant_id": shop.id, "lines": [{"gtin": GTIN, "quantity": 2}]}
    )
    own = str(shop.api.ok(order_id)["id"])
    listener.join(30)
    assert not listener.is_alive()
    assert set(heard) == {own}
    shop.until_status(own, "COMPLETED")
    stranger.until_status(other, "COMPLETED")
    shop.player.assert_clean()


def test_the_signing_page_runs_our_scripts_and_the_plug_ins_only(stack: Stack) -> None:
    page = stack.caller("").http.get("/console/marking/signing")
    assert page.is_success
    policy = page.headers["content-security-policy"]
    assert f"script-src 'self' {stack.sandbox};" in policy
    assert "unsafe" not in policy
    assert "ДЕМО" in page.text
    for name in ("sign.js", "signing.js", "signing.css"):
        assert stack.caller("").http.get(f"/console/marking/{name}").is_success
    assert stack.caller("").http.get("/console/marking/signing.html").status_code == 404


def test_a_database_that_does_not_answer_is_told_and_the_same_key_may_come_again(
    stack: Stack,
) -> None:
    shop = stack.shop()
    body = {"participant_id": shop.id, "lines": [{"gtin": GTIN, "quantity": 2}]}
    with closing(psycopg2.connect(stack.dsn)) as lock, lock, lock.cursor() as cursor:
        cursor.execute("lock table marking.orders in share mode")
        refused = shop.api.post("/orders", body, key="again")
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (503, "storage-unavailable"), problem
    assert int(refused.headers["Retry-After"]) > 0
    answer = refused
    while answer.status_code in {409, 503}:
        time.sleep(0.5)
        answer = shop.api.post("/orders", body, key="again")
    shop.until_status(str(shop.api.ok(answer)["id"]), "COMPLETED")
    shop.player.assert_clean()
