"""Records of orders by HTTP: timeline, codes, files, documents, goods, the feed of events."""

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from app.domain.marking.code import normal_gtin
from app.marking import goods, idempotency, issue_files, issuing, orphans, record_pages
from app.marking.changes import Changes
from app.marking.database import Transaction
from app.marking.errors import ValidationError
from app.marking.issuing import Issue, IssueRequest, Label
from app.marking.labels import Goods
from app.marking.queue import feed
from app.marking.record_pages import CodesAsked
from web import marking_models as m
from web.marking_problems import Refusal
from web.marking_routing import Asked, Reply

EVENT_STREAM: Final = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}


async def read_timeline(asked: Asked) -> Reply:
    query: m.TimelineQuery = asked.query
    database, order_id = asked.desk.database, asked.path["order_id"]
    items = await record_pages.timeline(database, order_id, after=query.after, limit=query.limit)
    calls = await record_pages.calls(database, order_id)
    last = items[-1]["id"] if len(items) == query.limit else None
    return Reply({"items": items, "calls": calls, "next": last})


async def list_codes(asked: Asked) -> Reply:
    query: m.CodesQuery = asked.query
    chosen = CodesAsked(**query.model_dump())
    items = await record_pages.codes(asked.desk.database, asked.path["order_id"], chosen)
    last = items[-1]["id"] if len(items) == query.limit else None
    return Reply({"items": items, "next": last})


async def make_issue(asked: Asked) -> Reply:
    """Codes are reserved in the transaction that keeps the answer: a repeat gets the same."""
    body: m.NewIssue = asked.body
    order_id = asked.path["order_id"]
    request = IssueRequest(
        kind=body.kind,
        gtin=normal_gtin(body.gtin) or body.gtin,
        next=body.next,
        first=body.first,
        last=body.last,
        reason=body.reason,
        label=Label(body.gs, body.label.format, await _goods(asked, body)),
    )

    async def record(tx: Transaction, issue: Issue) -> None:
        if asked.held is not None:
            await idempotency.keep(tx, asked.held, status=202, body=_issue(issue))

    issue = await issuing.reserve(
        asked.desk, order_id, request=request, by=asked.person.id, record=record
    )
    return Reply(_issue(issue), {"Location": f"/api/v1/marking/issues/{issue.id}"}, kept=True)


async def _goods(asked: Asked, body: m.NewIssue) -> Goods:
    """Words of the frozen card unless the request has its own."""
    row = await asked.desk.database.one(
        """select card from marking.order_lines
           where order_id = %(order)s and gtin = %(gtin)s""",
        order=asked.path["order_id"],
        gtin=normal_gtin(body.gtin) or body.gtin,
    )
    card, label = ({} if row is None else row["card"]), body.label
    return Goods(
        label.name or card.get("name") or "",
        label.article or card.get("article") or "",
        label.size or card.get("size") or "",
        label.colour or card.get("color") or "",
    )


def _issue(issue: Issue) -> dict[str, object]:
    shown: dict[str, object] = msgspec.to_builtins(issue)
    return {name: value for name, value in shown.items() if name not in {"ranges", "label"}}


async def read_issue(asked: Asked) -> Reply:
    return Reply(_issue(await issuing.load_issue(asked.desk.database, asked.path["issue_id"])))


async def read_issue_file(asked: Asked) -> Reply:
    """The file with its digest in the headers; asked again it is the same bytes."""
    desk, press = asked.desk, asked.desks.press
    issue = await issuing.load_issue(desk.database, asked.path["issue_id"])
    await asked.require("operate", asked.owner)
    digest = await issue_files.prepared(desk, press, issue=issue)
    name = f"codes-{issue.gtin}-{issue.id[:8]}.{issue.kind}"
    headers = {
        "Content-Type": issue_files.MEDIA_TYPES[issue.kind],
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-SHA256": digest,
        "X-Codes-SHA256": issue.codes_sha256,
    }
    return Reply(headers=headers, stream=issue_files.content(desk, press, issue=issue))


async def list_documents(asked: Asked) -> Reply:
    query: m.DocumentsQuery = asked.query
    items = await record_pages.documents(
        asked.desk.database,
        await asked.chosen(query.participant),
        status=query.status,
        order_id=query.order,
        after=query.after,
        limit=query.limit,
    )
    return Reply({"items": items, "next": items[-1]["id"] if len(items) == query.limit else None})


