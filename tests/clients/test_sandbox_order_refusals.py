"""The station refuses flawed, unsigned and superfluous orders."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest

from deploy.sandbox.cards import (
    NO_MARK_FLAG,
    NOT_PUBLISHED,
    gtin_of,
)
from deploy.sandbox.driver import Player, order_form, playing, running

SHIRT, SOCKS = gtin_of(1), gtin_of(2)


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture
def player(origin: str) -> Iterator[Player]:
    with playing(origin) as someone:
        yield someone


def fields_of(answer: httpx.Response) -> list[str]:
    return [problem["fieldName"] for problem in answer.json()["fieldErrors"]]


def codes_of(answer: httpx.Response) -> list[int]:
    return [problem["errorCode"] for problem in answer.json()["globalErrors"]]


Change = Callable[[dict[str, Any]], Any]


def line(**changes: Any) -> Change:
    return lambda form: form["products"][0].update(changes)


ORDER_FLAWS: list[tuple[str, Change, str]] = [
    ("unknown field", lambda f: f.update(paymentType=1), "paymentType"),
    ("missing group", lambda f: f.pop("productGroup"), "productGroup"),
    ("other group", lambda f: f.update(productGroup="shoes"), "productGroup"),
    ("quantity as text", line(quantity="5"), "products[0].quantity"),
    ("quantity zero", line(quantity=0), "products[0].quantity"),
    ("over two million", line(quantity=2_000_001), "products[0].quantity"),
    ("wrong check digit", line(gtin="04600000000016"), "products[0].gtin"),
    ("13 digits", line(gtin=SHIRT[1:]), "products[0].gtin"),
    ("other template", line(templateId=11), "products[0].templateId"),
    ("serials with operator", line(serialNumbers=["AAAA00000001"]), "products[0].serialNumbers"),
    (
        "short serial",
        line(serialNumberType="SELF_MADE", serialNumbers=["A"], quantity=1),
        "products[0].serialNumbers",
    ),
    ("same GTIN twice", lambda f: f["products"].append(f["products"][0]), "products"),
    (
        "150 001 beside another",
        lambda f: f.update(products=order_form((SHIRT, 150_001), (SOCKS, 1))["products"]),
        "products",
    ),
    (
        "eleven lines",
        lambda f: f.update(
            products=order_form(*((gtin_of(n), 1) for n in range(1, 12)))["products"]
        ),
        "products",
    ),
    (
        "no release method",
        lambda f: f["attributes"].pop("releaseMethodType"),
        "attributes.releaseMethodType",
    ),
    (
        "no create method",
        lambda f: f["attributes"].pop("createMethodType"),
        "attributes.createMethodType",
    ),
    (
        "create method without provider",
        lambda f: f["attributes"].update(createMethodType="CEM"),
        "attributes.createMethodType",
    ),
    (
        "blank in own number",
        lambda f: f["attributes"].update(productionOrderId="a b"),
        "attributes.productionOrderId",
    ),
]


@pytest.mark.parametrize(("name", "change", "field"), ORDER_FLAWS, ids=[r[0] for r in ORDER_FLAWS])
def test_a_flawed_order_names_its_field(
    player: Player, *, name: str, change: Change, field: str
) -> None:
    form = order_form((SHIRT, 5))
    change(form)
    answer = player.suz_post("/order", form)
    assert answer.status_code == 400
    assert fields_of(answer) == [field]
    assert player.control("GET", "/orders") == []


def test_unknown_and_unready_goods_are_rejected_each_for_itself(player: Player) -> None:
    bad = [gtin_of(777), gtin_of(NO_MARK_FLAG), gtin_of(NOT_PUBLISHED)]
    order_id = player.ready_order((SHIRT, 1), *((gtin, 1) for gtin in bad))
    infos = {info["gtin"]: info for info in player.status(order_id)}
    assert infos[SHIRT]["bufferStatus"] == "ACTIVE"
    assert {infos[gtin]["bufferStatus"] for gtin in bad} == {"REJECTED"}
    assert infos[bad[0]]["rejectionReason"].startswith("Order declined: ")
    assert "0106" in infos[bad[0]]["rejectionReason"]
    assert infos[bad[0]]["totalCodes"] == -1
    player.assert_clean()


def test_an_order_of_unknown_goods_only_is_declined(player: Player) -> None:
    order_id = player.ready_order((gtin_of(777), 1))
    assert player.order_status(order_id) == "DECLINED"


def test_repeated_own_serials_are_rejected(player: Player) -> None:
    form = order_form((SHIRT, 1))
    form["products"][0] |= {"serialNumberType": "SELF_MADE", "serialNumbers": ["AAAA00000001"]}
    first = player.suz_post("/order", form).json()["orderId"]
    second = player.suz_post("/order", form).json()["orderId"]
    player.pass_time(5)
    code = player.fetch(first, SHIRT, count=1).json()["codes"][0]
    assert code[16:31] == "215AAAA00000001"
    assert "duplicates" in player.status(second)[0]["rejectionReason"]


def test_an_attached_signature_is_413(player: Player) -> None:
    body = msgspec.json.encode(order_form((SHIRT, 1)))
    answer = player.suz_post("/order", body, signature=player.sign(body, detached=False))
    assert answer.status_code == 413
    assert player.control("GET", "/orders") == []


def test_an_unsigned_order_stays_created(player: Player) -> None:
    answer = player.suz_post("/order", order_form((SHIRT, 1)), signature=None)
    player.pass_time(3600)
    assert answer.status_code == 200
    assert player.order_status(answer.json()["orderId"]) == "CREATED"


@pytest.mark.parametrize("kind", ["organisation", "expired", "foreign", "untrusted"])
def test_a_wrong_signature_declines_the_order_later(player: Player, kind: str) -> None:
    payload = b"other bytes" if kind == "organisation" else b'{"x":1}'
    body = msgspec.json.encode(order_form((SHIRT, 1)))
    signed = payload if kind == "organisation" else body
    signature = player.sign(signed, detached=True, kind=kind)
    answer = player.suz_post("/order", body, signature=signature)
    assert answer.status_code == 200
    player.pass_time(5)
    info = player.suz("GET", "/order/list").json()["orderInfos"][0]
    assert info["orderStatus"] == "DECLINED"
    assert info["declineReason"].startswith("Signature validation failed")


def test_a_wrong_signature_is_refused_at_once_when_checked_in_step(player: Player) -> None:
    player.control("PUT", "/switches", {"signature_check": "sync"})
    answer = player.suz_post(
        "/order", order_form((SHIRT, 1)), signature=player.sign(b"other", detached=True)
    )
    assert (answer.status_code, fields_of(answer)) == (400, ["X-Signature"])


def test_the_queue_and_the_active_orders_are_limited(player: Player) -> None:
    player.control("PUT", "/switches", {"limits": {"queued_orders": 2, "active_orders": 2}})
    for _ in range(2):
        player.order((SHIRT, 1))
    queue = player.suz_post("/order", order_form((SHIRT, 1)))
    player.pass_time(5)
    active = player.suz_post("/order", order_form((SHIRT, 1)))
    assert queue.status_code == active.status_code == 400
    assert "в очереди" in queue.json()["globalErrors"][0]["error"]
    assert "активных" in active.json()["globalErrors"][0]["error"]
    assert len(player.control("GET", "/orders")) == 2


def test_a_second_close_is_3370(player: Player) -> None:
    order_id = player.ready_order((SHIRT, 5))
    assert player.suz_post("/order/close", {"orderId": order_id}).status_code == 200
    again = player.suz_post("/order/close", {"orderId": order_id})
    assert (again.status_code, codes_of(again)) == (400, [3370])
    assert player.control("GET", "/orders")[0]["buffers"][0]["annulled"] == 5


def test_closing_needs_a_right_signature(player: Player) -> None:
    order_id = player.ready_order((SHIRT, 5))
    form = {"orderId": order_id}
    unsigned = player.suz_post("/order/close", form, signature=None)
    wrong = player.suz_post("/order/close", form, signature=player.sign(b"x", detached=True))
    assert (unsigned.status_code, wrong.status_code) == (400, 400)
    assert player.order_status(order_id) == "READY"


def test_codes_and_blocks_end_with_the_order(player: Player) -> None:
    order_id = player.ready_order((SHIRT, 5))
    block = player.fetch(order_id, SHIRT, count=2).json()
    params = {"blockId": block["blockId"]}
    assert player.suz("GET", "/order/codes/retry", params=params).json() == block
    player.suz_post("/order/close", {"orderId": order_id})
    place = {"orderId": order_id, "gtin": SHIRT}
    refused = [
        player.fetch(order_id, SHIRT, count=1),
        player.suz("GET", "/order/codes/blocks", params=place),
        player.suz("GET", "/order/codes/retry", params=params),
    ]
    assert [answer.status_code for answer in refused] == [400, 400, 400]
    player.assert_clean()


def test_reports_can_be_refused_for_the_group_and_take_30_000(player: Player) -> None:
    report = {"productGroup": "lp", "sntins": ["x"] * 30_001}
    assert player.suz_post("/utilisation", report).status_code == 400
    player.control("PUT", "/switches", {"lp_reports": "refuse"})
    refused = player.suz_post("/utilisation", {"productGroup": "lp", "sntins": ["x"]})
    assert refused.status_code == 400
    assert "not available" in refused.json()["globalErrors"][0]["error"]


def test_reports_of_bad_codes_fail_wholly_or_partly(player: Player) -> None:
    order_id = player.ready_order((SHIRT, 2))
    codes = player.fetch(order_id, SHIRT, count=2).json()["codes"]
    states = []
    for sntins in ([codes[0], "unknown"], [codes[1][:-1] + "~"]):
        form = {"productGroup": "lp", "sntins": sntins, "dropoutReason": "DEFECT"}
        params = {"reportId": player.suz_post("/dropout", form).json()["reportId"]}
        player.pass_time(3)
        states.append(player.suz("GET", "/report/info", params=params).json()["reportStatus"])
    assert states == ["PARTIALLY", "FAILED"]
    player.assert_clean()
