"""Faults of the emulator fire where and as often as they were ordered."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest

from deploy.sandbox.cards import gtin_of
from deploy.sandbox.driver import Player, order_form, playing, running

SHIRT, SOCKS = gtin_of(1), gtin_of(2)
NUMBER = "mk-" + "b" * 32 + "-1"


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture
def player(origin: str) -> Iterator[Player]:
    with playing(origin, seed="faults") as someone:
        yield someone


def in_background(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    return thread, results


@pytest.mark.parametrize(("when", "orders"), [("before", 0), ("after", 1)])
def test_a_dropped_answer_tells_nothing_about_the_commit(
    player: Player, when: str, orders: int
) -> None:
    player.fault("suz.create_order", "drop", when=when)
    with pytest.raises(httpx.TransportError):
        player.suz_post("/order", order_form((SHIRT, 1), number=NUMBER))
    found = player.control("GET", f"/orders?production_order_id={NUMBER[:-2]}")
    entry = player.journal("suz.create_order")[0]
    assert len(found) == orders
    assert (entry["dropped"], entry["committed"]) == (True, bool(orders))
    assert player.order((SHIRT, 1), number=NUMBER)


STATUSES = [
    ({"status": 400}, "application/json", "globalErrors"),
    ({"status": 401, "shape": "xml"}, "application/xml", "<UnauthorizedException>"),
    ({"status": 401, "shape": "json"}, "application/json", "globalErrors"),
    ({"status": 403}, "application/json", "globalErrors"),
    ({"status": 406}, "", ""),
    ({"status": 408}, "application/json", "globalErrors"),
    ({"status": 413}, "application/json", "globalErrors"),
    ({"status": 429, "retry_after_s": 3}, "application/json", "globalErrors"),
    ({"status": 500}, "application/json", "globalErrors"),
    ({"status": 502}, "text/html; charset=utf-8", "<html>"),
    ({"status": 503}, "application/json", "globalErrors"),
]


@pytest.mark.parametrize(("fault", "kind", "text"), STATUSES)
def test_a_status_stands_in_without_a_commit(
    player: Player, *, fault: dict[str, Any], kind: str, text: str
) -> None:
    player.fault("suz.create_order", "status", **fault)
    answer = player.suz_post("/order", order_form((SHIRT, 1)))
    assert answer.status_code == fault["status"]
    assert text in answer.text
    assert answer.headers.get("content-type", "") in {kind, "application/octet-stream"}
    assert answer.headers.get("retry-after") == ("3" if "retry_after_s" in fault else None)
    assert player.control("GET", "/orders") == []


def test_spoilt_answers_are_cut_retyped_or_extended(player: Player) -> None:
    player.fault("suz.ping", "truncated_json")
    player.fault("suz.ping", "wrong_type", nth=2, field="omsId", value=7)
    player.fault("suz.ping", "extra_field", nth=3)
    cut, retyped, extended = (player.suz("GET", "/ping") for _ in range(3))
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(cut.content)
    assert retyped.json()["omsId"] == 7
    assert "sandboxExtra" in extended.json()
    assert player.suz("GET", "/ping").json()["omsId"] == player.oms_id


def test_faults_count_matching_requests(player: Player) -> None:
    player.fault("suz.*", "status", status=503, match={"gtin": SOCKS}, nth=2, times=2)
    order_id = player.ready_order((SHIRT, 9), (SOCKS, 9))
    statuses = [
        player.fetch(order_id, gtin, count=1).status_code
        for gtin in (SOCKS, SHIRT, SOCKS, SOCKS, SOCKS)
    ]
    assert statuses == [200, 200, 503, 503, 200]
    assert player.control("GET", "/faults")[0]["fired"] == 2


def test_a_fault_may_match_the_body(player: Player) -> None:
    own = {"attributes.productionOrderId": NUMBER}
    player.fault("suz.create_order", "status", status=500, match=own, times=0)
    player.fault("suz.create_order", "status", status=502, contains=SOCKS)
    forms = (order_form((SHIRT, 1)), order_form((SHIRT, 1), number=NUMBER), order_form((SOCKS, 1)))
    assert [player.suz_post("/order", f).status_code for f in forms] == [200, 500, 502]


@pytest.mark.parametrize(("when", "committed"), [("before", 0), ("after", 1)])
def test_a_gate_holds_the_request_until_released(
    player: Player, *, when: str, committed: int
) -> None:
    player.fault("suz.create_order", "gate", when=when)
    thread, results = in_background(
        lambda: player.suz_post("/order", order_form((SHIRT, 1))).status_code
    )
    held = player.control("GET", "/gates?count=1&wait_s=10")
    assert [gate["operation"] for gate in held] == ["suz.create_order"]
    assert len(player.control("GET", "/orders")) == committed
    assert results == []
    assert player.control("POST", "/gates/release", {"gate_id": held[0]["gate_id"]}) == {
        "released": 1
    }
    thread.join(10)
    assert results == [200]
    assert len(player.control("GET", "/orders")) == 1


def test_a_held_request_is_committed_even_if_its_client_died(player: Player) -> None:
    player.fault("suz.create_order", "gate")
    body = msgspec.json.encode(order_form((SHIRT, 1)))
    headers = {
        "clientToken": player.client_token,
        "Content-Type": "application/json",
        "X-Signature": player.sign(body, detached=True),
    }
    url = f"{player.http.base_url}/api/v3/order?omsId={player.oms_id}"
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(url, content=body, headers=headers, timeout=0.5)
    player.control("GET", "/gates?wait_s=10")
    player.control("POST", "/gates/release", {})
    player.suz("GET", "/ping")
    assert len(player.control("GET", "/orders")) == 1


def test_a_gate_may_end_in_a_dropped_connection(player: Player) -> None:
    player.fault("suz.ping", "gate")

    def ping() -> str:
        try:
            return str(player.suz("GET", "/ping").status_code)
        except httpx.TransportError as error:
            return type(error).__name__

    thread, results = in_background(ping)
    player.control("GET", "/gates?wait_s=10")
    player.control("POST", "/gates/release", {"then": "drop"})
    thread.join(10)
    assert results[0] != "200"
