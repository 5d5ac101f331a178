"""Orders, codes, documents and tokens take the course that a fault or a switch gives them."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from deploy.sandbox.cards import gtin_of
from deploy.sandbox.driver import V3, V4, Player, introduction, order_form, playing, running

INN = "7700000016"
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


def test_orders_can_be_declined_rejected_or_kept_waiting(player: Player) -> None:
    player.fault("suz.create_order", "decline", text="Нет средств")
    player.fault("suz.create_order", "reject", nth=2, gtin=SOCKS)
    player.fault("suz.create_order", "stay", nth=3, state="PENDING", for_s=3660)
    player.fault("suz.create_order", "stay", nth=4, state="CREATED")
    lines = ((SHIRT, 1), (SOCKS, 1))
    orders = [player.order(*lines) for _ in range(4)]
    player.pass_time(5)
    assert [player.order_status(o) for o in orders] == ["DECLINED", "READY", "PENDING", "CREATED"]
    assert [b["bufferStatus"] for b in player.status(orders[1])] == ["ACTIVE", "REJECTED"]
    player.pass_time(3660)
    player.control("POST", f"/orders/{orders[3]}", {"action": "proceed"})
    player.pass_time(5)
    assert [player.order_status(o) for o in orders[2:]] == ["READY", "READY"]
    player.assert_clean()


def test_documents_get_the_ordered_verdict(player: Player) -> None:
    line = {"gtin": SHIRT, "quantity": 1, "tnved_code": "6109100000"}
    form = introduction(INN, [line], production_order_id=NUMBER[:-2])
    player.fault("true_api.submit_document", "verdict", state="PROCESSING_ERROR", times=2)
    statuses = []
    for _ in range(3):
        player.document("LP_INTRODUCE_GOODS", form)
        player.pass_time(3)
        statuses.append(player.documents(limit="1")[0]["status"])
    assert statuses == ["PROCESSING_ERROR", "PROCESSING_ERROR", "CHECKED_OK"]
    player.assert_clean()


def test_tokens_expire_or_are_stolen_in_mid_life(player: Player) -> None:
    player.fault("suz.ping", "steal")
    assert player.suz("GET", "/ping").status_code == 401
    player.sign_in()
    assert player.suz("GET", "/ping").status_code == 200
    player.fault("true_api.document_list", "expire")
    params = {"pg": "lp", "senderInn": INN}
    assert player.true_api("GET", f"{V4}/doc/list", params=params).status_code == 401
    player.assert_clean()


def test_a_new_order_may_lag_behind_in_the_lists(player: Player) -> None:
    player.fault("suz.create_order", "list_lag", for_s=300)
    order_id = player.ready_order((SHIRT, 1), number=NUMBER)
    search = {"filter": {"productionOrderIds": [NUMBER]}, "limit": 100, "page": 0}
    found = [
        len(player.suz("GET", "/order/list").json()["orderInfos"]),
        player.suz("POST", "/orders/search", json=search).json()["totalCount"],
    ]
    assert found == [0, 0]
    assert player.status(order_id)[0]["bufferStatus"] == "ACTIVE"
    player.pass_time(300)
    assert player.suz("POST", "/orders/search", json=search).json()["totalCount"] == 1


def test_a_foreign_order_comes_with_a_lost_request(player: Player) -> None:
    player.fault("suz.create_order", "foreign_order")
    player.fault("suz.create_order", "drop", when="before")
    with pytest.raises(httpx.TransportError):
        player.suz_post("/order", order_form((SHIRT, 7), number=NUMBER))
    infos = player.suz("GET", "/order/list").json()["orderInfos"]
    assert len(infos) == 1
    assert "productionOrderId" not in infos[0]
    assert [b["gtin"] for b in infos[0]["buffers"]] == [SHIRT]


@pytest.mark.parametrize(("by", "listed"), [("api", 1), ("ui", 0)])
def test_another_program_may_have_fetched_a_part(player: Player, by: str, listed: int) -> None:
    form = {"products": [{"gtin": SHIRT, "quantity": 10}], "fetched": 4, "fetched_by": by}
    order_id = player.control("POST", "/orders", form)["orderId"]
    player.pass_time(5)
    place = {"orderId": order_id, "gtin": SHIRT}
    blocks = player.suz("GET", "/order/codes/blocks", params=place).json()["blocks"]
    assert player.status(order_id)[0]["totalPassed"] == 4
    assert len(blocks) == listed
    player.assert_clean()


def test_spoilt_codes_are_handed_out_without_breaking_the_rules(player: Player) -> None:
    order_id = player.ready_order((SHIRT, 10), (SOCKS, 4))
    whole = player.fetch(order_id, SHIRT, count=5).json()["codes"]
    player.fault("suz.fetch_codes", "duplicate_code")
    player.fault("suz.fetch_codes", "malformed_code", count=2)
    player.fault("suz.fetch_codes", "surplus", nth=2, count=3)
    spoilt = player.fetch(order_id, SHIRT, count=5).json()["codes"]
    over = player.fetch(order_id, SOCKS, count=4).json()["codes"]
    assert spoilt[0] == whole[0]
    assert [len(code) for code in spoilt] == [85, 85, 85, 84, 84]
    assert len(over) == 7
    player.assert_clean()


def test_a_block_may_come_back_altered(player: Player) -> None:
    order_id = player.ready_order((SHIRT, 5))
    block = player.fetch(order_id, SHIRT, count=2).json()
    player.fault("suz.codes_retry", "altered_block")
    params = {"blockId": block["blockId"]}
    altered, right = (
        player.suz("GET", "/order/codes/retry", params=params).json() for _ in range(2)
    )
    assert altered["codes"] != block["codes"]
    assert right == block
    player.assert_clean()


def test_fewer_codes_than_asked_and_an_empty_active_buffer(player: Player) -> None:
    player.control("PUT", "/switches", {"fewer_codes_than_asked": True, "empty_active": True})
    order_id = player.ready_order((SHIRT, 8))
    info = player.status(order_id)[0]
    assert (info["bufferStatus"], info["totalCodes"], info["availableCodes"]) == ("ACTIVE", 0, 0)
    assert player.fetch(order_id, SHIRT, count=1).status_code == 400
    player.pass_time(5)
    assert len(player.fetch(order_id, SHIRT, count=8).json()["codes"]) == 4


def test_a_drained_order_closes_itself_after_its_delay(player: Player) -> None:
    order_id = player.ready_order((SHIRT, 2))
    player.fetch(order_id, SHIRT, count=2)
    assert player.status(order_id)[0]["bufferStatus"] == "EXHAUSTED"
    player.pass_time(29)
    assert player.order_status(order_id) == "READY"
    player.pass_time(1)
    assert player.order_status(order_id) == "CLOSED"
    assert player.control("GET", "/orders")[0]["closed_by"] == "EXHAUSTED"


def test_an_order_closed_elsewhere_answers_3370(player: Player) -> None:
    order_id = player.ready_order((SHIRT, 2))
    player.fault("suz.close_order", "close")
    answer = player.suz_post("/order/close", {"orderId": order_id})
    assert answer.json()["globalErrors"][0]["errorCode"] == 3370
    assert player.control("GET", "/orders")[0]["closed_by"] == "UI"


def test_codes_left_for_ninety_days_are_annulled(player: Player) -> None:
    order_id = player.ready_order((SHIRT, 10))
    player.fetch(order_id, SHIRT, count=4)
    player.pass_time(90 * 86_400)
    player.sign_in()
    assert player.order_status(order_id) == "READY"
    player.pass_time(86_400)
    player.sign_in()
    info = player.status(order_id)[0]
    assert (info["bufferStatus"], info["unavailableCodes"]) == ("CLOSED", 6)
    assert player.control("GET", "/orders")[0]["closed_by"] == "EXPIRED"
    player.assert_clean()


def test_the_date_header_follows_the_clock(player: Player) -> None:
    before = player.suz("GET", "/ping").headers["date"]
    player.pass_time(3600)
    after = player.suz("GET", "/ping").headers["date"]
    assert before != after


def test_missing_buffer_keys_are_a_switch(player: Player) -> None:
    player.control("PUT", "/switches", {"buffer_key_missing": True})
    order_id = player.order((SHIRT, 1))
    assert "bufferStatus" not in player.status(order_id)[0]
    player.pass_time(5)
    assert player.status(order_id)[0]["bufferStatus"] == "ACTIVE"


def test_requests_that_name_nobody_are_disturbed_as_anybody(player: Player) -> None:
    path = "/_sandbox/any/faults"
    fault = {"operation": "true_api.auth_key", "action": "wrong_type", "field": "data"}
    assert player.http.post(path, json=fault | {"value": "A" * 129}).status_code == 200
    assert len(player.http.get(f"{V3}/auth/key").json()["data"]) == 129
    assert len(player.http.get(f"{V3}/auth/key").json()["data"]) == 30


def test_a_lost_sign_in_kills_the_former_token(player: Player) -> None:
    player.fault("true_api.sign_in_suz", "drop")
    pair, former = player.challenge(), player.client_token
    form = {"uuid": pair["uuid"], "data": player.sign(pair["data"].encode(), detached=False)}
    with pytest.raises(httpx.TransportError):
        player.http.post(f"{V3}/auth/simpleSignIn/{player.passport['oms_connection']}", json=form)
    player.client_token = former
    assert player.suz("GET", "/ping").status_code == 401


CONTROL_FLAWS = [
    ("POST", "/faults", {"operation": "suz.*", "action": "explode"}, "action"),
    ("POST", "/faults", {"operation": "suz.*", "action": "drop", "often": 1}, "often"),
    ("PUT", "/switches", {"weather": "rain"}, "weather"),
    ("PUT", "/switches", {"delays": {"active": -1}}, "active"),
    ("PUT", "/clock", {"mode": "fast"}, "mode"),
    ("PUT", "/cards", [{"gtin": "1", "good_id": 1}], "gtin"),
    ("POST", "/orders", {}, "products"),
    ("POST", "/sign", {"base64": "AA==", "detached": True, "kind": "king"}, "kind"),
]


@pytest.mark.parametrize(("method", "path", "body", "text"), CONTROL_FLAWS)
def test_a_flawed_control_request_is_explained(
    player: Player, *, method: str, path: str, body: Any, text: str
) -> None:
    answer = player.http.request(method, f"/_sandbox/{INN}{path}", json=body)
    assert answer.status_code == 400
    assert text in answer.json()["error"]
    assert player.http.get("/_sandbox/7707083893/ledger").status_code == 404
