"""Sign-in of True API: challenges, attached signatures, both kinds of tokens."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from deploy.sandbox.answers import Answer, as_json, true_api_refusal
from deploy.sandbox.call import Call
from deploy.sandbox.document_forms import is_inn
from deploy.sandbox.participant import Participant
from deploy.sandbox.signatures import (
    DIGEST_MISMATCH,
    NotSignedMessageError,
    SignedMessage,
    expired,
    flaw,
    parse,
)
from deploy.sandbox.tokens import Token, json_web_token

FIELDS = {"uuid": str, "data": str, "inn": str, "details": str, "unitedToken": bool}
BAD_SIGNATURE = "Ошибка при проверке подписи"
SECRET = "sandbox"  # noqa: S105 - the emulator's own mark


def auth_key(call: Call) -> Answer:
    uuid, challenge = call.world.add_challenge(call.now_ms)
    return as_json({"uuid": uuid, "data": challenge.data})


def sign_in(call: Call) -> Answer:
    """The True API token: JWT, or UUID when `unitedToken` asks for it."""
    form = _form(call.body)
    who = _signer(call, form)
    now = who.clock.now_ms()
    expires = now + who.clock.span_ms(who.switches.lifetimes.token)
    if form.get("unitedToken"):
        value = who.ids.uuid("united")
        who.tokens.add(Token(value, "true_api", "united", now, expires))
        until = datetime.fromtimestamp(expires / 1000, UTC).isoformat(timespec="milliseconds")
        return as_json({"uuidToken": value, "expireDate": until.replace("+00:00", "Z")})
    value = json_web_token(_claims(who, now, expires), SECRET)
    who.tokens.add(Token(value, "true_api", "participant", now, expires))
    return as_json({"token": value})


def sign_in_suz(call: Call) -> Answer:
    """The clientToken of one connection; the former one dies at once."""
    connection = call.args["connection"]
    form = _form(call.body)
    if "unitedToken" in form:
        raise true_api_refusal(400, "Параметр unitedToken не допустим")
    owner = call.world.by_connection.get(connection)
    who = _signer(call, form)
    if owner is None or owner != who.inn:
        raise true_api_refusal(400, f"Соединение {connection} не найдено в СУЗ")
    now = who.clock.now_ms()
    expires = now + who.clock.span_ms(who.switches.lifetimes.token)
    token = Token(who.ids.uuid("client-token"), "suz", connection, now, expires)
    return as_json({"token": who.tokens.add(token).value})


def _claims(who: Participant, now_ms: int, expires_ms: int) -> dict[str, Any]:
    return {
        "iat": now_ms // 1000,
        "exp": max(expires_ms // 1000, now_ms // 1000 + 1),
        "inn": who.inn,
        "pid": who.ids.number("jwt"),
        "user_status": "ACTIVE",
        "organisation_status": "REGISTERED",
        "product_group_info": [{"name": "lp", "status": "5"}],
    }


def _form(body: bytes) -> dict[str, Any]:
    form = _typed(body)
    united = form.get("unitedToken", False)
    if not form.get("uuid") and not united:
        raise true_api_refusal(400, "В запросе отсутствует идентификатор авторизации (UUID)")
    if not form.get("data"):
        raise true_api_refusal(400, "В запросе отсутствует параметр data")
    if "inn" in form and united:
        raise true_api_refusal(400, "Одновременное заполнение inn и unitedToken невозможно")
    if "inn" in form and not is_inn(form["inn"]):
        text = (
            "В параметре inn должен быть передан ИНН организации, "
            "под которой планируется авторизация от МЧД"
        )
        raise true_api_refusal(400, text)
    return form


def _typed(body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise true_api_refusal(400, "Тело запроса не может быть пустым")
    try:
        form = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise true_api_refusal(400, f"JSON parse error: {error}") from error
    form = {name: value for name, value in form.items() if value is not None}
    for name, value in form.items():
        if name not in FIELDS:
            raise true_api_refusal(400, f"JSON parse error: Unrecognized field {name!r}")
        if type(value) is not FIELDS[name]:
            raise true_api_refusal(400, f"JSON parse error: неверный тип поля {name}")
    return form


def _signer(call: Call, form: dict[str, Any]) -> Participant:
    """Checks the signature over the challenge; returns whom it signs in."""
    message = _message(form["data"])
    if message.attached is None:
        raise true_api_refusal(400, BAD_SIGNATURE)
    content = message.attached
    if form.get("uuid"):
        content = _challenge(call, form["uuid"])
    problem = DIGEST_MISMATCH if content != message.attached else flaw(message, content)
    if problem == DIGEST_MISMATCH:
        raise true_api_refusal(400, BAD_SIGNATURE)
    if problem:
        raise true_api_refusal(403, "Проверка подписи не пройдена")
    if expired(message, call.world.anybody.clock.now_ms()):
        raise true_api_refusal(403, "Подпись не валидна. Код ошибки: certificate expired")
    who = _organisation(call, message, form.get("inn"))
    if who.switches.trusted_issuer_required and not call.world.authority.issued(
        message.certificate
    ):
        raise true_api_refusal(403, "Подпись невалидна. Код ошибки: issuer is not trusted")
    return who


def _message(data: str) -> SignedMessage:
    try:
        return parse(data)
    except NotSignedMessageError as error:
        raise true_api_refusal(400, "Подпись не валидна") from error


def _challenge(call: Call, uuid: str) -> bytes:
    """The bytes to be signed; a challenge serves once."""
    world = call.world
    challenge = world.challenges.get(uuid)
    life = world.anybody.clock.span_ms(world.anybody.switches.lifetimes.challenge)
    now = world.anybody.clock.now_ms()
    if not challenge or challenge.used or now > challenge.issued_ms + life:
        raise true_api_refusal(400, f"UUID не найден в хранилище ключей. UUID = {uuid}")
    challenge.used = True
    return challenge.data.encode()


def _organisation(call: Call, message: SignedMessage, inn: str | None) -> Participant:
    inns = message.inns
    if not inns:
        raise true_api_refusal(403, "В сертификате отсутствует ИНН")
    named = [call.world.participants[i] for i in sorted(inns) if i in call.world.participants]
    if inn is None or (named and named[0].inn == inn):
        if not named:
            raise true_api_refusal(403, "Пользователь не найден")
        return named[0]
    who = call.world.participants.get(inn)
    if who is None:
        raise true_api_refusal(403, "Организация в ГИС МТ не зарегистрирована")
    if not inns & who.persons:
        text = (
            f"ИНН организации {inn} не найден среди доверенных организаций "
            f"для физического лица ИНН {min(inns)}"
        )
        raise true_api_refusal(403, text)
    return who
