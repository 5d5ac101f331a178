"""The escalation clock of orders: it counts only time in which asking about them worked."""

from typing import Final

from app.marking.database import Row
from app.marking.desk import Desk

_ADD: Final = """
update marking.orders o set waited_from = clock_timestamp(),
    waited_s = waited_s + case when waited_from is null then 0 else
        least(extract(epoch from clock_timestamp() - waited_from), 2 * %(interval)s)
            * %(scale)s end
"""
_AT_STATION: Final = """
(o.status in ('EMITTING', 'COLLECTING') or (o.status = 'CLOSING' and not exists (
     select 1 from marking.calls c where c.order_id = o.id and c.operation = 'close_order'
         and c.state = 'PLANNED')))
"""
# Which orders of the participant a poll of this kind has asked about.
_ASKED: Final = {
    "documents": """
(o.status = 'DOC_CHECKING' or (o.status = 'POSTPROCESSING' and exists (
     select 1 from marking.documents d where d.order_id = o.id and d.status = 'CHECKING')))
""",
    "suz_list": _AT_STATION,
    "suz_status": f"""
{_AT_STATION} and o.id = (select s.order_id from marking.suz_orders s
                          where s.id = %(subject)s::uuid)
""",  # noqa: S608
    "report": """
o.status = 'POSTPROCESSING' and o.id = (select r.order_id from marking.suz_reports r
                                        where r.id = %(subject)s::uuid)
""",
}


async def add_poll(desk: Desk, poll: Row) -> None:
    """A poll was answered whole: the orders it asked about have waited since the last one."""
    await desk.database.execute(
        f"{_ADD} where o.participant_id = %(id)s and {_ASKED[poll['kind']]}",
        interval=poll["interval_s"],
        scale=desk.terms.marking_time_scale,
        id=poll["participant_id"],
        subject=poll["subject_id"],
    )


async def add_lookup(desk: Desk, order_id: str, *, interval_ms: int) -> None:
    """The order has asked for itself, as its polls would."""
    await desk.database.execute(
        f"{_ADD} where o.id = %(id)s",
        interval=interval_ms / 1_000,
        scale=desk.terms.marking_time_scale,
        id=order_id,
    )
