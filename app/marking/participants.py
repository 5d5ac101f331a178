"""Organisations that order codes, and what their people may do."""

from typing import Any

import msgspec

from app.integrations.redaction import Secret
from app.marking.database import Database, Transaction, raw
from app.marking.sealing import Sealer, apikey_place

ROLES = ("viewer", "signer", "operator", "admin")
MAY: dict[str, frozenset[str]] = {
    "read": frozenset(ROLES),
    "sign": frozenset({"signer", "admin"}),
    "operate": frozenset({"operator", "admin"}),
    "administer": frozenset({"admin"}),
}


class Participant(msgspec.Struct, frozen=True):
    id: str
    inn: str
    name: str
    product_group: str
    oms_id: str
    oms_connection: str
    signer_kind: str
    signer_config: dict[str, Any]
    active: bool
    contact_person: str | None = None
    nk_apikey: Secret | None = None

    @property
    def signs_by_itself(self) -> bool:
        return self.signer_kind != "browser"


async def load(
    source: Database | Transaction, participant_id: str, *, sealer: Sealer
) -> Participant | None:
    row = await source.one(
        "select * from marking.participants where id = %(id)s", id=participant_id
    )
    if row is None:
        return None
    sealed = row.pop("nk_apikey_enc")
    place = apikey_place(row["id"])
    key = None if sealed is None else Secret(sealer.open(raw(sealed), place=place).decode())
    return Participant(**row, nk_apikey=key)


async def role_of(source: Database | Transaction, user_id: str, participant_id: str) -> str | None:
    """The role of an active user; None: not a member."""
    row = await source.one(
        """select m.role from marking.participant_members m
           join marking.users u on u.id = m.user_id
           where m.user_id = %(user)s and m.participant_id = %(participant)s and u.active""",
        user=user_id,
        participant=participant_id,
    )
    return None if row is None else str(row["role"])


async def of_user(source: Database | Transaction, user_id: str) -> list[str]:
    """Participants the user may order for."""
    rows = await source.rows(
        """select m.participant_id from marking.participant_members m
           join marking.participants p on p.id = m.participant_id
           join marking.users u on u.id = m.user_id
           where m.user_id = %(user)s and m.role in ('operator', 'admin')
                 and p.active and u.active""",
        user=user_id,
    )
    return [row["participant_id"] for row in rows]
