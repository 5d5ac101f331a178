"""Orders that wait for long: told once, never cancelled; signatures and codes in danger too."""

import msgspec

from app.marking import audit
from app.marking.audit import Entry
from app.marking.database import Row
from app.marking.desk import Desk
from app.marking.messages_ru import ESCALATION_TEXTS
from app.marking.metrics import ESCALATIONS

MOST_AT_ONCE = 200
HALF_AN_HOUR_S = 1_800
STAGES = {
    "DOC_CHECKING": "document",
    "EMITTING": "emission",
    "COLLECTING": "collecting",
    "POSTPROCESSING": "postprocess",
}
REMINDERS_S = (3_600, 86_400)
WARNING_DAYS = (30, 14, 7, 1)
DAY_S = 86_400


async def escalate(desk: Desk) -> int:
    """Badge and notification «Долго без ответа» for orders that have waited too long."""
    rows = await desk.database.rows(
        """select id, participant_id, status from marking.orders
           where escalated_at is null and status = any(%(statuses)s)
                 and waited_s >= case when status = 'COLLECTING' then %(half)s else %(long)s end
           order by status_at limit %(most)s""",
        statuses=list(STAGES),
        half=HALF_AN_HOUR_S,
        long=desk.terms.order_timeout_minutes * 60,
        most=MOST_AT_ONCE,
    )
    for row in rows:
        await _escalate(desk, row)
    return len(rows)


async def _escalate(desk: Desk, row: Row) -> None:
    stage = STAGES[row["status"]]
    async with desk.database.transaction() as tx:
        told = await tx.execute(
            """update marking.orders set escalated_at = clock_timestamp(), version = version + 1
               where id = %(id)s and escalated_at is null and status = %(status)s""",
            id=row["id"],
            status=row["status"],
        )
        if not told:
            return
        entry = Entry("order.escalated", "timer", row["participant_id"], row["id"])
        await audit.write(tx, msgspec.structs.replace(entry, details={"stage": stage}))
        await audit.notify(
            tx,
            row["participant_id"],
            kind="order.escalated",
            text=ESCALATION_TEXTS[stage],
            order_id=row["id"],
        )
    ESCALATIONS.labels(stage).inc()


async def remind_signers(desk: Desk) -> int:
    """A request that waits for a person for an hour, then for a day."""
    count = 0
    for number, after_s in enumerate(REMINDERS_S, start=1):
        rows = await desk.database.rows(
            """update marking.sign_requests set reminded = %(number)s
               where id in (select id from marking.sign_requests where state = 'PENDING'
                   and reminded < %(number)s and order_id is not null
                   and created_at <= clock_timestamp() - %(after)s * interval '1 millisecond'
                   order by created_at limit %(most)s)
               returning participant_id, order_id, purpose""",
            number=number,
            after=desk.terms.scaled_ms(after_s),
            most=MOST_AT_ONCE,
        )
        for row in rows:
            async with desk.database.transaction() as tx:
                await audit.notify(
                    tx,
                    row["participant_id"],
                    kind="sign_request.waits",
                    text="Документ ждёт подписи. Откройте страницу «На подпись».",
                    order_id=row["order_id"],
                )
        count += len(rows)
    return count


async def warn_of_expiry(desk: Desk) -> int:
    """Codes that burn in 30, 14, 7 or 1 days and have not been fetched."""
    count = 0
    for days in WARNING_DAYS:
        rows = await desk.database.rows(
            """update marking.buffers b set warned_days = %(days)s
               from marking.suz_orders s, marking.orders o
               where s.id = b.suz_order_id and o.id = s.order_id
                     and b.status in ('WAITING', 'FETCHING') and b.expires_at is not null
                     and (b.warned_days is null or b.warned_days > %(days)s)
                     and b.expires_at <= marking.remote_now(o.participant_id)
                         + %(before)s * interval '1 millisecond'
                     and b.expires_at > marking.remote_now(o.participant_id)
               returning o.id as order_id, o.participant_id, b.gtin,
                         to_char(b.expires_at, 'DD.MM') as day""",
            days=days,
            before=desk.terms.scaled_ms(days * DAY_S),
        )
        for row in rows:
            async with desk.database.transaction() as tx:
                await audit.notify(
                    tx,
                    row["participant_id"],
                    kind="codes.expiring",
                    text=f"Неполученные коды {row['gtin']} сгорят {row['day']}.",
                    order_id=row["order_id"],
                )
        count += len(rows)
    return count
