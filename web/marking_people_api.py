"""Signing, sessions and administration of the marking half by HTTP."""

import base64
import binascii
from typing import Any

import msgspec

from app.domain.marking.draft import Problem
from app.marking import answered_signatures, membership, people, sign_requests
from app.marking.errors import SignatureError
from app.marking.membership import NewParticipant, PowerOfAttorney
from app.marking.sign_in import AuthService, AuthTokens
from app.marking.signer import SignerBroken
from web import marking_models as m
from web.marking_problems import Refusal
from web.marking_routing import Asked, Reply


async def sign_in(asked: Asked) -> Reply:
    """Both tokens anew: by an automatic signer at once, else as challenges to sign."""
    try:
        tokens = await AuthService(asked.desk).issue_tokens(
            asked.owner, asked.person.id, person=True
        )
    except SignerBroken as broken:
        raise SignatureError(f"Автоматическая подпись не работает: {broken}.") from None
    return Reply(_tokens(tokens))


def _tokens(tokens: AuthTokens) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(tokens)
    return {**shown, "complete": tokens.complete}


async def list_sign_requests(asked: Asked) -> Reply:
    query: m.OfParticipant = asked.query
    found = []
    for participant in await asked.chosen(query.participant, may="sign"):
        found += await sign_requests.pending(
            asked.desk.database, participant, sealer=asked.desk.sealer
        )
    return Reply({"items": [answered_signatures.shown(request) for request in found]})


async def answer_sign_request(asked: Asked) -> Reply:
    body: m.SignatureOf = asked.body
    try:
        der = base64.b64decode("".join(body.signature.split()), validate=True)
    except (binascii.Error, ValueError):
        text = "Подпись передаётся в base64."
        raise SignatureError(text, errors=[Problem("/signature", text)]) from None
    request = await answered_signatures.accept(
        asked.desk, asked.path["sign_request_id"], der, user_id=asked.person.id
    )
    # The answer is kept with its key: a report's payload holds full codes.
    return Reply({**answered_signatures.shown(request), "payload": None})


async def log_in(asked: Asked) -> Reply:
    body: m.LogIn = asked.body
    opened = await people.log_in(asked.desk.database, body.login, body.password)
    if opened is None:
        raise Refusal(401, "unauthenticated", "Неверное имя или пароль, либо вход закрыт.")
    return Reply(_session(opened.person), cookie=opened.token)


async def read_session(asked: Asked) -> Reply:
    return Reply(_session(asked.person))


def _session(person: people.Person) -> dict[str, Any]:
    return {"login": person.login, "is_admin": person.is_admin, "csrf": person.csrf}


async def log_out(asked: Asked) -> Reply:
    await people.log_out(asked.desk.database, asked.person)
    return Reply({"ok": True}, cookie="")


async def add_user(asked: Asked) -> Reply:
    body: m.NewUser = asked.body
    user = await people.add_user(
        asked.desk.database, body.login, body.password, email=body.email, is_admin=body.is_admin
    )
    return Reply({"id": user})


async def set_user_state(asked: Asked) -> Reply:
    body: m.UserState = asked.body
    await people.set_active(asked.desk.database, asked.path["login"], active=body.active)
    return Reply({"ok": True})


async def add_key(asked: Asked) -> Reply:
    """The key is shown once and not kept, so a repeat makes another one."""
    body: m.NewKey = asked.body
    user = await people.user_id_of(asked.desk.database, body.login)
    return Reply({"key": await people.add_key(asked.desk.database, user, body.name)})


async def list_keys(asked: Asked) -> Reply:
    query: m.KeysQuery = asked.query
    items = await people.keys(asked.desk.database, after=query.after, limit=query.limit)
    return Reply({"items": items, "next": items[-1]["id"] if len(items) == query.limit else None})


async def revoke_key(asked: Asked) -> Reply:
    await people.revoke_key(asked.desk.database, asked.path["key_id"])
    return Reply({"ok": True})


async def list_participants(asked: Asked) -> Reply:
    items = await membership.listed(asked.desk, await asked.visible())
    return Reply({"items": items, "next": None})


async def add_participant(asked: Asked) -> Reply:
    body: m.NewParticipant = asked.body
    new = NewParticipant(**body.model_dump())
    participant = await membership.add_participant(asked.desk, new, by=asked.person.id)
    return Reply({"id": participant})


async def set_signer(asked: Asked) -> Reply:
    body: m.SignerChoice = asked.body
    await membership.set_signer(
        asked.desk,
        asked.owner,
        body.signer_kind,
        config=body.signer_config,
        by=asked.person.id,
    )
    return Reply({"ok": True})


async def set_participant_state(asked: Asked) -> Reply:
    body: m.UserState = asked.body
    await membership.set_active(asked.desk, asked.owner, active=body.active, by=asked.person.id)
    return Reply({"ok": True})


async def list_members(asked: Asked) -> Reply:
    return Reply({"items": await membership.members(asked.desk, asked.owner), "next": None})


async def set_member(asked: Asked) -> Reply:
    body: m.MemberRole = asked.body
    user = await people.user_id_of(asked.desk.database, asked.path["login"])
    await membership.give_role(asked.desk, asked.owner, user, role=body.role, by=asked.person.id)
    return Reply({"ok": True})


async def register_signer(asked: Asked) -> Reply:
    body: m.SignerUnderPoa = asked.body
    given = PowerOfAttorney(asked.path["inn"], body.name, body.number, body.until)
    await membership.register_signer(asked.desk, asked.owner, given, by=asked.person.id)
    return Reply({"ok": True})
