"""Bodies of documents, station orders and reports as they are frozen, signed and sent."""

from typing import Any

import msgspec

from app.domain.marking.dictionaries import PRODUCT_GROUP, TEMPLATE_ID, SerialNumberType
from app.domain.marking.draft import Attributes, DraftLine, DropoutPlan, WithdrawPlan

_encode = msgspec.json.Encoder().encode


class BodyLine(msgspec.Struct, frozen=True):
    """A line of an order with what its card knows; `may_turn`: it may be introduced."""

    line: DraftLine
    tnved: str | None = None
    may_turn: bool = True


def production_order_id(order_id: str, attempt: int | None = None) -> str:
    """Our own number of an order at the foreign side; the attempt belongs to the station."""
    number = f"mk-{order_id.replace('-', '')}"
    return number if attempt is None else f"{number}-{attempt}"


def _without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, [], ())}


def _certificates(attributes: Attributes) -> list[dict[str, str]]:
    return [
        {
            "certificate_type": certificate.type.value,
            "certificate_number": certificate.number,
            "certificate_date": certificate.date,
        }
        for certificate in attributes.certificates
    ]


def _introduction(inn: str, attributes: Attributes) -> dict[str, Any]:
    return _without_empty(
        {
            "participant_inn": inn,
            "producer_inn": attributes.producer_inn or inn,
            "owner_inn": attributes.owner_inn or inn,
            "production_date": attributes.production_date,
            "production_type": "OWN_PRODUCTION",
        }
    )


def preorder_body(
    order_id: str, lines: tuple[BodyLine, ...], *, inn: str, attributes: Attributes
) -> bytes:
    """A document before the codes exist: goods and quantities, tied to our number."""
    products = [
        _without_empty(
            {
                "gtin": line.line.gtin,
                "quantity": line.line.quantity,
                "tnved_code": line.tnved,
                "certificate_document_data": _certificates(attributes),
            }
        )
        for line in lines
    ]
    head = {"production_order_id": production_order_id(order_id)}
    return _encode({**_introduction(inn, attributes), **head, "products": products})


def introduction_body(
    codes: tuple[tuple[str, str], ...], *, inn: str, attributes: Attributes
) -> bytes:
    """Introduction to circulation of (КИ, ТН ВЭД) pairs."""
    products = [
        _without_empty(
            {
                "uit_code": ki,
                "tnved_code": tnved,
                "certificate_document_data": _certificates(attributes),
            }
        )
        for ki, tnved in codes
    ]
    return _encode({**_introduction(inn, attributes), "products": products})


def write_off_body(codes: tuple[str, ...], *, inn: str, plan: DropoutPlan) -> bytes:
    return _encode(
        {
            "participantId": inn,
            "dropoutReason": plan.reason.value,
            "withChild": True,
            "sntins": list(codes),
            "sourceDocType": "DESTRUCTION_ACT" if plan.reason.value == "DESTRUCTION" else "OTHER",
            "sourceDocNum": plan.source_document_number or "",
            "sourceDocDate": plan.source_document_date or "",
            **({} if plan.reason.value == "DESTRUCTION" else {"sourceDocName": "Акт отбраковки"}),
        }
    )


def withdrawal_body(codes: tuple[str, ...], *, inn: str, plan: WithdrawPlan) -> bytes:
    head = _without_empty(
        {
            "inn": inn,
            "action": plan.action.value,
            "action_date": plan.action_date,
            "withdrawal_type_other": plan.other,
            "document_type": plan.document_type,
            "document_number": plan.document_number,
            "document_date": plan.document_date,
        }
    )
    return _encode({**head, "products": [{"cis": ki} for ki in codes]})


def station_order_body(
    number: str, lines: tuple[BodyLine, ...], *, attributes: Attributes
) -> bytes:
    """Body of `POST /api/v3/order`; `number` is our production order id with its attempt."""
    products = [_station_product(line.line) for line in lines]
    head = _without_empty(
        {
            "contactPerson": attributes.contact_person,
            "releaseMethodType": attributes.release_method_type.value,
            "createMethodType": "SELF_MADE",
            "productionOrderId": number,
        }
    )
    return _encode({"productGroup": PRODUCT_GROUP, "products": products, "attributes": head})


def _station_product(line: DraftLine) -> dict[str, Any]:
    product: dict[str, Any] = {
        "gtin": line.gtin,
        "quantity": line.quantity,
        "serialNumberType": line.serial_number_type.value,
        "templateId": TEMPLATE_ID,
        "cisType": "UNIT",
    }
    if line.serial_number_type is SerialNumberType.SELF_MADE:
        product["serialNumbers"] = list(line.serial_numbers)
    return product


def close_body(suz_order_id: str) -> bytes:
    return _encode({"orderId": suz_order_id})


def utilisation_body(codes: tuple[str, ...], *, number: str) -> bytes:
    """`codes` are full codes: this body is sealed at rest; `number`: its receipts carry it."""
    return _encode(_report(codes, number))


def dropout_body(codes: tuple[str, ...], *, number: str, reason: str) -> bytes:
    return _encode({**_report(codes, number), "dropoutReason": reason})


def _report(codes: tuple[str, ...], number: str) -> dict[str, Any]:
    attributes = {"productionOrderId": number}
    return {"productGroup": PRODUCT_GROUP, "sntins": list(codes), "attributes": attributes}
