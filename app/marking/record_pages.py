"""What may be seen of an order's records: its timeline, codes, documents, notifications."""

import uuid
from typing import Any

import msgspec

from app.marking.database import Database, Row, raw
from app.marking.errors import NotFoundError

MOST_CALLS = 500


async def timeline(
    database: Database, order_id: str, *, after: int, limit: int
) -> list[dict[str, Any]]:
    """The audit log of one order, the oldest first, from behind entry `after`."""
    return await database.rows(
        """select id, at, actor, action, subject, from_status, to_status, call_id, details
           from marking.audit_log where order_id = %(id)s and id > %(after)s
           order by id limit %(limit)s""",
        id=order_id,
        after=after,
        limit=limit,
    )


async def calls(database: Database, order_id: str) -> list[dict[str, Any]]:
    """Intents of calls without what was answered."""
    return await database.rows(
        """select id, operation, retry_class, state, attempt, planned_at, claimed_at, answered_at,
                  http_status, error, reconcile_step, remote_request_id, remote_id
           from marking.calls where order_id = %(id)s order by planned_at, id limit %(most)s""",
        id=order_id,
        most=MOST_CALLS,
    )


class CodesAsked(msgspec.Struct, frozen=True, kw_only=True):
    gtin: str | None = None
    status: str | None = None
    after: int = 0
    limit: int = 50


async def codes(database: Database, order_id: str, asked: CodesAsked) -> list[dict[str, Any]]:
    """КИ only; full codes leave through issues alone. `id` is the cursor."""
    return await database.rows(
        """select id, ki, gtin, status, status_at, malformed, print_count, spoiled,
                  reserved_by as issue_id
           from marking.codes where order_id = %(order)s and id > %(after)s
                and (%(gtin)s is null or gtin = %(gtin)s)
                and (%(status)s is null or status = %(status)s)
           order by id limit %(limit)s""",
        order=order_id,
        **msgspec.structs.asdict(asked),
    )


async def documents(
    database: Database,
    participants: list[str],
    *,
    status: str | None,
    order_id: str | None,
    after: str | None,
    limit: int,
) -> list[dict[str, Any]]:
    """The newest first."""
    return await database.rows(
        """select d.id, d.order_id, d.purpose, d.part, d.attempt, d.type, d.number, d.status,
                  d.remote_status, d.errors, d.created_at, d.sent_at, d.final_at
           from marking.documents d join marking.orders o on o.id = d.order_id
           where o.participant_id = any(%(participants)s::uuid[])
                 and (%(status)s is null or d.status = %(status)s)
                 and (%(order_id)s is null or d.order_id = %(order_id)s::uuid)
                 and (%(after)s is null or d.id < %(after)s::uuid)
           order by d.id desc limit %(limit)s""",
        participants=participants,
        status=status,
        order_id=order_id,
        after=after,
        limit=limit,
    )


async def document(database: Database, document_id: str) -> dict[str, Any]:
    """With its body as it was signed. Raises NotFoundError."""
    row = await database.one(
        """select id, order_id, purpose, part, attempt, type, number, status, remote_status,
                  errors, created_at, sent_at, final_at, body, body_sha256
           from marking.documents where id = %(id)s""",
        id=document_id,
    )
    if row is None:
        raise NotFoundError("Такого документа нет.")
    body, sha = raw(row.pop("body")), raw(row.pop("body_sha256"))
    return {**row, "body": msgspec.json.decode(body), "body_sha256": sha.hex()}


async def notifications(
    database: Database, user_id: str, *, unread: bool, after: str | None, limit: int
) -> list[dict[str, Any]]:
    """The newest first."""
    return await database.rows(
        """select id, kind, order_id, text, created_at, read_at, mailed_at
           from marking.notifications where user_id = %(user)s
                and (not %(unread)s or read_at is null)
                and (%(after)s is null or id < %(after)s::uuid)
           order by id desc limit %(limit)s""",
        user=user_id,
        unread=unread,
        after=after,
        limit=limit,
    )


async def mark_read(database: Database, user_id: str, upto: str) -> int:
    """Notifications up to this one count as read; how many did not before."""
    return await database.execute(
        """update marking.notifications set read_at = now()
           where user_id = %(user)s and id <= %(upto)s::uuid and read_at is null""",
        user=user_id,
        upto=upto,
    )


def is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


async def owner_of(database: Database, table: str, row_id: str) -> str:
    """The participant that a row belongs to. Raises NotFoundError, also for what is no id."""
    row: Row | None = None
    if is_id(row_id):
        row = await database.one(_OWNERS[table], id=row_id)
    if row is None:
        raise NotFoundError("Такой записи нет.")
    return str(row["participant_id"])


_BY_ORDER = """
select o.participant_id from marking.{} d join marking.orders o on o.id = d.order_id
where d.id = %(id)s
"""
_OWNERS = {
    "participant": "select id as participant_id from marking.participants where id = %(id)s",
    "order": "select participant_id from marking.orders where id = %(id)s",
    "batch": "select participant_id from marking.orders where batch_id = %(id)s limit 1",
    "issue": _BY_ORDER.format("issues"),
    "document": _BY_ORDER.format("documents"),
    "sign_request": "select participant_id from marking.sign_requests where id = %(id)s",
    "orphan": "select participant_id from marking.suz_orphans where suz_order_id = %(id)s",
}
