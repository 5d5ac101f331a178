"""Where messages are kept between being asked for and being over: every statement about them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from app.certificates.database import Database, Row
from app.certificates.notify.course import ENDS, Course, State
from app.certificates.notify.texts import Facts
from app.domain.certificates.commands import Sealed
from app.domain.certificates.events import NotificationAsked
from app.domain.policy import Policy

Begun = Callable[[Course, int], Course]
CLAIM_MOST = 32  # so many calls at once, all within one claim
TOLD_MOST = 500
SWEPT_MOST = 1_000
_pack = msgspec.msgpack.Encoder().encode
_sealed = msgspec.msgpack.Decoder(Sealed).decode

INSERT = """
INSERT INTO certificates.notification (
    notification_id, template, certificate_id, last4, order_id, order_line_id, amount, currency,
    valid_until, sealed, asked_at
)
SELECT notification_id, template, certificate_id, last4, order_id, order_line_id, amount, currency,
    to_timestamp(valid_until / 1000.0), decode(sealed, 'base64'), to_timestamp(asked_at / 1000.0)
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(
    notification_id text, template text, certificate_id text, last4 text, order_id text,
    order_line_id text, amount bigint, currency text, valid_until bigint, sealed text,
    asked_at bigint
)
ON CONFLICT (notification_id) DO NOTHING
"""
_MS = "(extract(epoch FROM {}) * 1000)::bigint"
DUE = f"""
SELECT notification_id, template, certificate_id, last4, order_id, order_line_id, amount, currency,
    {_MS.format("valid_until")} AS valid_until, sealed, state, tries, sends, gateway_id, error,
    {_MS.format("created_at")} AS since, {_MS.format("last_send_at")} AS last_send,
    {_MS.format("next_try_at")} AS next_at, {_MS.format("clock_timestamp()")} AS now
FROM certificates.notification
WHERE next_try_at <= clock_timestamp()
ORDER BY next_try_at
LIMIT %(most)s
FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - no values in it
PUT = """
UPDATE certificates.notification AS t SET
    state = r.state, tries = r.tries, sends = r.sends, gateway_id = r.gateway_id, error = r.error,
    last_send_at = to_timestamp(r.last_send / 1000.0),
    next_try_at = to_timestamp(r.next_at / 1000.0), claim = %(claim)s,
    ended_at = CASE WHEN r.next_at IS NULL THEN clock_timestamp() END
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(
    notification_id text, state text, tries integer, sends integer, gateway_id text, error text,
    last_send bigint, next_at bigint
)
WHERE t.notification_id = r.notification_id
    AND (%(known)s::text IS NULL OR t.claim = %(known)s) AND t.next_try_at IS NOT NULL
RETURNING {now} AS now
""".format(now=_MS.format("clock_timestamp()"))
UNTOLD = """
SELECT notification_id, template, order_id, order_line_id, state
FROM certificates.notification
WHERE next_try_at IS NULL AND NOT told ORDER BY ended_at LIMIT %(most)s
"""
TELL = "UPDATE certificates.notification SET told = true WHERE notification_id = ANY(%(ids)s)"
ERASE = """
UPDATE certificates.notification SET sealed = NULL WHERE notification_id IN (
    SELECT notification_id FROM certificates.notification
    WHERE sealed IS NOT NULL AND (
        created_at < now() - %(other_days)s * interval '1 day'
        OR state = 'SENT' AND ended_at < now() - %(sent_days)s * interval '1 day'
    )
    LIMIT %(most)s
)
"""
FORGET = """
DELETE FROM certificates.notification WHERE notification_id IN (
    SELECT notification_id FROM certificates.notification
    WHERE created_at < now() - %(days)s * interval '1 day' AND next_try_at IS NULL AND told
    LIMIT %(most)s
)
"""
WAITING = """
SELECT count(*) AS waiting,
    coalesce(max(extract(epoch FROM clock_timestamp() - created_at)), 0)::float8 AS oldest_s
FROM certificates.notification WHERE next_try_at IS NOT NULL
"""


