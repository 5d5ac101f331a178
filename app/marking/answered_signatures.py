"""A signature that a person sent: checked, kept, and a challenge turned into a token at once."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec

from app.domain.marking.draft import Problem
from app.integrations.errors import UpstreamError
from app.marking import cms, participants, sign_requests
from app.marking.cms import NotSigned, Signature
from app.marking.desk import Desk
from app.marking.errors import OrderStateError, SignatureError
from app.marking.participants import Participant
from app.marking.sign_in import KIND, AuthService, signature_error
from app.marking.sign_requests import Signed, SignRequest

SUMMARY_LINES = 10


async def accept(desk: Desk, request_id: str, der: bytes, *, user_id: str) -> SignRequest:
    """Store the signature; the same one twice is one. Raises SignatureError, OrderStateError."""
    request = await sign_requests.load(desk.database, request_id, sealer=desk.sealer)
    if request.signature != der:
        await _take(desk, request, der, user_id=user_id)
    if request.purpose in KIND:
        await _sign_in(desk, request)
    return await sign_requests.load(desk.database, request_id, sealer=desk.sealer)


async def _take(desk: Desk, request: SignRequest, der: bytes, *, user_id: str) -> None:
    if request.payload is None or request.state != "PENDING":
        raise OrderStateError("Эта подпись больше не нужна.", order_id=request.order_id)
    participant = await participants.load(desk.database, request.participant_id, sealer=desk.sealer)
    assert participant is not None, "requests refer to their participant"
    signature = await asyncio.to_thread(_read, request, request.payload, der)
    await _require_owner(desk, participant, signature, request=request)
    signed = Signed(der, signature.subject, signature.thumbprint, f"user:{user_id}")
    async with desk.database.transaction() as tx:
        await sign_requests.store_signature(tx, request.id, signed)


def _read(request: SignRequest, payload: bytes, der: bytes) -> Signature:
    try:
        signature = cms.read(der, payload)
    except NotSigned as problem:
        raise refused(str(problem), request) from None
    if (signature.attached is None) != request.detached:
        form = "откреплённой" if request.detached else "прикреплённой"
        raise refused(f"Подпись должна быть {form}.", request)
    if signature.attached is not None and signature.attached != payload:
        raise refused("Подписаны другие данные.", request)
    if signature.digest_ok is False:
        raise refused("Подписаны другие данные.", request)
    if not signature.valid_at(datetime.now(UTC)):
        raise refused("Срок сертификата не начался или истёк.", request)
    return signature


async def _require_owner(
    desk: Desk, participant: Participant, signature: Signature, *, request: SignRequest
) -> None:
    if participant.inn in signature.inns:
        return
    if await signer_under_poa(desk, participant.id, signature.inns) is None:
        text = "ИНН сертификата не совпадает с организацией, и действующей МЧД на него нет."
        raise refused(text, request)


async def signer_under_poa(desk: Desk, participant_id: str, inns: frozenset[str]) -> str | None:
    """ИНН of a registered signer whose power of attorney is in force."""
    row = await desk.database.one(
        """select inn from marking.participant_signers
           where participant_id = %(id)s and inn = any(%(inns)s) and poa_until > now() limit 1""",
        id=participant_id,
        inns=sorted(inns),
    )
    return None if row is None else str(row["inn"])


def refused(text: str, request: SignRequest) -> SignatureError:
    return SignatureError(text, errors=[Problem("/signature", text)], order_id=request.order_id)


async def _sign_in(desk: Desk, request: SignRequest) -> None:
    """Someone under a power of attorney says for whom he signs in."""
    participant = await participants.load(desk.database, request.participant_id, sealer=desk.sealer)
    assert participant is not None, "requests refer to their participant"
    stored = await sign_requests.load(desk.database, request.id, sealer=desk.sealer)
    assert stored.signature is not None, "stored just before"
    own = participant.inn in await asyncio.to_thread(_inns, stored)
    try:
        await AuthService(desk).complete(request.id, inn=None if own else participant.inn)
    except UpstreamError as error:
        raise signature_error(error) from None


def _inns(request: SignRequest) -> frozenset[str]:
    assert request.signature is not None, "a signed request"
    return cms.read(request.signature, request.payload or b"").inns


def shown(request: SignRequest) -> dict[str, Any]:
    """What a person sees before signing; the summary is computed from the payload itself."""
    return {
        "id": request.id,
        "participant_id": request.participant_id,
        "purpose": request.purpose,
        "order_id": request.order_id,
        "state": request.state,
        "detached": request.detached,
        "payload_sha256": request.payload_sha256.hex(),
        "payload": request.payload,
        "summary": _summary(request),
    }


def _summary(request: SignRequest) -> list[str]:
    if request.payload is None:
        return []
    if request.purpose in KIND:
        return ["Вход в Честный ЗНАК" if request.purpose == "auth_true_api" else "Вход в СУЗ"]
    try:
        body = msgspec.json.decode(request.payload)
    except msgspec.DecodeError:
        return []
    return _of_body(body) if isinstance(body, dict) else []


def _of_body(body: dict[str, Any]) -> list[str]:
    found = []
    if number := (body.get("attributes") or {}).get("productionOrderId"):
        found.append(f"Заказ СУЗ {number}")
    if number := body.get("production_order_id"):
        found.append(f"Документ о вводе, заказ {number}")
    if set(body) == {"orderId"}:
        found.append(f"Закрытие заказа СУЗ {body['orderId']}")
    products = body.get("products") or []
    for product in products[:SUMMARY_LINES]:
        code = product.get("gtin") or product.get("uit_code") or ""
        count = product.get("quantity")
        found.append(f"{code} × {count}" if count else f"{code}")
    if len(products) > SUMMARY_LINES:
        found.append(f"и ещё {len(products) - SUMMARY_LINES}")
    codes = body.get("sntins") or body.get("codes") or ()
    return [*found, f"Кодов: {len(codes)}"] if codes else found