async def read_document(asked: Asked) -> Reply:
    found = await record_pages.document(asked.desk.database, asked.path["document_id"])
    return Reply(found)


async def list_orphans(asked: Asked) -> Reply:
    query: m.OfParticipant = asked.query
    items = []
    for participant in await asked.chosen(query.participant):
        rows = await orphans.listed(asked.desk, participant)
        items += [{**row, "participant_id": participant} for row in rows]
    return Reply({"items": items, "next": None})


async def adopt_orphan(asked: Asked) -> Reply:
    order = await orphans.take_over(asked.desk, asked.path["orphan_id"], user_id=asked.person.id)
    return Reply({"id": order}, {"Location": f"/api/v1/marking/orders/{order}"})


async def dismiss_orphan(asked: Asked) -> Reply:
    await orphans.dismiss(asked.desk, asked.path["orphan_id"], user_id=asked.person.id)
    return Reply({"ok": True})


async def read_status(asked: Asked) -> Reply:
    return Reply(await goods.status(asked.desk, asked.owner))


async def list_products(asked: Asked) -> Reply:
    query: m.ProductsQuery = asked.query
    participant = await only_participant(asked, query.participant)
    items = await goods.listed(
        asked.desk, participant, words=query.query, offset=query.after, limit=query.limit
    )
    return Reply({"items": items, "next": query.after + query.limit if items else None})


async def read_product(asked: Asked) -> Reply:
    query: m.OfParticipant = asked.query
    participant = await only_participant(asked, query.participant)
    return Reply(await goods.card(asked.desk, participant, asked.path["gtin"]))


async def mark_check(asked: Asked) -> Reply:
    body: m.MarkCheck = asked.body
    participant = await only_participant(asked, body.participant_id)
    items = await goods.mark_check(asked.desk, participant, gtins=body.gtins, tnveds=body.tnveds)
    return Reply({"items": items})


async def only_participant(asked: Asked, participant_id: str | None) -> str:
    """The named organisation, or the caller's only one."""
    found = await asked.chosen(participant_id)
    if not found:
        raise Refusal(403, "access-denied", "Нет прав ни для одной организации.")
    if len(found) > 1:
        text = "participant_id: пользователь работает за несколько организаций"
        raise ValidationError(text)
    return found[0]


async def list_events(asked: Asked) -> Reply:
    """Events of the caller's organisations; `next` moves on over those of others too."""
    query: m.EventsQuery = asked.query
    found = await feed(asked.desk, after=query.after, limit=query.limit)
    mine = await _own_inns(asked)
    items = [event.value for event in found if event.value.get("inn") in mine]
    return Reply({"items": items, "next": found[-1].feed_seq if found else query.after})


async def _own_inns(asked: Asked) -> frozenset[str]:
    rows = await asked.desk.database.rows(
        "select inn from marking.participants where id = any(%(ids)s::uuid[])",
        ids=await asked.visible(),
    )
    return frozenset(row["inn"] for row in rows)


async def list_notifications(asked: Asked) -> Reply:
    query: m.NotificationsQuery = asked.query
    items = await record_pages.notifications(
        asked.desk.database,
        asked.person.id,
        unread=query.unread,
        after=query.after,
        limit=query.limit,
    )
    return Reply({"items": items, "next": items[-1]["id"] if len(items) == query.limit else None})


async def read_notifications(asked: Asked) -> Reply:
    body: m.ReadUpTo = asked.body
    await record_pages.mark_read(asked.desk.database, asked.person.id, body.upto)
    return Reply({"ok": True})


async def watch_orders(asked: Asked) -> Reply:
    """Server-sent events: `order` with the id of each order that changes."""
    participants = frozenset(await asked.visible())
    return Reply(headers=EVENT_STREAM, stream=_sent(asked.desks.changes, participants))


async def _sent(changes: Changes, participants: frozenset[str]) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n"
    async for order_id in changes.watch(participants):
        yield b": quiet\n\n" if order_id is None else f"event: order\ndata: {order_id}\n\n".encode()
