"""Rows that say what to ask again and when; the timers claim them, the consumers answer."""

import zlib

from app.marking.database import Transaction
from app.marking.desk import Desk
from app.marking.ids import new_id

FIRST_S = {"documents": 5.0, "suz_list": 2.0, "suz_status": 2.0, "report": 5.0}
JITTER_TENTH = 0.1


def jittered_ms(interval_ms: int, subject: str) -> int:
    """±10 % by a hash of the subject, so that equals do not come together."""
    share = zlib.crc32(subject.encode()) / 0xFFFFFFFF
    return round(interval_ms * (1 + JITTER_TENTH * (2 * share - 1)))


async def ensure_poll(
    tx: Transaction,
    desk: Desk,
    *,
    kind: str,
    participant_id: str,
    subject: str,
    first_ms: int | None = None,
) -> str:
    """The id of the poll; one that exists comes at least as early as a new one would.

    The pass counter moves too, so that a poll that is just ending cannot take it away.
    """
    first = desk.terms.scaled_ms(FIRST_S[kind]) if first_ms is None else first_ms
    poll = await tx.value(
        """insert into marking.polls (id, kind, participant_id, subject_id, due_at, interval_s)
           values (%(id)s, %(kind)s, %(participant)s, %(subject)s,
               clock_timestamp() + %(first)s * interval '1 millisecond', %(interval)s)
           on conflict (kind, subject_id) do update
               set due_at = least(marking.polls.due_at, excluded.due_at),
                   passes = marking.polls.passes + 1
           returning id""",
        id=new_id(),
        kind=kind,
        participant=participant_id,
        subject=subject,
        first=first,
        interval=first / 1_000,
    )
    return str(poll)


async def next_poll(tx: Transaction, poll_id: str, *, in_ms: int, ok: bool) -> None:
    await tx.execute(
        """update marking.polls set interval_s = %(interval)s,
               due_at = clock_timestamp() + %(in_ms)s * interval '1 millisecond',
               last_ok_at = case when %(ok)s then clock_timestamp() else last_ok_at end
           where id = %(id)s""",
        interval=in_ms / 1_000,
        in_ms=in_ms,
        ok=ok,
        id=poll_id,
    )


async def end_poll(tx: Transaction, poll_id: str, *, passes: int) -> bool:
    """Nothing is left to ask, unless somebody has asked for more since this pass began."""
    touched = await tx.execute(
        "delete from marking.polls where id = %(id)s and passes = %(passes)s",
        id=poll_id,
        passes=passes,
    )
    return touched == 1


async def drop_poll(tx: Transaction, *, kind: str, subject: str) -> None:
    await tx.execute(
        "delete from marking.polls where kind = %(kind)s and subject_id = %(subject)s",
        kind=kind,
        subject=subject,
    )
