"""Who calls: participants found by token, apikey or station, and the guards of each system."""

from typing import Any

import msgspec

from deploy.sandbox.answers import (
    SUZ_FOREIGN_TOKEN,
    RefusedError,
    as_json,
    nk_refusal,
    suz_field_refusal,
    suz_refusal,
    true_api_refusal,
    xml_unauthorized,
)
from deploy.sandbox.call import Call
from deploy.sandbox.participant import Participant
from deploy.sandbox.signatures import NotSignedMessageError, parse
from deploy.sandbox.world import World

NO_AUTHENTICATION = "Отсутствует необходимый для аутентификации параметр"
FULL_AUTHENTICATION = "Для доступа к этому ресурсу требуется полная аутентификация. Проверьте токен"


def bearer(headers: dict[str, str]) -> str | None:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if scheme == "Bearer" and value.strip() else None


def identify(
    world: World, headers: dict[str, str], query: dict[str, str], *, connection: str | None
) -> Participant | None:
    """The participant a request names by any of its marks, right or stale."""
    if connection is not None:
        return world.participants.get(world.by_connection.get(connection, ""))
    for value in (headers.get("clienttoken"), bearer(headers)):
        found = world.token(value) if value else None
        if found and "omsId" not in query:
            return found[0]
    inn = world.by_oms_id.get(query.get("omsId", "")) or world.by_apikey.get(
        query.get("apikey", "")
    )
    return world.participants.get(inn or "")


def signer_of(world: World, body: bytes) -> Participant | None:
    """The participant a sign-in is for, as far as its body can be read."""
    try:
        form = msgspec.json.decode(body, type=dict[str, Any])
        named = {str(form["inn"])} if form.get("inn") else parse(str(form["data"])).inns
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError, NotSignedMessageError):
        return None
    return next((world.participants[inn] for inn in named if inn in world.participants), None)


def open_to_all(_call: Call) -> None:
    """Sign-in needs no token."""


def needs_bearer(call: Call) -> None:
    """True API: JSON 401 without a token, XML 401 with a dead one."""
    value = bearer(dict(call.headers))
    if value is None:
        raise true_api_refusal(401, FULL_AUTHENTICATION)
    found = call.world.token(value)
    if not found or found[1].kind != "true_api" or not found[1].live(call.now_ms):
        raise RefusedError(xml_unauthorized("invalid_token", "Access token expired"))
    call.token = found[1]


def needs_catalogue_access(call: Call) -> None:
    """NK: apikey xor Bearer."""
    value, apikey = bearer(dict(call.headers)), call.query.get("apikey")
    if value and apikey:
        raise nk_refusal(400, "Недопустимо использование apikey вместе с <token>")
    if not value and not apikey:
        raise nk_refusal(400, NO_AUTHENTICATION)
    if apikey:
        if apikey not in call.world.by_apikey:
            raise nk_refusal(401, "Указан неактуальный для аккаунта apikey")
        return
    found = call.world.token(value or "")
    if not found or found[1].kind != "true_api":
        raise nk_refusal(401, "Указан неактуальный для аккаунта <token>")
    if not found[1].live(call.now_ms):
        raise nk_refusal(401, "Время действия <token> истекло")
    call.token = found[1]


def needs_client_token(call: Call) -> None:
    """SUZ: a live clientToken that belongs to the station named by omsId."""
    oms_id, value = call.query.get("omsId"), call.headers.get("clienttoken")
    if not oms_id:
        raise suz_field_refusal([("omsId", "Обязательный параметр не указан")])
    if not value:
        raise _suz_unauthorized("Маркер безопасности не указан")
    found = call.world.token(value)
    if not found or found[1].kind != "suz":
        raise _suz_unauthorized("Маркер безопасности не найден")
    owner, token = found
    if owner.oms_id != oms_id:
        text = (
            f"Маркер безопасности {value} не соответствует указанному в запросе "
            f"идентификатору СУЗ {oms_id}"
        )
        raise suz_refusal(400, text, SUZ_FOREIGN_TOKEN)
    if not token.live(owner.clock.now_ms()):
        raise _suz_unauthorized("Срок действия маркера безопасности истёк")
    call.token = token


def _suz_unauthorized(text: str) -> RefusedError:
    problem = {"error": text, "errorCode": 401}
    body = {"success": False, "fieldErrors": [], "globalErrors": [problem]}
    return RefusedError(as_json(body, 401))
