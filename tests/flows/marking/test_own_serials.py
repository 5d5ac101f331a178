"""Serials of our own: never in two orders, free again when the station refuses their line."""

import pytest

from app.domain.marking.dictionaries import SerialNumberType
from app.domain.marking.draft import Attributes, DraftLine, OrderDraft
from app.domain.marking.view import Operation
from app.marking import calls, order_pages, serials
from app.marking.calls import NewCall
from app.marking.corrections import correct
from app.marking.errors import OrderValidationError
from app.marking.reordering import lines_to_reorder
from tests.flows.marking.rig import Rig

OWN = tuple(f"AAAA0000000{n}" for n in range(3))
TAKEN = "уже использованы"
RESERVED = "select count(*) from marking.serials where order_id = %(id)s"


def own_line(gtin: str) -> DraftLine:
    return DraftLine(gtin, len(OWN), SerialNumberType.SELF_MADE, OWN)


async def placed(rig: Rig, *lines: DraftLine) -> str:
    draft = OrderDraft(lines=lines)
    return (await rig.flow.start_order_flow(rig.user_id, lines[0].gtin, draft=draft)).id


async def placed_own(rig: Rig) -> str:
    return await placed(rig, own_line(rig.gtins(1)[0]))


async def declined(rig: Rig) -> str:
    rig.player.fault("suz.create_order", "decline", text="Проверка не пройдена")
    order = await placed_own(rig)
    await rig.until_status(order, "DECLINED")
    assert await rig.count(RESERVED, id=order) == 0
    return order


async def codes_of(rig: Rig, order: str) -> list[str]:
    sql = "select ki from marking.codes where order_id = %(id)s order by ki"
    return [row["ki"][-12:] for row in await rig.database.rows(sql, id=order)]


async def test_a_corrected_order_has_its_serials_again(rig: Rig) -> None:
    order = await declined(rig)

    await correct(rig.desk, order, user_id=rig.user_id, attributes=Attributes())

    with pytest.raises(OrderValidationError, match=TAKEN):
        await placed_own(rig)
    await rig.until_status(order, "COMPLETED", within_s=60)
    assert await codes_of(rig, order) == list(OWN)


@pytest.mark.parametrize("relined", [False, True])
async def test_a_correction_is_refused_when_another_order_has_the_serials(
    rig: Rig, *, relined: bool
) -> None:
    order = await declined(rig)
    rig.works = False
    other = await placed_own(rig)
    lines = [own_line(rig.gtins(1)[0])] if relined else None

    with pytest.raises(OrderValidationError, match=TAKEN):
        await correct(rig.desk, order, user_id=rig.user_id, attributes=Attributes(), lines=lines)

    assert (await rig.order(order)).status == "DECLINED"
    assert await rig.count(RESERVED, id=other) == len(OWN)


async def test_a_rejected_line_gives_its_serials_back_and_is_ordered_anew_with_them(
    rig: Rig,
) -> None:
    plain, own = rig.gtins(2)
    rig.player.fault("suz.create_order", "reject", gtin=own, text="Товар исключён")
    order = await placed(rig, DraftLine(plain, 2), own_line(own))
    await rig.until_status(order, "COMPLETED", within_s=60)
    assert await rig.count(RESERVED, id=order) == 0

    lines = await lines_to_reorder(rig.database, await order_pages.one(rig.database, order))
    anew = await placed(rig, *lines)

    await rig.until_status(anew, "COMPLETED", within_s=60)
    assert await codes_of(rig, anew) == list(OWN)


async def test_serials_the_station_may_have_used_are_not_ordered_anew(rig: Rig) -> None:
    rig.player.fault("suz.fetch_codes", "close", gtin=rig.gtins(1)[0])
    order = await placed_own(rig)
    await rig.until_status(order, "COMPLETED", within_s=60)

    with pytest.raises(OrderValidationError, match="новыми серийными номерами"):
        await lines_to_reorder(rig.database, await order_pages.one(rig.database, order))

    assert await rig.count(RESERVED, id=order) == len(OWN)


async def test_serials_of_a_lost_attempt_are_not_given_back(rig: Rig) -> None:
    rig.works = False
    order = await placed_own(rig)
    new = NewCall(rig.participant_id, order, Operation.CREATE_ORDER, "attempt")
    async with rig.database.transaction() as tx:
        await calls.plan(tx, new)
        await tx.execute("update marking.calls set state = 'ABSENT', doubted = true")
        await serials.give_back(tx, order)
    assert await rig.count(RESERVED, id=order) == len(OWN)

    async with rig.database.transaction() as tx:
        await tx.execute("update marking.calls set state = 'FOUND'")
        await serials.give_back(tx, order)
    assert await rig.count(RESERVED, id=order) == 0