class Due(NamedTuple):
    """A message that is due; `sealed` None: erased; `now`: the database's clock, ms."""

    id: str
    facts: Facts
    certificate_id: str
    order_id: str | None
    order_line_id: str | None
    sealed: Sealed | None
    course: Course
    now: int


class Ended(NamedTuple):
    id: str
    template: str
    order_id: str | None
    order_line_id: str | None
    state: str


class Store:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, asked: Iterable[NotificationAsked]) -> int:
        """How many of them were new; a repeated one changes nothing."""
        rows = msgspec.json.encode([_row(one) for one in asked]).decode()
        async with self._database.transaction() as tx:
            return await tx.execute(INSERT, rows=rows)

    async def claim(self, name: str, begun: Begun) -> list[Due]:
        """Takes what is due; `begun` says how each is stored before anybody works on it.

        `name`: of this claim; only who knows it may store what comes of the work.
        """
        async with self._database.transaction() as tx:
            rows = await tx.rows(DUE, most=CLAIM_MOST)
            taken = [_due(row, begun) for row in rows]
            if taken:
                courses = msgspec.json.encode([_course_row(due) for due in taken]).decode()
                await tx.execute(PUT, rows=courses, claim=name, known=None)
        return taken

    async def put(self, name: str, due: Due) -> bool:
        """False: another worker has taken the message over, nothing was stored."""
        course = msgspec.json.encode([_course_row(due)]).decode()
        row = await self._database.one(PUT, rows=course, claim=name, known=name)
        return row is not None

    async def untold(self) -> list[Ended]:
        rows = await self._database.rows(UNTOLD, most=TOLD_MOST)
        return [Ended(*row.values()) for row in rows]

    async def told(self, ids: Sequence[str]) -> None:
        async with self._database.transaction() as tx:
            await tx.execute(TELL, ids=list(ids))

    async def sweep(self, policy: Policy) -> None:
        """Erases sealed contacts and then rows that have had their time."""
        async with self._database.transaction() as tx:
            await tx.execute(
                ERASE,
                other_days=policy.contact_after_activation_days,
                sent_days=policy.contact_after_sent_days,
                most=SWEPT_MOST,
            )
            await tx.execute(FORGET, days=policy.order_kept_days, most=SWEPT_MOST)

    async def waiting(self) -> tuple[int, float]:
        """How many are not over, and the age of the oldest in seconds."""
        row = await self._database.one(WAITING)
        assert row is not None
        return row["waiting"], row["oldest_s"]


def _row(asked: NotificationAsked) -> dict[str, Any]:
    return {
        "notification_id": asked.id,
        "template": asked.template,
        "certificate_id": asked.certificate_id,
        "last4": asked.last4,
        "order_id": asked.order_id,
        "order_line_id": asked.order_line_id,
        "amount": asked.amount,
        "currency": asked.currency,
        "valid_until": asked.valid_until,
        "sealed": _pack(asked.sealed),
        "asked_at": asked.at,
    }


def _due(row: Row, begun: Begun) -> Due:
    course = Course(
        row["since"],
        row["next_at"],
        State(row["state"]),
        row["tries"],
        row["sends"],
        row["last_send"],
        row["gateway_id"],
        row["error"],
    )
    facts = (row[name] for name in ("template", "last4", "amount", "currency", "valid_until"))
    return Due(
        row["notification_id"],
        Facts(*facts),
        row["certificate_id"],
        row["order_id"],
        row["order_line_id"],
        None if row["sealed"] is None else _sealed(bytes(row["sealed"])),
        begun(course, row["now"]),
        row["now"],
    )


def _course_row(due: Due) -> dict[str, Any]:
    course = due.course
    assert (course.next_at is None) == (course.state in ENDS)
    return {"notification_id": due.id} | msgspec.structs.asdict(course)
