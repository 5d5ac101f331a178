"""Due polls, fairly over participants: claimed in one statement, committed, then published."""

from app.contracts.topics import MARKING_STATUSES
from app.marking.database import NOW_MS
from app.marking.desk import Desk
from app.marking.ids import new_id
from app.marking.metrics import POLL_LAG, TICK
from app.marking.work import WorkMessage

MOST_A_TICK = 500
MOST_OF_ONE = 5
RETURN_S = 1.0
TASKS = {
    "documents": "poll_documents",
    "suz_list": "poll_suz_list",
    "suz_status": "poll_suz_status",
    "report": "poll_report",
}

_CLAIM = """
with due as (
    select id, row_number() over (partition by participant_id order by due_at) as turn, due_at
    from marking.polls where due_at <= clock_timestamp()
), fair as (
    select id from due where turn <= %(each)s order by due_at limit %(most)s
), taken as (
    select p.id from marking.polls p join fair using (id) for update of p skip locked
)
update marking.polls p
set due_at = clock_timestamp() + greatest(p.interval_s, 1) * interval '1 second'
from taken, (select id, due_at as was from marking.polls) old
where p.id = taken.id and old.id = p.id
returning p.id, p.kind, p.participant_id, p.subject_id, p.passes,
          extract(epoch from clock_timestamp() - old.was)::float8 as late_s
"""


async def publish_due_polls(desk: Desk) -> int:
    """How many due polls went onto the queue; committed before they are published."""
    TICK.mark()
    rows = await desk.database.rows(_CLAIM, each=MOST_OF_ONE, most=MOST_A_TICK)
    now = int((await desk.database.rows(f"select {NOW_MS} as now"))[0]["now"]) if rows else 0
    for row in rows:
        POLL_LAG.labels(row["kind"]).set(row["late_s"])
        message = WorkMessage(
            message_id=new_id(),
            task=TASKS[row["kind"]],
            order_id=row["participant_id"],
            subject_id=row["id"],
            reason="poll",
            enqueued_at=now,
            passes=row["passes"],
        )
        await desk.publish(MARKING_STATUSES, message)
    return len(rows)


async def return_polls(desk: Desk, refused: list[WorkMessage]) -> None:
    """A poll that found no free slot is due again soon, not after a whole interval."""
    await desk.database.execute(
        """update marking.polls p set due_at = least(p.due_at, clock_timestamp()
               + %(soon)s * interval '1 millisecond')
           from unnest(%(ids)s::uuid[], %(passes)s::int[]) as r(id, passes)
           where p.id = r.id and p.passes = r.passes""",
        soon=desk.terms.scaled_ms(RETURN_S),
        ids=[message.subject_id for message in refused],
        passes=[message.passes for message in refused],
    )
