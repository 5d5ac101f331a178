"""What people read when codes are missing at the end, or not as they should be."""

import pytest

from app.marking.messages_ru import malformed_text
from tests.flows.marking.rig import Rig


async def notices(rig: Rig, kind: str) -> list[str]:
    sql = "select text from marking.notifications where kind = %(kind)s"
    return [row["text"] for row in await rig.database.rows(sql, kind=kind)]


async def test_an_order_closed_before_its_last_code_says_how_many_came(rig: Rig) -> None:
    rig.player.control("PUT", "/switches", {"drain_close_delay_s": 0})
    rig.player.fault("suz.fetch_codes", "drop", nth=2)

    order = await rig.start(20)

    await rig.until_status(order, "COMPLETED", within_s=60)
    assert await notices(rig, "order.closed") == [
        "Заказ закрыт на стороне СУЗ. Получено 19 из 20, недостающие можно заказать заново."
    ]


async def test_codes_against_the_pattern_are_told_once(rig: Rig) -> None:
    rig.player.fault("suz.fetch_codes", "malformed_code")

    order = await rig.start(20)

    await rig.until_status(order, "COMPLETED", within_s=60)
    assert await notices(rig, "codes.malformed") == [
        "1 код не по формату: выгрузить можно, печатать нельзя."
    ]
    assert await notices(rig, "order.closed") == ["Заказ закрыт, коды получены"]


@pytest.mark.parametrize(
    ("count", "start"),
    [(1, "1 код "), (2, "2 кода "), (5, "5 кодов "), (11, "11 кодов "), (21, "21 код ")],
)
def test_malformed_codes_are_counted_in_words(count: int, start: str) -> None:
    assert malformed_text(count).startswith(start)
