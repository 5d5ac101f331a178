"""Both profiles run through the emulator from the catalogue to the end."""

from collections.abc import Iterator

import pytest

from deploy.sandbox.cards import gtin_of
from deploy.sandbox.driver import V3, V4, Player, introduction, playing, running

INN = "7700000016"
SHIRT, SOCKS = gtin_of(1), gtin_of(2)
TNVED = "6109100000"
NUMBER = "mk-" + "a" * 32 + "-1"


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture
def player(origin: str) -> Iterator[Player]:
    with playing(origin, seed="happy") as someone:
        yield someone


def collect(player: Player, order_id: str, gtin: str, *, count: int) -> list[str]:
    answer = player.fetch(order_id, gtin, count=count)
    assert answer.status_code == 200, answer.text
    codes: list[str] = answer.json()["codes"]
    return codes


def test_catalogue_shows_card_flags_and_marking(player: Player) -> None:
    card = player.catalogue("GET", "/v3/product", params={"gtin": SHIRT[1:]}).json()
    flags = player.catalogue("GET", "/v3/feed-product", params={"gtins": f"{SHIRT};{SOCKS}"})
    check = player.catalogue(
        "POST", "/v3/mark-check", json={"gtins": [SHIRT, gtin_of(777)], "tnveds": ["61"]}
    )
    picker = player.catalogue("GET", "/v4/product-list", params={"limit": "2"}).json()

    assert card["result"][0]["identified_by"][0]["value"] == SHIRT[1:]
    assert [c["good_mark_flag"] for c in flags.json()["result"]] == [True, True]
    assert flags.headers["API-Method-Usage-Limit"] == "1/100"
    result = check.json()["result"]
    assert [g["is_marked_code"] for g in result["gtins"]] == [1, 2]
    assert result["tnveds"][0]["is_marked_code"] == 3
    assert len(picker["result"]["goods"]) == 2


def test_document_first_gives_codes_after_the_preorder_document(player: Player) -> None:
    line = {"gtin": SHIRT, "quantity": 100, "tnved_code": TNVED}
    number = player.document(
        "LP_INTRODUCE_GOODS", introduction(INN, [line], production_order_id=NUMBER[:-2])
    )
    assert number.status_code == 200, number.text
    assert [d["status"] for d in player.documents()] == ["IN_PROGRESS"]
    player.pass_time(3)
    assert [d["status"] for d in player.documents(number=number.text)] == ["CHECKED_OK"]

    order_id = player.order((SHIRT, 100), number=NUMBER)
    assert player.status(order_id)[0]["totalPassed"] == -1
    player.pass_time(5)
    assert player.status(order_id)[0]["bufferStatus"] == "ACTIVE"
    codes = collect(player, order_id, SHIRT, count=99) + collect(player, order_id, SHIRT, count=1)
    listed = player.suz("GET", "/order/list").json()["orderInfos"][0]
    closed = player.suz_post("/order/close", {"orderId": order_id})

    assert listed["orderStatus"] == "READY"
    assert listed["productionOrderId"] == NUMBER
    assert closed.json() == {"omsId": player.oms_id}
    assert player.status(order_id)[0]["bufferStatus"] == "CLOSED"
    ledger = player.control("GET", "/ledger")
    assert codes == [code for block in ledger for code in block["codes"]]
    assert len(set(codes)) == 100
    assert {len(code) for code in codes} == {85}
    player.assert_clean()


def test_order_first_introduces_applied_codes(player: Player) -> None:
    order_id = player.ready_order((SHIRT, 3), (SOCKS, 2), number=NUMBER)
    kis = [
        c[:31] for g, n in ((SHIRT, 3), (SOCKS, 2)) for c in collect(player, order_id, g, count=n)
    ]
    player.pass_time(30)
    assert {b["bufferStatus"] for b in player.status(order_id)} == {"CLOSED"}

    info = player.true_api("POST", f"{V3}/cises/info", params={"pg": "lp"}, json=kis).json()
    assert {i["cisInfo"]["status"] for i in info} == {"APPLIED"}
    lines = [{"uit_code": ki, "tnved_code": TNVED} for ki in kis]
    number = player.document("LP_INTRODUCE_GOODS", introduction(INN, lines)).text
    player.pass_time(3)
    whole = player.true_api(
        "GET", f"{V4}/doc/{number}/info", params={"pg": "lp", "body": "true"}
    ).json()
    info = player.true_api("POST", f"{V3}/cises/info", params={"pg": "lp"}, json=kis).json()

    assert whole[0]["status"] == "CHECKED_OK"
    assert [p["uit_code"] for p in whole[0]["body"]["products"]] == kis
    assert {i["cisInfo"]["status"] for i in info} == {"INTRODUCED"}
    player.assert_clean()


def test_reports_and_receipts_finish_the_specification(player: Player) -> None:
    order_id = player.ready_order((SHIRT, 2), number=NUMBER)
    codes = collect(player, order_id, SHIRT, count=2)
    report = {"productGroup": "lp", "sntins": codes, "attributes": {"productionOrderId": NUMBER}}
    used = player.suz_post("/utilisation", report).json()["reportId"]
    dropped = player.suz_post("/dropout", report | {"dropoutReason": "DEFECT"}).json()["reportId"]
    player.pass_time(3)
    states = [
        player.suz("GET", "/report/info", params={"reportId": r}).json()["reportStatus"]
        for r in (used, dropped)
    ]
    search = {"filter": {"workflowTypes": ["REPORT_DROPOUT"], "productionOrderIds": [NUMBER]}}
    receipts = player.suz("POST", "/receipts/receipt/search", json=search).json()

    assert states == ["SUCCESS", "SUCCESS"]
    assert [r["sourceDocId"] for r in receipts["results"]] == [dropped]
    player.assert_clean()


def test_same_seed_gives_the_same_codes(player: Player) -> None:
    def run() -> list[str]:
        player.reset(seed="again")
        player.control("PUT", "/clock", {"mode": "manual"})
        player.sign_in()
        order_id = player.order((SHIRT, 5), number=NUMBER)
        player.pass_time(5)
        return [order_id, *collect(player, order_id, SHIRT, count=5)]

    assert run() == run()


def test_time_scale_divides_every_duration() -> None:
    with running(time_scale=100) as url, playing(url) as player:
        start = player.control("GET", "/clock")["now_ms"]
        player.pass_time(90)
        assert player.control("GET", "/clock")["now_ms"] - start == 900
