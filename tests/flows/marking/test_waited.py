"""The escalation clock: what counts for an order, and that only this makes it long."""

from typing import Any

import pytest

from app.domain.marking.view import Operation
from app.marking import calls
from app.marking.calls import NewCall
from app.marking.escalations import escalate
from app.marking.ids import new_id
from app.marking.waited import add_lookup, add_poll
from tests.flows.marking.rig import SCALE, Rig

# Written out: they name the cases, and every process that runs tests must give them alike.
STATION, REPORT, OTHER = (f"01a224b3-0000-7000-8000-00000000000{n}" for n in range(3))
INTERVAL_S = 1.0
COUNTED = (
    ("DOC_CHECKING", "documents", "", True),
    ("DOC_CHECKING", "suz_list", "", False),
    ("EMITTING", "suz_list", "", True),
    ("COLLECTING", "suz_status", STATION, True),
    ("COLLECTING", "suz_status", OTHER, False),
    ("COLLECTING", "report", REPORT, False),
    ("POSTPROCESSING", "report", REPORT, True),
    ("POSTPROCESSING", "report", OTHER, False),
    ("POSTPROCESSING", "documents", "CHECKING", True),
    ("POSTPROCESSING", "documents", "SIGNING", False),
    ("CLOSING", "suz_list", "UNKNOWN", True),
    ("CLOSING", "suz_list", "PLANNED", False),
)


async def long_ago(rig: Rig, order: str, status: str) -> None:
    """The order is in this status and was last asked about long ago."""
    await rig.database.execute(
        """update marking.orders set status = %(status)s, waited_s = 0,
               status_at = status_at - interval '1 day',
               waited_from = clock_timestamp() - interval '1 day' where id = %(id)s""",
        status=status,
        id=order,
    )


async def at_station(rig: Rig, order: str) -> None:
    async with rig.database.transaction() as tx:
        await tx.execute(
            """insert into marking.suz_orders (id, order_id, attempt, production_order_id, body,
                   body_sha256) values (%(id)s, %(order)s, 1, 'mk-1', '', '')""",
            id=STATION,
            order=order,
        )
        await tx.execute(
            """insert into marking.suz_reports (id, order_id, kind, part, body_enc, body_sha256,
                   status) values (%(id)s, %(order)s, 'utilisation', 1, '', '', 'CHECKING')""",
            id=REPORT,
            order=order,
        )


async def beside(rig: Rig, order: str, word: str) -> None:
    """A document, or a call to close, in this state."""
    if word in {"CHECKING", "SIGNING"}:
        await rig.database.execute(
            """insert into marking.documents (id, order_id, purpose, part, attempt, type, body,
                   body_sha256, status) values (%(id)s, %(order)s, 'write_off', 1, 1,
                   'WRITE_OFF', '', '', %(status)s)""",
            id=new_id(),
            order=order,
            status=word,
        )
    if word in {"PLANNED", "UNKNOWN"}:
        new = NewCall(rig.participant_id, order, Operation.CLOSE_ORDER, STATION)
        async with rig.database.transaction() as tx:
            call = await calls.plan(tx, new)
            sql = "update marking.calls set state = %(word)s where id = %(id)s"
            await tx.execute(sql, word=word, id=call)


@pytest.mark.parametrize(("status", "kind", "word", "counts"), COUNTED)
async def test_only_polls_about_an_order_count_for_it(
    *, rig: Rig, status: str, kind: str, word: str, counts: bool
) -> None:
    rig.works = False
    order = await rig.start(1)
    await at_station(rig, order)
    await beside(rig, order, word)
    await long_ago(rig, order, status)
    asked = kind in {"suz_status", "report"}
    poll: dict[str, Any] = {
        "kind": kind,
        "participant_id": rig.participant_id,
        "subject_id": word if asked else rig.participant_id,
        "interval_s": INTERVAL_S,
    }

    await add_poll(rig.desk, poll)

    waited = (await rig.order(order)).waited_s
    assert waited == (2 * INTERVAL_S * SCALE if counts else 0)


async def test_an_order_after_closing_is_long_only_by_what_it_was_asked(rig: Rig) -> None:
    rig.works = False
    order = await rig.start(1)
    await long_ago(rig, order, "POSTPROCESSING")
    assert await escalate(rig.desk) == 0

    hour_ms = round(3_600_000 / SCALE)
    await add_lookup(rig.desk, order, interval_ms=hour_ms)

    assert (await rig.order(order)).waited_s == 7_200
    assert await escalate(rig.desk) == 1
