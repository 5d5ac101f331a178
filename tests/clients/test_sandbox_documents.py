"""Documents are refused, judged and listed as True API does it."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from deploy.sandbox.cards import (
    NO_TURN_FLAG,
    gtin_of,
)
from deploy.sandbox.driver import V3, V4, Player, introduction, playing, running

INN = "7700000016"
SHIRT = gtin_of(1)
LINE = {"gtin": SHIRT, "quantity": 1, "tnved_code": "6109100000"}
TYPE = "LP_INTRODUCE_GOODS"


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture
def player(origin: str) -> Iterator[Player]:
    with playing(origin) as someone:
        yield someone


Change = Callable[[dict[str, Any]], Any]


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
