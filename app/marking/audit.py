"""What happened to an order: the append-only log, the feed of events, notifications."""

from typing import Any

import msgspec

from app.contracts.topics import MARKING_EVENTS, MARKING_NOTIFICATIONS
from app.marking.database import Transaction, as_json
from app.marking.ids import event_id, new_id


class Entry(msgspec.Struct, frozen=True):
    """Details hold КИ, hashes and numbers, never codes, tokens or signatures."""

    action: str
    actor: str
    participant_id: str | None = None
    order_id: str | None = None
    subject: str | None = None
    from_status: str | None = None
    to_status: str | None = None
    call_id: str | None = None
    details: dict[str, Any] = {}


async def write(tx: Transaction, entry: Entry) -> None:
    await tx.execute(
        """insert into marking.audit_log (actor, participant_id, order_id, subject, action,
               from_status, to_status, call_id, details)
           values (%(actor)s, coalesce(%(participant_id)s, (select o.participant_id
               from marking.orders o where o.id = %(order_id)s)), %(order_id)s,
               %(subject)s, %(action)s,
               %(from_status)s, %(to_status)s, %(call_id)s, %(details)s)""",
        **{**msgspec.structs.asdict(entry), "details": as_json(entry.details)},
    )


class Event(msgspec.Struct, frozen=True):
    """A fact for the ERP; `version` is the order's at that moment, `mark` tells equals apart."""

    kind: str
    order_id: str
    version: int
    payload: dict[str, Any] = {}
    mark: str = ""


async def announce(tx: Transaction, event: Event) -> None:
    """Into the outbox in the same transaction; a repeated fact keeps its one row."""
    identity = event_id(event.order_id, event.version, event.kind + event.mark)
    await tx.execute(
        """insert into marking.outbox (id, topic, key, value)
           select %(id)s, %(topic)s, o.id::text, jsonb_build_object('event_id', %(id)s::text,
                  'kind', %(kind)s::text, 'order_id', o.id, 'external_id', o.external_id,
                  'inn', p.inn, 'at', (extract(epoch from now()) * 1000)::bigint,
                  'payload', %(payload)s::jsonb)
           from marking.orders o join marking.participants p on p.id = o.participant_id
           where o.id = %(order_id)s
           on conflict (id) do nothing""",
        id=identity,
        topic=MARKING_EVENTS,
        kind=event.kind,
        payload=as_json(event.payload),
        order_id=event.order_id,
    )


async def notify(
    tx: Transaction, participant_id: str, *, kind: str, text: str, order_id: str | None = None
) -> None:
    """Tell everyone who works for the participant; mail goes out through the outbox."""
    users = await tx.rows(
        """select u.id from marking.participant_members m join marking.users u on u.id = m.user_id
           where m.participant_id = %(participant_id)s and u.active and m.role <> 'viewer'""",
        participant_id=participant_id,
    )
    for user in users:
        notice = new_id()
        await tx.execute(
            """insert into marking.notifications (id, user_id, kind, order_id, text)
               values (%(id)s, %(user)s, %(kind)s, %(order_id)s, %(text)s)""",
            id=notice,
            user=user["id"],
            kind=kind,
            order_id=order_id,
            text=text,
        )
        fact = {"notification_id": notice, "user_id": user["id"], "kind": kind}
        await tx.execute(
            """insert into marking.outbox (id, topic, key, value)
               values (%(id)s, %(topic)s, %(key)s, %(value)s)""",
            id=new_id(),
            topic=MARKING_NOTIFICATIONS,
            key=user["id"],
            value=as_json({**fact, "order_id": order_id, "text": text}),
        )
