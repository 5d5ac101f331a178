"""True API: documents, their statuses, codes, balance."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Any

import msgspec

from deploy.sandbox.answers import Answer, as_json, as_text, true_api_refusal
from deploy.sandbox.call import Call
from deploy.sandbox.codes import normal_ki
from deploy.sandbox.document_checks import listed_kis
from deploy.sandbox.document_forms import FORMS
from deploy.sandbox.documents import Document, shown
from deploy.sandbox.signatures import NotSignedMessageError, parse
from deploy.sandbox.station_signature import detached_flaw

FIELDS = ("document_format", "product_document", "type", "signature")
OPTIONAL = ("second_product_document", "second_signature", "signExt")
FORMATS = ("MANUAL", "XML", "CSV")
MAX_BYTES = 30 * 1024 * 1024
MAX_KIS = 1000
NO_PAGE = "Отсутствует обязательный параметр: pg"


def create_document(call: Call) -> Answer:
    """Takes a document for checking; the answer is its number as plain text."""
    product_group(call)
    form = _document_form(call.body)
    kind = form["type"]
    if form["document_format"] not in FORMATS:
        raise true_api_refusal(400, "JSON parse error: document_format")
    suffix = kind.rsplit("_", 1)[-1] if kind.endswith(("_CSV", "_XML")) else "MANUAL"
    if suffix != form["document_format"]:
        raise true_api_refusal(400, f"Формат документа не соответствует типу {kind}")
    if kind not in FORMS:
        raise true_api_refusal(422, f"{kind} недоступен для товарной группы lp")
    body = _decoded(form["product_document"])
    if len(body) > MAX_BYTES:
        raise true_api_refusal(414, "Слишком большой запрос")
    if call.who.switches.signature_check != "off" and _flaw(call, form["signature"], body):
        raise true_api_refusal(422, "Ошибка проверки подписи")
    document = _kept(call, kind, body)
    return as_text(document.number)


def _kept(call: Call, kind: str, body: bytes) -> Document:
    who, now = call.who, call.now_ms
    kis, order_number = listed_kis(kind, body)
    document = Document(
        number=who.ids.uuid("document"),
        sequence=who.ids.number("document-sequence"),
        created_ms=now,
        kind=kind,
        body=body,
        history=[(now, "IN_PROGRESS")],
        kis=kis,
        production_order_id=order_number,
    )
    verdict, lag = call.effect("verdict"), call.effect("list_lag")
    if verdict:
        document.verdict = (verdict.state or "CHECKED_NOT_OK", verdict.errors)
    if lag:
        document.hidden_until_ms = now + who.clock.span_ms(lag.for_s or 3600)
    who.documents[document.number] = document
    return document


def _flaw(call: Call, signature: str, body: bytes) -> str | None:
    try:
        if parse(signature).attached is not None:
            return "attached"
    except NotSignedMessageError as error:
        return str(error)
    return detached_flaw(signature, body, who=call.who, world=call.world)


def _document_form(body: bytes) -> dict[str, str]:
    if not body.strip():
        raise true_api_refusal(400, "Required request body is missing: DocumentCreateRequest")
    try:
        form = msgspec.json.decode(body, type=dict[str, str | None])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise true_api_refusal(400, f"JSON parse error: {error}") from error
    given = {name: value for name, value in form.items() if value is not None}
    for name in FIELDS:
        if not given.get(name):
            raise true_api_refusal(400, f"Отсутствует обязательное поле: {name}")
    unknown = set(form) - set(FIELDS) - set(OPTIONAL)
    if unknown:
        raise true_api_refusal(400, f"JSON parse error: Unrecognized field {min(unknown)!r}")
    extra = set(given) & set(OPTIONAL)
    if extra:
        text = f"Для типа документа {given['type']} не допустимо указание параметров: "
        raise true_api_refusal(400, text + ", ".join(sorted(extra)))
    return given


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise true_api_refusal(400, "JSON parse error: product_document") from error


def product_group(call: Call) -> None:
    group = call.query.get("pg")
    if group is None:
        raise true_api_refusal(400, NO_PAGE)
    if group != "lp":
        raise true_api_refusal(400, f"Could not determine product group by name '{group}'")


def doc_info(call: Call) -> Answer:
    document = call.who.documents.get(call.args["number"])
    if document is None:
        raise true_api_refusal(404, "Документ не найден")
    info = shown(document, call.who, iso(document.created_ms))
    info["productGroup"], info["productGroupId"] = ["lp"], [1]
    info["errors"] = document.errors
    info["commonErrors"] = []
    info["invoiceDate"] = None
    info["content"] = None
    info["body"] = None
    if call.query.get("body", "false") == "true":
        info["body"] = _readable(document.body)
    if call.query.get("content", "false") == "true":
        info["content"] = document.body.decode(errors="replace")
    return as_json([info])


def _readable(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None


def cises_info(call: Call) -> Answer:
    product_group(call)
    try:
        asked = msgspec.json.decode(call.body, type=list[str])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise true_api_refusal(400, f"JSON parse error: {error}") from error
    if not 1 <= len(asked) <= MAX_KIS:
        raise true_api_refusal(400, f"В списке должно быть от 1 до {MAX_KIS} кодов")
    answers = [_code_info(call, text) for text in asked]
    if all("errorCode" in answer for answer in answers):
        raise true_api_refusal(404, "Коды не найдены")
    return as_json(answers)


def _code_info(call: Call, text: str) -> dict[str, Any]:
    found = call.world.code(normal_ki(text))
    if found is None:
        info = {"requestedCis": text}
        return {"cisInfo": info, "errorMessage": "Код маркировки не найден", "errorCode": "404"}
    owner, code = found
    card = owner.cards.get(code.gtin)
    status = code.status(call.now_ms, owner.clock.span_ms(owner.switches.delays.applied))
    method = owner.orders[code.order_id].body["attributes"].get("releaseMethodType")
    return {
        "cisInfo": {
            "requestedCis": text,
            "cis": code.ki,
            "gtin": code.gtin,
            "tnVedEaes": card.tnved if card else None,
            "productName": card.name if card else None,
            "productGroup": "lp",
            "productGroupId": 1,
            "emissionDate": iso(code.issued_ms),
            "emissionType": "FOREIGN" if method == "IMPORT" else "LOCAL",
            "packageType": "UNIT",
            "ownerInn": owner.inn,
            "ownerName": owner.name,
            "status": status,
            "statusEx": "EMPTY",
            "markWithdraw": False,
        }
    }


def balance(call: Call) -> Answer:
    if call.query["productGroupId"] != "1":
        raise true_api_refusal(404, "Товарная группа не найдена")
    return as_json({"balance": 100_000_00, "productGroupId": 1, "organisationId": 1})


def iso(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{at_ms % 1000:03d}Z"
