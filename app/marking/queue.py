"""Putting orders and facts on the topics: the sweeper and the publisher of the outbox."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from app.contracts.topics import MARKING_EVENTS, SUZ_ORDERS
from app.marking.database import NOW_MS, Transaction
from app.marking.desk import Desk
from app.marking.ids import new_id
from app.marking.metrics import SWEEPS
from app.marking.work import WorkMessage

MOST_SWEPT = 500
MOST_PUBLISHED = 500

# Sends one record and returns when the broker has acknowledged it: topic, key, value.
Produce = Callable[[str, bytes, bytes], Awaitable[None]]


async def sweep(desk: Desk) -> int:
    """Orders that are due and nobody's: claimed shortly, moved on, then published."""
    again_ms = desk.terms.scaled_ms(desk.terms.sweep_republish_s)
    rows = await desk.database.rows(
        f"""with due as (
                select id from marking.orders
                where due_at <= clock_timestamp()
                      and (lease_until is null or lease_until < clock_timestamp())
                order by due_at limit %(most)s for update skip locked
            )
            update marking.orders o set due_at = clock_timestamp()
                + %(again)s * interval '1 millisecond'
            from due where o.id = due.id
            returning o.id, o.participant_id, {NOW_MS} as now""",  # noqa: S608
        most=MOST_SWEPT,
        again=again_ms,
    )
    for row in rows:
        await desk.publish(SUZ_ORDERS, wake_message(row["id"], row["participant_id"], row["now"]))
    SWEEPS.inc(len(rows))
    return len(rows)


def wake_message(
    order_id: str, participant_id: str, now: int, *, task: str = "advance", reason: str = "sweep"
) -> WorkMessage:
    return WorkMessage(
        message_id=new_id(),
        task=task,
        order_id=order_id,
        subject_id=participant_id,
        reason=reason,
        enqueued_at=now,
    )


async def publish_outbox(desk: Desk, produce: Produce) -> int:
    """Number new events in order, then send what is unsent; a repeat keeps its event id."""
    async with desk.database.transaction() as tx:
        await _number(tx)
    rows = await desk.database.rows(
        """select id, topic, key, value, feed_seq from marking.outbox
           where published_at is null order by feed_seq nulls last, created_at, id
           limit %(most)s""",
        most=MOST_PUBLISHED,
    )
    for row in rows:
        value = dict(row["value"])
        if row["feed_seq"] is not None:
            value["feed_seq"] = row["feed_seq"]
        await produce(row["topic"], row["key"].encode(), msgspec.json.encode(value))
    if rows:
        await desk.database.execute(
            """update marking.outbox set published_at = clock_timestamp()
               where id = any(%(ids)s::uuid[])""",
            ids=[row["id"] for row in rows],
        )
    return len(rows)


async def _number(tx: Transaction) -> None:
    """One publisher at a time gives the next numbers; rows of open transactions come later."""
    last = await tx.value("select last_seq from marking.feed for update")
    rows = await tx.rows(
        """select id from marking.outbox where feed_seq is null and topic = %(topic)s
           order by created_at, id limit %(most)s for update""",
        topic=MARKING_EVENTS,
        most=MOST_PUBLISHED,
    )
    if not rows:
        return
    await tx.execute(
        """update marking.outbox o set feed_seq = %(last)s + n.pos
           from unnest(%(ids)s::uuid[]) with ordinality as n(id, pos) where o.id = n.id""",
        last=last,
        ids=[row["id"] for row in rows],
    )
    await tx.execute("update marking.feed set last_seq = %(seq)s", seq=last + len(rows))


class FeedEvent(msgspec.Struct, frozen=True):
    feed_seq: int
    value: dict[str, Any]


async def feed(desk: Desk, *, after: int, limit: int) -> list[FeedEvent]:
    """Events in the order of the feed, for callers without Kafka."""
    rows = await desk.database.rows(
        """select feed_seq, value from marking.outbox where feed_seq > %(after)s
           order by feed_seq limit %(limit)s""",
        after=after,
        limit=limit,
    )
    return [
        FeedEvent(row["feed_seq"], {**row["value"], "feed_seq": row["feed_seq"]}) for row in rows
    ]
