"""Frozen bytes: exact fields, nothing empty, the same every time."""

import json

from app.domain.marking import bodies
from app.domain.marking.bodies import BodyLine
from app.domain.marking.dictionaries import (
    CertificateType,
    DropoutReason,
    SerialNumberType,
    WithdrawalAction,
)
from app.domain.marking.draft import (
    Attributes,
    Certificate,
    DraftLine,
    DropoutPlan,
    WithdrawPlan,
)

ORDER = "01a2123f-d445-7405-b54a-a761ac7f990d"
INN = "7700000016"
LINE = BodyLine(DraftLine("04600000000015", 100), "6109100000")
PAPER = Certificate(CertificateType.CONFORMITY_DECLARATION, "N 1", "2025-01-15")


def test_our_number_names_the_order_and_its_attempt() -> None:
    assert bodies.production_order_id(ORDER) == "mk-01a2123fd4457405b54aa761ac7f990d"
    assert bodies.production_order_id(ORDER, 2) == "mk-01a2123fd4457405b54aa761ac7f990d-2"


def test_a_preorder_holds_quantities_and_no_codes() -> None:
    attributes = Attributes(certificates=(PAPER,), production_date="2026-01-02")
    body = bodies.preorder_body(ORDER, (LINE,), inn=INN, attributes=attributes)
    assert json.loads(body) == {
        "participant_inn": INN,
        "producer_inn": INN,
        "owner_inn": INN,
        "production_date": "2026-01-02",
        "production_type": "OWN_PRODUCTION",
        "production_order_id": "mk-01a2123fd4457405b54aa761ac7f990d",
        "products": [
            {
                "gtin": "04600000000015",
                "quantity": 100,
                "tnved_code": "6109100000",
                "certificate_document_data": [
                    {
                        "certificate_type": "CONFORMITY_DECLARATION",
                        "certificate_number": "N 1",
                        "certificate_date": "2025-01-15",
                    }
                ],
            }
        ],
    }


def test_a_station_order_leaves_out_what_is_not_given() -> None:
    number = bodies.production_order_id(ORDER, 1)
    body = bodies.station_order_body(number, (LINE,), attributes=Attributes())
    assert json.loads(body) == {
        "productGroup": "lp",
        "products": [
            {
                "gtin": "04600000000015",
                "quantity": 100,
                "serialNumberType": "OPERATOR",
                "templateId": 10,
                "cisType": "UNIT",
            }
        ],
        "attributes": {
            "releaseMethodType": "PRODUCTION",
            "createMethodType": "SELF_MADE",
            "productionOrderId": number,
        },
    }


def test_own_serials_go_with_their_line() -> None:
    line = DraftLine("04600000000015", 1, SerialNumberType.SELF_MADE, ("AAAA00000001",))
    body = bodies.station_order_body("n", (BodyLine(line),), attributes=Attributes())
    assert json.loads(body)["products"][0]["serialNumbers"] == ["AAAA00000001"]


def test_freezing_twice_gives_the_same_bytes() -> None:
    first = bodies.preorder_body(ORDER, (LINE,), inn=INN, attributes=Attributes())
    assert first == bodies.preorder_body(ORDER, (LINE,), inn=INN, attributes=Attributes())


def test_an_introduction_names_each_code() -> None:
    body = bodies.introduction_body((("KI", "6109100000"),), inn=INN, attributes=Attributes())
    assert json.loads(body)["products"] == [{"uit_code": "KI", "tnved_code": "6109100000"}]


def test_a_write_off_and_a_withdrawal_carry_their_papers() -> None:
    dropout = DropoutPlan(DropoutReason.DEFECT, (), "A-1", "2026-01-02")
    written = json.loads(bodies.write_off_body(("KI",), inn=INN, plan=dropout))
    assert written["sntins"] == ["KI"]
    assert written["sourceDocName"]
    plan = WithdrawPlan(WithdrawalAction.OWN_USE, "2026-01-02")
    withdrawn = json.loads(bodies.withdrawal_body(("KI",), inn=INN, plan=plan))
    assert withdrawn == {
        "inn": INN,
        "action": "OWN_USE",
        "action_date": "2026-01-02",
        "products": [{"cis": "KI"}],
    }


def test_reports_carry_full_codes_as_they_are() -> None:
    used = json.loads(bodies.utilisation_body(("a\x1db",), number="mk-1"))
    dropped = json.loads(bodies.dropout_body(("a",), number="mk-1", reason="DEFECT"))
    assert used["sntins"] == ["a\x1db"]
    assert dropped["dropoutReason"] == "DEFECT"
    for report in (used, dropped):
        assert report["attributes"] == {"productionOrderId": "mk-1"}
    assert json.loads(bodies.close_body(ORDER)) == {"orderId": ORDER}
