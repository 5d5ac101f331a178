"""The emulator refuses what the real systems refuse, in their shapes."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest

from deploy.sandbox.cards import (
    NO_MARK_FLAG,
    NO_TURN_FLAG,
    NOT_PUBLISHED,
    gtin_of,
)
from deploy.sandbox.driver import V3, V4, Player, introduction, order_form, playing, running

INN, PERSON = "7700000016", "500100732259"
SHIRT, SOCKS = gtin_of(1), gtin_of(2)
LINE = {"gtin": SHIRT, "quantity": 1, "tnved_code": "6109100000"}
TYPE = "LP_INTRODUCE_GOODS"


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture
def player(origin: str) -> Iterator[Player]:
    with playing(origin, persons=[PERSON]) as someone:
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


def test_a_foreign_token_is_1140_and_a_dead_one_401(origin: str, player: Player) -> None:
    with playing(origin, inn="7707083893", seed="other") as other:
        foreign = other.suz("GET", "/ping", headers={"clientToken": player.client_token})
    missing = player.suz("GET", "/ping", headers={"clientToken": ""})
    former = player.client_token
    player.sign_in()
    superseded = player.suz("GET", "/ping", headers={"clientToken": former})
    assert (foreign.status_code, codes_of(foreign)) == (400, [1140])
    assert (missing.status_code, superseded.status_code) == (401, 401)
    assert player.suz("GET", "/ping").status_code == 200
    player.assert_clean()


def test_tokens_expire(player: Player) -> None:
    player.pass_time(10 * 3600 + 1)
    dead = player.true_api("GET", f"{V4}/doc/list", params={"pg": "lp", "senderInn": INN})
    bare = player.http.get(f"{V4}/doc/list", params={"pg": "lp", "senderInn": INN})
    assert player.suz("GET", "/ping").status_code == 401
    assert dead.status_code == 401
    assert dead.text.startswith("<InvalidTokenException>")
    assert "error_message" in bare.json()


SIGN_IN_FLAWS = [
    ("empty", None, 400, "Тело запроса не может быть пустым"),
    ("no uuid", {"data": "x"}, 400, "идентификатор авторизации"),
    ("no data", {"uuid": "x"}, 400, "параметр data"),
    ("no CMS", {"uuid": "x", "data": "AAAA"}, 400, "Подпись не валидна"),
    ("bad inn", {"uuid": "x", "data": "AAAA", "inn": "12"}, 400, "В параметре inn"),
    (
        "inn beside unitedToken",
        {"data": "AAAA", "inn": INN, "unitedToken": True},
        400,
        "Одновременное заполнение",
    ),
    ("unknown field", {"uuid": "x", "data": "AAAA", "a": 1}, 400, "Unrecognized field"),
]


@pytest.mark.parametrize(
    ("form", "status", "text"), [r[1:] for r in SIGN_IN_FLAWS], ids=[r[0] for r in SIGN_IN_FLAWS]
)
def test_a_flawed_sign_in_is_explained(
    player: Player, *, form: Any, status: int, text: str
) -> None:
    body = b"" if form is None else msgspec.json.encode(form)
    headers = {"Content-Type": "application/json"}
    answer = player.http.post(f"{V3}/auth/simpleSignIn", content=body, headers=headers)
    assert answer.status_code == status
    assert text in answer.json()["error_message"]


SIGNERS = [
    ("organisation", False, None, 200),
    ("organisation", True, None, 400),
    ("expired", False, None, 403),
    ("foreign", False, None, 403),
    ("untrusted", False, None, 403),
    ("person", False, INN, 200),
    ("person", False, None, 403),
    ("person", False, "7707083893", 403),
]


@pytest.mark.parametrize(("kind", "detached", "inn", "status"), SIGNERS)
def test_only_the_right_signer_gets_a_token(
    player: Player, *, kind: str, detached: bool, inn: str | None, status: int
) -> None:
    pair = player.challenge()
    data = player.sign(pair["data"].encode(), detached=detached, kind=kind)
    form = {"uuid": pair["uuid"], "data": data, "inn": inn}
    connection = player.passport["oms_connection"]
    for path in (f"{V3}/auth/simpleSignIn", f"{V3}/auth/simpleSignIn/{connection}"):
        answer = player.http.post(path, json=form)
        assert answer.status_code == status, answer.text
        pair = player.challenge()
        form["uuid"] = pair["uuid"]
        form["data"] = player.sign(pair["data"].encode(), detached=detached, kind=kind)


def test_a_challenge_serves_once_and_dies(player: Player) -> None:
    pair = player.challenge()
    form = {"uuid": pair["uuid"], "data": player.sign(pair["data"].encode(), detached=False)}
    statuses = [player.http.post(f"{V3}/auth/simpleSignIn", json=form).status_code for _ in "12"]
    other = player.challenge()
    form["uuid"] = other["uuid"]
    mismatch = player.http.post(f"{V3}/auth/simpleSignIn", json=form)
    assert statuses == [200, 400]
    assert "Ошибка при проверке подписи" in mismatch.json()["error_message"]


def test_a_united_token_is_a_uuid_with_its_end(player: Player) -> None:
    form = {"data": player.sign(b"anything", detached=False), "unitedToken": True}
    answer = player.http.post(f"{V3}/auth/simpleSignIn", json=form).json()
    assert set(answer) == {"uuidToken", "expireDate"}
    assert answer["expireDate"].endswith("Z")


DOCUMENT_FLAWS: list[tuple[str, Change, int, str]] = [
    ("no type", lambda o: o.pop("type"), 400, "Отсутствует обязательное поле: type"),
    ("no signature", lambda o: o.pop("signature"), 400, "обязательное поле: signature"),
    ("unknown field", lambda o: o.update(a="b"), 400, "JSON parse error"),
    ("number as type", lambda o: o.update(type=1), 400, "JSON parse error"),
    ("format of another type", lambda o: o.update(document_format="CSV"), 400, "Формат"),
    ("second document", lambda o: o.update(second_signature="x"), 400, "не допустимо"),
    ("other type", lambda o: o.update(type="LP_SHIP_GOODS"), 422, "недоступен"),
    ("signature of nothing", lambda o: o.update(signature="AAAA"), 422, "подписи"),
]


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [r[1:] for r in DOCUMENT_FLAWS],
    ids=[r[0] for r in DOCUMENT_FLAWS],
)
def test_a_flawed_document_request_is_explained(
    player: Player, *, change: Change, status: int, text: str
) -> None:
    body = msgspec.json.encode(introduction(INN, [LINE]))
    outer = {
        "document_format": "MANUAL",
        "type": TYPE,
        "product_document": base64.b64encode(body).decode(),
        "signature": player.sign(body, detached=True),
    }
    change(outer)
    path = f"{V3}/lk/documents/create"
    answer = player.true_api("POST", path, params={"pg": "lp"}, json=outer)
    assert answer.status_code == status
    assert text in answer.json()["error_message"]


def test_a_document_needs_a_detached_signature_over_its_bytes(player: Player) -> None:
    body = msgspec.json.encode(introduction(INN, [LINE]))
    for signature in (player.sign(body, detached=False), player.sign(b"x", detached=True)):
        assert player.document(TYPE, body, signature=signature).status_code == 422
    assert player.control("GET", "/documents") == []


VERDICTS: list[tuple[str, Change, str, str]] = [
    ("right", lambda _: None, "CHECKED_OK", ""),
    ("unknown field", lambda d: d.update(colour="red"), "PARSE_ERROR", "29"),
    ("no producer", lambda d: d.pop("producer_inn"), "CHECKED_NOT_OK", "41"),
    ("bad ИНН", lambda d: d.update(owner_inn="7700000017"), "CHECKED_NOT_OK", "07"),
    ("other sender", lambda d: d.update(participant_inn="7707083893"), "CHECKED_NOT_OK", "06"),
    (
        "short customs code",
        lambda d: d["products"][0].update(tnved_code="61"),
        "CHECKED_NOT_OK",
        "07",
    ),
    ("unknown goods", lambda d: d["products"][0].update(gtin=gtin_of(777)), "CHECKED_NOT_OK", "06"),
    (
        "no turn flag",
        lambda d: d["products"][0].update(gtin=gtin_of(NO_TURN_FLAG)),
        "CHECKED_NOT_OK",
        "41",
    ),
    (
        "half a certificate",
        lambda d: d["products"][0].update(
            certificate_document_data=[{"certificate_type": "CONFORMITY_DECLARATION"}]
        ),
        "CHECKED_NOT_OK",
        "41",
    ),
    (
        "a code nobody has",
        lambda d: d.update(products=[{"uit_code": "0" * 31, "tnved_code": "6109100000"}]),
        "CHECKED_NOT_OK",
        "06",
    ),
]


@pytest.mark.parametrize(
    ("change", "status", "prefix"), [r[1:] for r in VERDICTS], ids=[r[0] for r in VERDICTS]
)
def test_a_document_is_judged_by_its_content(
    player: Player, *, change: Change, status: str, prefix: str
) -> None:
    form = introduction(INN, [dict(LINE)])
    change(form)
    number = player.document(TYPE, form).text
    player.pass_time(3)
    found = player.documents(number=number)[0]
    assert found["status"] == status, found
    assert (found["errors"] or [""])[0].startswith(prefix)


def test_a_preorder_document_can_be_switched_off(player: Player) -> None:
    player.control("PUT", "/switches", {"preorder_documents": "reject"})
    player.document(TYPE, introduction(INN, [LINE]))
    player.pass_time(3)
    assert player.documents()[0]["status"] == "CHECKED_NOT_OK"


def test_codes_are_introduced_withdrawn_and_written_off_in_order(player: Player) -> None:
    order_id = player.ready_order((SHIRT, 3))
    kis = [code[:31] for code in player.fetch(order_id, SHIRT, count=3).json()["codes"]]

    def introduce() -> str:
        lines = [{"uit_code": ki, "tnved_code": "6109100000"} for ki in kis]
        player.document(TYPE, introduction(INN, lines))
        player.pass_time(3)
        return str(player.documents(limit="1")[0]["status"])

    player.control("PUT", "/switches", {"delays": {"applied": 10}})
    assert introduce() == "CHECKED_NOT_OK"
    player.pass_time(10)
    assert introduce() == "CHECKED_OK"
    receipt = {"inn": INN, "action": "RETAIL", "action_date": "2025-10-01"}
    player.document("LK_RECEIPT", receipt | {"products": [{"cis": kis[0]}]})
    off = {
        "participantId": INN,
        "dropoutReason": "DEFECT",
        "sntins": [kis[1]],
        "sourceDocType": "DESTRUCTION_ACT",
        "sourceDocNum": "1",
        "sourceDocDate": "2025-10-01",
    }
    player.document("WRITE_OFF", off)
    player.pass_time(3)
    assert list(player.control("GET", "/codes").values()) == [
        "RETIRED",
        "WRITTEN_OFF",
        "INTRODUCED",
    ]
    player.assert_clean()


LIST_FLAWS = [
    {"senderInn": INN},
    {"pg": "shoes", "senderInn": INN},
    {"pg": "lp"},
    {"pg": "lp", "senderInn": INN, "receiverInn": INN},
    {"pg": "lp", "senderInn": INN, "limit": "1001"},
    {"pg": "lp", "senderInn": INN, "dateFrom": "2025-10-01"},
    {"pg": "lp", "senderInn": INN, "did": "x"},
    {"pg": "lp", "senderInn": INN, "documentStatus": "GOOD"},
    {"pg": "lp", "senderInn": INN, "page": "1"},
]


@pytest.mark.parametrize("params", LIST_FLAWS)
def test_a_flawed_document_list_is_400(player: Player, params: dict[str, str]) -> None:
    answer = player.true_api("GET", f"{V4}/doc/list", params=params)
    assert answer.status_code == 400
    assert "error_message" in answer.json()


def test_the_document_list_is_read_page_by_page(player: Player) -> None:
    numbers = []
    for _ in range(5):
        numbers.append(player.document(TYPE, introduction(INN, [LINE])).text)
        player.pass_time(1)
    seen: list[str] = []
    anchor: dict[str, str] = {}
    for _ in range(3):
        page = player.documents(limit="2", order="ASC", **anchor)
        seen += [document["number"] for document in page]
        anchor = {"did": page[-1]["number"], "orderedColumnValue": page[-1]["docDate"]}
    assert seen == numbers


def test_accept_that_excludes_the_answer_is_406_and_empty(player: Player) -> None:
    answer = player.true_api(
        "POST",
        f"{V3}/lk/documents/create",
        params={"pg": "lp"},
        headers={"Accept": "application/json"},
        json={},
    )
    assert (answer.status_code, answer.content) == (406, b"")


CATALOGUE = [
    ({"gtin": SHIRT}, {"Authorization": "Bearer x"}, 400),
    ({"apikey": "", "gtin": SHIRT}, {}, 400),
    ({"apikey": "wrong", "gtin": SHIRT}, {}, 401),
    ({"gtin": gtin_of(777)}, {}, 404),
    ({"gtin": gtin_of(NOT_PUBLISHED)}, {}, 404),
    ({"gtin": "04600000000016"}, {}, 400),
    ({"gtin": SHIRT, "gtins": SHIRT}, {}, 400),
    ({"gtins": ";".join(gtin_of(n) for n in range(1, 27))}, {}, 400),
    ({}, {}, 400),
]


@pytest.mark.parametrize(("params", "headers", "status"), CATALOGUE)
def test_a_flawed_catalogue_request_is_refused(
    player: Player, *, params: dict[str, str], headers: dict[str, str], status: int
) -> None:
    answer = player.catalogue("GET", "/v3/product", params=params, headers=headers)
    assert answer.status_code == status
    assert answer.json()["apiversion"] == 3


def test_mark_check_takes_a_hundred(player: Player) -> None:
    gtins = [gtin_of(n) for n in range(1, 101)]
    full = player.catalogue("POST", "/v3/mark-check", json={"gtins": gtins})
    over = player.catalogue("POST", "/v3/mark-check", json={"gtins": gtins, "tnveds": ["6109"]})
    assert (full.status_code, over.status_code) == (200, 400)


def test_calls_beyond_the_rate_are_429(player: Player) -> None:
    player.control(
        "PUT", "/switches", {"limits": {"suz_rps": 2, "nk_method": 1, "true_api_rps": 1}}
    )
    suz = [player.suz("GET", "/ping") for _ in range(3)][-1]
    card = [player.catalogue("GET", "/v3/product", params={"gtin": SHIRT}) for _ in "12"][-1]
    path, params = f"{V3}/elk/product-groups/balance", {"productGroupId": "1"}
    money = [player.true_api("GET", path, params=params) for _ in "12"][-1]
    assert [a.status_code for a in (suz, card, money)] == [429, 429, 429]
    assert int(card.headers["Retry-After"]) > 200
    assert suz.headers["Retry-After"] == "1"


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
