"""Organisations set up, their people and signers: what administrators change."""

from datetime import datetime
from typing import Any

import msgspec
import psycopg2.errors

from app.domain.marking.code import is_inn
from app.domain.marking.draft import Problem
from app.marking import audit
from app.marking.audit import Entry
from app.marking.database import Transaction, as_json
from app.marking.desk import Desk
from app.marking.errors import OrderStateError, ValidationError
from app.marking.ids import new_id
from app.marking.sealing import apikey_place
from app.marking.terms import SANDBOX


class NewParticipant(msgspec.Struct, frozen=True, kw_only=True):
    inn: str
    name: str
    oms_id: str
    oms_connection: str
    signer_kind: str = "browser"
    signer_config: dict[str, Any] = {}
    contact_person: str | None = None
    nk_apikey: str | None = None


class PowerOfAttorney(msgspec.Struct, frozen=True):
    """A person who may sign for the participant (МЧД)."""

    inn: str
    name: str
    number: str
    until: datetime


async def add_participant(desk: Desk, new: NewParticipant, *, by: str) -> str:
    """The id; whoever adds it administers it. Raises ValidationError, OrderStateError."""
    _require_inn(new.inn, "/inn")
    _require_signer(desk, new.signer_kind)
    participant = new_id()
    try:
        async with desk.database.transaction() as tx:
            await _insert(tx, desk, new, participant=participant)
            await set_role(tx, participant, by, role="admin")
            await _tell(tx, participant, "participant.added", by=by, signer_kind=new.signer_kind)
    except psycopg2.errors.UniqueViolation:
        text = "Организация с таким ИНН или подключением СУЗ уже есть."
        raise OrderStateError(text) from None
    return participant


async def _insert(tx: Transaction, desk: Desk, new: NewParticipant, *, participant: str) -> None:
    sealed = None
    if new.nk_apikey:
        place = apikey_place(participant)
        sealed = desk.sealer.seal(new.nk_apikey.encode(), place=place)
    await tx.execute(
        """insert into marking.participants (id, inn, name, oms_id, oms_connection, nk_apikey_enc,
               signer_kind, signer_config, contact_person)
           values (%(id)s, %(inn)s, %(name)s, %(oms)s, %(connection)s, %(key)s, %(kind)s,
               %(config)s, %(contact)s)""",
        id=participant,
        inn=new.inn,
        name=new.name,
        oms=new.oms_id,
        connection=new.oms_connection,
        key=sealed,
        kind=new.signer_kind,
        config=as_json(new.signer_config),
        contact=new.contact_person,
    )


async def set_signer(
    desk: Desk, participant: str, kind: str, *, config: dict[str, Any], by: str
) -> None:
    _require_signer(desk, kind)
    async with desk.database.transaction() as tx:
        await tx.execute(
            """update marking.participants set signer_kind = %(kind)s, signer_config = %(config)s
               where id = %(id)s""",
            kind=kind,
            config=as_json(config),
            id=participant,
        )
        await _tell(tx, participant, "participant.signer_set", by=by, signer_kind=kind)


async def set_active(desk: Desk, participant: str, *, active: bool, by: str) -> None:
    async with desk.database.transaction() as tx:
        await tx.execute(
            "update marking.participants set active = %(active)s where id = %(id)s",
            active=active,
            id=participant,
        )
        await _tell(tx, participant, "participant.active_set", by=by, active=active)


async def give_role(
    desk: Desk, participant: str, user_id: str, *, role: str | None, by: str
) -> None:
    """None takes the role away."""
    async with desk.database.transaction() as tx:
        await set_role(tx, participant, user_id, role=role)
        await _tell(tx, participant, "participant.role_set", by=by, user=user_id, role=role)


async def set_role(tx: Transaction, participant: str, user_id: str, *, role: str | None) -> None:
    named = {"participant": participant, "user": user_id, "role": role}
    if role is None:
        await tx.execute(
            """delete from marking.participant_members
               where participant_id = %(participant)s and user_id = %(user)s""",
            **named,
        )
        return
    await tx.execute(
        """insert into marking.participant_members (participant_id, user_id, role)
           values (%(participant)s, %(user)s, %(role)s)
           on conflict (participant_id, user_id) do update set role = excluded.role""",
        **named,
    )


async def register_signer(desk: Desk, participant: str, given: PowerOfAttorney, *, by: str) -> None:
    _require_inn(given.inn, "/inn")
    async with desk.database.transaction() as tx:
        await tx.execute(
            """insert into marking.participant_signers (participant_id, inn, name, poa_number,
                   poa_until)
               values (%(participant)s, %(inn)s, %(name)s, %(number)s, %(until)s)
               on conflict (participant_id, inn) do update set name = excluded.name,
                   poa_number = excluded.poa_number, poa_until = excluded.poa_until""",
            participant=participant,
            **msgspec.structs.asdict(given),
        )
        await _tell(tx, participant, "participant.signer_registered", by=by, poa=given.number)


async def listed(desk: Desk, participants: list[str]) -> list[dict[str, Any]]:
    """What its people may know of an organisation; keys are only said to be there."""
    return await desk.database.rows(
        """select id, inn, name, product_group, oms_id, signer_kind, contact_person, active,
                  nk_apikey_enc is not null as has_nk_apikey
           from marking.participants where id = any(%(ids)s::uuid[]) order by name, id""",
        ids=participants,
    )


async def members(desk: Desk, participant: str) -> list[dict[str, Any]]:
    return await desk.database.rows(
        """select u.login, u.email, u.active, m.role from marking.participant_members m
           join marking.users u on u.id = m.user_id
           where m.participant_id = %(id)s order by u.login""",
        id=participant,
    )


def _require_inn(inn: str, pointer: str) -> None:
    if not is_inn(inn):
        raise ValidationError("Неверный ИНН.", errors=[Problem(pointer, "Неверный ИНН")])


def _require_signer(desk: Desk, kind: str) -> None:
    if kind == "demo" and desk.terms.chz_environment != SANDBOX:
        text = "Демонстрационная подпись работает только в песочнице."
        raise ValidationError(text, errors=[Problem("/signer_kind", text)])


async def _tell(tx: Transaction, participant: str, action: str, *, by: str, **details: Any) -> None:
    entry = Entry(action, f"user:{by}", participant)
    await audit.write(tx, msgspec.structs.replace(entry, details=details))
